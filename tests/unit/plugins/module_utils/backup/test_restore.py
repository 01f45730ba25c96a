# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore takes nothing away before all is there that replaces it, and writes over nothing that became somebody's."""

from __future__ import annotations

import contextlib
import copy
import errno
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import restore, restore_disks
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.locks import locked
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restic import Restic
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restic_output import Snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restore import Restore
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restore_choice import Choice
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restore_plan import Wanted
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restored import Source
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.runner import Run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.settings import Host, Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import InputError, Refused, WaitFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    CLUSTER_INSTANCETYPE,
    PREFERENCE,
    PRIORITY_CLASS,
    PV,
    PVC,
    SECRET,
    VM,
    VMI,
)

WANTED = Wanted("shop", "web", "web", "shop", replace=True)
DISK = {"volume": "root", "claim": "web-root", "folder": "disks/web-root", "size": 1, "bytes": 1, "allocated": 1}
SNAPSHOT = Snapshot("ab" * 32, "2026-01-01T00:00:00Z", "b", {})
RESTORING = "kubevirt-ha.virtops/restoring"


def persistent(name: str) -> dict[str, Any]:
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"], "local": {"path": f"/shared/{name}"}}
    return {"metadata": {"name": name}, "spec": spec, "status": {"phase": "Available"}}


class Cluster:
    """Objects by kind and name; what is done is noted in the order in which it is done."""

    def __init__(self) -> None:
        self.there: dict[tuple[str, str], Any] = {("Namespace", "shop"): {"metadata": {"name": "shop"}}}
        self.done: list[str] = []
        self.binds = True
        # The spec of the machine in the backup.
        self.backed_up: dict[str, Any] = {"runStrategy": "Halted", "template": {"spec": {}}}
        for name in ("pv-1", "pv-2"):
            self.there[PV.kind, name] = persistent(name)

    def put(self, resource: Any, item: dict[str, Any]) -> None:
        self.there[resource.kind, item["metadata"]["name"]] = item

    def find(self, resource: Any, name: str, _namespace: str = "") -> Any:
        return copy.deepcopy(self.there.get((resource.kind, name)))

    def get(self, resource: Any, name: str, _namespace: str = "") -> Any:
        return self.find(resource, name)

    def list(self, resource: Any, *_given: Any) -> Any:
        items = [copy.deepcopy(item) for (kind, _name), item in self.there.items() if kind == resource.kind]
        return type("Listed", (), {"items": items})

    def create(self, resource: Any, body: dict[str, Any], _namespace: str) -> None:
        self.done.append(f"create {resource.kind} {body['metadata']['name']}")
        item = copy.deepcopy(body)
        item["metadata"]["uid"] = "u"
        if resource is PVC:
            item["status"] = {"phase": "Bound" if self.binds else "Pending"}
        self.put(resource, item)

    def patch(self, *_given: Any) -> None:
        return

    def delete(self, resource: Any, name: str, *_given: Any, **_more: Any) -> None:
        self.done.append(f"delete {resource.kind} {name}")
        self.there.pop((resource.kind, name))


class Files:
    """A host's files, of which the tests look at what is written."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.meanwhile: Any = None

    def of(self, *_given: str) -> Files:
        return self

    def look(self, _path: str) -> Any:
        return type("Look", (), {"exists": False, "free": 1 << 40})

    def write(self, path: str, *_given: Any, **_more: Any) -> None:
        self.cluster.done.append(f"write {path}")
        if self.meanwhile:
            self.meanwhile()


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()
    spec = {"accessModes": ["ReadWriteMany"]}
    vm = {"metadata": {"name": "web"}, "spec": made.backed_up}
    record = {"disks": [DISK], "taken_at": "t", "consistency": "stopped"}
    source = Source(SNAPSHOT, record, vm, [{"metadata": {"name": "web-root"}, "spec": spec}])
    monkeypatch.setattr(Choice, "source", lambda _self: source)
    monkeypatch.setattr(restore, "prove", lambda *_given: None)
    monkeypatch.setattr(Restore, "_rest", lambda *_given: None)
    monkeypatch.setattr(Run, "usable", lambda _self: None)
    monkeypatch.setattr(restore, "connect", lambda _kubeconfig: made)
    monkeypatch.setattr(restore_disks, "_BOUND_SECONDS", -1.0)
    old = {"metadata": {"name": "web", "uid": "old"}, "spec": {"runStrategy": "Halted"}}
    made.put(VM, old)
    made.put(PVC, {"metadata": {"name": "web-root"}, "spec": {}})
    return made


@pytest.fixture
def files(cluster: Cluster) -> Files:
    return Files(cluster)


@pytest.fixture
def work(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Restore:
    settings = Settings("/r", "/p", str(tmp_path), "/k", mount="/shared", hosts=(Host("n1"),))

    @contextlib.contextmanager
    def stream(*_given: str) -> Iterator[io.BytesIO]:
        yield io.BytesIO()

    monkeypatch.setattr(restore, "Hosts", lambda _hosts: files)
    monkeypatch.setattr(Restic, "open", stream)
    return Restore(settings, WANTED)


def test_the_old_machine_goes_when_the_new_disks_are_there(work: Restore, cluster: Cluster) -> None:
    assert work.run().error is None
    assert cluster.done == [
        "create PersistentVolumeClaim web-root-abababab",
        "write /shared/pv-1/disk.img",
        "delete VirtualMachine web",
        "create VirtualMachine web",
    ]


def test_a_full_disk_leaves_the_old_machine(work: Restore, cluster: Cluster, files: Files) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    files.meanwhile = full
    assert "No space left on device. Free space there" in str(work.run().error)
    assert (VM.kind, "web") in cluster.there


def test_a_machine_that_is_started_meanwhile_stays(work: Restore, cluster: Cluster, files: Files) -> None:
    running = {"metadata": {"name": "web"}, "status": {"phase": "Running"}}
    files.meanwhile = lambda: cluster.put(VMI, running)
    error = work.run().error
    assert isinstance(error, Refused)
    assert "was started while its disks were written, and stays as it is. Stop it, and run again" in str(error)
    assert (VM.kind, "web") in cluster.there


def test_a_claim_that_became_somebodys_is_not_written_over(
    work: Restore, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = Restore.prepare

    def prepared(self: Restore, client: Any) -> Any:
        done = prepare(self, client)
        cluster.put(PVC, {"metadata": {"name": done.disks[0].claim, "uid": "x"}, "spec": {}})
        return done

    monkeypatch.setattr(Restore, "prepare", prepared)
    assert "was made by somebody else meanwhile. Run again" in str(work.run().error)
    assert cluster.done == []


def test_all_that_the_machine_could_not_start_without_is_told_before_anything_is_written(
    work: Restore, cluster: Cluster
) -> None:
    init = {"name": "init", "cloudInitNoCloud": {"secretRef": {"name": "web-init"}}}
    matched = {"instancetype": {"name": "small"}, "preference": {"name": "linux", "kind": "VirtualMachinePreference"}}
    cluster.backed_up.update(matched, template={"spec": {"priorityClassName": "gold", "volumes": [init]}})
    with pytest.raises(InputError) as caught:
        work.run()
    fix = "which the machine needs, does not exist; restore it from a backup of objects, or"
    assert caught.value.faults == [
        f"Secret shop/web-init, {fix} make it",
        f"PriorityClass gold, {fix} declare it in placement_priority_classes",
        f"VirtualMachineClusterInstancetype small, {fix} make it",
        f"VirtualMachinePreference shop/linux, {fix} make it",
    ]
    assert cluster.done == []
    needed = {SECRET: "web-init", PRIORITY_CLASS: "gold", CLUSTER_INSTANCETYPE: "small", PREFERENCE: "linux"}
    for kind, name in needed.items():
        cluster.put(kind, {"metadata": {"name": name}})
    assert work.run().error is None


def test_two_restores_of_one_machine_are_refused(work: Restore, tmp_path: Path) -> None:
    with (
        locked(str(tmp_path), "restore-shop_web.lock"),
        pytest.raises(Refused, match="another run is under way"),
    ):
        work.run()


def test_a_claim_that_is_not_bound_is_taken_away_so_that_another_volume_is_chosen(
    work: Restore, cluster: Cluster
) -> None:
    cluster.binds = False
    assert isinstance(work.run().error, WaitFailed)
    assert cluster.done[-1] == "delete PersistentVolumeClaim web-root-abababab"


def test_a_claim_that_waits_for_anothers_volume_is_told(work: Restore, cluster: Cluster) -> None:
    meta = {"name": "web-root-abababab", "annotations": {RESTORING: "shop/web@abababab"}}
    cluster.put(PVC, {"metadata": meta, "spec": {"volumeName": "pv-1"}})
    cluster.there[PV.kind, "pv-1"]["spec"]["claimRef"] = {"namespace": "shop", "name": "other"}
    with pytest.raises(InputError, match="waits for volume pv-1, which shop/other has; remove the claim"):
        work.run()


def test_a_new_claim_does_not_take_the_name_that_another_disk_comes_back_to(work: Restore, cluster: Cluster) -> None:
    cluster.there.pop((PVC.kind, "web-root"))
    cluster.put(PVC, {"metadata": {"name": "old"}, "spec": {}})
    spare: Any = {**DISK, "volume": "data"}  # its claim web-root is gone, and free
    work._choice.source().record["disks"] = [{**DISK, "claim": "old"}, spare]
    client: Any = cluster
    assert [disk.claim for disk in work.prepare(client).disks] == ["web-root", "web-data"]
