# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ceph answers when it is asked for its health."""

from __future__ import annotations

import json


def ceph(status: str = "HEALTH_OK", *, muted: bool = False, **checks: str) -> str:
    """Ceph's health; each check by its code with what it says."""
    told = {
        code: {"severity": status, "summary": {"message": message, "count": 1}, "detail": [], "muted": muted}
        for code, message in checks.items()
    }
    return json.dumps({"status": status, "checks": told, "mutes": []})
