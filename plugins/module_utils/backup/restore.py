# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine back out of the repository: its disks written, itself made and started, its guest asked.

Only what the guest says counts as proof. Broken off anywhere it can be run again: claims that are not written yet carry
an annotation, and the machine is made last.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import auth, data_volume, objects, power, vm_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import (
    guest,
    regions,
    restic_output,
    restore_plan,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.disks import Hosts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.hold import connect
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import (
    ANNOTATION_RESTORING,
    CLAIMS_FILE,
    MACHINE_FILE,
    RECORD,
    Probe,
    time_text,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.plan import file_of
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restic_output import Snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restore_plan import (
    NO_PROVISIONER,
    NewDisk,
    Wanted,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restored import (
    ANSWERED,
    RUNS,
    Restored,
    Source,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.runner import Run, locked
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.settings import Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import (
    Conflict,
    HaError,
    InputError,
    Refused,
    WaitFailed,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.platform_state import source_of
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    CONFIG_MAP,
    DEPLOYMENT,
    NAMESPACE,
    PV,
    PVC,
    SECRET,
    STORAGE_CLASS,
    VM,
    VMI,
    Resource,
)

_BOUND_SECONDS = 60.0
_GONE_SECONDS = 120.0
_TICK = 0.2
_ROOM = 64 << 20
_KINDS: dict[str, Resource] = {"Secret": SECRET, "ConfigMap": CONFIG_MAP}


class Restore:
    """One restore with these settings."""

    def __init__(self, settings: Settings, wanted: Wanted) -> None:
        self._settings, self._wanted = settings, wanted
        self._run = Run(settings)
        self._restic = self._run.restic
        self._hosts = Hosts(settings.hosts)

    # What stands against it

    def prepare(self, client: Client) -> Restored:
        """What would be done; InputError with every fault, before anything is changed."""
        faults = list(self._wanted.faults())
        if faults:
            raise InputError(faults)
        self._run.usable()
        source = self._source()
        wanted = self._wanted
        vm = client.find(VM, wanted.name, wanted.target)
        faults += restore_plan.target_faults(wanted, vm, client.find(VMI, wanted.name, wanted.target))
        if client.find(NAMESPACE, wanted.target) is None:
            faults.append(f"restore_namespace: namespace {wanted.target} does not exist; create it first")
        faults += self._missing(client, source)
        claims = {item["metadata"]["name"]: item for item in client.list(PVC, wanted.target).items}
        disks, told = self._disks(client, source, claims)
        faults += told
        if faults:
            raise InputError(faults)
        left = list(restore_plan.left_behind(wanted, _origin(source, wanted), claims))
        return Restored(
            wanted, source, disks, replaced=vm is not None, kubevirt_source=_source_name(client), warnings=left
        )

    def _source(self) -> Source:
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

    def _missing(self, client: Client, source: Source) -> list[str]:
        """Faults of Secrets and ConfigMaps that the machine cannot start without."""
        space = self._wanted.target
        return [
            f"{kind} {space}/{name}, which the machine needs, does not exist; restore it from a backup of objects, or make it"
            for kind, name in restore_plan.references(source.vm)
            if client.find(_KINDS[kind], name, space) is None
        ]

    def _disks(
        self, client: Client, source: Source, claims: Mapping[str, Mapping[str, Any]]
    ) -> tuple[list[NewDisk], list[str]]:
        wanted = self._wanted
        faults: list[str] = []
        disks: list[NewDisk] = []
        origin = _origin(source, wanted)
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
            elif told.free < disk.allocated + _ROOM:
                return (
                    f"{option.path} has room for {told.free >> 20} MiB, volume {disk.volume} needs {(disk.allocated + _ROOM) >> 20} MiB; "
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

    # The restore

    def run(self) -> Restored:
        """Restores the machine, asks its guest and notes what it said; what fails after the first change is in the result."""
        name = f"restore-{self._wanted.target}_{self._wanted.name}.lock"
        faults = list(self._wanted.faults())
        if faults:  # such a name is none of a file either
            raise InputError(faults)
        with locked(self._settings.state_dir, name):
            return self._restore(connect(self._settings.kubeconfig))

    def _restore(self, client: Client) -> Restored:
        restored = self.prepare(client)
        began = time.monotonic()
        try:
            with _spooling():
                self._write_disks(client, restored)
            restored.write_seconds = time.monotonic() - began
            self._clear(client, restored)
            strategy = self._make(client, restored)
            self._prove(client, restored, began)
            if strategy in restore_plan.RESTS:
                self._rest(client, strategy)
            if self._wanted.remove:
                self.remove(client, restored.disks)
                restored.removed = True
        except HaError as error:
            restored.error = error
        self._note(client, restored)
        return restored

    def _clear(self, client: Client, restored: Restored) -> None:
        """Takes away the machine that is replaced, once all is there that replaces it; its claims, and DataVolumes, stay."""
        if not restored.replaced:
            return
        wanted = self._wanted
        old = client.find(VM, wanted.name, wanted.target)
        if restore_plan.target_faults(wanted, old, client.find(VMI, wanted.name, wanted.target)):
            where, fix = (
                VM.describe(wanted.target, wanted.name),
                "Stop it, and run again: its disks are written already",
            )
            raise Refused("was started while its disks were written, and stays as it is", where=where, fix=fix)
        if old:
            client.delete(VM, wanted.name, wanted.target, uid=old["metadata"]["uid"], propagation="Orphan")
            self._wait_gone(client, VM)

    def _wait_gone(self, client: Client, kind: Resource) -> None:
        wanted, give_up = self._wanted, time.monotonic() + _GONE_SECONDS
        while client.find(kind, wanted.name, wanted.target) is not None:
            if time.monotonic() > give_up:
                raise WaitFailed(f"did not go in {_GONE_SECONDS:g} s", where=kind.describe(wanted.target, wanted.name))
            time.sleep(_TICK)

    def _write_disks(self, client: Client, restored: Restored) -> None:
        origin = _origin(restored.source, self._wanted)
        for disk in restored.disks:
            if not disk.path:
                self._upload(client, restored, disk, origin)
                continue
            begun = client.find(PVC, disk.claim, self._wanted.target)
            if begun is None:
                client.create(PVC, restore_plan.claim(disk, self._wanted, origin), self._wanted.target)
            elif restore_plan.restoring(begun) != origin:  # a machine may run from it by now
                where = PVC.describe(self._wanted.target, disk.claim)
                raise Refused(
                    "was made by somebody else meanwhile", where=where, fix="Run again: another name is taken"
                )
            self._wait_bound(client, disk)
            files = self._hosts.of(disk.path, disk.node)
            with self._restic.open(restored.source.snapshot.id, disk.source) as stream:
                owner, force = self._settings.disk_owner, begun is not None
                files.write(disk.path, disk.bytes, regions.blocks(stream), owner=owner, force=force)

    def _wait_bound(self, client: Client, disk: NewDisk) -> None:
        give_up = time.monotonic() + _BOUND_SECONDS
        while True:
            item = client.get(PVC, disk.claim, self._wanted.target)
            phase = (item.get("status") or {}).get("phase")
            if phase == "Bound" and item["spec"].get("volumeName") == disk.persistent:
                return
            if time.monotonic() > give_up:
                where = PVC.describe(self._wanted.target, disk.claim)
                why = f"it is {phase}, wanted is {disk.persistent}"
                if phase != "Bound":  # nothing is in it, and it would ask for the same volume again
                    client.delete(PVC, disk.claim, self._wanted.target, uid=item["metadata"]["uid"])
                raise WaitFailed("was not bound", where=where, why=why, fix="Run again: another volume is chosen")
            time.sleep(_TICK)

    def _upload(self, client: Client, restored: Restored, disk: NewDisk, origin: str) -> None:
        """A disk of a class whose driver makes volumes goes there through CDI."""
        folder = os.path.join(self._settings.restore_spool, f"{self._wanted.target}_{self._wanted.name}")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        path = os.path.join(folder, f"{disk.claim}.img")
        try:
            files = Hosts.here()
            with self._restic.open(restored.source.snapshot.id, disk.source) as stream:
                files.write(path, disk.bytes, regions.blocks(stream), force=True)
            options = {
                "namespace": self._wanted.target,
                "name": disk.claim,
                "source": {"upload": {"path": path}},
                "size": str(disk.size),
                "storage_class": disk.spec.get("storageClassName"),
                "access_modes": disk.spec.get("accessModes"),
                "volume_mode": disk.spec.get("volumeMode"),
                "annotations": {ANNOTATION_RESTORING: origin},
            }
            verify = auth.resolve({"kubeconfig": self._settings.kubeconfig}).verify
            rules = data_volume.Rules(verify=verify)
            settings = objects.Settings(wait_timeout=3600.0, workers=1)
            done = data_volume.apply(client, [options], settings, rules, lambda _key, _text: None)[0].done
            if done.error:
                raise done.error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _make(self, client: Client, restored: Restored) -> str:
        claims = {disk.volume: disk.claim for disk in restored.disks}
        origin = _origin(restored.source, self._wanted)
        body, strategy = restore_plan.machine(restored.source.vm, self._wanted, claims, origin)
        client.create(VM, body, self._wanted.target)
        for disk in restored.disks:
            change = {"metadata": {"annotations": {ANNOTATION_RESTORING: None}}}
            client.patch(PVC, disk.claim, change, self._wanted.target)
        return strategy

    def _prove(self, client: Client, restored: Restored, began: float) -> None:
        wanted = self._wanted
        told = restored.source.record.get("probe") or {}
        probe = wanted.probe if wanted.probe.port else Probe(int(told.get("port") or 0), str(told.get("path") or "/"))
        give_up = began + wanted.timeout
        self._wait_running(client, give_up)
        if not probe.port:
            restored.proof = RUNS
            restored.warnings.append(
                "nobody asked the guest: give restore_probe_port, and its answer counts as the proof"
            )
            return
        # A short patience: what counts is the first answer, not a retry of one that the server gave up.
        asking = Client(auth.resolve({"kubeconfig": self._settings.kubeconfig}), timeout=3.0, patience=0.0)
        restored.answer = guest.wait(asking, wanted.target, wanted.name, probe, max(1.0, give_up - time.monotonic()))
        restored.seconds = round(time.monotonic() - began, 3)
        restored.proof = ANSWERED
        restored.compared = guest.compare(restored.source.record.get("answer"), restored.answer)
        if restored.compared.faults:
            raise Refused(
                "its guest answers, but not as it must",
                where=VM.describe(wanted.target, wanted.name),
                why="; ".join(restored.compared.faults),
                fix="Restore an older snapshot, and look at how this one was taken: its consistency is "
                + str(restored.source.record["consistency"]),
            )

    def _wait_running(self, client: Client, give_up: float) -> None:
        wanted = self._wanted
        while True:
            vmi = client.find(VMI, wanted.name, wanted.target)
            if vmi and (vmi.get("status") or {}).get("phase") == "Running":
                return
            if time.monotonic() > give_up:
                vm = client.find(VM, wanted.name, wanted.target) or {}
                raise WaitFailed(
                    f"did not run within {wanted.timeout:g} s",
                    where=VM.describe(wanted.target, wanted.name),
                    why=vm_state.describe(vm),
                    fix="Look at its events; raise restore_timeout where it only needs longer",
                )
            time.sleep(_TICK)

    def _rest(self, client: Client, strategy: str) -> None:
        """A machine that was at rest rests again."""
        wanted = self._wanted
        options = {"namespace": wanted.target, "name": wanted.name, "state": "stopped"}
        settings = objects.Settings(wait_timeout=_GONE_SECONDS, workers=1)
        error = power.apply(client, [options], settings)[0].error
        if error:
            raise error
        client.patch(VM, wanted.name, {"spec": {"runStrategy": strategy}}, wanted.target)

    def remove(self, client: Client, disks: Sequence[NewDisk]) -> None:
        """Takes a restored machine away with its disks; a volume whose file was written here is free again."""
        wanted = self._wanted
        client.delete(VM, wanted.name, wanted.target)
        for kind in (VM, VMI):
            self._wait_gone(client, kind)
        for disk in disks:
            if disk.path:
                self._hosts.of(disk.path, disk.node).remove(disk.path)
            client.delete(PVC, disk.claim, wanted.target)
            if disk.path:
                self._free(client, disk)

    def _free(self, client: Client, disk: NewDisk) -> None:
        give_up = time.monotonic() + _GONE_SECONDS
        while client.find(PVC, disk.claim, self._wanted.target) is not None and time.monotonic() < give_up:
            time.sleep(_TICK)
        # Kubernetes notes at the same moment that the claim is gone.
        while not self._unreferenced(client, disk):
            if time.monotonic() > give_up:
                raise WaitFailed(
                    "could not be freed",
                    where=PV.describe(name=disk.persistent),
                    why="something else changes it all the time",
                    fix="Remove its spec.claimRef once its claim is gone",
                )
            time.sleep(_TICK)

    @staticmethod
    def _unreferenced(client: Client, disk: NewDisk) -> bool:
        """Whether nothing claims the volume of the removed claim any more; False where somebody else changed it meanwhile."""
        item = client.find(PV, disk.persistent) or {"spec": {}}
        spec = item["spec"]
        if (spec.get("claimRef") or {}).get("name") != disk.claim or spec.get(
            "persistentVolumeReclaimPolicy"
        ) != "Retain":
            return True
        version = item["metadata"]["resourceVersion"]
        change = {"metadata": {"resourceVersion": version}, "spec": {"claimRef": None}}
        try:
            client.patch(PV, disk.persistent, change)
        except Conflict:
            return False
        return True

    def _note(self, client: Client, restored: Restored) -> None:
        """Notes a proven restore; one that failed proves nothing, and leaves the last one where it is."""
        if restored.error or restored.proof != ANSWERED:
            return
        told = restored.as_dict()
        kept = ("snapshot", "taken_at", "consistency", "proof", "writes_lost", "restore_seconds", "restored_as")
        proven = {
            "at": time_text(time.time()),
            "machine": f"{self._wanted.namespace}/{self._wanted.vm}",
            **{key: told[key] for key in kept},
        }
        try:
            self._run.note(client, proven=proven)
        except HaError as error:
            restored.warnings.append(f"the proof could not be noted: {error}")


def _origin(source: Source, wanted: Wanted) -> str:
    return f"{wanted.namespace}/{wanted.vm}@{source.snapshot.short}"


@contextlib.contextmanager
def _spooling() -> Iterator[None]:
    """Turns what the spool's file system says into an error with a way out."""
    try:
        yield
    except OSError as error:
        where, why = str(error.filename or "backup_spool_dir"), str(error.strerror or error)
        fix = "Free space there, or set backup_spool_dir to another file system, and run again"
        raise HaError("cannot be written", where=where, why=why, fix=fix) from error


def _told(found: Sequence[Snapshot]) -> str:
    return ", ".join(f"{one.short} ({one.tags.get('taken') or one.time})" for one in found[:10])


def _source_name(client: Client) -> str:
    with contextlib.suppress(HaError):
        return source_of(client.list(DEPLOYMENT, "kubevirt").items)
    return "unknown"
