# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a maintenance reads of a cluster, and the pause that it makes of a machine's migration."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import maintenance
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.maintenance import DUE, NOTE, UPGRADE
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.names import MAINTENANCE
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import NODE

from .world import World

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def annotate(client: Any) -> Iterator[Callable[..., None]]:
    """Writes annotations on a node, which are taken away at the end."""
    written: list[tuple[str, str]] = []

    def write(node: str, **annotations: str) -> None:
        written.extend((node, key) for key in annotations)
        client.patch(NODE, node, {"metadata": {"annotations": annotations}})

    yield write
    for node, key in written:
        client.patch(NODE, node, {"metadata": {"annotations": {key: None}}})


def test_what_is_under_way_is_read_off_the_nodes(module: Run, world: World, annotate: Callable[..., None]) -> None:
    first, second = world.nodes()[:2]
    assert module("maintenance_info", nodes=[first])["under_way"] == []
    annotate(first, **{NOTE: json.dumps({"end": "leave", "boot_id": "b"}), MAINTENANCE: "playbook"})
    annotate(second, **{UPGRADE: "uncordon", DUE: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
    found = module("maintenance_info", nodes=[first])
    assert found["notes"] == {first: {"end": "leave", "boot_id": "b", "done": False}}
    assert found["left"] == [second]
    assert [fault.partition(":")[0] for fault in found["under_way"]] == [second]
    assert found["requests"]["writes"] == 0


def test_a_drained_machine_gives_the_figure(module: Run, world: World) -> None:
    world.make(evictionStrategy="LiveMigrate")
    node = world.node()
    done = module("node_drain", nodes=[node], pod_selector=f"test={world.namespace}")
    after = module("maintenance_info", nodes=[node])
    assert after["cordoned"] == [node]
    turn = {"drained": done["nodes"][0]["vms"], "machines": after["machines"]}
    found = maintenance.pauses([turn], [])
    figure = maintenance.figure(found, False, None)
    assert figure is not None
    assert figure.passed, figure.fault()
    assert figure.value == found[f"{world.namespace}/v"]["migration_seconds"]
    assert found[f"{world.namespace}/v"]["moves"][0]["from"] == node
