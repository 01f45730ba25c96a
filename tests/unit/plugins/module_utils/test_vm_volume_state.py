# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes that are plugged and pulled out: what changes in the machine, what is refused, and when it is done."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import objects, vm_volume_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.existing import Once
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VM

PLUGGED = {"name": "d", "persistentVolumeClaim": {"claimName": "c", "hotpluggable": True}}
DISK = {"name": "d", "disk": {"bus": "scsi"}}
KIND = objects.Kind(VM, lambda _options: {}, lambda _options: {}, desired_of=vm_volume_state.desired)


def options(*volumes: dict[str, Any]) -> dict[str, Any]:
    return {"name": "v", "namespace": "a", "volumes": list(volumes)}


def machine(volumes: Any = (), disks: Any = (), *, runs: bool = True) -> dict[str, Any]:
    root = {"name": "root", "containerDisk": {"image": "i"}}
    spec = {
        "volumes": [root, *volumes],
        "domain": {"devices": {"disks": [{"name": "root", "disk": {"bus": "virtio"}}, *disks]}},
    }
    meta = {"name": "v", "namespace": "a", "resourceVersion": "1"}
    return {"metadata": meta, "spec": {"template": {"spec": spec}}, "status": {"created": runs}}


def planned(vm: dict[str, Any], *volumes: dict[str, Any]) -> objects.Plan:
    todo = objects.make_plan(KIND, options(*volumes), vm)
    vm_volume_state.refuse(options(*volumes), todo, "here")
    return todo


def parts(todo: objects.Plan) -> tuple[Any, Any]:
    spec = todo.after["spec"]["template"]["spec"] if todo.after else {}
    return spec["volumes"][1:], spec["domain"]["devices"]["disks"][1:]


@pytest.mark.parametrize(
    ("volume", "fault"),
    [
        ({"name": "d"}, "volumes[d]: pvc: give either pvc or data_volume"),
        ({"name": "d", "pvc": "c", "data_volume": "c"}, "volumes[d]: pvc and data_volume: give either"),
        ({"name": "d", "pvc": "C"}, "volumes[d]: pvc: 'C' must be"),
        ({"name": "d", "state": "absent"}, ""),
        (
            {"name": "d", "pvc": "c", "bus": "sata"},
            "volumes[d]: bus: sata does not go with type disk; give scsi or virtio",
        ),
        (
            {"name": "d", "pvc": "c", "type": "lun", "bus": "virtio"},
            "volumes[d]: bus: virtio does not go with type lun",
        ),
        ({"name": "d", "pvc": "c", "type": "cdrom", "bus": "sata"}, ""),
    ],
)
def test_faults(volume: dict[str, Any], fault: str) -> None:
    found = list(vm_volume_state.faults(options(volume)))
    assert (found[0].startswith(fault) and len(found) == 1) if fault else not found


def test_faults_of_the_list() -> None:
    assert list(vm_volume_state.faults({"name": "v", "volumes": []})) == ["volumes: is missing; name at least one"]
    twice = options({"name": "d", "pvc": "c"}, {"name": "d", "state": "absent"})
    assert list(vm_volume_state.faults(twice)) == ["volumes[d]: is there more than once"]


@pytest.mark.parametrize(
    ("developer", "version", "how"),
    [
        (None, "v1.9.0", "by spec"),
        ({}, "v1.10.2", "by spec"),
        ({}, "v1.8.4", "off"),
        ({"featureGates": ["DeclarativeHotplugVolumes"]}, "v1.8.4", "by spec"),
        ({"disabledFeatureGates": ["DeclarativeHotplugVolumes"]}, "v1.9.0", "off"),
        ({"featureGates": ["HotplugVolumes"]}, "v1.9.0", "by request"),
        ({"featureGates": ["HotplugVolumes", "DeclarativeHotplugVolumes"]}, "v1.9.0", "by request"),
        ({}, "", "by spec"),
    ],
)
def test_how_it_is_done_follows_from_the_gates(developer: Any, version: str, how: str) -> None:
    configuration = {"configuration": {"developerConfiguration": developer}}
    kubevirt = {"spec": configuration, "status": {"observedKubeVirtVersion": version}}
    assert vm_volume_state.hotplug(kubevirt) == how


def test_plugged_in() -> None:
    todo = planned(
        machine(), {"name": "d", "pvc": "c"}, {"name": "e", "data_volume": "f", "type": "lun", "serial": "S"}
    )
    assert parts(todo) == (
        [PLUGGED, {"name": "e", "dataVolume": {"name": "f", "hotpluggable": True}}],
        [DISK, {"name": "e", "lun": {"bus": "scsi"}, "serial": "S"}],
    )
    assert todo.body["metadata"]["resourceVersion"] == "1"
    added, removed = vm_volume_state.changes(todo)
    assert added[0] == {
        "name": "d",
        "disk": DISK,
        "volumeSource": {"persistentVolumeClaim": {"claimName": "c", "hotpluggable": True}},
    }
    assert [one["name"] for one in added] == ["d", "e"] and removed == []


def test_what_is_there_is_left_as_it_is() -> None:
    virtio = {"name": "d", "disk": {"bus": "virtio"}, "serial": "X"}
    assert planned(machine([PLUGGED], [virtio]), {"name": "d", "pvc": "c"}).action == "unchanged"
    permanent = {"name": "d", "persistentVolumeClaim": {"claimName": "c"}}
    assert planned(machine([permanent], [virtio]), {"name": "d", "data_volume": "c"}).action == "unchanged"
    assert planned(machine(), {"name": "d", "state": "absent"}).action == "unchanged"


def test_pulled_out() -> None:
    todo = planned(machine([PLUGGED], [DISK]), {"name": "d", "state": "absent"})
    assert parts(todo) == ([], []) and vm_volume_state.changes(todo) == ([], ["d"])
    assert not vm_volume_state.is_exchange(todo)


def test_of_a_drive_only_the_medium_goes_and_comes() -> None:
    drive = {"name": "d", "cdrom": {"bus": "sata"}}
    out = planned(machine([PLUGGED], [drive]), {"name": "d", "state": "absent"})
    assert parts(out) == ([], [drive]) and vm_volume_state.is_exchange(out)
    into = planned(machine([], [drive]), {"name": "d", "pvc": "c"})
    assert parts(into) == ([PLUGGED], [drive]) and vm_volume_state.is_exchange(into)
    other = planned(machine([PLUGGED], [drive]), {"name": "d", "pvc": "other"})
    assert parts(other)[0][0]["persistentVolumeClaim"]["claimName"] == "other"


@pytest.mark.parametrize(
    ("vm", "volume", "why"),
    [
        (machine(), {"name": "root", "state": "absent"}, "volume root cannot be pulled out"),
        (machine(runs=False), {"name": "root", "state": "absent"}, "volume root cannot be pulled out"),
        (machine([PLUGGED], [DISK]), {"name": "d", "pvc": "x"}, "with the claim c instead of the claim x"),
        (machine([PLUGGED], [DISK]), {"name": "e", "pvc": "c"}, "it is the machine's volume d already"),
        (machine([PLUGGED], [DISK]), {"name": "d", "pvc": "c", "cache": "none"}, "disk of volume d cannot be changed"),
        (machine([PLUGGED], [DISK]), {"name": "d", "pvc": "c", "type": "lun"}, "disk of volume d cannot be changed"),
        (machine(), {"name": "d", "pvc": "c", "type": "cdrom"}, "CD-ROM drive d cannot be plugged in"),
    ],
)
def test_refused(vm: Any, volume: Any, why: str) -> None:
    with pytest.raises(Refused, match=why):
        planned(vm, volume)


def test_a_stopped_machine_takes_more() -> None:
    assert planned(machine(runs=False), {"name": "d", "pvc": "c", "type": "cdrom"}).action == "changed"
    changed = planned(machine([PLUGGED], [DISK], runs=False), {"name": "d", "pvc": "c", "cache": "none"})
    assert changed.action == "changed"


def instance(volumes: Any = (), status: Any = (), **meta: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "v", "namespace": "a", **meta},
        "spec": {"volumes": list(volumes)},
        "status": {"phase": "Running", "volumeStatus": list(status)},
    }


def status(phase: str, **more: Any) -> dict[str, Any]:
    return {"name": "d", "phase": phase, "target": "", **more}


PRESENT, ABSENT = {"name": "d", "pvc": "c"}, {"name": "d", "state": "absent"}
OTHER = {"name": "d", "persistentVolumeClaim": {"claimName": "x", "hotpluggable": True}}
PERMANENT = {"name": "d", "persistentVolumeClaim": {"claimName": "c"}}


@pytest.mark.parametrize(
    ("volume", "vmi", "verdict"),
    [
        (PRESENT, instance([PLUGGED], [status("Ready", target="sda")]), "done"),
        (PRESENT, instance([PLUGGED], [status("MountedToPod")]), "wait"),
        (PRESENT, instance([PLUGGED]), "wait"),
        (PRESENT, instance(), "wait"),
        (PRESENT, instance([OTHER], [status("Ready")]), "wait"),
        (PRESENT, instance([PERMANENT]), "done"),
        (PRESENT, instance([PLUGGED], [status("Pending", reason="FailedPvcNotFound")]), "failed"),
        (ABSENT, instance(), "done"),
        (ABSENT, instance([], [status("Detaching")]), "wait"),
        (ABSENT, instance([PLUGGED], [status("Ready")]), "wait"),
        (PRESENT, instance([], deletionTimestamp="now"), "wait"),
        (PRESENT, None, "wait"),
    ],
)
def test_when_it_is_done(volume: Any, vmi: Any, verdict: str) -> None:
    found = vm_volume_state.plugged(options(volume), machine(), vmi)
    assert verdict == ("done" if found.done else "failed" if found.failed else "wait")
    assert bool(found.grace) == (verdict == "failed")


def test_a_machine_that_is_gone_or_stopped_meanwhile() -> None:
    assert vm_volume_state.plugged(options(PRESENT), None, None).failed
    assert vm_volume_state.plugged(options(PRESENT), machine(runs=False), None).done


def test_what_virt_controller_could_not_do() -> None:
    failure = {"type": "Failure", "status": "True", "reason": "HotPlugVolumeError", "message": "bus is not permitted"}
    vm = machine()
    vm["status"]["conditions"] = [failure]
    found = vm_volume_state.plugged(options(PRESENT), vm, instance())
    assert found.failed and found.why == "bus is not permitted" and found.grace
    assert not vm_volume_state.plugged(options(PRESENT), vm, instance(), changed=False).grace


def test_what_is_shown_and_where_the_reason_is_looked_for() -> None:
    hanging = status("AttachedToNode", message="Created pod", hotplugVolume={"attachPodName": "hp"})
    vmi = instance([PLUGGED], [hanging])
    shown = vm_volume_state.states(options(PRESENT), vmi)[0]
    assert shown["reason"] == "AttachedToNode: Created pod" and not shown["plugged"] and shown["target"] is None
    assert vm_volume_state.attachment_pods(options(PRESENT), vmi) == ["hp"]
    ready = instance([PLUGGED], [status("Ready", target="sda", hotplugVolume={"attachPodName": "hp"})])
    assert vm_volume_state.attachment_pods(options(PRESENT), ready) == []
    assert vm_volume_state.states(options(PRESENT), ready)[0]["target"] == "sda"


def test_who_holds_a_claim() -> None:
    ended = {**instance([PLUGGED]), "status": {"phase": "Succeeded"}}
    others = [
        instance([PLUGGED]),
        {**instance([PLUGGED]), "metadata": {"name": "w"}},
        {**ended, "metadata": {"name": "x"}},
    ]
    assert vm_volume_state.holders("c", others, "v") == ["w"]
    assert vm_volume_state.holders("other", others, "v") == []


def test_once_is_made_once_and_tried_again_after_an_error() -> None:
    made: list[int] = []
    barrier = threading.Barrier(4)

    def make() -> int:
        made.append(1)
        if len(made) == 1:
            raise ValueError("first")
        return len(made)

    once = Once(make)
    with pytest.raises(ValueError, match="first"):
        once.get()

    def ask() -> int:
        barrier.wait()
        return once.get()

    with ThreadPoolExecutor(4) as pool:
        assert {future.result() for future in [pool.submit(ask) for _thread in range(4)]} == {2}
