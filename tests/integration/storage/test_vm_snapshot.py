# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vm_snapshot on a real kube-apiserver: what a snapshot holds, what it lacks, and what is refused before it is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import PVC, VM_SNAPSHOT, VM_SNAPSHOT_CONTENT

Run = Callable[..., dict[str, Any]]
Make = Callable[..., Any]
FAULT = "kubevirt-ha.virtops/simulated-snapshot-fault"


@pytest.fixture
def snapshot(module: Run, namespace: str) -> Run:
    def run(name: str = "s", vm: str = "v", **options: Any) -> dict[str, Any]:
        return module("vm_snapshot", name=name, namespace=namespace, vm=vm, **options)

    return run


def test_a_snapshot_is_made_waited_for_and_left_alone_the_second_time(
    machine: Make, claim: Make, snapshot: Run, namespace: str, client: Any
) -> None:
    uid = machine(claims=(claim("data"),))["metadata"]["uid"]
    foreseen = snapshot(check=True, diff=True, failure_deadline=600, labels={"run": 7})
    assert foreseen["changed"] and foreseen["requests"]["writes"] == 0
    assert foreseen["diff"][0]["before"] == {}
    assert client.find(VM_SNAPSHOT, "s", namespace) is None

    made = snapshot(failure_deadline=600, labels={"run": 7})
    entry = made["snapshots"][0]
    assert made["changed"] and entry["action"] == "created" and entry["ready"], made
    assert (entry["phase"], entry["included_volumes"], entry["excluded_volumes"]) == (
        "Succeeded",
        ["disk-data"],
        ["root"],
    )
    assert entry["indications"] == [] and entry["source_uid"] == uid and entry["created_at"]
    # One of the snapshot, one of its machine, and one that the watch begins with.
    assert made["requests"]["reads"] == 3 and made["requests"]["writes"] == 1
    assert foreseen["diff"][0]["after"]["spec"]["failureDeadline"] == "10m0s"

    again = snapshot(failure_deadline=600, labels={"run": 7}, require_consistent=True)
    assert not again["changed"] and again["requests"] == {"reads": 1, "writes": 0, "watches": 0}


def test_what_a_snapshot_is_of_cannot_change_but_its_labels_can(machine: Make, snapshot: Run) -> None:
    machine()
    machine("other")
    assert snapshot(deletion_policy="Retain")["changed"]
    for change, field in (
        ({"vm": "other"}, "spec.source"),
        ({"deletion_policy": "Delete"}, "spec.deletionPolicy"),
        ({"failure_deadline": 60}, "spec.failureDeadline"),
    ):
        refused = snapshot(**change)
        assert refused["failed"] and f"{field} cannot be changed once it is there" in refused["msg"], refused
        assert refused["requests"]["writes"] == 0
    labelled = snapshot(labels={"keep": "yes"})
    assert labelled["changed"] and labelled["snapshots"][0]["action"] == "changed"


def test_a_machine_that_does_not_exist_is_not_snapshotted(snapshot: Run, namespace: str, client: Any) -> None:
    for check in (True, False):
        refused = snapshot(vm="nobody", check=check)
        assert refused["failed"] and f"VirtualMachine {namespace}/nobody does not exist" in refused["msg"], refused
    assert client.find(VM_SNAPSHOT, "s", namespace) is None


def test_volumes_that_cannot_be_snapshotted_are_named_before_anything_is_made(
    machine: Make, claim: Make, snapshot: Run, namespace: str, client: Any
) -> None:
    machine(claims=(claim("data"), claim("plain", snapshots=False)))
    for check in (True, False):
        refused = snapshot(require_all_volumes=True, check=check)
        assert refused["failed"] and "lacks volume disk-plain" in refused["msg"], refused
        assert "No VolumeSnapshotClass" in refused["msg"]
    assert client.find(VM_SNAPSHOT, "s", namespace) is None

    partial = snapshot()
    assert not partial.get("failed") and "PartialSnapshot" in partial["snapshots"][0]["indications"]
    assert partial["snapshots"][0]["excluded_volumes"] == ["root", "disk-plain"]
    later = snapshot(require_all_volumes=True)
    assert later["failed"] and "lacks volume disk-plain" in later["msg"] and "root" not in later["error"]["what"]


def test_a_guest_that_runs_without_an_agent_makes_no_consistent_snapshot(
    machine: Make, snapshot: Run, namespace: str, client: Any
) -> None:
    machine(run_strategy="Always")
    refused = snapshot(require_consistent=True)
    assert refused["failed"] and "no agent that could freeze" in refused["msg"], refused
    assert client.find(VM_SNAPSHOT, "s", namespace) is None
    taken = snapshot()
    assert taken["snapshots"][0]["indications"] == ["NoGuestAgent", "Online"]
    later = snapshot(require_consistent=True)
    assert later["failed"] and "no agent that could freeze" in later["msg"] and not later["changed"]


def test_a_deadline_that_passes_fails_with_the_reason_and_fails_again(
    machine: Make, claim: Make, snapshot: Run
) -> None:
    machine(claims=(claim("data", snapshot_fault="the array is full"),))
    failed = snapshot(failure_deadline=4)
    assert failed["failed"] and failed["changed"], failed
    assert "the array is full" in failed["msg"] and "deadline" in failed["msg"]
    assert failed["snapshots"][0]["phase"] == "Failed"
    again = snapshot(failure_deadline=4)
    assert again["failed"] and not again["changed"] and "Delete it with state absent" in again["msg"]


def test_waiting_ends_with_the_reason_so_far(
    machine: Make, claim: Make, snapshot: Run, client: Any, namespace: str
) -> None:
    machine(claims=(claim("data", snapshot_fault="never"),))
    late = snapshot(wait_timeout=2)
    assert late["failed"] and "did not become ready to use within 2 s" in late["msg"], late
    client.patch(PVC, "data", {"metadata": {"annotations": {FAULT: None}}}, namespace)


def test_deletion_and_what_is_retained(machine: Make, snapshot: Run, client: Any, namespace: str) -> None:
    machine()
    content = snapshot(deletion_policy="Retain")["snapshots"][0]["content"]
    assert snapshot(state="absent", check=True)["changed"] and client.find(VM_SNAPSHOT, "s", namespace)
    gone = snapshot(state="absent")
    assert gone["changed"] and gone["snapshots"][0]["action"] == "deleted"
    assert client.find(VM_SNAPSHOT, "s", namespace) is None
    assert client.find(VM_SNAPSHOT_CONTENT, content, namespace)
    assert not snapshot(state="absent")["changed"]


def test_many_at_once(machine: Make, module: Run, namespace: str) -> None:
    for name in ("a", "b", "c"):
        machine(name)
    items = [{"name": f"s-{name}", "vm": name} for name in ("a", "b", "c", "nobody")]
    made = module("vm_snapshot", namespace=namespace, items=items)
    assert made["failed"] and "1 of 4 objects failed" in made["msg"]
    assert [entry["action"] for entry in made["snapshots"]] == ["created"] * 3 + ["failed"]
    assert made["requests"]["reads"] == 2 and made["requests"]["writes"] == 3
    again = module("vm_snapshot", namespace=namespace, items=items[:3])
    assert not again["changed"] and again["requests"] == {"reads": 1, "writes": 0, "watches": 0}
