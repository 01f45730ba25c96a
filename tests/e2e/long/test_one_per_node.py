# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines of a one-per-node group stay on nodes of their own when a node is lost: the one that was on it waits for its return."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import keep_figure
import platform_lab as platform
import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure

SPACE, GROUP, LOST = "one-per-node", "apart", "n2"
NODES = {"n1", "n2", "n3"}
NAMES = tuple(f"apart-{number}" for number in (1, 2, 3))
SECONDS_WATCHED = 20


def places() -> dict[str, str]:
    return platform.places(SPACE)


@pytest.fixture
def machines() -> Iterator[dict[str, str]]:
    """Three machines of one group, each on a node of its own."""
    platform.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
    try:
        defaults = {**platform.DISKLESS, "one_per_node": {"group": GROUP}}
        platform.vm(SPACE, defaults=defaults, vms=[{"name": name} for name in NAMES], wait_timeout=180)
        platform.wait_until(lambda: set(places().values()) == NODES, "each machine runs on a node of its own", 60)
        yield places()
    finally:
        platform.vm(SPACE, vms=[{"name": name} for name in NAMES], state="absent")
        platform.kubectl("delete", "namespace", SPACE)


def test_the_one_on_the_lost_node_waits_for_its_return(machines: dict[str, str]) -> None:
    stays = {name: node for name, node in machines.items() if node != LOST}
    (lost,) = set(NAMES) - stays.keys()
    platform.take_power(LOST)
    try:
        platform.wait_until(lambda: places() == stays, f"{lost} is taken off {LOST}")
        most = 1
        for _second in range(SECONDS_WATCHED):
            most = max(most, *Counter(places().values()).values())
            time.sleep(1)
        waits = platform.get("virtualmachine", lost, f"--namespace={SPACE}")["status"]["printableStatus"]
    finally:
        platform.give_power(LOST)
    platform.wait_until(lambda: set(places().values()) == NODES, f"{lost} runs on {LOST} again", 180)
    figure = Figure(
        "one_per_node_machines_on_one_node_after_a_loss", most, "machines", 1, SECONDS_WATCHED, more={"waits": waits}
    )
    keep_figure.keep("systems", figure, command="pytest tests/e2e/long")
    assert figure.passed
    assert waits in ("ErrorUnschedulable", "Starting"), waits
    assert {name: places()[name] for name in stays} == stays
