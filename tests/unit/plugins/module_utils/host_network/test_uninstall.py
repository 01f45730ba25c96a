# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken away with the platform, and what stays so that nobody is cut off."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import WANTED, Judge, device, settle

VMS: dict[str, Any] = {
    "bonds": WANTED["bonds"],
    "bridges": WANTED["bridges"],
    "interfaces": [{"name": "eth3", "mtu": 9000}],
}
STORAGE = {"interfaces": [{"name": "eth3", "addresses": ["203.0.113.11/24"]}]}


def test_networks_of_virtual_machines_go_as_a_whole(facts: dict[str, Any], ask: Judge) -> None:
    settle(facts, ask(**VMS))
    facts["addresses"]["br-vm"] = ["fe80::2/64"]  # every link that is up has one
    result = ask(take_away=True, **VMS)
    assert (result["faults"], result["stays"]) == ([], [])
    assert result["plan"]["removed"] == sorted(facts["files"])
    assert result["plan"]["files"] == {}
    assert sorted(result["plan"]["touched"]) == ["bond0", "br-vm", "eth1", "eth2"]

    facts["files"], facts["record"] = {}, {}
    assert ask(take_away=True, **VMS)["plan"]["work"] is False


def test_a_link_with_an_address_stays_and_is_not_changed(facts: dict[str, Any], ask: Judge) -> None:
    settle(facts, ask(bonds=WANTED["bonds"], bridges=WANTED["bridges"], **STORAGE))
    before = dict(facts["files"])
    facts["links"]["eth3"]["mtu"] = 1400  # drift of what stays is not repaired on the way out
    result = ask(take_away=True)
    assert result["stays"] == ["eth3: it carries 203.0.113.11/24"]
    record = "/etc/kubevirt-ha/network.json"
    assert {path for path in result["plan"]["files"] if path != record} == {path for path in before if "eth3" in path}
    assert all(text == before[path] for path, text in result["plan"]["files"].items() if path != record)
    assert list(json.loads(result["plan"]["files"][record])["links"]) == ["eth3"]
    assert "eth3" not in result["plan"]["touched"]
    assert "eth3" not in " ".join(result["plan"]["apply"])

    # A second run finds nothing to do.
    facts["files"] = dict(result["plan"]["files"])
    facts["record"] = json.loads(facts["files"][record])
    again = ask(take_away=True)
    assert (again["plan"]["work"], again["stays"]) == (False, result["stays"])


def test_what_is_tied_to_an_address_stays_with_it(facts: dict[str, Any], ask: Judge) -> None:
    settle(facts, ask(**WANTED, interfaces=[{"name": "eth3", "mtu": 9000}]))
    result = ask(take_away=True)
    assert result["stays"] == [
        "eth1: it is tied to bond0",
        "eth2: it is tied to bond0",
        "bond0: it is tied to bond0.30",
        "bond0.30: it carries 198.51.100.11/24",
        "br-vm: it is tied to bond0",
    ]
    assert result["plan"]["touched"] == []
    assert [path for path in result["plan"]["removed"] if "eth3" not in path] == []


@pytest.mark.parametrize(
    ("link", "change"),
    [
        ("br-old", {"addresses": ["10.0.0.1/24"]}),
        ("br-old", {"routes": [{"dst": "default", "dev": "br-old"}]}),
    ],
)
def test_a_link_below_somebody_elses_way_to_the_host_stays(
    facts: dict[str, Any], ask: Judge, link: str, change: dict[str, Any]
) -> None:
    settle(facts, ask(bonds=WANTED["bonds"]))
    facts["links"]["bond0"]["master"] = link
    facts["addresses"][link] = change.get("addresses", [])
    facts["routes"] = change.get("routes", facts["routes"])
    result = ask(take_away=True)
    assert "bond0: it is tied to br-old" in result["stays"] or "bond0: it carries the default route" in result["stays"]
    assert result["plan"]["work"] is False


def test_a_port_that_fell_out_of_what_stays_keeps_its_file(facts: dict[str, Any], ask: Judge) -> None:
    bridge = {"name": "br-st", "ports": ["eth3"], "addresses": ["203.0.113.11/24"]}
    settle(facts, ask(bridges=[bridge]))
    facts["links"]["eth3"].pop("master")
    assert ask(take_away=True)["stays"] == ["eth3: it is tied to br-st", "br-st: it carries 203.0.113.11/24"]


def test_a_bridge_with_ports_of_others_stays(facts: dict[str, Any], ask: Judge) -> None:
    settle(facts, ask(**VMS))
    facts["links"]["vnet3"] = device("vnet3", master="br-vm")
    result = ask(take_away=True)
    assert "br-vm: vnet3, which the role did not make, are in it" in result["stays"]
    assert "br-vm" not in result["plan"]["touched"]
