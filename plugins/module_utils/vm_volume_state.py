# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: volumes that are plugged into machines and pulled out of them, in a machine's spec and in its instance's status.

How it is done follows from KubeVirt's feature gates. Since 1.9 virt-controller plugs what a machine's spec marks as
hot-pluggable. With the older gate HotplugVolumes it does not look at the spec, but carries out requests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions, plan, vm_state, volumes
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import Option
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import name_fault
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Plan
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import is_deleting
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.verdict import DONE, Verdict

Object = dict[str, Any]
Options = Mapping[str, Any]

BY_SPEC, BY_REQUEST, OFF, UNKNOWN = "by spec", "by request", "off", "unknown"
_DECLARATIVE, _IMPERATIVE = "DeclarativeHotplugVolumes", "HotplugVolumes"
# The first version, major and minor, that plugs by the spec unless it is told not to.
_BY_SPEC_SINCE = (1, 9)
_KINDS = ("disk", "lun", "cdrom")
_BUSES = {"disk": ("scsi", "virtio"), "lun": ("scsi",), "cdrom": ("sata", "scsi")}
_SOURCES = {"pvc": ("persistentVolumeClaim", "claimName"), "data_volume": ("dataVolume", "name")}
# Seconds over which a claim that is missing may still be made, as a DataVolume's is, and an older error may go away.
_NO_CLAIM = 30.0
_OLD_ERROR = 10.0

_VOLUME: dict[str, Option] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"]},
    "pvc": {"type": "str"},
    "data_volume": {"type": "str"},
    "type": {"type": "str", "choices": list(_KINDS)},
    "bus": {"type": "str", "choices": ["sata", "scsi", "virtio"]},
    "serial": {"type": "str"},
    "cache": {"type": "str", "choices": ["none", "writeback", "writethrough"]},
    "read_only": {"type": "bool"},
    "shareable": {"type": "bool"},
}
OPTIONS: dict[str, Option] = {
    "namespace": {"type": "str"},
    "volumes": {"type": "list", "elements": "dict", "options": _VOLUME},
}
EXCLUSIVE = {"volumes": frozenset(_SOURCES)}


def faults(options: Options) -> Iterator[str]:
    """What is wrong with a machine's options beyond their types."""
    if not options.get("volumes"):
        yield "volumes: is missing; name at least one"
    seen: set[str] = set()
    for volume in options.get("volumes") or []:
        name = str(volume.get("name"))
        yield from (f"volumes[{name}]: {fault}" for fault in _volume_faults(volume))
        if name in seen:
            yield f"volumes[{name}]: is there more than once"
        seen.add(name)


def _volume_faults(volume: Options) -> Iterator[str]:
    if is_absent(volume):
        return
    given = [key for key in _SOURCES if volume.get(key)]
    if len(given) != 1:
        yield f"{' and '.join(given) or 'pvc'}: give either pvc or data_volume"
    for key in given:
        wrong = name_fault(volume[key], subdomain=True)
        if wrong:
            yield f"{key}: {wrong}"
    kind, bus = volume.get("type") or "disk", volume.get("bus")
    if bus and kind in _BUSES and bus not in _BUSES[kind]:
        yield f"bus: {bus} does not go with type {kind}; give {' or '.join(_BUSES[kind])}"


def is_absent(volume: Options) -> bool:
    """Whether a volume is to be pulled out."""
    return volume.get("state") == "absent"


def claim(volume: Options) -> str:
    """The claim of a volume's options."""
    return str(volume.get("pvc") or volume.get("data_volume") or "")


def hotplug(kubevirt: Mapping[str, Any]) -> str:
    """How volumes are plugged, by the KubeVirt object: BY_SPEC, BY_REQUEST or OFF."""
    configuration = (kubevirt.get("spec") or {}).get("configuration") or {}
    developer = configuration.get("developerConfiguration") or {}
    gates = developer.get("featureGates") or []
    if _IMPERATIVE in gates:
        return BY_REQUEST
    version = re.match(r"v?(\d+)\.(\d+)", str(vm_state.status(kubevirt).get("observedKubeVirtVersion") or ""))
    recent = version is None or (int(version[1]), int(version[2])) >= _BY_SPEC_SINCE
    by_default = recent and _DECLARATIVE not in (developer.get("disabledFeatureGates") or [])
    return BY_SPEC if _DECLARATIVE in gates or by_default else OFF


def desired(options: Options, vm: Mapping[str, Any]) -> Object:
    """The owned fields of a machine: the volumes that were named, and their disks."""
    spec = volumes.template_spec(vm)
    known, disks = volumes.volumes(spec), volumes.disks(spec)
    wanted_volumes: list[Object] = []
    wanted_disks: list[Object] = []
    for volume in options["volumes"]:
        name = str(volume["name"])
        gone = {"name": name, plan.DELETE: "delete"}
        if not is_absent(volume):
            wanted_volumes.append(_source(volume, known.get(name)))
            wanted_disks.append(_disk(volume, disks.get(name)))
        else:
            wanted_volumes.append(gone)
            if not _is_drive(disks.get(name)):
                wanted_disks.append(gone)
    template = {"volumes": wanted_volumes, "domain": {"devices": {"disks": wanted_disks}}}
    return {"spec": {"template": {"spec": template}}}


def _source(volume: Options, known: Mapping[str, Any] | None) -> Object:
    """A volume of the spec; one that has the claim already is left as it is, be it hot-pluggable or not."""
    name = str(volume["name"])
    if known is not None and volumes.claim(known) == claim(volume):
        return {"name": name}
    kind, field = next(source for key, source in _SOURCES.items() if volume.get(key))
    return {"name": name, kind: {field: claim(volume), "hotpluggable": True}}


def _disk(volume: Options, known: Mapping[str, Any] | None) -> Object:
    kind = volume.get("type") or next((one for one in _KINDS if one in (known or {})), "disk")
    bus = volume.get("bus") or (_BUSES[kind][0] if known is None else None)
    device = {"bus": bus, "readonly": volume.get("read_only")}
    disk: Object = {
        "name": str(volume["name"]),
        kind: {key: value for key, value in device.items() if value is not None},
    }
    disk.update({key: volume[key] for key in ("serial", "cache", "shareable") if volume.get(key) is not None})
    return disk


def _is_drive(disk: Mapping[str, Any] | None) -> bool:
    """Whether a disk is a CD-ROM drive, of which only the medium is changed."""
    return bool(disk) and "cdrom" in (disk or {})


def refuse(options: Options, todo: Plan, where: str) -> None:
    """Raises where a change of a machine's volumes is none that can be carried out by plugging."""
    if todo.action != "changed" or todo.before is None:
        return
    runs = vm_state.is_created(todo.before)
    spec = volumes.template_spec(todo.before)
    for volume in options["volumes"]:
        if is_absent(volume):
            _refuse_removal(volume, spec, where)
        else:
            _refuse_addition(volume, spec, where, runs)
    if runs:
        _refuse_disk_change(options, todo, where)


def _refuse_removal(volume: Options, spec: Mapping[str, Any], where: str) -> None:
    known = volumes.volumes(spec).get(str(volume["name"]))
    if known is not None and not volumes.is_hotpluggable(known):
        raise Refused(
            f"volume {volume['name']} cannot be pulled out",
            where=where,
            why="it is no hot-plugged volume but a disk that the machine is started with",
            fix="Remove it from the stopped machine, with the module vm and the disk's state absent",
        )


def _refuse_addition(volume: Options, spec: Mapping[str, Any], where: str, runs: bool) -> None:
    name, wanted = str(volume["name"]), claim(volume)
    known, disk = volumes.volumes(spec).get(name), volumes.disks(spec).get(name)
    if known is not None and volumes.claim(known) != wanted and not _is_drive(disk):
        raise Refused(
            f"volume {name} is there already, with {_held(known)} instead of the claim {wanted}",
            where=where,
            fix="Give another name, or pull that volume out first with its state absent",
        )
    other = next((key for key, value in volumes.claims(spec).items() if value == wanted and key != name), None)
    if other is not None:
        why, fix = f"it is the machine's volume {other} already", "Use that name, or another claim"
        raise Refused(f"claim {wanted} cannot be volume {name}", where=where, why=why, fix=fix)
    if known is None and disk is None and volume.get("type") == "cdrom" and runs:
        raise Refused(
            f"CD-ROM drive {name} cannot be plugged in",
            where=where,
            why="a guest that runs can get disks and LUNs, and media for drives that it was started with",
            fix="Give type disk, or add the drive while the machine is stopped",
        )


def _held(volume: Mapping[str, Any]) -> str:
    held = volumes.claim(volume)
    return f"the claim {held}" if held is not None else "no claim"


def _refuse_disk_change(options: Options, todo: Plan, where: str) -> None:
    before = volumes.disks(volumes.template_spec(todo.before or {}))
    after = volumes.disks(volumes.template_spec(todo.after or {}))
    changed = [
        str(volume["name"])
        for volume in options["volumes"]
        if not is_absent(volume) and volume["name"] in before and before[volume["name"]] != after.get(volume["name"])
    ]
    if changed:
        raise Refused(
            f"the disk of {volumes.listed(changed)} cannot be changed while the machine runs",
            where=where,
            why="type, bus, serial and cache are settled when it is plugged in",
            fix="Pull the volume out first with its state absent, then plug it in anew",
        )


def plugged(
    options: Options, vm: Mapping[str, Any] | None, vmi: Mapping[str, Any] | None, *, changed: bool = True
) -> Verdict:
    """Whether a machine's instance has the volumes as wanted; one without an instance gets them with the next start."""
    if vm is None:
        return Verdict(failed=True, why="it was deleted in the meantime")
    if vmi is None or is_deleting(vmi) or vm_state.status(vmi).get("phase") in conditions.FINAL_PHASES:
        return Verdict(why="its instance ends or begins") if vm_state.is_created(vm) else DONE
    failure = conditions.find(vm, "Failure")
    if failure.get("status") == "True" and failure.get("reason") == "HotPlugVolumeError":
        why = str(failure.get("message") or failure["reason"])
        return Verdict(
            failed=True, why=why, fix="Correct the volume's type and bus", grace=_OLD_ERROR if changed else 0.0
        )
    missing = [one for one in states(options, vmi) if not one["reached"]]
    if not missing:
        return DONE
    why = "; ".join(f"volume {one['name']}: {one['reason']}" for one in missing)
    lost = any("FailedPvcNotFound" in str(one["reason"]) for one in missing)
    return Verdict(failed=lost, why=why, grace=_NO_CLAIM if lost else 0.0, fix=_FIX_CLAIM if lost else _FIX_WAIT)


_FIX_CLAIM = "Create the claim, or pull the volume out with its state absent"
_FIX_WAIT = "Raise wait_timeout, or look at the events of the instance and of its attachment pod"


def states(options: Options, vmi: Mapping[str, Any] | None) -> list[Object]:
    """What an instance's status says of each volume that was named: {name, claim, phase, target, plugged,
    reached (as wanted), reason}."""
    spec = (vmi or {}).get("spec") or {}
    known = {str(one["name"]): one for one in vm_state.status(vmi or {}).get("volumeStatus") or []}
    return [_state(volume, volumes.volumes(spec).get(str(volume["name"])), known) for volume in options["volumes"]]


def _state(volume: Options, found: Mapping[str, Any] | None, known: Mapping[str, Mapping[str, Any]]) -> Object:
    name = str(volume["name"])
    status = known.get(name) or {}
    phase = status.get("phase")
    # A disk that the machine was started with has no phase.
    is_plugged = found is not None and (phase == "Ready" or not volumes.is_hotpluggable(found))
    told = ": ".join(str(status[key]) for key in ("phase", "reason", "message") if status.get(key))
    if is_absent(volume):
        reached, reason = found is None and not status, f"is still there ({phase})" if phase else "is still there"
    elif found is None or volumes.claim(found) != claim(volume):
        reached, reason = False, told or "is not there yet"
    else:
        reached, reason = is_plugged, told or "is not plugged in yet"
    return {
        "name": name,
        "claim": volumes.claim(found) if found is not None else None,
        "phase": phase,
        "target": status.get("target") or None,
        "plugged": is_plugged,
        "reached": reached,
        "reason": None if reached else reason,
    }


def attachment_pods(options: Options, vmi: Mapping[str, Any] | None) -> list[str]:
    """The pods by which volumes that are not plugged yet get to the node."""
    names = {one["name"] for one in states(options, vmi) if not one["reached"]}
    found = [
        str((one.get("hotplugVolume") or {}).get("attachPodName") or "")
        for one in vm_state.status(vmi or {}).get("volumeStatus") or []
        if one["name"] in names
    ]
    return sorted({name for name in found if name})


def changes(todo: Plan) -> tuple[list[Object], list[str]]:
    """What a plan plugs, as options of KubeVirt's subresource, and the names of what it pulls out."""
    before, after = volumes.template_spec(todo.before or {}), volumes.template_spec(todo.after or {})
    old, new, disks = volumes.volumes(before), volumes.volumes(after), volumes.disks(after)
    added = [_request(name, volume, disks[name]) for name, volume in new.items() if name not in old]
    return added, [name for name in old if name not in new]


def _request(name: str, volume: Mapping[str, Any], disk: Mapping[str, Any]) -> Object:
    source = {key: value for key, value in volume.items() if key != "name"}
    return {"name": name, "disk": dict(disk), "volumeSource": source}


def is_exchange(todo: Plan) -> bool:
    """Whether a plan changes media of CD-ROM drives, for which there are no requests."""
    before, after = volumes.template_spec(todo.before or {}), volumes.template_spec(todo.after or {})
    drives = [name for name, disk in volumes.disks(after).items() if _is_drive(disk)]
    return any(volumes.volumes(before).get(name) != volumes.volumes(after).get(name) for name in drives)


def holders(name: str, instances: Sequence[Mapping[str, Any]], but: str) -> list[str]:
    """The names of other instances that run with a claim."""
    return [
        str(vmi["metadata"]["name"])
        for vmi in instances
        if vmi["metadata"]["name"] != but
        and vm_state.status(vmi).get("phase") not in conditions.FINAL_PHASES
        and name in volumes.claims(vmi.get("spec") or {}).values()
    ]
