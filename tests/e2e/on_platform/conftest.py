# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of the demo's platform and what is done to it, which leaves it as it was."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def needs_platform(platform_is_there: None) -> None:
    """Skips each test here, with the way out, where there is no platform."""
