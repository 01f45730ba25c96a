# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the volumes in a machine's or an instance's spec, and what KubeVirt says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import vm_state

Object = Mapping[str, Any]

# Where in a volume its claim's name stands. A DataVolume's claim has the DataVolume's own name.
_CLAIMS = {"persistentVolumeClaim": "claimName", "dataVolume": "name", "memoryDump": "claimName"}


def template_spec(vm: Object) -> Object:
    """The spec of a machine's template."""
    spec = vm.get("spec") or {}
    return ((spec.get("template") or {}).get("spec")) or {}


def volumes(spec: Object) -> dict[str, Object]:
    """The volumes of an instance's spec by their names."""
    return {str(volume["name"]): volume for volume in spec.get("volumes") or []}


def disks(spec: Object) -> dict[str, Object]:
    """The disks of an instance's spec by their names."""
    devices = (spec.get("domain") or {}).get("devices") or {}
    return {str(disk["name"]): disk for disk in devices.get("disks") or []}


def claim(volume: Object) -> str | None:
    """The name of the claim that holds a volume, None where it has none of its own."""
    for source, field in _CLAIMS.items():
        if volume.get(source):
            return str(volume[source].get(field) or "")
    return None


def claims(spec: Object) -> dict[str, str]:
    """Volume names and their claims, of the volumes that have one."""
    found = {name: claim(volume) for name, volume in volumes(spec).items()}
    return {name: value for name, value in found.items() if value is not None}


def without_snapshots(vm: Object) -> dict[str, str]:
    """The volumes with a claim that cannot be snapshotted, as far as KubeVirt knows, and why."""
    held = claims(template_spec(vm))
    found = vm_state.status(vm).get("volumeSnapshotStatuses") or []
    return {
        str(one["name"]): str(one.get("reason") or "KubeVirt gives no reason")
        for one in found
        if one["name"] in held and not one.get("enabled")
    }


def listed(names: Sequence[str]) -> str:
    """Volumes as messages name them."""
    return f"volume {names[0]}" if len(names) == 1 else f"volumes {', '.join(names)}"


def is_hotpluggable(volume: Object) -> bool:
    """Whether a volume is marked as hot-plugged."""
    return any((volume.get(source) or {}).get("hotpluggable") for source in _CLAIMS)
