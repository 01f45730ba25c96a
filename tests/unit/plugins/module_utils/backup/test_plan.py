# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machines are backed up, and how each one's disks are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import plan, settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import Probe
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.settings import Host, Selection, Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import InputError

KEY = ("shop", "web")
BASE: dict[str, Any] = {"repository": "/r", "password_file": "/p", "state_dir": "/s", "kubeconfig": "/k"}
REACHED = Settings(**BASE, mount="/srv/shared", hosts=(Host("n1"), Host("n2")))


def vm(*volumes: Mapping[str, Any], snapshots: bool | None = None) -> dict[str, Any]:
    told = [{"name": one["name"], "enabled": snapshots, "reason": "no class"} for one in volumes]
    return {
        "metadata": {"namespace": KEY[0], "name": KEY[1], "uid": "u1"},
        "spec": {"template": {"spec": {"volumes": list(volumes)}}},
        "status": {"volumeSnapshotStatuses": told} if snapshots is not None else {},
    }


def claimed(name: str = "root") -> dict[str, Any]:
    return {"name": name, "persistentVolumeClaim": {"claimName": f"web-{name}"}}


def vmi(*conditions: str, phase: str = "Running") -> dict[str, Any]:
    told = [{"type": one, "status": "True"} for one in conditions]
    return {"metadata": {"name": "web"}, "status": {"phase": phase, "conditions": told}}


def found(machine: dict[str, Any], instance: dict[str, Any] | None = None, **persistent: Any) -> plan.Found:
    spec = {"local": {"path": "/srv/shared/volumes/0001"}, **persistent}
    claim = {
        "metadata": {"name": "web-root"},
        "spec": {"volumeName": "pv1", "resources": {"requests": {"storage": "1Gi"}}},
        "status": {"capacity": {"storage": "2Gi"}},
    }
    return plan.Found(
        {KEY: machine},
        {KEY: instance} if instance else {},
        {("shop", "web-root"): claim},
        {"pv1": {"metadata": {"name": "pv1"}, "spec": spec}},
    )


def made(there: plan.Found, given: Settings = REACHED) -> Any:
    result, faults = plan.plan(KEY, Probe(8080), there, given)
    return result if result else faults


@pytest.mark.parametrize(
    ("instance", "hold", "consistency"),
    [
        (vmi("AgentConnected"), "freeze", "frozen"),
        (vmi(), "pause", "crash-consistent"),
        (vmi("Paused", "AgentConnected"), "", "crash-consistent"),
        (vmi(phase="Succeeded"), "", "stopped"),
        (None, "", "stopped"),
    ],
)
def test_a_file_on_the_shared_storage_is_copied_while_the_machine_is_held(
    instance: dict[str, Any] | None, hold: str, consistency: str
) -> None:
    got = made(found(vm(claimed()), instance))
    runs = instance is not None and instance["status"]["phase"] == "Running"
    assert (got.method, got.hold) == ("copy", hold)
    assert (got.disks[0].path, got.disks[0].size) == ("/srv/shared/volumes/0001/disk.img", 2 << 30)
    assert plan.consistency(got.method, got.hold, runs) == consistency
    assert got.probe.port == (8080 if runs else 0)


def test_snapshots_come_first_where_all_disks_have_them() -> None:
    assert made(found(vm(claimed(), snapshots=True), vmi())).method == "snapshot"
    assert made(found(vm(claimed(), snapshots=False), vmi())).method == "copy"


@pytest.mark.parametrize(
    ("indications", "consistency"),
    [
        (["Online", "GuestAgent"], "frozen"),
        (["Online", "GuestAgent", "QuiesceTimeout"], "snapshot"),
        (["Online", "NoGuestAgent"], "snapshot"),
    ],
)
def test_a_snapshot_is_as_consistent_as_kubevirt_says(indications: list[str], consistency: str) -> None:
    assert plan.consistency("snapshot", "", True, indications) == consistency


@pytest.mark.parametrize(
    "persistent",
    [
        {"local": {"path": "/elsewhere/0001"}},
        {"local": {"path": "/srv/shared-not/0001"}},
        {"local": None, "csi": {"driver": "x"}},
        {"volumeMode": "Block"},
    ],
)
def test_a_disk_that_nobody_reaches_is_exported_from_a_stopped_machine_else_refused(persistent: dict[str, Any]) -> None:
    assert made(found(vm(claimed()), None, **persistent)).method == "export"
    stopping = Settings(**BASE, mount="/srv/shared", hosts=(Host("n1"),), stop_machines=True)
    assert made(found(vm(claimed()), vmi(), **persistent), stopping).method == "export"
    (fault,) = made(found(vm(claimed()), vmi(), **persistent))
    assert "VirtualMachine shop/web: its disks cannot be read" in fault
    assert "VolumeSnapshotClass" in fault
    assert "backup_stop_machines" in fault


def test_a_disk_of_one_node_is_read_on_that_node() -> None:
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["n2"]}]}]
    there = {"local": {"path": "/var/local/1"}, "nodeAffinity": {"required": {"nodeSelectorTerms": terms}}}
    disk = made(found(vm(claimed()), vmi(), **there)).disks[0]
    assert (disk.path, disk.node) == ("/var/local/1/disk.img", "n2")


def test_what_is_no_loss_is_left_out_and_told_and_what_would_be_is_refused() -> None:
    got = made(found(vm(claimed(), {"name": "boot", "containerDisk": {"image": "x"}}), vmi()))
    assert dict(got.skipped) == {"boot": "comes from its registry again"}
    faults = made(found(vm(claimed("gone"), {"name": "h", "hostDisk": {"path": "/x"}}), vmi()))
    assert any("claim web-gone of volume gone does not exist" in fault for fault in faults)
    assert any("volume h is of kind hostDisk" in fault for fault in faults)


def test_selections_that_nothing_comes_of_are_told_each() -> None:
    selections = [
        Selection("shop", ("web", "wbe")),
        Selection("shop", labels="a=b"),
        Selection("empty"),
        Selection("shop"),
    ]
    there = {KEY: {}, ("shop", "db"): {}}
    wanted, faults = plan.select(selections, {0: there, 1: {}, 2: {}, 3: there})
    assert sorted(wanted) == [("shop", "db"), KEY]
    assert len(faults) == 3
    assert "VirtualMachine shop/wbe does not exist; there are db, web" in faults[0]
    assert "labels a=b match no VirtualMachine in shop" in faults[1]
    assert "namespace empty has no VirtualMachine" in faults[2]


def test_every_fault_of_the_settings_is_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        settings.of(
            {
                "password_file": "/p",
                "state_dir": "/s",
                "kubeconfig": "/k",
                "method": "magic",
                "max_frozen_seconds": 0,
                "keep": {"last": 0, "daily": 0, "weekly": 0},
                "verify_subset": "half",
                "machines": [{"names": ["a"], "labels": "b"}, {"namespace": "x", "probe": {"port": 70000}}],
                "secret": "x",
            }
        )
    told = "; ".join(caught.value.faults)
    for part in (
        "secret: is unknown",
        "repository: is missing",
        "magic is unknown; allowed are auto",
        "max_frozen_seconds: 0",
        "would keep nothing",
        "half is no part",
        "machines[0]: namespace: is missing",
        "names or labels, not both",
        "machines[1]: probe",
    ):
        assert part in told, told
    assert len(caught.value.faults) == 9


def test_settings_keep_what_was_given() -> None:
    given = settings.of({**BASE, "machines": [{"namespace": "shop", "probe": {"port": 80, "path": "x"}}], "etcd": {}})
    assert given.machines == (Selection("shop", probe=Probe(80, "/x")),)
    # Never the folder itself: each run empties the spool, and others may keep things beside it.
    assert settings.of({**BASE, "spool_dir": "/var/tmp"}).spool == "/var/tmp/kubevirt-ha-backup"
    assert given.spool == "/s/kubevirt-ha-backup"
    assert given.etcd.endpoints == ()
