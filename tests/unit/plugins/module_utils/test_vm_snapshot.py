# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: what is asked for, and what their status says."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import objects, vm_snapshot, volumes
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused

NOBODY: Any = None
OPTIONS = {"name": "s", "namespace": "a", "vm": "v"}


def snapshot(phase: str = "Succeeded", *, ready: bool = True, conditions: Any = (), **status: Any) -> dict[str, Any]:
    found = [{"type": kind, "status": state, "reason": reason} for kind, state, reason in conditions]
    return {
        **vm_snapshot.new(OPTIONS),
        "status": {"phase": phase, "readyToUse": ready, "conditions": found, **status},
    }


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"vm": None}, "vm: is missing"),
        ({"vm": "V"}, "vm: 'V' must be of lower-case"),
        ({"failure_deadline": -1}, "failure_deadline: -1 must be 0 or more seconds"),
        ({"vm": None, "state": "absent"}, ""),
        ({"failure_deadline": 0}, ""),
    ],
)
def test_faults(options: dict[str, Any], fault: str) -> None:
    found = list(vm_snapshot.faults({**OPTIONS, **options}))
    assert (found[0].startswith(fault) and len(found) == 1) if fault else not found


def test_only_what_is_given_is_owned() -> None:
    made = vm_snapshot.new({**OPTIONS, "labels": {"a": 1, "b": None}})
    assert made["metadata"] == {"name": "s", "namespace": "a", "labels": {"a": "1"}}
    assert made["spec"] == {"source": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "v"}}
    kind = objects.Kind(vm_snapshot.VM_SNAPSHOT, vm_snapshot.desired, vm_snapshot.new, frozen=(("spec", "source"),))
    there = {**snapshot(), "spec": {**made["spec"], "deletionPolicy": "Retain", "failureDeadline": "5m0s"}}
    assert objects.make_plan(kind, OPTIONS, there).action == "unchanged"
    with pytest.raises(Refused, match="spec.source cannot be changed"):
        objects.make_plan(kind, {**OPTIONS, "vm": "w"}, there)


@pytest.mark.parametrize(
    ("state", "verdict", "why"),
    [
        (snapshot(), "done", ""),
        (snapshot("InProgress", ready=False), "wait", "InProgress"),
        (snapshot("Succeeded", ready=False), "wait", "Succeeded"),
        (snapshot("Failed", ready=True), "failed", "Failed"),
        (
            snapshot("Failed", ready=False, error={"message": "full"}, conditions=[("Failure", "True", "too late")]),
            "failed",
            "Failed; full; too late",
        ),
        (
            snapshot("InProgress", ready=False, conditions=[("Progressing", "False", "Source does not exist")]),
            "failed",
            "Source does not exist",
        ),
        (
            snapshot("InProgress", ready=False, conditions=[("Progressing", "False", "Source not locked")]),
            "wait",
            "Source not locked",
        ),
        (None, "failed", "deleted"),
        ({**vm_snapshot.new(OPTIONS)}, "wait", "has no status yet"),
    ],
)
def test_verdicts(state: Any, verdict: str, why: str) -> None:
    found = vm_snapshot.ready(state)
    assert verdict == ("done" if found.done else "failed" if found.failed else "wait")
    assert why in found.why


@pytest.mark.parametrize(
    ("indications", "consistent"),
    [
        ([], True),
        (["Online", "GuestAgent"], True),
        (["Online", "NoGuestAgent"], False),
        (["Online", "Paused"], False),
        (["Online", "GuestAgent", "QuiesceTimeout"], False),
        (["Online"], False),
        (["PartialSnapshot"], True),
    ],
)
def test_consistency(indications: list[str], consistent: bool) -> None:
    state = snapshot(sourceIndications=[{"indication": one, "message": "m"} for one in indications])
    assert vm_snapshot.indications(state) == indications
    done = objects.Done(("a", "s"), objects.Plan("unchanged"), state)
    options = {**OPTIONS, "require_consistent": True}
    if consistent:
        vm_snapshot.check(NOBODY, options, done, objects.Settings())
    else:
        with pytest.raises(Refused, match="no consistent state"):
            vm_snapshot.check(NOBODY, options, done, objects.Settings())


def test_indications_of_an_older_kubevirt() -> None:
    assert vm_snapshot.indications(snapshot(indications=["Online"])) == ["Online"]


def test_volumes_without_snapshots_are_those_with_a_claim() -> None:
    vm = {
        "spec": {
            "template": {
                "spec": {
                    "volumes": [
                        {"name": "root", "containerDisk": {"image": "i"}},
                        {"name": "data", "persistentVolumeClaim": {"claimName": "c"}},
                        {"name": "logs", "dataVolume": {"name": "d"}},
                    ]
                }
            }
        },
        "status": {
            "volumeSnapshotStatuses": [
                {"name": "root", "enabled": False, "reason": "no claim"},
                {"name": "data", "enabled": False, "reason": "no class"},
                {"name": "logs", "enabled": True},
            ]
        },
    }
    assert volumes.without_snapshots(vm) == {"data": "no class"}
    assert volumes.claims(volumes.template_spec(vm)) == {"data": "c", "logs": "d"}
    assert volumes.without_snapshots({"spec": {}}) == {}
