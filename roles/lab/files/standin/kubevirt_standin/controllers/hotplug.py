"""Hot-plugged volumes: added to a VM's template and, where the nodes can do it, to the VMI that runs; pure."""

from __future__ import annotations

import copy

from ..resources import Object

SOURCES = ("persistentVolumeClaim", "dataVolume")


def hotplugged(spec: Object) -> dict[str, Object]:
    """The volumes of a VMI's spec that are marked as hot-plugged, by name."""
    return {
        volume["name"]: volume
        for volume in spec.get("volumes") or []
        if any((volume.get(source) or {}).get("hotpluggable") for source in SOURCES)
    }


def added(spec: Object, name: str, disk: Object, source: Object) -> Object:
    """The spec with one more volume."""
    wanted: Object = copy.deepcopy(spec)
    kind = next(kind for kind in SOURCES if source.get(kind))
    wanted.setdefault("volumes", []).append({"name": name, kind: source[kind] | {"hotpluggable": True}})
    _disks(wanted).append(disk | {"name": name})
    return wanted


def without(spec: Object, names: set[str]) -> Object:
    """The spec without the volumes of these names and their disks."""
    wanted: Object = copy.deepcopy(spec)
    devices = wanted.setdefault("domain", {}).setdefault("devices", {})
    for holder, field in ((wanted, "volumes"), (devices, "disks")):
        kept = [item for item in holder.get(field) or [] if item["name"] not in names]
        holder.pop(field, None)
        if kept:
            holder[field] = kept
    return wanted


def follow(template: Object, spec: Object) -> Object:
    """The VMI's spec with the hot-plugged volumes that the template has, and no others."""
    wanted, present = hotplugged(template), hotplugged(spec)
    result = without(spec, present.keys() - wanted.keys()) if present.keys() - wanted.keys() else spec
    disks = {disk["name"]: disk for disk in _disks(copy.deepcopy(template))}
    for name in wanted.keys() - present.keys():
        result = copy.deepcopy(result)
        result.setdefault("volumes", []).append(wanted[name])
        _disks(result).append(disks[name])
    return result


def statuses(spec: Object) -> list[Object]:
    """What the VMI's status says of its hot-plugged volumes once the guest has them."""
    return [
        {
            "name": name,
            "target": "",
            "hotplugVolume": {},
            "phase": "Ready",
            "reason": "VolumeReady",
            "message": f"Successfully attach hotplugged volume {name} to VM",
        }
        for name in hotplugged(spec)
    ]


def _disks(spec: Object) -> list[Object]:
    disks: list[Object] = spec.setdefault("domain", {}).setdefault("devices", {}).setdefault("disks", [])
    return disks
