# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's end, after all that was played on it."""

from __future__ import annotations

import machine
from demo_run import LAB, make, read_before

# What `make lab-destroy` keeps: programs, systems and images that were built or downloaded.
KEPT = {"archive", "archive-cache", "bin", "debs", "go", "guest", "images", "registry", "system"}


def test_destroy_leaves_nothing_behind() -> None:
    before = read_before()
    assert make("lab-destroy") == 0
    assert machine.look(LAB).beyond(before) == {}
    assert {path.name for path in LAB.iterdir()} <= KEPT


def test_destroy_twice_is_as_good() -> None:
    assert make("lab-destroy") == 0
