# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones: what is asked for, and what their status says."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import json_patches, objects, vm_clone
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused

OPTIONS = {"name": "c", "namespace": "a", "vm": "v"}


def clone(phase: str = "", ready: str = "", progressing: str = "") -> dict[str, Any]:
    conditions = [
        {"type": kind, "status": "False", "reason": reason}
        for kind, reason in (("Ready", ready), ("Progressing", progressing))
        if reason
    ]
    return {**vm_clone.new(OPTIONS), "status": {"phase": phase, "conditions": conditions}}


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"vm": None}, "vm: give either vm or snapshot"),
        ({"snapshot": "s"}, "vm and snapshot: give either"),
        ({"vm": None, "snapshot": "s"}, ""),
        ({"vm": None, "state": "absent"}, ""),
        ({"vm": "c"}, "vm: is the machine itself"),
        ({"vm": "C"}, "vm: 'C' must be"),
        ({"label_filters": ["!"]}, "label_filters: '!' filters nothing"),
        ({"annotation_filters": ["a!b"]}, "annotation_filters: 'a!b' can hold a '!'"),
        ({"template_label_filters": ["*a"]}, "template_label_filters: '*a' can hold a '*'"),
        ({"template_annotation_filters": ["*", "!a*", "a"]}, ""),
        ({"new_mac_addresses": {"eth0": "02:00"}}, "new_mac_addresses[eth0]: '02:00' is no MAC"),
        ({"new_mac_addresses": {"eth0": "02:00:00:00:00:01", "eth1": "02-00-00-00-00-02"}}, ""),
        ({"new_smbios_serial": "a:b"}, "new_smbios_serial: can hold neither"),
        ({"patches": [{"op": "add", "path": "/spec/a", "value": "x:1"}]}, "patches[0]: its value holds"),
    ],
)
def test_faults(options: dict[str, Any], fault: str) -> None:
    found = list(vm_clone.faults({**OPTIONS, **options}))
    assert (found[0].startswith(fault) and len(found) == 1) if fault else not found


def test_nothing_is_asked_of_kubevirt_that_its_webhook_cannot_read() -> None:
    spec = vm_clone.new({**OPTIONS, "new_mac_addresses": {"eth0": "02:00:00:00:00:01"}})["spec"]
    path = "/spec/template/spec/domain/devices/interfaces/0/macAddress"
    address = spec["newMacAddresses"]["eth0"]
    assert json_patches.is_acceptable(f'{{"op":"replace","path":"{path}","value":"{address}"}}')
    assert not json_patches.is_acceptable(f'{{"op":"replace","path":"{path}","value":"02:00:00:00:00:01"}}')


def test_spec() -> None:
    options = {**OPTIONS, "label_filters": ["*"], "template_annotation_filters": ["!a"], "new_smbios_serial": "s"}
    reference = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine"}
    assert vm_clone.new(options)["spec"] == {
        "source": {**reference, "name": "v"},
        "target": {**reference, "name": "c"},
        "labelFilters": ["*"],
        "template": {"annotationFilters": ["!a"]},
        "newSMBiosSerial": "s",
    }
    of_snapshot = vm_clone.desired({"name": "c", "namespace": "a", "snapshot": "s"})["spec"]["source"]
    assert of_snapshot == {"apiGroup": "snapshot.kubevirt.io", "kind": "VirtualMachineSnapshot", "name": "s"}


def test_addresses_in_another_writing_are_no_change() -> None:
    kind = objects.Kind(vm_clone.VM_CLONE, vm_clone.desired, vm_clone.new, frozen=(("spec", "newMacAddresses"),))
    there = vm_clone.new(OPTIONS)
    there["spec"]["newMacAddresses"] = {"eth0": "02:00:00:00:00:AA"}
    same = {**OPTIONS, "new_mac_addresses": {"eth0": "02-00-00-00-00-aa"}}
    assert objects.make_plan(kind, same, there).action == "unchanged"
    with pytest.raises(Refused, match="spec.newMacAddresses cannot be changed"):
        objects.make_plan(kind, {**OPTIONS, "new_mac_addresses": {"eth0": "02-00-00-00-00-ab"}}, there)


def test_a_plan_can_be_replaced() -> None:
    def accept(_options: Any, _todo: objects.Plan) -> objects.Plan:
        return objects.Plan("unchanged")

    kind = objects.Kind(vm_clone.VM_CLONE, vm_clone.desired, vm_clone.new, accept)
    assert objects.make_plan(kind, OPTIONS, None).action == "unchanged"


@pytest.mark.parametrize(
    ("state", "verdict", "why"),
    [
        (clone("Succeeded", "Ready", "Ready"), "done", ""),
        (clone("Failed", "snapshot x does not exist anymore", "Failed"), "failed", "Failed; snapshot x does not exist"),
        (clone("", "Virtual Machine volume d does not support snapshots", "Pending"), "later", "does not support"),
        (clone("SnapshotInProgress", "Still processing", "Still processing"), "wait", "SnapshotInProgress"),
        (clone(), "wait", "has no status yet"),
        (None, "failed", "deleted"),
    ],
)
def test_verdicts(state: Any, verdict: str, why: str) -> None:
    found = vm_clone.succeeded(state)
    failed = "later" if found.grace else "failed"
    assert verdict == ("done" if found.done else failed if found.failed else "wait")
    assert why in found.why
