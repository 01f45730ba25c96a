# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines back from a real repository, on the stand-in without nodes: beside the first, in its place, or not at all."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import records
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    CLUSTER_PREFERENCE,
    PRIORITY_CLASS,
    PV,
    PVC,
    SERVICE,
    VM,
    VMI,
)

from .conftest import MIB, SIZE, Site, bind, until, write


def restored(site: Site, **options: Any) -> dict[str, Any]:
    """Runs the module; plays the controller that binds claims meanwhile."""
    stop = threading.Event()

    def controller() -> None:
        while not stop.is_set():
            for item in site.client.list(PVC, site.namespace).items:
                if item["spec"].get("volumeName") and (item.get("status") or {}).get("phase") != "Bound":
                    bind(site.client, site.namespace, item["metadata"]["name"], SIZE)
            time.sleep(0.1)

    thread = threading.Thread(target=controller)
    thread.start()
    try:
        return site.restore(**options)
    finally:
        stop.set()
        thread.join()


def left(site: Site, plural: str) -> list[str]:
    kind = next(one for one in site.client.kinds() if one.plural == plural)
    return [
        item["metadata"]["name"]
        for item in site.client.list(kind, site.namespace).items
        if "deletionTimestamp" not in item["metadata"]
    ]


def test_a_machine_comes_back_beside_the_first_one_and_is_taken_away_again(site: Site) -> None:
    client, namespace = site.client, site.namespace
    file, other = site.disk("data"), site.disk("other", claimed=False)
    write(file, 5 * MIB, b"what was there")
    content = file.read_bytes()
    site.machine()
    assert not site.back_up().get("failed")
    write(file, 5 * MIB, b"what came after it")

    planned = site.restore(check=True, name="v-two")
    assert planned["disks"][0]["volume"] == f"{namespace}-other"
    assert client.find(PVC, "v-two-data", namespace) is None

    done = restored(site, name="v-two")
    assert not done.get("failed"), done["msg"]
    assert other.read_bytes() == content
    assert (done["proof"], done["writes_lost"]) == ("runs", None)
    assert client.get(VMI, "v-two", namespace)["status"]["phase"] == "Running"
    assert client.get(VMI, "v", namespace)["status"]["phase"] == "Running"
    made = client.get(VM, "v-two", namespace)
    assert "b" not in (made["metadata"].get("labels") or {})
    assert records.read(site.settings["state_dir"]).get("proven") is None

    again = site.restore(name="v-two")
    assert "runs; a restore never goes over a machine that runs" in again["msg"]
    assert not again["changed"]


def test_a_restore_that_is_to_go_leaves_nothing_and_its_volume_is_free(site: Site) -> None:
    client, namespace = site.client, site.namespace
    site.disk("data")
    other = site.disk("other", claimed=False)
    site.machine()
    assert not site.back_up().get("failed")
    done = restored(site, name="proof", remove=True)
    assert not done.get("failed"), done["msg"]
    assert done["removed"]
    assert client.find(VM, "proof", namespace) is None
    assert client.find(PVC, "proof-data", namespace) is None
    assert not other.exists()
    assert "claimRef" not in client.get(PV, f"{namespace}-other")["spec"]


def test_a_stopped_machine_is_replaced_only_where_that_is_said_and_keeps_its_claims(site: Site) -> None:
    client, namespace = site.client, site.namespace
    file, other = site.disk("data"), site.disk("other", claimed=False)
    write(file, 0, b"good")
    site.machine(run_strategy="Halted")
    done = site.back_up()
    assert done["machines"][0]["consistency"] == "stopped"
    assert done["machines"][0]["frozen_seconds"] is None
    write(file, 0, b"evil")
    refused = site.restore()
    assert "exists; set restore_replace: true" in refused["msg"]
    uid = client.get(VM, "v", namespace)["metadata"]["uid"]
    done = restored(site, replace=True)
    assert not done.get("failed"), done["msg"]
    found = client.get(VM, "v", namespace)
    assert found["metadata"]["uid"] != uid
    assert found["spec"]["runStrategy"] == "Halted"
    assert found["metadata"]["labels"] == {"b": "1"}
    assert client.find(PVC, "data", namespace) is not None
    assert other.read_bytes()[:4] == b"good"
    assert file.read_bytes()[:4] == b"evil"


def test_what_cannot_be_restored_is_refused_with_what_there_is(site: Site) -> None:
    site.disk("data")
    site.machine(run_strategy="Halted")
    assert not site.back_up().get("failed")
    for options, said in (
        ({"vm": "w"}, f"it has vm {site.namespace}/v"),
        ({"snapshot": "00000000"}, "there is no snapshot 00000000; of it there are"),
        ({"name": "new", "snapshot": "yesterday"}, "restore_snapshot: yesterday"),
        ({"name": "new", "target_namespace": "nowhere"}, "namespace nowhere does not exist"),
        ({"name": "new"}, "StorageClass directories has no free PersistentVolume"),
    ):
        done = site.restore(**options)
        assert done["failed"] and not done["changed"], options
        assert said in done["msg"], done["msg"]
    assert [item["metadata"]["name"] for item in site.client.list(VM, site.namespace).items] == ["v"]


def test_a_machine_whose_class_and_preference_are_gone_gets_no_disks(site: Site) -> None:
    client, namespace = site.client, site.namespace
    name, made = f"{namespace}-gone", []
    for kind, content in ((PRIORITY_CLASS, {"value": 1}), (CLUSTER_PREFERENCE, {"spec": {}})):
        made.append(kind)
        body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}, **content}
        client.create(kind, body)
    site.disk("data")
    other = site.disk("other", claimed=False)
    try:
        site.machine(run_strategy="Halted", priority_class=name, preference={"name": name})
        assert not site.back_up().get("failed")
    finally:
        for kind in made:
            client.delete(kind, name)
    done = site.restore(name="v-two")
    assert done["failed"] and not done["changed"], done
    assert f"PriorityClass {name}, which the machine needs, does not exist" in done["msg"], done["msg"]
    assert f"VirtualMachineClusterPreference {name}, which the machine needs, does not exist" in done["msg"], done[
        "msg"
    ]
    assert client.find(PVC, "v-two-data", namespace) is None and not other.exists()


def test_disks_of_a_driver_come_by_snapshot_and_go_back_by_upload(site: Site) -> None:
    from kubevirt_contract.devcluster import SOURCE

    sys.path.insert(0, str(SOURCE))
    from kubevirt_standin.storage import contents

    client, namespace = site.client, site.namespace
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "3Mi"}},
        "storageClassName": "simulated",
    }
    meta = {"name": "data", "namespace": namespace, "annotations": {"cdi.kubevirt.io/storage.contentType": "kubevirt"}}
    client.create(PVC, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}, namespace)
    uid = client.get(PVC, "data", namespace)["metadata"]["uid"]
    site.machine()
    until(lambda: (client.get(VM, "v", namespace).get("status") or {}).get("volumeSnapshotStatuses"))
    port = client.get(SERVICE, "virt-exportproxy", "kubevirt")["spec"]["ports"][0]["port"]
    snapshotting = {**site.settings, "export_via": f"https://127.0.0.1:{port}"}
    done = site.back_up(settings=snapshotting)
    assert not done.get("failed"), done["msg"]
    assert (done["machines"][0]["method"], done["machines"][0]["consistency"]) == ("snapshot", "snapshot")
    for kind in ("virtualmachinesnapshots", "virtualmachineexports"):
        assert left(site, kind) == []

    done = site.restore(settings=snapshotting, name="v-two")
    assert not done.get("failed"), done["msg"]
    held = b"".join(contents.read(uid, 0, 3 << 20))
    marks = client.get(PVC, "v-two-data", namespace)["metadata"]["annotations"]
    assert marks["kubevirt-ha.virtops/simulated-upload-sha256"] == hashlib.sha256(held).hexdigest()
