# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones of machines and snapshots: what is asked for, what stands against it, and what their status says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import (
    conditions,
    json_patches,
    objects,
    vm_restore,
    vm_state,
    volumes,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import Option
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.declared import Declared, whole
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.existing import Existing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.items import Items
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import name_fault
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Done, Plan, Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    VM,
    VM_CLONE,
    VM_SNAPSHOT,
    is_deleting,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.verdict import DONE, Verdict
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.wait import Target

Object = dict[str, Any]
Options = Mapping[str, Any]

# Seconds over which what a clone waits for may come by itself, such as the status of a machine that was just made.
_PATIENCE = 15.0
_LIST: Option = {"type": "list", "elements": "str"}
_FILTERS = {"label_filters": "labelFilters", "annotation_filters": "annotationFilters"}
_TEMPLATE_FILTERS = {f"template_{key}": field for key, field in _FILTERS.items()}
_SCALARS = {"new_smbios_serial": "newSMBiosSerial", "volume_name_policy": "volumeNamePolicy"}
_SOURCES = {"vm": VM, "snapshot": VM_SNAPSHOT}
_OPTIONS: dict[str, Option] = {
    "namespace": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"]},
    **{key: {"type": "str"} for key in _SOURCES},
    **dict.fromkeys((*_FILTERS, *_TEMPLATE_FILTERS), _LIST),
    "new_mac_addresses": {"type": "dict"},
    "new_smbios_serial": {"type": "str"},
    "volume_name_policy": {"type": "str", "choices": ["PrefixTargetName", "RandomizeNames"]},
    "patches": {"type": "list", "elements": "dict"},
}
_FROZEN = tuple(
    ("spec", field)
    for field in ("source", "target", *_FILTERS.values(), "template", "newMacAddresses", *_SCALARS.values(), "patches")
)
_MAC = re.compile(r"^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$")
# What every machine carries that a restore or a clone has made.
_MADE = "restore.kubevirt.io/lastRestoreUID"


def faults(options: Options) -> Iterator[str]:
    """What is wrong with a clone's options beyond their types."""
    given = [key for key in _SOURCES if options.get(key)]
    if options.get("state") != "absent" and len(given) != 1:
        yield f"{' and '.join(given) or 'vm'}: give either vm or snapshot as the source"
    for key in given:
        wrong = name_fault(options[key], subdomain=key == "snapshot")
        if wrong:
            yield f"{key}: {wrong}"
    if options.get("vm") and options["vm"] == options.get("name"):
        yield "vm: is the machine itself; the clone needs a name of its own"
    for key in (*_FILTERS, *_TEMPLATE_FILTERS):
        yield from (f"{key}: {wrong}" for text in options.get(key) or [] for wrong in _filter_faults(text))
    for interface, address in (options.get("new_mac_addresses") or {}).items():
        if not _MAC.match(str(address)):
            yield f"new_mac_addresses[{interface}]: {address!r} is no MAC address such as 02:00:00:00:00:01"
    if re.search("[:,]", options.get("new_smbios_serial") or ""):
        yield "new_smbios_serial: can hold neither ':' nor ',', which KubeVirt's webhook for restores takes for its own"
    yield from json_patches.faults(options.get("patches") or [])


def _filter_faults(text: str) -> Iterator[str]:
    if text in ("", "!"):
        yield f"{text!r} filters nothing"
    elif "!" in text[1:]:
        yield f"{text!r} can hold a '!' at its beginning only"
    elif "*" in text[:-1]:
        yield f"{text!r} can hold a '*' at its end only"


def desired(options: Options) -> Object:
    """The owned fields that the options stand for."""
    spec: Object = {"target": {"apiGroup": "kubevirt.io", "kind": VM.kind, "name": options["name"]}}
    for key, resource in _SOURCES.items():
        if options.get(key):
            group = resource.api_version.partition("/")[0]
            spec["source"] = {"apiGroup": group, "kind": resource.kind, "name": options[key]}
    for key, field in {**_FILTERS, **_SCALARS}.items():
        if options.get(key):
            spec[field] = options[key]
    template = {field: options[key] for key, field in _TEMPLATE_FILTERS.items() if options.get(key)}
    if template:
        spec["template"] = template
    if options.get("new_mac_addresses"):
        # With colons the restore behind the clone is refused, again and again: see json_patches.
        spec["newMacAddresses"] = {
            name: str(address).replace(":", "-") for name, address in options["new_mac_addresses"].items()
        }
    if options.get("patches"):
        spec["patches"] = json_patches.write(options["patches"])
    return {"spec": spec}


def new(options: Options) -> Object:
    """The whole object to create."""
    return whole(VM_CLONE, options, desired(options))


def describe(clone: Mapping[str, Any]) -> str:
    """The status in one line, with the reason where there is one."""
    phase = str(vm_state.status(clone).get("phase") or "")
    reason = str(conditions.find(clone, "Ready").get("reason") or "")
    told = reason if reason not in ("Ready", "Still processing") else ""
    return "; ".join(part for part in (phase, told) if part) or "has no status yet"


def succeeded(clone: Mapping[str, Any] | None) -> Verdict:
    """Whether the machine was made."""
    if clone is None:
        return Verdict(failed=True, why="it was deleted in the meantime")
    if is_deleting(clone):
        return Verdict(failed=True, why="it is being deleted", fix="Wait until it is gone, then run again")
    phase, why = vm_state.status(clone).get("phase"), describe(clone)
    if phase == "Succeeded":
        return DONE
    fix = "Delete it with state absent, mend the reason, and clone again"
    if phase == "Failed":
        return Verdict(failed=True, why=why, fix=fix)
    if conditions.find(clone, "Progressing").get("reason") == "Pending":
        return Verdict(failed=True, why=why, fix=fix, grace=_PATIENCE)
    return Verdict(why=why)


class _Clones:
    """The clones of one task, with their sources and the machines that are there under their names."""

    def __init__(self, client: Client, wanted: Sequence[Options], settings: Settings) -> None:
        keys = {
            key: [(str(one["namespace"]), str(one[key])) for one in wanted if one.get(key)]
            for key in (*_SOURCES, "name")
        }
        self._machines = Existing(client, VM, keys["vm"] + keys["name"], settings.workers)
        self._snapshots = Existing(client, VM_SNAPSHOT, keys["snapshot"], settings.workers)

    def accept(self, options: Options, todo: Plan) -> Plan | None:
        """Refuses a new clone that KubeVirt could not make; one that was made is left alone, also without its object."""
        if todo.action != "created":
            return None
        namespace, name = str(options["namespace"]), str(options["name"])
        where = VM_CLONE.describe(namespace, name)
        target = self._machines.find((namespace, name))
        if target is not None:
            return _there(where, VM.describe(namespace, name), target)
        if options.get("snapshot"):
            snapshot = self._snapshots.find((namespace, str(options["snapshot"])))
            vm_restore.refuse_snapshot(where, VM_SNAPSHOT.describe(namespace, str(options["snapshot"])), snapshot)
        else:
            key = (namespace, str(options["vm"]))
            _refuse_source(where, VM.describe(*key), self._machines.find(key))
        return None

    @staticmethod
    def target(done: Done) -> Target:
        """What a clone is waited for."""
        return Target(done.key, succeeded, done.current, wanted="cloned")


def _there(where: str, name: str, vm: Mapping[str, Any]) -> Plan:
    if is_deleting(vm):
        fix = "Wait until it is gone, then run again"
        raise Refused("cannot be made", where=where, why=f"{name} is being deleted", fix=fix)
    if _MADE not in (vm["metadata"].get("annotations") or {}):
        why = f"{name} is there already and was not made by a clone or a restore"
        raise Refused("cannot be made", where=where, why=why, fix="Give another name, or delete the machine first")
    return Plan("unchanged")


def _refuse_source(where: str, name: str, vm: Mapping[str, Any] | None) -> None:
    if vm is None:
        raise Refused("cannot be made", where=where, why=f"{name} does not exist", fix="Correct the name in vm")
    left_out = volumes.without_snapshots(vm)
    if left_out:
        told = "; ".join(dict.fromkeys(left_out.values()))
        raise Refused(
            f"cannot be made, {volumes.listed(list(left_out))} of {name} cannot be snapshotted",
            where=where,
            why=told,
            fix="Make a VolumeSnapshotClass for the claims' storage, or clone its volumes with the module data_volume",
        )


def result(done: Done) -> Object:
    """One clone's entry in the module's result."""
    current = done.current or {}
    status, spec = vm_state.status(current), current.get("spec") or {}
    source = spec.get("source") or {}
    return {
        **objects.result(done),
        "vm": status.get("targetName") or (spec.get("target") or {}).get("name") or done.key[1],
        "source_kind": source.get("kind"),
        "source": source.get("name"),
        "phase": status.get("phase"),
        "reason": describe(current) if current else None,
        "created_at": status.get("creationTime"),
    }


def kind(client: Client, wanted: Sequence[Options], settings: Settings) -> objects.Kind:
    """Clones as declared objects."""
    found = _Clones(client, wanted, settings)
    return objects.Kind(VM_CLONE, desired, new, found.accept, found.target, _FROZEN)


ITEMS = Items("items", VM_CLONE, _OPTIONS, faults)
DECLARED = Declared(ITEMS, "clones", kind, result)
