"""Hot-plugged volumes: how a VM's template and the VMI that runs get them, and what the VMI's status says; pure."""

from __future__ import annotations

import copy
from collections.abc import Callable

from ..resources import Object

SOURCES = ("persistentVolumeClaim", "dataVolume")
BUSES = {"disk": ("scsi", "virtio"), "lun": ("scsi",)}
DECLARATIVE, IMPERATIVE, OFF = "DeclarativeHotplugVolumes", "HotplugVolumes", ""


def mode(kubevirt: Object) -> str:
    """How volumes are hot-plugged by the feature gates of KubeVirt 1.9: by the VM's spec, by requests, or not at all."""
    configuration = (kubevirt.get("spec") or {}).get("configuration") or {}
    developer = configuration.get("developerConfiguration") or {}
    if IMPERATIVE in (developer.get("featureGates") or []):
        return IMPERATIVE
    return OFF if DECLARATIVE in (developer.get("disabledFeatureGates") or []) else DECLARATIVE


def claim_of(volume: Object) -> str:
    """The claim of a volume, empty where it has none."""
    return str(
        (volume.get("persistentVolumeClaim") or {}).get("claimName")
        or (volume.get("dataVolume") or {}).get("name")
        or ""
    )


def is_hotpluggable(volume: Object) -> bool:
    """Whether the volume is marked as hot-plugged."""
    return any((volume.get(source) or {}).get("hotpluggable") for source in SOURCES)


def hotplugged(spec: Object) -> dict[str, Object]:
    """The volumes of a VMI's spec that are marked as hot-plugged, by name."""
    return {volume["name"]: volume for volume in spec.get("volumes") or [] if is_hotpluggable(volume)}


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


def requested(spec: Object, request: Object) -> Object:
    """The spec with one request of a VM's status carried out."""
    options = request.get("addVolumeOptions")
    if options is None:
        return without(spec, {request["removeVolumeOptions"]["name"]})
    known = {volume["name"] for volume in spec.get("volumes") or []}
    return spec if options["name"] in known else added(spec, options["name"], options["disk"], options["volumeSource"])


def follow(template: Object, spec: Object, plugged: set[str]) -> Object:
    """The VMI's spec with the hot-plugged volumes that the template has.

    `plugged` are those that the VMI's status tells of: one that is being unplugged comes back only when it is gone. The
    drive of a CD-ROM stays while its medium goes and comes.
    """
    result: Object = copy.deepcopy(spec)
    wanted, drives = hotplugged(template), {disk["name"]: disk for disk in _disks(copy.deepcopy(template))}
    known = {volume["name"] for volume in spec.get("volumes") or []}
    volumes = [
        volume
        for volume in spec.get("volumes") or []
        if not is_hotpluggable(volume) or wanted.get(volume["name"]) == volume
    ]
    volumes += [volume for name, volume in wanted.items() if name not in known and name not in plugged]
    names = {volume["name"] for volume in volumes}
    disks = [
        disk for disk in _disks(copy.deepcopy(spec)) if disk["name"] in names or "cdrom" in drives.get(disk["name"], {})
    ]
    present = {disk["name"] for disk in disks}
    disks += [drives[name] for name in wanted if name in names and name in drives and name not in present]
    if volumes != (spec.get("volumes") or []):
        result["volumes"] = volumes
    if disks != _disks(result):
        result["domain"]["devices"]["disks"] = disks
    return result


def wrong_bus(template: Object, spec: Object) -> str:
    """Why a disk that is to be plugged into the guest cannot be: the webhook's words, empty where all can."""
    present = {disk["name"] for disk in _disks(copy.deepcopy(spec))}
    wanted = hotplugged(template)
    for disk in _disks(copy.deepcopy(template)):
        if disk["name"] in present or disk["name"] not in wanted:
            continue
        kind = next((kind for kind in BUSES if kind in disk), "")
        if not kind:
            return f"Hotplug configuration for [{disk['name']}] requires diskDevice of type 'disk' or 'lun' to be used."
        bus = disk[kind].get("bus", "")
        if bus not in BUSES[kind]:
            allowed = " or ".join(f"'{name}'" for name in BUSES[kind])
            return f"Hotplug configuration for {kind} [{disk['name']}] requires bus to be {allowed}. [{bus}] is not permitted."
    return ""


def statuses(spec: Object, known: list[Object], hindrance: Callable[[str, str], Object | None]) -> list[Object]:
    """What the VMI's status says of its hot-plugged volumes.

    `hindrance(volume, claim)` is the status of one that cannot be plugged. One that was taken out of the spec is detached
    first, and gone at the next look.
    """
    wanted, before = hotplugged(spec), {status["name"]: status for status in known}
    found: list[Object] = []
    for name, volume in wanted.items():
        hindered = hindrance(name, claim_of(volume))
        target = before.get(name, {}).get("target") or _target(spec, name, found, known)
        found.append({"name": name, "target": "", "hotplugVolume": {}} | hindered if hindered else _ready(name, target))
    found += [
        status
        | {"phase": "Detaching", "reason": "SuccessfulDelete", "message": f"Deleted hotplug attachment pod of {name}"}
        for name, status in before.items()
        if name not in wanted and status.get("phase") != "Detaching"
    ]
    return sorted(found, key=lambda status: str(status["name"]))


def _ready(name: str, target: str) -> Object:
    return {
        "name": name,
        "target": target,
        "hotplugVolume": {},
        "phase": "Ready",
        "reason": "VolumeReady",
        "message": f"Successfully attach hotplugged volume {name} to VM",
    }


def _target(spec: Object, name: str, *known: list[Object]) -> str:
    """The next free device name of the disk's bus."""
    disk = next((disk for disk in _disks(copy.deepcopy(spec)) if disk["name"] == name), {})
    device: Object = next((disk[kind] for kind in ("disk", "lun", "cdrom") if kind in disk), {})
    stem = "vd" if device.get("bus") == "virtio" else "sd"
    taken = {status.get("target") for statuses in known for status in statuses}
    permanent = len(spec.get("volumes") or []) - len(hotplugged(spec)) if stem == "vd" else 0
    return next(
        f"{stem}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"[permanent:] if f"{stem}{letter}" not in taken
    )


def _disks(spec: Object) -> list[Object]:
    disks: list[Object] = spec.setdefault("domain", {}).setdefault("devices", {}).setdefault("disks", [])
    return disks
