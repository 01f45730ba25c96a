# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of machines: what is asked for, what their status says, and whether they hold what was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import (
    conditions,
    durations,
    objects,
    vm_state,
    volumes,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import Option
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.declared import Declared, owned, whole
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.existing import Existing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.items import Items
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import name_fault
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Done, Plan, Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    VM,
    VM_SNAPSHOT,
    VM_SNAPSHOT_CONTENT,
    is_deleting,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.verdict import DONE, Verdict
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.wait import Target

Object = dict[str, Any]
Options = Mapping[str, Any]

# Seconds that the controller may not have seen a machine that was just made.
_NEW_SOURCE = 10.0
_OPTIONS: dict[str, Option] = {
    "namespace": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"]},
    "vm": {"type": "str"},
    "deletion_policy": {"type": "str", "choices": ["Delete", "Retain"]},
    "failure_deadline": {"type": "int"},
    "labels": {"type": "dict"},
    "annotations": {"type": "dict"},
    "require_all_volumes": {"type": "bool"},
    "require_consistent": {"type": "bool"},
}
_FROZEN = tuple(("spec", field) for field in ("source", "deletionPolicy", "failureDeadline"))
_UNTOLD = {
    "NoGuestAgent": "its guest has no agent that could freeze the file systems",
    "Paused": "it was paused, and a paused guest cannot write its buffers to disk",
    "QuiesceTimeout": "its guest could not hold its file systems frozen for long enough",
}


def faults(options: Options) -> Iterator[str]:
    """What is wrong with a snapshot's options beyond their types."""
    if options.get("state") != "absent" and not options.get("vm"):
        yield "vm: is missing; name the machine to snapshot"
    wrong = name_fault(options.get("vm"))
    if wrong:
        yield f"vm: {wrong}"
    deadline = options.get("failure_deadline")
    if isinstance(deadline, int) and deadline < 0:
        yield f"failure_deadline: {deadline} must be 0 or more seconds"


def desired(options: Options) -> Object:
    """The owned fields that the options stand for."""
    spec: Object = {}
    if options.get("vm"):
        spec["source"] = {"apiGroup": "kubevirt.io", "kind": VM.kind, "name": options["vm"]}
    if options.get("deletion_policy"):
        spec["deletionPolicy"] = options["deletion_policy"]
    if options.get("failure_deadline") is not None:
        spec["failureDeadline"] = durations.write(options["failure_deadline"])
    return owned(options, spec)


def new(options: Options) -> Object:
    """The whole object to create."""
    return whole(VM_SNAPSHOT, options, desired(options))


def indications(snapshot: Mapping[str, Any]) -> list[str]:
    """In which state the machine was snapshotted, in KubeVirt's words; empty for a machine that was stopped."""
    status = vm_state.status(snapshot)
    found = [str(one["indication"]) for one in status.get("sourceIndications") or []]
    return found or [str(one) for one in status.get("indications") or []]


def is_ready(snapshot: Mapping[str, Any]) -> bool:
    """Whether the snapshot can be restored."""
    status = vm_state.status(snapshot)
    return bool(status.get("readyToUse")) and status.get("phase") != "Failed"


def describe(snapshot: Mapping[str, Any]) -> str:
    """The status in one line, with the reason where there is one."""
    status = vm_state.status(snapshot)
    parts = [str(status.get("phase") or "has no status yet"), str((status.get("error") or {}).get("message") or "")]
    for kind, bad in (("Failure", "True"), ("Progressing", "False")):
        found = conditions.find(snapshot, kind)
        if found.get("status") == bad and not is_ready(snapshot):
            parts.append(str(found.get("reason") or ""))
    return "; ".join(dict.fromkeys(part for part in parts if part))


def ready(snapshot: Mapping[str, Any] | None) -> Verdict:
    """Whether the snapshot can be used."""
    if snapshot is None:
        return Verdict(failed=True, why="it was deleted in the meantime")
    if is_deleting(snapshot):
        return Verdict(failed=True, why="it is being deleted", fix="Wait until it is gone, then run again")
    if is_ready(snapshot):
        return DONE
    why = describe(snapshot)
    if vm_state.status(snapshot).get("phase") == "Failed":
        fix = "Delete it with state absent, mend the reason or raise failure_deadline, and take another"
        return Verdict(failed=True, why=why, fix=fix)
    if conditions.find(snapshot, "Progressing").get("reason") == "Source does not exist":
        fix = "Create the machine, or delete the snapshot with state absent and correct the name in vm"
        return Verdict(failed=True, why=why, fix=fix, grace=_NEW_SOURCE)
    return Verdict(why=why, fix="Raise wait_timeout, or look at the VolumeSnapshots of the machine's claims")


def _why_inconsistent(found: Sequence[str]) -> str:
    if "Online" not in found or ("GuestAgent" in found and "QuiesceTimeout" not in found):
        return ""
    return "; ".join(_UNTOLD[one] for one in found if one in _UNTOLD) or "its guest ran and was not frozen"


class _Snapshots:
    """The snapshots of one task, with the machines that they are made of."""

    def __init__(self, client: Client, wanted: Sequence[Options], settings: Settings) -> None:
        keys = [(str(one["namespace"]), str(one["vm"])) for one in wanted if one.get("vm")]
        self._machines = Existing(client, VM, keys, settings.workers)

    def accept(self, options: Options, todo: Plan) -> None:
        """Refuses a new snapshot that could not become what is asked for, before it is made."""
        if todo.action != "created":
            return
        key = str(options["namespace"]), str(options["vm"])
        vm = self._machines.find(key)
        where = VM_SNAPSHOT.describe(key[0], str(options["name"]))
        if vm is None:
            raise Refused(
                "cannot be made", where=where, why=f"{VM.describe(*key)} does not exist", fix="Correct the name in vm"
            )
        left_out = volumes.without_snapshots(vm) if options.get("require_all_volumes") else {}
        if left_out:
            raise _partial(where, left_out)
        why = _would_be_inconsistent(vm) if options.get("require_consistent") else ""
        if why:
            raise _inconsistent(where, why)

    @staticmethod
    def target(done: Done) -> Target:
        """What a snapshot is waited for."""
        return Target(done.key, ready, done.current, wanted="ready to use")


def _would_be_inconsistent(vm: Mapping[str, Any]) -> str:
    if not vm_state.is_created(vm):
        return ""
    paused, agent = conditions.holds(vm, "Paused"), conditions.holds(vm, "AgentConnected")
    return _why_inconsistent(["Online", "Paused" if paused else "GuestAgent" if agent else "NoGuestAgent"])


def _partial(where: str, left_out: Mapping[str, str]) -> Refused:
    return Refused(
        f"lacks {volumes.listed(list(left_out))}",
        where=where,
        why="; ".join(dict.fromkeys(why for why in left_out.values() if why)),
        fix="Make a VolumeSnapshotClass for the claims' storage, or go without require_all_volumes",
    )


def _inconsistent(where: str, why: str) -> Refused:
    fix = "Install the guest agent or stop the machine and take another, or go without require_consistent"
    return Refused("holds no consistent state of a machine that ran", where=where, why=why, fix=fix)


def check(client: Client, options: Options, done: Done, _settings: Settings) -> None:
    """Raises where a snapshot that is ready lacks what was asked for."""
    snapshot = done.current
    if done.plan.action == "deleted" or done.predicted or snapshot is None or not is_ready(snapshot):
        return
    where = VM_SNAPSHOT.describe(*done.key)
    excluded = (vm_state.status(snapshot).get("snapshotVolumes") or {}).get("excludedVolumes") or []
    if options.get("require_all_volumes") and excluded:
        left_out = _claims_among(client, snapshot, excluded)
        if left_out:
            raise _partial(where, dict.fromkeys(left_out, ""))
    why = _why_inconsistent(indications(snapshot)) if options.get("require_consistent") else ""
    if why:
        raise _inconsistent(where, why)


def _claims_among(client: Client, snapshot: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Those volumes that have a claim: a container's image is no loss, it comes from its registry again."""
    content_name = vm_state.status(snapshot).get("virtualMachineSnapshotContentName")
    content = client.get(VM_SNAPSHOT_CONTENT, str(content_name), snapshot["metadata"]["namespace"])
    vm = ((content.get("spec") or {}).get("source") or {}).get("virtualMachine") or {}
    held = volumes.claims(volumes.template_spec(vm))
    return [name for name in names if name in held]


def result(done: Done) -> Object:
    """One snapshot's entry in the module's result."""
    current = done.current or {}
    status = vm_state.status(current)
    kept = status.get("snapshotVolumes") or {}
    return {
        **objects.result(done),
        "vm": ((current.get("spec") or {}).get("source") or {}).get("name"),
        "phase": status.get("phase"),
        "ready": bool(current) and is_ready(current),
        "reason": describe(current) if current else None,
        "indications": indications(current),
        "included_volumes": kept.get("includedVolumes") or [],
        "excluded_volumes": kept.get("excludedVolumes") or [],
        "created_at": status.get("creationTime"),
        "source_uid": status.get("sourceUID"),
        "content": status.get("virtualMachineSnapshotContentName"),
    }


def kind(client: Client, wanted: Sequence[Options], settings: Settings) -> objects.Kind:
    """Snapshots as declared objects."""
    found = _Snapshots(client, wanted, settings)
    return objects.Kind(VM_SNAPSHOT, desired, new, found.accept, found.target, _FROZEN)


ITEMS = Items("items", VM_SNAPSHOT, _OPTIONS, faults, subdomain=True)
DECLARED = Declared(ITEMS, "snapshots", kind, result, check)
