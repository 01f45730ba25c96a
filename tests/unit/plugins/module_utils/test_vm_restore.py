# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores: what is asked for, the patches that KubeVirt can take, and what their status says."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import json_patches, objects, vm_restore
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ApiError, Refused

OPTIONS = {"name": "r", "namespace": "a", "snapshot": "s", "vm": "v"}


def restore(*conditions: tuple[str, str, str], **status: Any) -> dict[str, Any]:
    found = [{"type": kind, "status": state, "reason": reason} for kind, state, reason in conditions]
    return {**vm_restore.new(OPTIONS), "status": {"complete": False, "conditions": found, **status}}


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"vm": None}, "vm: is missing"),
        ({"snapshot": None}, "snapshot: is missing"),
        ({"vm": "a.b"}, "vm: 'a.b' must be"),
        ({"snapshot": "a.b"}, ""),
        ({"vm": None, "snapshot": None, "state": "absent"}, ""),
        ({"volumes": [{"name": "d"}]}, "volumes[d]: needs one of restore_name, labels and annotations"),
        ({"volumes": [{"name": "d", "labels": {"a": "b c"}}]}, "volumes[d].labels[a]: 'b c' must be"),
        ({"volumes": [{"name": "d", "annotations": {"a b": ""}}]}, "volumes[d].annotations: the key 'a b' must be"),
        ({"volumes": [{"name": "d", "restore_name": "D"}]}, "volumes[d]: restore_name: 'D' must be"),
        ({"patches": [{"op": "move", "path": "/spec/a"}]}, "patches[0]: op 'move' must be one of add"),
        (
            {"patches": [{"op": "add", "path": "/metadata/name", "value": "x"}]},
            "patches[0]: path '/metadata/name' must",
        ),
        ({"patches": [{"op": "add", "path": "/spec/a", "from": "x"}]}, "patches[0]: from: is unknown"),
        ({"patches": [{"op": "add", "path": "/spec/a", "value": "a:b"}]}, "patches[0]: its value holds a ':'"),
        ({"patches": [{"op": "add", "path": "/spec/a", "value": ["a", "b"]}]}, "patches[0]: its value holds a ':'"),
        ({"patches": [{"op": "add", "path": "/spec/a", "value": ["a"]}, {"op": "remove", "path": "/spec/b"}]}, ""),
    ],
)
def test_faults(options: dict[str, Any], fault: str) -> None:
    found = list(vm_restore.faults({**OPTIONS, **options}))
    assert (found[0].startswith(fault) and len(found) == 1) if fault else not found


def test_patches_are_written_one_text_each() -> None:
    assert json_patches.write([{"op": "add", "path": "/spec/a", "value": True}]) == [
        '{"op":"add","path":"/spec/a","value":true}'
    ]


def test_how_a_target_that_runs_is_treated_is_no_difference_later() -> None:
    assert vm_restore.new(OPTIONS)["spec"]["targetReadinessPolicy"] == "FailImmediate"
    stopping = vm_restore.new({**OPTIONS, "stop": True})
    stopping["metadata"]["resourceVersion"] = "1"
    assert stopping["spec"]["targetReadinessPolicy"] == "StopTarget"
    kind = objects.Kind(vm_restore.VM_RESTORE, vm_restore.desired, vm_restore.new, frozen=(("spec", "patches"),))
    assert objects.make_plan(kind, OPTIONS, stopping).action == "unchanged"
    patched = {**OPTIONS, "patches": [{"op": "remove", "path": "/spec/a"}]}
    with pytest.raises(Refused, match="spec.patches cannot be changed"):
        objects.make_plan(kind, patched, stopping)
    assert objects.make_plan(kind, patched, vm_restore.new(patched)).action == "unchanged"


def test_overrides_of_volumes() -> None:
    volumes = [{"name": "d", "restore_name": "e", "labels": {"n": 1}}, {"name": "f", "annotations": {"a": "b"}}]
    assert vm_restore.desired({**OPTIONS, "volumes": volumes})["spec"]["volumeRestoreOverrides"] == [
        {"volumeName": "d", "restoreName": "e", "labels": {"n": "1"}},
        {"volumeName": "f", "annotations": {"a": "b"}},
    ]


WAITS = "Waiting for target VM to be powered off. Please stop it"
STOPS = "Automatically stopping restore target for restore operation"


@pytest.mark.parametrize(
    ("state", "verdict", "grace"),
    [
        (restore(complete=True), "done", False),
        (restore(), "wait", False),
        (
            restore(("Progressing", "True", "Creating new PVCs"), ("Ready", "False", "Waiting for new PVCs")),
            "wait",
            False,
        ),
        (restore(("Progressing", "False", WAITS), ("Ready", "False", WAITS)), "wait", False),
        (restore(("Progressing", "False", STOPS), ("Ready", "False", STOPS)), "wait", False),
        (restore(("Progressing", "False", "no such PVC"), ("Ready", "False", "no such PVC")), "failed", True),
        (restore(("Progressing", "False", "off"), ("Failure", "True", "must be powered off")), "failed", False),
        (None, "failed", False),
    ],
)
def test_verdicts(state: Any, verdict: str, grace: bool) -> None:
    found = vm_restore.complete(state)
    assert verdict == ("done" if found.done else "failed" if found.failed else "wait")
    assert bool(found.grace) == grace
    if verdict == "failed" and state:
        assert found.why == vm_restore.describe(state)


@pytest.mark.parametrize("check", [False, True])
def test_a_second_restore_into_a_machine_waits_for_the_first(api: Any, reply: Any, check: bool) -> None:
    denied = 'admission webhook "x" denied the request: VirtualMachineRestore "r1" in progress'
    causes = [{"field": "spec.target", "message": 'VirtualMachineRestore "r1" in progress'}]
    api.says(reply(422, {"reason": "Invalid", "message": denied, "details": {"causes": causes}}))
    kind = vm_restore.kind(api.client(), [], objects.Settings())
    assert kind.write is not None
    with pytest.raises(ApiError) as refused:
        kind.write(api.client(), ("a", "r"), objects.Plan("created", body=vm_restore.new(OPTIONS)), check)
    assert refused.value.fix == "Wait until r1 is complete, or delete it with state absent"
