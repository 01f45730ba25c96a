"""The rules of a VMI's disks and other devices; pure."""

from __future__ import annotations

import re

from ..resources import Object
from .causes import cause

BUSES = ("virtio", "scsi", "sata", "usb")
TARGETS = ("disk", "cdrom", "lun")
CACHES = ("none", "writethrough", "writeback", "")
NAME = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
SERIAL = re.compile(r"^[A-Za-z0-9_.+-]+$")
NAME_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


def device_causes(spec: Object, path: str) -> list[Object]:
    """What is wrong with the devices other than interfaces."""
    devices = spec["domain"].get("devices") or {}
    found: list[Object] = []
    names = {volume["name"] for volume in spec.get("volumes") or []}
    base = f"{path}.domain.devices"
    seen: dict[str, int] = {}
    for index, disk in enumerate(devices.get("disks") or []):
        field = f"{base}.disks[{index}]"
        if disk["name"] not in names and disk.get("cdrom") is None:  # an empty drive is one that waits for a medium
            found.append(cause("Invalid", f"{field}.Name '{disk['name']}' not found.", f"{field}.name"))
        if disk["name"] in seen:
            text = f"{field} and {base}.disks[{seen[disk['name']]}] must not have the same Name."
            found.append(cause("Invalid", text, f"{field}.name"))
        seen.setdefault(disk["name"], index)
        found += _disk(disk, field, f"{base}.disks.domain.devices.disks[{index}]")
    for index, item in enumerate(devices.get("inputs") or []):
        if item.get("type") != "tablet":
            text = "Input device can have only tablet type."
            found.append(cause("Invalid", text, f"{base}.inputs[{index}].type"))
    if devices.get("hostDevices"):
        text = "Host Devices feature gate is not enabled in kubevirt-config"
        found.append(cause("Invalid", text, f"{path}.HostDevices"))
    return found + _boot_orders(devices, base)


def _disk(disk: Object, field: str, odd_field: str) -> list[Object]:
    found = []
    targets = [kind for kind in TARGETS if disk.get(kind) is not None]
    if len(targets) > 1:
        return [cause("Invalid", f"{field} can only have a single target type defined", field)]
    if not NAME.match(disk["name"]):
        found.append(cause("Invalid", NAME_TEXT, f"{odd_field}.name"))
    kind = targets[0] if targets else "disk"
    bus = (disk.get(kind) or {}).get("bus")
    if bus and bus not in BUSES:
        text = f"{field} is set with an unrecognized bus {bus}, must be one of: [{' '.join(BUSES)}]"
        found.append(cause("Invalid", text, f"{field}.{kind}.bus"))
    elif kind == "cdrom" and bus == "virtio":
        found.append(cause("Invalid", "Bus type virtio is invalid for CD-ROM device", f"{field}.cdrom.bus"))
    if disk.get("bootOrder") is not None and disk["bootOrder"] < 1:
        found.append(cause("Invalid", f"{field} must have a boot order > 0, if supplied", f"{field}.bootOrder"))
    if disk.get("serial") and not SERIAL.match(disk["serial"]):
        text = f"{field} must be made up of the following characters [A-Za-z0-9_.+-], if specified"
        found.append(cause("Invalid", text, f"{field}.serial"))
    if disk.get("cache") is not None and disk["cache"] not in CACHES:
        found.append(cause("Invalid", f"{field}.cache has invalid value {disk['cache']}", f"{field}.cache"))
    return found


def _boot_orders(devices: Object, base: str) -> list[Object]:
    found = []
    used: set[int] = set()
    for kind in ("disks", "interfaces"):
        for index, device in enumerate(devices.get(kind) or []):
            order = device.get("bootOrder")
            if not order:
                continue
            field = f"{base}.{kind}[{index}].bootOrder"
            if order in used:
                found.append(cause("Invalid", f"Boot order for {field} already set for a different device.", field))
            used.add(order)
    return found
