# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""node_removal against a real kube-apiserver: the one Node goes, its successor stays, and a later run goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import CONFIG_MAP, NODE, POD

from .conftest import COLLECTIONS, Bmc, Cluster
from .world import World

MODULE = "ansible_collections.virtops.kubevirt_ha.plugins.modules.node_removal"
RECORD = "kubevirt-ha-removal-n2"
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def world(api_server: Cluster) -> Iterator[World]:
    world = World(api_server.client)
    world.build()
    yield world
    api_server.client.delete(CONFIG_MAP, RECORD, "kube-system")


@pytest.fixture
def run(api_server: Cluster, tmp_path: Path) -> Run:
    def call(state: str, *, check: bool = False, **given: Any) -> dict[str, Any]:
        params = {"node": "n2", "by": "n2", "state": state, "kubeconfig": str(api_server.kubeconfig), **given}
        arguments = tmp_path / "arguments.json"
        arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {**params, "_ansible_check_mode": check}}))
        done = subprocess.run(
            [sys.executable, "-m", MODULE, str(arguments)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": COLLECTIONS},
            check=False,
            timeout=60,
        )
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))

    return call


def uid(world: World) -> str:
    node = world.client.find(NODE, "n2")
    return str(node["metadata"]["uid"]) if node else ""


def test_a_lost_node_goes_and_its_successor_stays(world: World, run: Run, bmc: Bmc) -> None:
    refused = run("begun", etcd_member="22")
    assert refused["failed"] and "is not proven off" in refused["msg"]
    bmc.power["n2"] = "Off"
    given = {"etcd_member": "22", "proof": bmc.proof("n2")}
    planned = run("planned", **given)
    assert planned["faults"] == [] and planned["plan"]["recover"] and planned["requests"]["writes"] == 0
    early = run("removed", **given)
    assert early["failed"] and "was not decided" in early["msg"] and uid(world)

    assert run("begun", check=True, **given)["changed"] and world.client.find(CONFIG_MAP, RECORD, "kube-system") is None
    assert run("begun", **given)["changed"]
    again = run("begun")  # as a later run does, without proof
    assert not again["changed"] and again["plan"]["etcd_member"] == "22" and "Off" in again["plan"]["proof"]

    assert run("removed", check=True)["changed"] and uid(world)
    assert run("removed")["changed"] and uid(world) == ""
    world.node("n2")  # the new machine has joined
    successor = uid(world)
    later = run("removed", etcd_member="77")
    assert (later["changed"], later["plan"]["delete_node"], later["plan"]["etcd_member"]) == (False, False, "22")
    assert uid(world) == successor

    assert run("completed")["changed"] and not run("completed")["changed"]
    alive = run("planned")
    assert not alive.get("failed")


def test_a_drained_node_must_be_empty(world: World, run: Run) -> None:
    busy = run("planned", node="n3", by="", drained=True)
    assert busy["faults"] == ["node n2 is down, too: bring it back first, the platform would not bear more"]
    world.lease("kube-node-lease", "n4", "n4", lasts=300)
    world.node("n4")
    world.client.delete(NODE, "n2")
    world.pod("shop", "virt-launcher-x", "n4", labels={"kubevirt.io": "virt-launcher"})
    refused = run("removed", node="n4", by="", drained=True)
    assert refused["failed"] and "virtual machines still run on node n4: shop/virt-launcher-x" in refused["msg"]
    world.client.delete(POD, "virt-launcher-x", "shop", grace_seconds=0)
    assert run("removed", node="n4", by="", drained=True)["changed"]
    assert not run("removed", node="n4", by="", drained=True)["changed"]


def test_of_a_node_that_is_not_there_only_a_replacement_is_kept(world: World, run: Run) -> None:
    world.client.delete(NODE, "n2")
    assert not run("begun", by="")["changed"]
    assert not run("removed", by="")["changed"]
    assert run("begun")["changed"]
    world.node("n2")  # the new machine has joined, and the run is broken off
    world.lease("kube-node-lease", "n2", "n2", lasts=300)
    assert run("planned")["faults"] == []
