# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore reads before it changes anything: the backup, what the machine needs, where its disks go."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import restic_output, restore_plan
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.disks import Hosts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import (
    CLAIMS_FILE,
    MACHINE_FILE,
    RECORD,
    ROOM,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.plan import file_of
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restic import Restic
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restic_output import Snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restore_plan import (
    NO_PROVISIONER,
    NewDisk,
    Wanted,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restored import Source
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.settings import Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    PRIORITY_CLASS,
    PV,
    STORAGE_CLASS,
    Resource,
)


class Choice:
    """Chooses for one restore; what stands against it is returned as faults."""

    def __init__(self, settings: Settings, wanted: Wanted, restic: Restic, hosts: Hosts) -> None:
        self._settings, self._wanted = settings, wanted
        self._restic, self._hosts = restic, hosts

    def source(self) -> Source:
        wanted = self._wanted
        found = self._restic.snapshots()
        mine = restic_output.of_machine(found, wanted.namespace, wanted.vm)
        chosen = restic_output.choose(mine, wanted.snapshot)
        if chosen is None:
            raise self._no_snapshot(found, mine)
        name = chosen.id
        record = json.loads(self._restic.text(name, RECORD))
        vm = json.loads(self._restic.text(name, MACHINE_FILE))
        return Source(chosen, record, vm, json.loads(self._restic.text(name, CLAIMS_FILE)))

    def _no_snapshot(self, found: Sequence[Snapshot], mine: Sequence[Snapshot]) -> Refused:
        wanted = self._wanted
        other = restic_output.choose(found, wanted.snapshot) if wanted.snapshot != "latest" else None
        if other:
            why = f"snapshot {other.short} holds {other.what}"
        elif mine:
            why = f"there is no snapshot {wanted.snapshot}; of it there are " + _told(mine)
        else:
            names = sorted({one.what for one in found if one.tags.get("vm")})
            why = f"the repository holds no backup of it; it has {', '.join(names) or 'no machines'}"
        where = f"VirtualMachine {wanted.namespace}/{wanted.vm}"
        fix = "Correct restore_vm, restore_vm_namespace or restore_snapshot"
        return Refused("cannot be restored", where=where, why=why, fix=fix)

    def missing(self, client: Client, source: Source) -> list[str]:
        """Faults of what the machine cannot start without."""
        space = self._wanted.target
        return [
            f"{kind.describe(space, name)}, which the machine needs, does not exist; restore it from a backup of objects, or"
            f" {_way_out(kind)}"
            for kind, name in restore_plan.references(source.vm)
            if client.find(kind, name, space) is None
        ]

    def disks(
        self, client: Client, source: Source, claims: Mapping[str, Mapping[str, Any]]
    ) -> tuple[list[NewDisk], list[str]]:
        wanted = self._wanted
        faults: list[str] = []
        disks: list[NewDisk] = []
        origin = restore_plan.origin(wanted, source.snapshot.short)
        ours = {name for name, item in claims.items() if restore_plan.restoring(item) == origin}
        classes = {item["metadata"]["name"]: item for item in client.list(STORAGE_CLASS).items}
        persistent = client.list(PV).items
        specs = {item["metadata"]["name"]: item["spec"] for item in source.claims}
        for one in source.record["disks"]:
            short = source.snapshot.short
            chosen = {disk.claim for disk in disks}
            taken, free = {*claims, *chosen}, ours - chosen
            name = restore_plan.claim_name(one["claim"], one["volume"], wanted, short, taken, free)
            if not name:
                faults.append(
                    f"claims for volume {one['volume']} exist in {wanted.target} already; remove them, or restore_as another"
                )
                continue
            size = max(int(one["size"]), int(one["bytes"]))
            spec, used = specs.get(one["claim"], {}), int(one["allocated"])
            disk = NewDisk(one["volume"], one["folder"], name, size, spec, int(one["bytes"]), used)
            fault, disk = self._place(disk, claims.get(name), classes, persistent, [each.persistent for each in disks])
            faults += [fault] if fault else []
            disks.append(disk)
        return disks, faults

    def _place(
        self,
        disk: NewDisk,
        begun: Mapping[str, Any] | None,
        classes: Mapping[str, Any],
        persistent: Sequence[Mapping[str, Any]],
        taken: Sequence[str],
    ) -> tuple[str, NewDisk]:
        """A fault, or the disk with the volume that it goes to."""
        name = str(disk.spec.get("storageClassName") or "")
        found = classes.get(name)
        if name and found is None:
            there = ", ".join(sorted(classes)) or "none"
            return f"StorageClass {name} of volume {disk.volume} does not exist; there are {there}", disk
        if found is not None and found.get("provisioner") != NO_PROVISIONER:
            return "", disk
        bound = str(((begun or {}).get("spec") or {}).get("volumeName") or "")
        if bound:
            one = next((each for each in persistent if each["metadata"]["name"] == bound), None)
            holder = ((one or {}).get("spec") or {}).get("claimRef") or {}
            if holder and (holder.get("namespace"), holder.get("name")) != (self._wanted.target, disk.claim):
                who = f"{holder.get('namespace')}/{holder.get('name')}"
                return f"claim {disk.claim} waits for volume {bound}, which {who} has; remove the claim", disk
            path, node = file_of(one, self._settings) if one else ("", "")
            return ("" if path else f"volume {bound} cannot be reached"), replace(
                disk, persistent=bound, path=path, node=node
            )
        options = restore_plan.candidates(disk, persistent, self._settings, taken)
        full = []
        for option in options:
            told = self._hosts.of(option.path, option.node).look(option.path)
            if told.exists:
                full.append(option.persistent)
            elif told.free < disk.allocated + ROOM:
                return (
                    f"{option.path} has room for {told.free >> 20} MiB, volume {disk.volume} needs {(disk.allocated + ROOM) >> 20} MiB; "
                    "free space there"
                ), disk
            else:
                return "", option
        why = f"; {', '.join(full)} hold a disk already, which nobody has claimed" if full else ""
        fix = "offer one with shared_storage_volumes, or give one back whose claim is gone"
        return (
            f"StorageClass {name} has no free PersistentVolume of {disk.size >> 20} MiB for {disk.volume}{why}; {fix}",
            disk,
        )


def _way_out(kind: Resource) -> str:
    return "declare it in placement_priority_classes" if kind is PRIORITY_CLASS else "make it"


def _told(found: Sequence[Snapshot]) -> str:
    return ", ".join(f"{one.short} ({one.tags.get('taken') or one.time})" for one in found[:10])
