# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus says of its targets. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring import scrape

_REFUSALS = re.compile(r"HTTP status 40[13]|x509|certificate|tls:|unsupported protocol|invalid|expected")

Target = Mapping[str, Any]


def down(targets: Sequence[Target]) -> list[str]:
    """Those that do not answer, each with what was said."""
    return [_told(target) for target in targets if target["health"] == "down"]


def bad(targets: Sequence[Target], expected: Mapping[str, int]) -> list[str]:
    """What this role lays out and does not answer, what refuses to answer it, and what Prometheus knows nothing of.

    Anything else that is down has its alert. expected: how many targets there must be, by job.
    """
    found = [
        _told(target)
        for target in targets
        if target["health"] == "down" and (target["scrapePool"] in scrape.OWN_JOBS or _REFUSALS.search(_told(target)))
    ]
    for job, count in expected.items():
        healths = [target["health"] for target in targets if target["scrapePool"] == job]
        asked = len(healths) if job in scrape.SLOW_JOBS else len(healths) - healths.count("unknown")
        if asked < count:
            found.append(f"{job}: {asked} of {count} targets were asked")
    return found


def _told(target: Target) -> str:
    return f"{target['scrapePool']} {target['labels']['instance']}: {target['lastError']}"
