# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""node_recovery against a real kube-apiserver: what it writes, what it leaves alone, and what it refuses."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation import names
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import NODE, POD

from .conftest import Bmc, Cluster
from .world import World

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def world(api_server: Cluster) -> World:
    world = World(api_server.client)
    world.build()
    return world


def _events(folder: Path) -> list[str]:
    return [json.loads(line)["event"] for line in (folder / "events.jsonl").read_text().splitlines()]


def _comes_back(world: World, after: float) -> threading.Thread:
    def work() -> None:
        time.sleep(after)
        world.vmi("web", "n3", "Scheduling")
        time.sleep(0.3)
        world.vmi("web", "n3", "Running")

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_whole_recovery_then_readmission(world: World, recover: Run, bmc: Bmc, tmp_path: Path) -> None:
    prepared = recover("prepared")
    assert prepared["allowed"], prepared
    assert set(prepared["pods_withdrawn"]) == {"kubevirt/virt-controller-1", "shop/cache-0"}
    assert {name for name in world.pods() if not world.ready(name)} == {"virt-controller-1", "cache-0"}
    assert world.holder(names.LOCK_NAMESPACE, names.LOCK_NAME).startswith("n2@")

    bmc.power["n2"] = "Off"
    thread = _comes_back(world, 1.5)
    result = recover("recovered", proof=bmc.proof("n2"))
    thread.join()
    assert result["changed"], result
    assert world.taints("n2") >= {(names.TAINT_KEY, "NoExecute"), (names.TAINT_KEY, "NoSchedule")}
    assert result["pods_deleted"][0] == "shop/virt-launcher-web-abcde"
    assert set(result["pods_deleted"][1:]) == {"kubevirt/virt-controller-1", "shop/cache-0"}
    assert world.pods() == {"etcd-n1", "etcd-n2", "etcd-n3", "virt-controller-2"}
    assert set(result["leases_released"]) == {"kube-system/kube-scheduler", "kubevirt/virt-controller"}
    assert world.holder("kube-system", "kube-controller-manager") == "n1_4711"
    assert world.holder("shop", "n20") == "n20_4711"
    assert [(vm["name"], vm["node"]) for vm in result["virtual_machines"]] == [("web", "n3")]
    assert result["not_restarted"] == ["shop/batch"]
    assert world.holder(names.LOCK_NAMESPACE, names.LOCK_NAME) in ("", "None")
    wanted = ["recovery_started", "withdrawn", "fence_requested", "fence_proven", "tainted", "leases_released"]
    assert _events(tmp_path) == [*wanted, "pods_deleted", "recovered"]

    again = recover("recovered", proof=bmc.proof("n2"), wait=False)
    assert not again["changed"]
    assert again["pods_deleted"] == again["leases_released"] == []

    looked = {"qemu_left_over": [], "storage_pending": 0}
    refused = recover("readmitted", **looked)
    assert "still has the boot that was fenced" in refused["msg"]
    assert "not Ready" in refused["msg"]
    world.new_boot("n2")
    world.lease(names.NODE_LEASES, "n2", "n2", lasts=40)
    assert "QEMU still runs" in recover("readmitted", qemu_left_over=[4711], storage_pending=0)["msg"]
    assert "3 objects to heal" in recover("readmitted", qemu_left_over=[], storage_pending=3)["msg"]
    readmitted = recover("readmitted", **looked)
    assert readmitted["changed"], readmitted
    assert not {key for key, _effect in world.taints("n2")} & {names.TAINT_KEY}
    assert not recover("readmitted", **looked)["changed"]


def test_without_power_off_nothing_is_touched(world: World, recover: Run, bmc: Bmc, tmp_path: Path) -> None:
    before = world.pods()
    assert "missing" in recover("recovered")["msg"]
    result = recover("recovered", proof=bmc.proof("n2"))  # it says Off, but the BMC now says On
    assert result["failed"]
    assert "read back was On" in result["msg"]
    other = {**bmc.proof("n2"), "node": "n3", "identity": "n3", "power_state": "On", "read_at": 1.0}
    refused = recover("recovered", proof=other)
    assert all(part in refused["msg"] for part in ("of node n3", "says On", "machine n3", "s ago"))
    assert world.pods() == before
    assert not world.taints("n2")
    assert world.holder("kube-system", "kube-scheduler") == "n2_4711"
    assert _events(tmp_path) == ["failed", "refused"]


def test_every_reason_is_told_at_once(world: World, recover: Run, bmc: Bmc, tmp_path: Path) -> None:
    (tmp_path / "stop").touch()
    world.lease(names.NODE_LEASES, "n2", "n2", lasts=40)
    world.lease(names.LOCK_NAMESPACE, names.LOCK_NAME, "n3@elsewhere", lasts=60)
    patch = {"metadata": {"annotations": {names.MAINTENANCE: "disk swap"}}}
    world.client.patch(NODE, "n2", patch)
    world.client.patch(
        POD,
        "etcd-n3",
        {"status": {"conditions": [{"type": "Ready", "status": "False"}]}},
        "kube-system",
        subresource="status",
    )
    # n3 was fenced and is not whole yet.
    world.client.patch(NODE, "n3", {"spec": {"taints": [{"key": names.TAINT_KEY, "effect": "NoExecute"}]}})
    hosts = ["n1", "n2", "n3"]
    result = recover("prepared", storage_quorum_hosts=hosts)
    for part in ("stop switch", "n3@elsewhere", "it is alive", "disk swap", "1 healthy of 3", "1 of 3 hosts"):
        assert part in result["msg"], (part, result["msg"])
    status = recover("status", storage_quorum_hosts=hosts)
    assert not status["allowed"]
    assert len(status["refusals"]) == 6
    assert _events(tmp_path) == ["recovery_started", "refused"]


def test_direct_path_that_answers_refuses(world: World, recover: Run) -> None:
    status = recover("status", path_ports=[9])
    assert [reason for reason in status["refusals"] if "direct path" in reason]


def test_check_mode_predicts_and_writes_nothing(world: World, recover: Run, bmc: Bmc, tmp_path: Path) -> None:
    predicted = recover("prepared", _ansible_check_mode=True)
    assert predicted["changed"]
    assert set(predicted["pods_withdrawn"]) == {"kubevirt/virt-controller-1", "shop/cache-0"}
    assert all(world.ready(name) for name in world.pods())
    bmc.power["n2"] = "Off"
    result = recover("recovered", proof=bmc.proof("n2"), _ansible_check_mode=True)
    assert result["changed"]
    assert result["requests"]["writes"] == 0
    assert len(result["pods_deleted"]) == 3
    assert not (tmp_path / "events.jsonl").exists()
    assert "virt-launcher-web-abcde" in world.pods()


def test_virtual_machine_that_stays_away_is_named(world: World, recover: Run, bmc: Bmc, tmp_path: Path) -> None:
    bmc.power["n2"] = "Off"
    result = recover("recovered", proof=bmc.proof("n2"), wait_timeout=2)
    assert result["failed"]
    assert "shop/web" in result["msg"]
    assert "virt-launcher-web-abcde" not in world.pods()
    assert _events(tmp_path)[-1] == "failed"
