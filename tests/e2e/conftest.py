# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the demo once for all tests of this folder; no lab is left afterwards."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from demo_run import Demo, make, run_demo


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    try:
        yield run_demo()
    finally:
        make("lab-destroy")
