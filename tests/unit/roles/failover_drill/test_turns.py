# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which node each drill of a series takes, and which machines are on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).resolve().parents[4] / "roles" / "failover_drill"
NODES = ["n3", "n1", "n2", "c1"]
SERIES = {"failover_drill_nodes": NODES, "failover_drill_runs": 1, "failover_drill_each_node": True, "groups": {}}


def told(name: str, given: dict[str, Any]) -> Any:
    """The value of one of the role's own variables."""
    own = DataLoader().load_from_file(str(ROLE / "vars/main.yml"), trusted_as_template=True)
    return Templar(variables={**own, **given}).template(trust_as_template("{{ " + name + " }}"))


@pytest.mark.parametrize(
    ("given", "turns"),
    [
        ({}, NODES),
        ({"groups": {"kvm_nodes": ["n1", "n2", "n3"]}}, ["n3", "n1", "n2"]),
        ({"groups": {"kvm_nodes": ["n2"]}, "failover_drill_runs": 2}, ["n2", "n2"]),
        ({"groups": {"kvm_nodes": ["other.names"]}}, []),
        ({"failover_drill_each_node": False, "failover_drill_node": "n2"}, ["n2"]),
        ({"failover_drill_each_node": False, "failover_drill_node": ""}, [""]),
    ],
    ids=["no group", "in the inventory's order", "twice", "names of another inventory", "one", "any"],
)
def test_nodes_that_run_machines_are_taken_in_turn(given: dict[str, Any], turns: list[str]) -> None:
    assert told("__failover_drill_turns", {**SERIES, **given}) == turns


def test_machines_are_those_of_the_drill_that_are_on_a_node() -> None:
    places = {"demo-1": "n1", "demo-2": "n2", "demo-3": "n2", "demo-4": "", "other": "n3"}
    given = {
        "failover_drill_machines": [{"name": f"demo-{number}"} for number in (1, 2, 3, 4)],
        "__failover_drill_instances": {"vmis": [{"name": name, "node": node} for name, node in places.items()]},
    }
    assert told("__failover_drill_machines_at", given) == {"n1": ["demo-1"], "n2": ["demo-2", "demo-3"]}
