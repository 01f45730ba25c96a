# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vm_restore on a real kube-apiserver: into the same machine, into another one, and what is refused beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ApiError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import PVC, VM, VM_RESTORE, VMI

Run = Callable[..., dict[str, Any]]
Make = Callable[..., Any]


@pytest.fixture
def restore(module: Run, namespace: str) -> Run:
    def run(name: str = "r", snapshot: str = "s", vm: str = "v", **options: Any) -> dict[str, Any]:
        return module("vm_restore", name=name, namespace=namespace, snapshot=snapshot, vm=vm, **options)

    return run


@pytest.fixture
def snapshotted(machine: Make, claim: Make, module: Run, namespace: str) -> Callable[..., dict[str, Any]]:
    """A machine with one claim and a snapshot `s` of it."""

    def make(**options: Any) -> dict[str, Any]:
        found = machine(claims=(claim("data"),), labels={"tier": "db", "of": "v"}, **options)
        taken = module("vm_snapshot", name="s", namespace=namespace, vm="v")
        assert not taken.get("failed"), taken["msg"]
        return dict(found)

    return make


def content(client: Any, namespace: str, name: str) -> Any:
    meta = client.get(PVC, name, namespace)["metadata"]
    return (meta.get("annotations") or {}).get("kubevirt-ha.virtops/simulated-content", meta["uid"])


def test_a_machine_gets_its_spec_and_its_data_back_once(
    snapshotted: Make, restore: Run, module: Run, namespace: str, client: Any
) -> None:
    snapshotted()
    before = content(client, namespace, "data")
    assert module("vm", name="v", namespace=namespace, memory="128Mi")["changed"]
    foreseen = restore(check=True)
    assert (
        foreseen["changed"] and foreseen["requests"]["writes"] == 0 and client.find(VM_RESTORE, "r", namespace) is None
    )

    done = restore()
    entry = done["restores"][0]
    assert done["changed"] and entry["complete"] and entry["restored_at"], done
    assert [one["name"] for one in entry["volumes"]] == ["disk-data"]
    assert done["requests"]["writes"] == 1
    vm = client.get(VM, "v", namespace)
    assert vm["spec"]["template"]["spec"]["domain"]["memory"]["guest"] == "64Mi"
    volumes = {one["name"]: one for one in vm["spec"]["template"]["spec"]["volumes"]}
    restored = volumes["disk-data"]["persistentVolumeClaim"]["claimName"]
    assert restored == entry["volumes"][0]["claim"] != "data"
    assert content(client, namespace, restored) == before

    module("vm", name="v", namespace=namespace, memory="256Mi")
    again = restore()
    assert not again["changed"] and again["requests"] == {"reads": 1, "writes": 0, "watches": 0}, again
    assert client.get(VM, "v", namespace)["spec"]["template"]["spec"]["domain"]["memory"]["guest"] == "256Mi"
    other = restore(vm="w")
    assert other["failed"] and "spec.target cannot be changed once it is there" in other["msg"]


def test_a_machine_that_runs_is_refused_unless_it_may_be_stopped(
    snapshotted: Make, restore: Run, namespace: str, client: Any
) -> None:
    snapshotted(run_strategy="Always")
    for check in (True, False):
        refused = restore(check=check)
        assert refused["failed"] and f"VirtualMachine {namespace}/v runs" in refused["msg"], refused
        assert "stop: true" in refused["msg"] and refused["requests"]["writes"] == 0
    assert client.find(VMI, "v", namespace)
    done = restore(stop=True, wait_timeout=20)
    assert done["restores"][0]["complete"], done
    assert client.find(VMI, "v", namespace) is None
    assert client.get(VM, "v", namespace)["spec"]["runStrategy"] == "Halted"


def test_a_new_machine_is_made_with_patches_and_claims_of_its_own(
    snapshotted: Make, restore: Run, namespace: str, client: Any
) -> None:
    snapshotted()
    patches = [
        {"op": "replace", "path": "/metadata/labels/tier", "value": "copy"},
        {"op": "remove", "path": "/metadata/labels/of"},
        {"op": "add", "path": "/spec/template/spec/hostname", "value": "copy"},
    ]
    options = {
        "vm": "copy",
        "patches": patches,
        "volumes": [{"name": "disk-data", "restore_name": "copied", "labels": {"n": 1}}],
        "volume_ownership_policy": "None",
    }
    done = restore(**options)
    assert done["restores"][0]["volumes"] == [{"name": "disk-data", "claim": "copied", "data_volume": None}], done
    vm = client.get(VM, "copy", namespace)
    assert vm["metadata"]["labels"] == {"tier": "copy"} and vm["spec"]["template"]["spec"]["hostname"] == "copy"
    assert vm["spec"]["runStrategy"] == "Halted"
    pvc = client.get(PVC, "copied", namespace)
    assert pvc["metadata"]["labels"] == {"n": "1"} and "ownerReferences" not in pvc["metadata"]
    assert content(client, namespace, "copied") == content(client, namespace, "data")
    assert not restore(**options)["changed"]


def test_claims_are_replaced_in_place(snapshotted: Make, restore: Run, namespace: str, client: Any) -> None:
    snapshotted()
    before, uid = content(client, namespace, "data"), client.get(PVC, "data", namespace)["metadata"]["uid"]
    done = restore(volume_restore_policy="InPlace")
    assert done["restores"][0]["volumes"][0]["claim"] == "data", done
    assert client.get(PVC, "data", namespace)["metadata"]["uid"] != uid
    assert content(client, namespace, "data") == before


def test_what_kubevirt_would_wait_for_without_end_is_refused(
    snapshotted: Make, machine: Make, claim: Make, restore: Run, module: Run, namespace: str, client: Any
) -> None:
    snapshotted()
    machine("other", claims=(claim("faulty", snapshot_fault="full"),))
    assert module("vm_snapshot", name="bad", namespace=namespace, vm="other", failure_deadline=1)["failed"]
    for options, why in (
        ({"snapshot": "nothing"}, f"VirtualMachineSnapshot {namespace}/nothing does not exist"),
        ({"snapshot": "bad", "vm": "other"}, f"VirtualMachineSnapshot {namespace}/bad is not ready to use: Failed"),
        ({"vm": "other"}, "is not the machine that was snapshotted"),
        ({"patches": [{"op": "remove", "path": "/spec/template"}]}, "applies patches only to a machine that it makes"),
    ):
        refused = restore(**options)
        assert refused["failed"] and why in refused["msg"] and refused["requests"]["writes"] == 0, refused
    assert client.find(VM_RESTORE, "r", namespace) is None


@pytest.mark.parametrize("value", ["registry:5000/guest", "02:00:00:00:00:01", "a,b", {"a": 1, "b": 2}])
def test_a_patch_that_the_webhook_cannot_read_is_a_fault(
    snapshotted: Make, restore: Run, namespace: str, client: Any, value: Any
) -> None:
    patch = {"op": "add", "path": "/spec/template/spec/hostname", "value": value}
    fault = restore(vm="copy", patches=[patch])
    assert fault["failed"] and "patches[0]: its value holds a ':' or ','" in fault["msg"], fault
    # What KubeVirt itself says of it.
    if isinstance(value, str):
        spec = {
            "target": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "copy"},
            "virtualMachineSnapshotName": "s",
            "patches": [f'{{"op":"add","path":"/spec/template/spec/hostname","value":"{value}"}}'],
        }
        body = {"apiVersion": VM_RESTORE.api_version, "kind": VM_RESTORE.kind, "metadata": {"name": "x"}, "spec": spec}
        with pytest.raises(ApiError, match="patch format is not valid"):
            client.create(VM_RESTORE, body, namespace, dry_run=True)


def test_a_patch_that_does_not_fit_fails_with_the_reason(
    snapshotted: Make, restore: Run, namespace: str, client: Any
) -> None:
    snapshotted()
    patch = {"op": "remove", "path": "/spec/template/spec/nothing"}
    failed = restore(vm="copy", patches=[patch], wait_timeout=5)
    assert failed["failed"] and "doc is missing path: /spec/template/spec/nothing" in failed["msg"], failed
    gone = restore(state="absent")
    assert gone["restores"][0]["action"] == "deleted" and client.find(VM_RESTORE, "r", namespace) is None
