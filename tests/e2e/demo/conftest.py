# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the demo once for all tests of this folder; its platform stays for those that come after."""

from __future__ import annotations

import pytest
from demo_run import Demo, run_demo


@pytest.fixture(scope="session")
def demo() -> Demo:
    return run_demo()
