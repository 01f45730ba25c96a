# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines into a real repository and back, on the stand-in without nodes: held for moments only, and never left held."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import records
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    CONFIG_MAP,
    PV,
    PVC,
    SECRET,
    SERVICE,
    VM,
    VMI,
)

from .conftest import COLLECTIONS, MIB, bind

Run = Callable[..., dict[str, Any]]
COMMAND_LINE = "ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.command_line"
CLASS = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "directories"}}


@pytest.fixture(scope="module", autouse=True)
def system(client: Any) -> None:
    """What a cluster has that the stand-in without nodes may lack."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import STORAGE_CLASS

    if client.find(STORAGE_CLASS, "directories") is None:
        client.create(STORAGE_CLASS, {**CLASS, "provisioner": "kubernetes.io/no-provisioner"})


@pytest.fixture
def given(settings: dict[str, Any], cluster: Path, namespace: str, tmp_path: Path, module: Run) -> dict[str, Any]:
    """Settings for this namespace, with a repository that is there."""
    found = {
        **settings,
        "kubeconfig": str(cluster),
        "machines": [{"namespace": namespace}],
        "mount": str(tmp_path / "shared"),
        "hosts": [{"name": "here"}],
        "disk_owner": f"{os.getuid()}:{os.getgid()}",
    }
    done = module("backup_repository", settings=found)
    assert done["changed"], done
    return found


@pytest.fixture
def machine(module: Run, guest: dict[str, Any], namespace: str) -> Callable[..., None]:
    def make(name: str = "v", claim: str = "data", run_strategy: str = "Always", **options: Any) -> None:
        disks = [{"name": "data", "pvc": claim}]
        done = module(
            "vm",
            name=name,
            namespace=namespace,
            disks=disks,
            run_strategy=run_strategy,
            labels={"b": "1"},
            **{**guest, **options},
        )
        assert not done.get("failed"), done["msg"]

    return make


def paused(client: Any, namespace: str, name: str = "v") -> bool:
    vmi = client.find(VMI, name, namespace)
    return vmi is not None and conditions.holds(vmi, "Paused")


def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)


def write(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def test_a_running_machine_is_paused_for_a_moment_and_its_disk_is_of_that_moment(
    module: Run,
    client: Any,
    namespace: str,
    given: dict[str, Any],
    disk: Callable[..., Path],
    machine: Callable[..., None],
    tmp_path: Path,
) -> None:
    file = disk("data")
    write(file, 0, b"before")
    machine()
    # A guest that writes until it is held: what is on its disk at the end of the backup is what must come back.
    stop = threading.Event()

    def scribble() -> None:
        number = 0
        while not stop.is_set():
            if not paused(client, namespace):
                number += 1
                write(file, (number % 20) * MIB, f"block {number}".encode())
            time.sleep(0.05)

    writer = threading.Thread(target=scribble)
    writer.start()
    try:
        done = module("backup", settings=given, parts=["machines", "verify"])
    finally:
        stop.set()
        writer.join()
    assert not done.get("failed"), done["msg"]
    (entry,) = done["machines"]
    assert (entry["method"], entry["consistency"]) == ("copy", "crash-consistent")
    assert 0 < entry["frozen_seconds"] < 30
    assert not paused(client, namespace)
    assert done["verified"]["sound"]
    figures = {one["name"]: one["value"] for one in done["figures"]}
    assert figures["backup_frozen_seconds"] == entry["frozen_seconds"]
    assert (figures["backup_machines"], figures["backup_damaged_parts"]) == (1, 0)
    state = json.loads(client.get(CONFIG_MAP, records.NAME, records.NAMESPACE)["data"][records.KEY])
    assert state["machines"][f"{namespace}/v"]["snapshot"] == entry["snapshot"]
    assert records.read(given["state_dir"])["selected"] == [f"{namespace}/v"]
    assert os.listdir(given["state_dir"] + "/held") == []
    assert "sesame" not in json.dumps(done)


def test_check_mode_tells_how_and_takes_nothing(
    module: Run,
    client: Any,
    namespace: str,
    given: dict[str, Any],
    disk: Callable[..., Path],
    machine: Callable[..., None],
) -> None:
    disk("data")
    machine(run_strategy="Halted")
    done = module("backup", check=True, settings=given, parts=["machines"])
    assert done["changed"]
    assert [(one["method"], one["hold"]) for one in done["plan"]] == [("copy", "nothing")]
    assert done["machines"] == []
    assert list(Path(given["repository"], "snapshots").iterdir()) == []


def restored(
    module: Run, client: Any, namespace: str, given: dict[str, Any], size: int = 24 * MIB, **options: Any
) -> dict[str, Any]:
    """Runs the module; plays the controller that binds claims meanwhile."""
    stop = threading.Event()

    def controller() -> None:
        while not stop.is_set():
            for item in client.list(PVC, namespace).items:
                if item["spec"].get("volumeName") and (item.get("status") or {}).get("phase") != "Bound":
                    bind(client, namespace, item["metadata"]["name"], size)
            time.sleep(0.1)

    thread = threading.Thread(target=controller)
    thread.start()
    try:
        return module("backup_restore", settings=given, namespace=namespace, vm="v", **options)
    finally:
        stop.set()
        thread.join()


def test_a_machine_comes_back_beside_the_first_one_and_is_taken_away_again(
    module: Run,
    client: Any,
    namespace: str,
    given: dict[str, Any],
    disk: Callable[..., Path],
    machine: Callable[..., None],
) -> None:
    file, other = disk("data"), disk("other", claimed=False)
    write(file, 5 * MIB, b"what was there")
    content = file.read_bytes()
    machine()
    assert not module("backup", settings=given, parts=["machines"]).get("failed")
    write(file, 5 * MIB, b"what came after it")

    planned = module("backup_restore", check=True, settings=given, namespace=namespace, vm="v", name="v-two")
    assert planned["disks"][0]["volume"] == f"{namespace}-other"
    assert client.find(PVC, "v-two-data", namespace) is None

    done = restored(module, client, namespace, given, name="v-two")
    assert not done.get("failed"), done["msg"]
    assert other.read_bytes() == content
    assert (done["proof"], done["writes_lost"]) == ("runs", None)
    assert client.get(VMI, "v-two", namespace)["status"]["phase"] == "Running"
    assert client.get(VMI, "v", namespace)["status"]["phase"] == "Running"
    made = client.get(VM, "v-two", namespace)
    assert "b" not in (made["metadata"].get("labels") or {})
    assert records.read(given["state_dir"]).get("proven") is None

    again = module("backup_restore", settings=given, namespace=namespace, vm="v", name="v-two")
    assert "runs; a restore never goes over a machine that runs" in again["msg"]
    assert not again["changed"]


def test_a_restore_that_is_to_go_leaves_nothing_and_its_volume_is_free(
    module: Run,
    client: Any,
    namespace: str,
    given: dict[str, Any],
    disk: Callable[..., Path],
    machine: Callable[..., None],
) -> None:
    disk("data")
    other = disk("other", claimed=False)
    machine()
    assert not module("backup", settings=given, parts=["machines"]).get("failed")
    done = restored(module, client, namespace, given, name="proof", remove=True)
    assert not done.get("failed"), done["msg"]
    assert done["removed"]
    assert client.find(VM, "proof", namespace) is None
    assert client.find(PVC, "proof-data", namespace) is None
    assert not other.exists()
    assert "claimRef" not in client.get(PV, f"{namespace}-other")["spec"]


def test_a_stopped_machine_is_replaced_only_where_that_is_said_and_keeps_its_claims(
    module: Run,
    client: Any,
    namespace: str,
    given: dict[str, Any],
    disk: Callable[..., Path],
    machine: Callable[..., None],
) -> None:
    file, other = disk("data"), disk("other", claimed=False)
    write(file, 0, b"good")
    machine(run_strategy="Halted")
    done = module("backup", settings=given, parts=["machines"])
    assert done["machines"][0]["consistency"] == "stopped"
    assert done["machines"][0]["frozen_seconds"] is None
    write(file, 0, b"evil")
    refused = module("backup_restore", settings=given, namespace=namespace, vm="v")
    assert "exists; set restore_replace: true" in refused["msg"]
    uid = client.get(VM, "v", namespace)["metadata"]["uid"]
    done = restored(module, client, namespace, given, replace=True)
    assert not done.get("failed"), done["msg"]
    found = client.get(VM, "v", namespace)
    assert found["metadata"]["uid"] != uid
    assert found["spec"]["runStrategy"] == "Halted"
    assert found["metadata"]["labels"] == {"b": "1"}
    assert client.find(PVC, "data", namespace) is not None
    assert other.read_bytes()[:4] == b"good"
    assert file.read_bytes()[:4] == b"evil"


def test_what_cannot_be_restored_is_refused_with_what_there_is(
    module: Run,
    client: Any,
    namespace: str,
    given: dict[str, Any],
    disk: Callable[..., Path],
    machine: Callable[..., None],
) -> None:
    disk("data")
    machine(run_strategy="Halted")
    assert not module("backup", settings=given, parts=["machines"]).get("failed")
    for options, said in (
        ({"vm": "w"}, f"it has vm {namespace}/v"),
        ({"vm": "v", "snapshot": "00000000"}, "there is no snapshot 00000000; of it there are"),
        ({"vm": "v", "name": "new", "snapshot": "yesterday"}, "restore_snapshot: yesterday"),
        ({"vm": "v", "name": "new", "target_namespace": "nowhere"}, "namespace nowhere does not exist"),
        ({"vm": "v", "name": "new"}, "StorageClass directories has no free PersistentVolume"),
    ):
        done = module("backup_restore", settings=given, namespace=namespace, **options)
        assert done["failed"] and not done["changed"], options
        assert said in done["msg"], done["msg"]
    assert [item["metadata"]["name"] for item in client.list(VM, namespace).items] == ["v"]


def runner(given: dict[str, Any], folder: Path, command: str) -> subprocess.Popen[str]:
    path = folder / "backup.json"
    path.write_text(json.dumps(given))
    return subprocess.Popen(
        [sys.executable, "-m", COMMAND_LINE, "--config", str(path), command],
        env={**os.environ, "PYTHONPATH": COLLECTIONS.split(":")[0]},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def slow_host(folder: Path) -> dict[str, Any]:
    """A host whose second read of a disk takes a minute: a run stands there with the machine held."""
    program = folder / "slow"
    mark = folder / "reads"
    program.write_text(
        "#!/bin/sh\n"
        f'case "$1" in *"\' read /"*) echo x >>{mark}; test "$(wc -l <{mark})" -lt 2 || exec sleep 60 ;; esac\nexec sh -c "$1"\n'
    )
    program.chmod(0o755)
    return {"name": "slow", "command": [str(program)]}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_ended_leaves_no_machine_held(
    client: Any,
    namespace: str,
    given: dict[str, Any],
    disk: Callable[..., Path],
    machine: Callable[..., None],
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    disk("data")
    machine()
    process = runner({**given, "hosts": [slow_host(tmp_path)]}, tmp_path, "take")
    until(lambda: paused(client, namespace))
    process.send_signal(number)
    assert process.wait(30) != 0
    until(lambda: not paused(client, namespace), 30)


def test_a_machine_is_let_go_when_the_time_is_over_and_its_backup_is_none(
    client: Any,
    namespace: str,
    given: dict[str, Any],
    disk: Callable[..., Path],
    machine: Callable[..., None],
    tmp_path: Path,
) -> None:
    disk("data")
    machine()
    process = runner({**given, "hosts": [slow_host(tmp_path)], "max_frozen_seconds": 2}, tmp_path, "take")
    until(lambda: paused(client, namespace))
    began = time.monotonic()
    until(lambda: not paused(client, namespace), 30)
    assert time.monotonic() - began < 15
    _out, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"{namespace}/v" in said
    assert "took too long" in said
    assert list(Path(given["repository"], "snapshots").iterdir()) == []


def test_what_a_lost_host_left_held_is_let_go_by_the_release(
    client: Any,
    namespace: str,
    given: dict[str, Any],
    disk: Callable[..., Path],
    machine: Callable[..., None],
    tmp_path: Path,
    module: Run,
) -> None:
    disk("data")
    machine()
    assert not module("vm_power", name="v", namespace=namespace, state="paused").get("failed")
    held = Path(given["state_dir"], "held")
    held.mkdir()
    (held / "x.json").write_text(json.dumps({"namespace": namespace, "name": "v", "how": "pause", "pid": 1}))
    process = runner(given, tmp_path, "release")
    out, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert out == f"let go: {namespace}/v\n"
    assert not paused(client, namespace)
    assert list(held.iterdir()) == []


def test_a_machine_that_somebody_paused_stays_paused(
    module: Run,
    client: Any,
    namespace: str,
    given: dict[str, Any],
    disk: Callable[..., Path],
    machine: Callable[..., None],
) -> None:
    disk("data")
    machine()
    assert not module("vm_power", name="v", namespace=namespace, state="paused").get("failed")
    done = module("backup", settings=given, parts=["machines"])
    assert (done["machines"][0]["consistency"], done["machines"][0]["frozen_seconds"]) == ("crash-consistent", None)
    assert paused(client, namespace)


def test_one_that_cannot_be_backed_up_keeps_no_other_from_it(
    module: Run,
    client: Any,
    namespace: str,
    given: dict[str, Any],
    disk: Callable[..., Path],
    machine: Callable[..., None],
) -> None:
    disk("data")
    machine()
    lost = disk("other")
    machine("w", claim="other", run_strategy="Halted")
    lost.unlink()
    settings = {**given, "machines": [{"namespace": namespace}, {"namespace": namespace, "names": ["gone"]}]}
    told = f"{namespace}/w: {lost}: the disk's file does not exist"
    planned = module("backup", settings=settings, parts=["machines"], check=True)
    assert (
        planned["failed"] and told in planned["msg"] and f"VirtualMachine {namespace}/gone does not" in planned["msg"]
    )
    later = module("backup", settings=settings, parts=["machines"], missing="warn", check=True)
    assert not later.get("failed"), later["msg"]
    assert [one["name"] for one in later["plan"]] == ["v"]

    done = module("backup", settings=settings, parts=["machines"])
    assert done["failed"] and told in done["msg"] and f"VirtualMachine {namespace}/gone does not" in done["msg"]
    (entry,) = done["machines"]
    assert entry["name"] == "v" and "error" not in entry
    alone = {**settings, "machines": settings["machines"][1:]}
    refused = module("backup", settings=alone, parts=["machines"])
    assert refused["failed"] and not refused["changed"] and "gone does not exist" in refused["msg"]
    figures = {one["name"]: (one["value"], one["limit"]) for one in done["figures"]}
    assert figures["backup_machines"] == (1, 3)
    state = json.loads(client.get(CONFIG_MAP, records.NAME, records.NAMESPACE)["data"][records.KEY])
    assert state["selected"] == [f"{namespace}/gone", f"{namespace}/v", f"{namespace}/w"]


def test_two_runs_at_once_are_refused(
    client: Any,
    namespace: str,
    given: dict[str, Any],
    disk: Callable[..., Path],
    machine: Callable[..., None],
    tmp_path: Path,
    module: Run,
) -> None:
    disk("data")
    machine()
    process = runner({**given, "hosts": [slow_host(tmp_path)]}, tmp_path, "take")
    until(lambda: paused(client, namespace))
    done = module("backup", settings=given, parts=["machines"])
    assert f"another run is under way: process {process.pid} holds" in done["msg"]
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    until(lambda: not paused(client, namespace), 30)


def test_disks_of_a_driver_come_by_snapshot_and_go_back_by_upload(
    module: Run, client: Any, namespace: str, given: dict[str, Any], machine: Callable[..., None], tmp_path: Path
) -> None:
    from kubevirt_contract.devcluster import SOURCE

    sys.path.insert(0, str(SOURCE))
    from kubevirt_standin.storage import contents

    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "3Mi"}},
        "storageClassName": "simulated",
    }
    meta = {"name": "data", "namespace": namespace, "annotations": {"cdi.kubevirt.io/storage.contentType": "kubevirt"}}
    client.create(PVC, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}, namespace)
    uid = client.get(PVC, "data", namespace)["metadata"]["uid"]
    machine()
    until(lambda: (client.get(VM, "v", namespace).get("status") or {}).get("volumeSnapshotStatuses"))
    port = client.get(SERVICE, "virt-exportproxy", "kubevirt")["spec"]["ports"][0]["port"]
    snapshotting = {**given, "export_via": f"https://127.0.0.1:{port}"}
    done = module("backup", settings=snapshotting, parts=["machines"])
    assert not done.get("failed"), done["msg"]
    assert (done["machines"][0]["method"], done["machines"][0]["consistency"]) == ("snapshot", "snapshot")
    for kind in ("virtualmachinesnapshots", "virtualmachineexports"):
        assert left(client, kind, namespace) == []

    done = module("backup_restore", settings=snapshotting, namespace=namespace, vm="v", name="v-two")
    assert not done.get("failed"), done["msg"]
    held = b"".join(contents.read(uid, 0, 3 << 20))
    marks = client.get(PVC, "v-two-data", namespace)["metadata"]["annotations"]
    assert marks["kubevirt-ha.virtops/simulated-upload-sha256"] == hashlib.sha256(held).hexdigest()


def left(client: Any, plural: str, namespace: str) -> list[str]:
    kind = next(one for one in client.kinds() if one.plural == plural)
    return [
        item["metadata"]["name"]
        for item in client.list(kind, namespace).items
        if "deletionTimestamp" not in item["metadata"]
    ]


def test_objects_are_files_and_secrets_only_where_they_are_asked_for(
    module: Run, client: Any, namespace: str, given: dict[str, Any], tmp_path: Path
) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "kept", "namespace": namespace},
        "data": {"a": "b"},
    }
    client.create(CONFIG_MAP, body, namespace)
    client.create(SECRET, {**body, "kind": "Secret", "data": {"a": "Yg=="}}, namespace)
    for secrets in (False, True):
        wanted = {**given, "namespaces": [namespace], "include_secrets": secrets}
        done = module("backup", settings=wanted, parts=["objects"])
        assert not done.get("failed"), done["msg"]
        target = tmp_path / f"restored-{secrets}"
        command = ["restic", "restore", done["objects"]["snapshot"], "--target", str(target)]
        environment = {"RESTIC_REPOSITORY": given["repository"], "RESTIC_PASSWORD_FILE": given["password_file"]}
        subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True)
        inside = target / "namespaces" / namespace
        kept = json.loads((inside / "configmaps" / "kept.json").read_text())
        assert (kept["kind"], kept["data"]) == ("ConfigMap", {"a": "b"})
        assert (inside / "secrets" / "kept.json").exists() is secrets
        assert (target / "cluster" / "storageclasses.storage.k8s.io" / "directories.json").exists()
    # One that is not there fails, keeps no other from its backup, and what older backups have of it is not forgotten.
    lacking = {**given, "namespaces": [namespace, "nowhere"], "keep": {"last": 1, "daily": 0, "weekly": 0}}
    done = module("backup", settings=lacking, parts=["objects"])
    assert done["failed"] and "backup_namespaces: namespace nowhere does not exist" in done["msg"]
    assert done["objects"]["namespaces"][namespace] > 0 and done["forgotten"] == 0
    done = module("backup", settings={**lacking, "namespaces": [namespace]}, parts=["objects"])
    assert not done.get("failed") and done["forgotten"] > 0
