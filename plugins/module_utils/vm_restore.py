# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores of snapshots into machines: what is asked for, what stands against it, and what their status says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import (
    conditions,
    json_patches,
    objects,
    vm_object,
    vm_snapshot,
    vm_state,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import Option
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.declared import Declared, owned, whole
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ApiError, Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.existing import Existing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.items import Items
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import (
    annotation_faults,
    label_faults,
    name_fault,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Done, Plan, Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    VM,
    VM_RESTORE,
    VM_SNAPSHOT,
    is_deleting,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.verdict import DONE, Verdict
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.wait import Target

Object = dict[str, Any]
Options = Mapping[str, Any]

# Seconds over which an error that KubeVirt tries again may go away.
_PATIENCE = 30.0
# How the reasons begin for which a restore waits as it should.
_WAITING = ("Waiting for target VM", "Automatically stopping")
# How the webhook refuses a second restore into one machine.
_IN_PROGRESS = re.compile(r'VirtualMachineRestore \\?"?([a-z0-9.-]+)\\?"? in progress')
_NEEDED = {"snapshot": "name the snapshot to restore", "vm": "name the machine to restore into"}
_VOLUME: dict[str, Option] = {
    "name": {"type": "str", "required": True},
    "restore_name": {"type": "str"},
    "labels": {"type": "dict"},
    "annotations": {"type": "dict"},
}
_OPTIONS: dict[str, Option] = {
    "namespace": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"]},
    "snapshot": {"type": "str"},
    "vm": {"type": "str"},
    "stop": {"type": "bool"},
    "volume_restore_policy": {"type": "str", "choices": ["InPlace", "PrefixTargetName", "RandomizeNames"]},
    "volume_ownership_policy": {"type": "str", "choices": ["None", "Vm"]},
    "volumes": {"type": "list", "elements": "dict", "options": _VOLUME},
    "patches": {"type": "list", "elements": "dict"},
    "labels": {"type": "dict"},
    "annotations": {"type": "dict"},
}
_FIELDS = {
    "snapshot": "virtualMachineSnapshotName",
    "volume_restore_policy": "volumeRestorePolicy",
    "volume_ownership_policy": "volumeOwnershipPolicy",
}
_FROZEN = tuple(("spec", field) for field in ("target", *_FIELDS.values(), "volumeRestoreOverrides", "patches"))


def faults(options: Options) -> Iterator[str]:
    """What is wrong with a restore's options beyond their types."""
    if options.get("state") != "absent":
        yield from (f"{key}: is missing; {what}" for key, what in _NEEDED.items() if not options.get(key))
    for key in ("snapshot", "vm"):
        wrong = name_fault(options.get(key), subdomain=key == "snapshot")
        if wrong:
            yield f"{key}: {wrong}"
    for volume in options.get("volumes") or []:
        where = f"volumes[{volume.get('name')}]"
        yield from label_faults(f"{where}.labels", volume.get("labels"))
        yield from annotation_faults(f"{where}.annotations", volume.get("annotations"))
        wrong = name_fault(volume.get("restore_name"), subdomain=True)
        if wrong:
            yield f"volumes[{volume.get('name')}]: restore_name: {wrong}"
        if not any(volume.get(key) for key in ("restore_name", "labels", "annotations")):
            yield f"volumes[{volume.get('name')}]: needs one of restore_name, labels and annotations"
    yield from json_patches.faults(options.get("patches") or [])


def desired(options: Options) -> Object:
    """The owned fields that the options stand for. How a target that runs was treated is of no interest afterwards."""
    spec: Object = {field: options[key] for key, field in _FIELDS.items() if options.get(key)}
    if options.get("vm"):
        spec["target"] = {"apiGroup": "kubevirt.io", "kind": VM.kind, "name": options["vm"]}
    if options.get("volumes"):
        spec["volumeRestoreOverrides"] = [_override(volume) for volume in options["volumes"]]
    if options.get("patches"):
        spec["patches"] = json_patches.write(options["patches"])
    return owned(options, spec)


def _override(volume: Mapping[str, Any]) -> Object:
    given = {
        "volumeName": volume["name"],
        "restoreName": volume.get("restore_name"),
        "labels": vm_object.strings(volume.get("labels")),
        "annotations": vm_object.strings(volume.get("annotations")),
    }
    return {key: value for key, value in given.items() if value}


def new(options: Options) -> Object:
    """The whole object to create. A target that was started in the meantime is not waited for, unless it is stopped."""
    made = whole(VM_RESTORE, options, desired(options))
    made["spec"]["targetReadinessPolicy"] = "StopTarget" if options.get("stop") else "FailImmediate"
    return made


def describe(restore: Mapping[str, Any]) -> str:
    """The status in one line."""
    if vm_state.status(restore).get("complete"):
        return "complete"
    for kind in ("Failure", "Ready", "Progressing"):
        reason = conditions.find(restore, kind).get("reason")
        if reason:
            return str(reason)
    return "has no status yet"


def complete(restore: Mapping[str, Any] | None) -> Verdict:
    """Whether the restore is complete."""
    if restore is None:
        return Verdict(failed=True, why="it was deleted in the meantime")
    if is_deleting(restore):
        return Verdict(failed=True, why="it is being deleted", fix="Wait until it is gone, then run again")
    if vm_state.status(restore).get("complete"):
        return DONE
    why = describe(restore)
    fix = "Delete it with state absent, mend the reason, and restore again"
    if conditions.holds(restore, "Failure"):
        return Verdict(failed=True, why=why, fix=fix)
    stands = conditions.find(restore, "Progressing").get("status") == "False"
    if stands and not why.startswith(_WAITING):
        return Verdict(failed=True, why=why, fix=fix, grace=_PATIENCE)
    return Verdict(why=why)


class _Restores:
    """The restores of one task, with their snapshots and targets."""

    def __init__(self, client: Client, wanted: Sequence[Options], settings: Settings) -> None:
        def keys(field: str) -> list[tuple[str, str]]:
            return [(str(one["namespace"]), str(one[field])) for one in wanted if one.get(field)]

        self._snapshots = Existing(client, VM_SNAPSHOT, keys("snapshot"), settings.workers)
        self._machines = Existing(client, VM, keys("vm"), settings.workers)

    def accept(self, options: Options, todo: Plan) -> None:
        """Refuses a new restore that KubeVirt would never carry out, or would carry out in part."""
        if todo.action != "created":
            return
        namespace = str(options["namespace"])
        where = VM_RESTORE.describe(namespace, str(options["name"]))
        snapshot = self._snapshots.find((namespace, str(options["snapshot"])))
        refuse_snapshot(where, VM_SNAPSHOT.describe(namespace, str(options["snapshot"])), snapshot)
        vm = self._machines.find((namespace, str(options["vm"])))
        if vm is not None:
            _refuse_target(where, options, vm, vm_state.status(snapshot or {}).get("sourceUID"))

    @staticmethod
    def target(done: Done) -> Target:
        """What a restore is waited for."""
        return Target(done.key, complete, done.current, wanted="complete")


def refuse_snapshot(where: str, name: str, snapshot: Mapping[str, Any] | None) -> None:
    """Raises where a snapshot cannot be restored or cloned."""
    if snapshot is None:
        raise Refused("cannot be made", where=where, why=f"{name} does not exist", fix="Correct its name")
    if not vm_snapshot.is_ready(snapshot):
        why = f"{name} is not ready to use: {vm_snapshot.describe(snapshot)}"
        fix = "Wait for it with the module vm_snapshot, or take another"
        raise Refused("cannot be made", where=where, why=why, fix=fix)


def _refuse_target(where: str, options: Options, vm: Mapping[str, Any], source_uid: Any) -> None:
    name = VM.describe(str(options["namespace"]), str(options["vm"]))
    if is_deleting(vm):
        why, fix = f"{name} is being deleted", "Wait until it is gone, then run again"
    elif vm["metadata"].get("uid") != source_uid:
        why = (
            f"{name} is there already and is not the machine that was snapshotted, and KubeVirt restores over no other"
        )
        fix = "Name the snapshotted machine or one that does not exist, or delete this one first"
    elif options.get("patches"):
        why = f"{name} is there already, and KubeVirt applies patches only to a machine that it makes"
        fix = "Leave patches out, or restore into a machine that does not exist"
    elif vm_state.is_created(vm) and not options.get("stop"):
        why, fix = f"{name} runs: {vm_state.describe(vm)}", "Stop it with the module vm_power, or give stop: true"
    else:
        return
    raise Refused("cannot be made", where=where, why=why, fix=fix)


def result(done: Done) -> Object:
    """One restore's entry in the module's result."""
    current = done.current or {}
    status, spec = vm_state.status(current), current.get("spec") or {}
    return {
        **objects.result(done),
        "vm": (spec.get("target") or {}).get("name"),
        "snapshot": spec.get("virtualMachineSnapshotName"),
        "complete": bool(status.get("complete")),
        "reason": describe(current) if current else None,
        "restored_at": status.get("restoreTime"),
        "volumes": [
            {
                "name": one.get("volumeName"),
                "claim": one.get("persistentVolumeClaim"),
                "data_volume": one.get("dataVolumeName"),
            }
            for one in status.get("restores") or []
        ],
        "deleted_data_volumes": status.get("deletedDataVolumes") or [],
    }


def kind(client: Client, wanted: Sequence[Options], settings: Settings) -> objects.Kind:
    """Restores as declared objects."""
    found = _Restores(client, wanted, settings)
    return objects.Kind(VM_RESTORE, desired, new, found.accept, found.target, _FROZEN, write=_write)


def _write(client: Client, key: Key, todo: Plan, check: bool) -> Object | None:
    """As any object, with the way out where another restore into the same machine is under way."""
    try:
        return objects.writer(VM_RESTORE)(client, key, todo, check)
    except ApiError as error:
        other = _IN_PROGRESS.search(error.why)
        if other:
            error.fix = f"Wait until {other[1]} is complete, or delete it with state absent"
        raise


ITEMS = Items("items", VM_RESTORE, _OPTIONS, faults, subdomain=True)
DECLARED = Declared(ITEMS, "restores", kind, result)
