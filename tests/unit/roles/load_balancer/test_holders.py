# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long an address had how many holders, from what `ip monitor` said."""

from __future__ import annotations

from datetime import datetime

import pytest
from holders import changes, holding

REST = r"    inet 192.0.2.100/32 scope global eth0\       valid_lft forever preferred_lft forever"
SAID = {
    "n1": f"[2026-11-28T18:00:02.500000] Deleted 2: eth0{REST}\n",
    "n2": f"[2026-11-28T18:00:02.000000] 2: eth0{REST}\n[2026-11-28T18:00:03.000000] 2: eth0    inet 192.0.2.7/24 scope x\n",
}


def at(second: float) -> float:
    return datetime.fromisoformat("2026-11-28T18:00:00").timestamp() + second


def test_changes_of_the_address_alone_in_their_order() -> None:
    found = changes(SAID, "192.0.2.100")
    assert [(change.at, change.node, change.here) for change in found] == [(at(2), "n2", True), (at(2.5), "n1", False)]


def test_two_holders_between_the_taking_and_the_leaving() -> None:
    found = holding(changes(SAID, "192.0.2.100"), ["n1"], at(0), at(10))
    assert found == pytest.approx({1: 9.5, 2: 0.5})


def test_none_between_the_leaving_and_the_taking() -> None:
    gap = {"n1": SAID["n1"], "n2": SAID["n2"].replace("02.000000", "02.900000")}
    assert holding(changes(gap, "192.0.2.100"), ["n1"], at(0), at(10)) == pytest.approx({1: 9.6, 0: 0.4})


def test_what_happened_outside_of_the_time_counts_for_who_holds() -> None:
    assert holding(changes(SAID, "192.0.2.100"), ["n1"], at(2.2), at(2.4)) == pytest.approx({1: 0.0, 2: 0.2})
