# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bonds, VLANs and bridges that filter them, by systemd-networkd on a kernel that has them: they carry, hold, and go."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.long
Story = dict[str, Any]
DRIFTS = ("vlans", "mtu", "filtering", "bond", "mode", "bridge")


def test_the_story_was_played(story: Story) -> None:
    assert "error" not in story, story["error"]
    assert story["wires"] == "0"


def test_links_become_what_was_asked_for_and_stay(story: Story) -> None:
    layout = story["layout"]
    assert layout["faults"] == []
    assert "bond0 is missing" in layout["before"]
    assert layout["said"].startswith("0"), layout
    assert (layout["after"], layout["work"]) == ([], False)


def test_both_ports_of_the_bond_are_one_with_the_switch(story: Story) -> None:
    assert "Number of ports: 2" in story["lacp"], story["lacp"]


def test_a_vlan_of_the_bond_carries_its_mtu_and_no_more(story: Story) -> None:
    assert story["bond_vlan"] is True
    assert story["bond_vlan_too_large"] is False


def test_the_host_is_in_a_vlan_of_the_bridge(story: Story) -> None:
    assert story["bridge_vlan"] is True


def test_a_guest_is_reached_from_outside_in_its_vlan_and_not_in_one_that_is_not_carried(story: Story) -> None:
    guests = story["guests"]
    assert (guests["plugged_100"], guests["plugged_101"]) == ("", "")
    assert guests["reached_100"] is True
    assert guests["reached_101"] is False


def test_a_virtual_machine_on_an_attachment_is_reached_from_outside_in_its_vlan(story: Story) -> None:
    machine = story["machine"]
    assert [link["name"] for link in machine["plugged"]["interfaces"]][::2] == ["br-vm", "net1"]
    assert machine["bound"] == "0"
    assert machine["first"] > 0, machine["console"]
    assert machine["of_another_vlan"] == -1
    assert machine["last"] > machine["first"]
    assert (machine["unplugged"], machine["left"]) == ({}, "1")


@pytest.mark.parametrize("name", DRIFTS)
def test_drift_is_repaired(story: Story, name: str) -> None:
    drift = story["drifts"][name]
    assert drift["before"], drift
    assert (drift["faults"], drift["after"], drift["work"]) == ([], [], False), drift
    assert drift["bond_vlan"] is True


def test_all_holds_when_networkd_starts_anew(story: Story) -> None:
    assert story["after_restart"] == [], story["restart"]


def test_what_is_no_longer_wanted_is_gone(story: Story) -> None:
    removed = story["removed"]
    assert (removed["faults"], removed["said"], removed["after"], removed["work"]) == ([], "0", [], False), removed
    assert story["left"] == "1", story["left"]
