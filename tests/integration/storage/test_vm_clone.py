# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vm_clone on a real kube-apiserver: identities, filters and claims of the clone, and what hangs in KubeVirt otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    PVC,
    VM,
    VM_CLONE,
    VM_RESTORE,
    VM_SNAPSHOT,
)

Run = Callable[..., dict[str, Any]]
Make = Callable[..., Any]


@pytest.fixture
def clone(module: Run, namespace: str) -> Run:
    def run(name: str = "c", **options: Any) -> dict[str, Any]:
        source = {} if "snapshot" in options or options.get("state") else {"vm": "v"}
        return module("vm_clone", name=name, namespace=namespace, **{**source, **options})

    return run


def settled(condition: Callable[[], bool], seconds: float = 15) -> bool:
    """Whether something comes true within some time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.2)
    return condition()


def test_a_clone_has_identities_and_claims_of_its_own_and_is_made_once(
    machine: Make, claim: Make, clone: Run, namespace: str, client: Any
) -> None:
    source = machine(
        claims=(claim("data"),),
        labels={"tier": "db", "role": "first"},
        annotations={"note": "x"},
        template_labels={"app": "db", "shard": "0"},
        networks=[{"name": "default", "pod": True, "mac": "02:00:00:00:00:aa"}],
        run_strategy="Always",
    )
    options = {
        "label_filters": ["*", "!^role$"],
        "template_label_filters": ["app"],
        "new_mac_addresses": {"default": "02:00:00:00:00:01"},
        "new_smbios_serial": "serial-1",
        "volume_name_policy": "PrefixTargetName",
        "patches": [{"op": "add", "path": "/metadata/labels/stage", "value": "test"}],
    }
    foreseen = clone(check=True, **options)
    assert foreseen["changed"] and foreseen["requests"]["writes"] == 0 and client.find(VM, "c", namespace) is None

    done = clone(**options)
    entry = done["clones"][0]
    assert done["changed"] and entry["phase"] == "Succeeded" and entry["vm"] == "c", done
    assert (entry["source_kind"], entry["source"]) == ("VirtualMachine", "v") and done["requests"]["writes"] == 1
    vm = client.get(VM, "c", namespace)
    assert vm["metadata"]["labels"] == {"tier": "db", "stage": "test"}
    assert vm["metadata"]["annotations"]["note"] == "x" and vm["spec"]["runStrategy"] == "Halted"
    template = vm["spec"]["template"]
    assert template["metadata"]["labels"] == {"app": "db"}
    devices = template["spec"]["domain"]["devices"]
    assert devices["interfaces"][0]["macAddress"] == "02-00-00-00-00-01"
    firmware = template["spec"]["domain"]["firmware"]
    assert firmware["serial"] == "serial-1"
    assert firmware["uuid"] != source["spec"]["template"]["spec"]["domain"]["firmware"]["uuid"]
    claims = [one["persistentVolumeClaim"]["claimName"] for one in template["spec"]["volumes"][1:]]
    assert claims == ["c-disk-data"]
    marks = client.get(PVC, "c-disk-data", namespace)["metadata"]["annotations"]
    assert marks["kubevirt-ha.virtops/simulated-content"] == client.get(PVC, "data", namespace)["metadata"]["uid"]
    assert settled(
        lambda: not client.list(VM_SNAPSHOT, namespace).items and not client.list(VM_RESTORE, namespace).items
    )

    again = clone(**options)
    assert not again["changed"] and again["requests"] == {"reads": 1, "writes": 0, "watches": 0}, again
    dashes = {**options, "new_mac_addresses": {"default": "02-00-00-00-00-01"}}
    assert not clone(**dashes)["changed"]
    refused = clone(**{**options, "new_smbios_serial": "serial-2"})
    assert refused["failed"] and "spec.newSMBiosSerial cannot be changed" in refused["msg"]


def test_a_clone_without_its_object_is_left_alone_and_a_machine_of_other_making_is_not_taken_for_one(
    machine: Make, clone: Run, namespace: str, client: Any
) -> None:
    machine()
    machine("stranger")
    refused = clone("stranger")
    assert refused["failed"] and "was not made by a clone or a restore" in refused["msg"], refused
    assert client.find(VM_CLONE, "stranger", namespace) is None
    assert clone()["changed"]
    assert clone(state="absent")["clones"][0]["action"] == "deleted"
    assert client.find(VM, "c", namespace)
    again = clone()
    assert not again["changed"] and again["clones"][0]["vm"] == "c" and again["requests"]["writes"] == 0, again


def test_a_snapshot_becomes_a_machine(machine: Make, claim: Make, clone: Run, module: Run, namespace: str) -> None:
    machine(claims=(claim("data"),))
    assert not module("vm_snapshot", name="s", namespace=namespace, vm="v").get("failed")
    done = clone(snapshot="s")
    assert done["clones"][0]["source_kind"] == "VirtualMachineSnapshot" and done["clones"][0]["phase"] == "Succeeded"
    missing = clone("d", snapshot="nothing")
    assert missing["failed"] and f"VirtualMachineSnapshot {namespace}/nothing does not exist" in missing["msg"]


def test_what_cannot_be_cloned_is_refused_before_anything_is_made(
    machine: Make, claim: Make, clone: Run, namespace: str, client: Any
) -> None:
    for check in (True, False):
        missing = clone(vm="nobody", check=check)
        assert missing["failed"] and f"VirtualMachine {namespace}/nobody does not exist" in missing["msg"], missing
    machine(claims=(claim("plain", snapshots=False),))
    refused = clone()
    assert refused["failed"] and "volume disk-plain of VirtualMachine" in refused["msg"], refused
    assert "No VolumeSnapshotClass" in refused["msg"]
    assert client.find(VM_CLONE, "c", namespace) is None


def test_a_clone_that_fails_ends_with_the_reason(
    machine: Make, claim: Make, clone: Run, module: Run, namespace: str
) -> None:
    machine(claims=(claim("plain", snapshots=False),))
    assert not module("vm_snapshot", name="partial", namespace=namespace, vm="v").get("failed")
    failed = clone(snapshot="partial")
    assert failed["failed"] and failed["changed"], failed
    assert "volume disk-plain is not backed up in snapshot partial" in failed["msg"]
    assert failed["clones"][0]["phase"] == "Failed"


def test_a_clone_that_hangs_is_explained_by_its_events(machine: Make, clone: Run, namespace: str, client: Any) -> None:
    # Made by hand with a MAC address as everybody writes it: KubeVirt refuses its own restore, and tries again.
    machine(networks=[{"name": "default", "pod": True}])
    reference = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine"}
    spec = {
        "source": {**reference, "name": "v"},
        "target": {**reference, "name": "c"},
        "newMacAddresses": {"default": "02:00:00:00:00:01"},
    }
    body = {"apiVersion": VM_CLONE.api_version, "kind": VM_CLONE.kind, "metadata": {"name": "c"}, "spec": spec}
    client.create(VM_CLONE, body, namespace)
    hangs = clone(wait_timeout=6)
    assert hangs["failed"] and "did not become cloned within 6 s" in hangs["msg"], hangs
    assert "RestoreCreationFailed" in hangs["msg"] and "patch format is not valid" in hangs["msg"]


def test_many_at_once(machine: Make, module: Run, namespace: str) -> None:
    machine()
    items = [{"name": f"c{number}"} for number in range(3)]
    made = module("vm_clone", namespace=namespace, defaults={"vm": "v"}, items=items)
    assert [entry["action"] for entry in made["clones"]] == ["created"] * 3, made
    assert made["requests"]["reads"] == 2 and made["requests"]["writes"] == 3
    again = module("vm_clone", namespace=namespace, defaults={"vm": "v"}, items=items)
    assert not again["changed"] and again["requests"] == {"reads": 1, "writes": 0, "watches": 0}
