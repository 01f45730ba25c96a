# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine's backup: its definition and its disks, in one snapshot of the repository.

A file that QEMU writes to is read twice: as a whole while the guest works, which gives no consistent disk but leaves
little to do, then again while it is held, and only the blocks that differ are brought over. Where the file system tells
which parts of it have changed, no others are read again. All disks of a machine are held at the same moment.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import (
    conditions,
    objects,
    power,
    vm_export,
    vm_snapshot,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import extents, guest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import plan as planning
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.bricks import Bricks, View, changed, existing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.disks import Hosts, Known
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.hold import STOP, Held, Holder
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import (
    CLAIMS_FILE,
    COPY,
    MACHINE,
    MACHINE_FILE,
    NOTHING,
    RECORD,
    SNAPSHOT,
    Disk,
    Plan,
    Record,
    time_text,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.regions import Regions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restic import Restic
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.settings import Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    VM,
    VM_EXPORT,
    VMI,
)

_WAIT_SECONDS = 600


@dataclass
class Outcome:
    """What became of a machine's backup. Seconds, bytes; added: what the repository grew by."""

    plan: Plan
    record: Record | None = None
    snapshot: str = ""
    bytes: int = 0
    added: int = 0
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    error: HaError | None = None

    def as_dict(self) -> dict[str, Any]:
        """As results show it."""
        found = self.record
        told: dict[str, Any] = {
            "namespace": self.plan.namespace,
            "name": self.plan.name,
            "method": self.plan.method,
            "consistency": found.consistency if found else None,
            "frozen_seconds": found.frozen_seconds if found else None,
            "answer": found.answer if found else None,
            "taken_at": found.taken_at if found else None,
            "snapshot": self.snapshot,
            "bytes": self.bytes,
            "added_bytes": self.added,
            "seconds": round(self.seconds, 3),
            "skipped": dict(self.plan.skipped),
        }
        return {**told, "error": self.error.as_dict()} if self.error else told


@dataclass(frozen=True)
class Parts:
    """What a backup works with."""

    settings: Settings
    client: Client
    restic: Restic
    hosts: Hosts
    bricks: Bricks
    holder: Holder
    kubevirt_source: str = ""


@dataclass
class _Read:
    """How the disks were read."""

    consistency: str
    taken: float
    frozen: float | None = None
    answer: dict[str, Any] | None = None


def back_up(parts: Parts, plan: Plan, vm: Mapping[str, Any], claims: Sequence[Mapping[str, Any]]) -> Outcome:
    """Backs a machine up; what fails is in the outcome."""
    outcome, began = Outcome(plan), time.monotonic()
    folder = os.path.join(parts.settings.spool, f"{plan.namespace}_{plan.name}")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(os.path.join(folder, "disks"), mode=0o700)
        _store(folder, MACHINE_FILE, vm)
        _store(folder, CLAIMS_FILE, claims)
        work = _Machine(parts, plan, folder, outcome)
        outcome.record = _record(parts, plan, work.read(), work.sizes())
        _store(folder, RECORD, outcome.record.as_dict())
        told = parts.restic.backup(folder, _tags(outcome.record))
        outcome.snapshot = str(told["snapshot_id"])[:8]
        outcome.bytes, outcome.added = int(told["total_bytes_processed"]), int(told["data_added"])
    except HaError as error:
        parts.hosts.forget()
        outcome.error = error
    except OSError as error:
        fix = "Free space there, or set backup_spool_dir to another file system"
        outcome.error = HaError(
            "cannot be written", where=str(error.filename or folder), why=str(error.strerror), fix=fix
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    outcome.seconds = time.monotonic() - began
    return outcome


def _store(folder: str, name: str, content: Any) -> None:
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, sort_keys=True)


def _record(parts: Parts, plan: Plan, read: _Read, sizes: Mapping[str, Known]) -> Record:
    disks = [
        {
            **asdict(disk),
            "folder": disk.folder,
            "bytes": sizes[disk.claim].size,
            "allocated": sizes[disk.claim].allocated,
        }
        for disk in plan.disks
    ]
    return Record(
        namespace=plan.namespace,
        name=plan.name,
        uid=plan.uid,
        taken_at=time_text(read.taken),
        method=plan.method,
        consistency=read.consistency,
        frozen_seconds=read.frozen,
        disks=disks,
        probe=asdict(plan.probe),
        answer=read.answer,
        skipped=dict(plan.skipped),
        kubevirt_source=parts.kubevirt_source,
    )


def _tags(record: Record) -> dict[str, str]:
    tags = {
        "kind": MACHINE,
        "namespace": record.namespace,
        "vm": record.name,
        "uid": record.uid,
        "taken": record.taken_at,
        "method": record.method,
        "consistency": record.consistency,
    }
    return {**tags, **({} if record.frozen_seconds is None else {"frozen": f"{record.frozen_seconds:g}"})}


class _Machine:
    """One machine's disks on their way into a folder of the spool."""

    def __init__(self, parts: Parts, plan: Plan, folder: str, outcome: Outcome) -> None:
        self._parts, self._plan, self._folder, self._outcome = parts, plan, folder, outcome
        self._settings, self._client = parts.settings, parts.client
        self._key = plan.namespace, plan.name
        self._where = VM.describe(*self._key)
        self._known: dict[str, Known] = {}

    def read(self) -> _Read:
        """Reads all disks."""
        if not self._plan.disks:
            return _Read(planning.consistency(COPY, NOTHING, self._instance() is not None), time.time())
        if self._plan.method == COPY:
            return self._copy()
        return self._snapshot() if self._plan.method == SNAPSHOT else self._export()

    def sizes(self) -> Mapping[str, Known]:
        """What was read of each claim."""
        return self._known

    # A copy of the files

    def _copy(self) -> _Read:
        before = self._instance()
        first = {disk.claim: self._first(disk) for disk in self._plan.disks}
        if self._plan.hold == NOTHING:
            self._refuse_change(before)
            return _Read(planning.consistency(COPY, NOTHING, before is not None), time.time())
        spent, limit = sum(one.seconds for one in self._known.values()), self._settings.max_frozen_seconds
        if spent > limit and None in first.values():
            raise Refused(
                f"would be held for about {spent:.0f} s",
                where=self._where,
                why=f"backup_max_frozen_seconds is {limit:g}, and that long its disks take to be read",
                fix="Give its StorageClass a VolumeSnapshotClass, back it up while it is stopped, or raise that",
            )
        answer = self._ask()
        with self._parts.holder.hold(self._plan) as held:
            taken = time.time()
            for disk in self._plan.disks:
                self._second(disk, first[disk.claim], held)
        return _Read(planning.consistency(COPY, self._plan.hold, True), taken, held.seconds, answer)

    def _first(self, disk: Disk) -> View | None:
        """Reads a disk as a whole; what its bricks said before that, where it has any."""
        view = self._parts.bricks.view(disk.path)
        files = self._parts.hosts.of(disk.path, disk.node)
        self._known[disk.claim] = files.read(disk.path, self._regions(disk), parts=existing(view))
        return view

    def _second(self, disk: Disk, view: View | None, held: Held) -> None:
        """Reads what has changed since."""
        parts = changed(view, self._parts.bricks.view(disk.path)) if view else None
        files, known = self._parts.hosts.of(disk.path, disk.node), self._known[disk.claim]
        self._known[disk.claim] = files.read(
            disk.path, self._regions(disk), again=known, parts=parts, seconds=held.left
        )

    def _regions(self, disk: Disk) -> Regions:
        return Regions(os.path.join(self._folder, disk.folder))

    def _instance(self) -> Mapping[str, Any] | None:
        vmi = self._client.find(VMI, self._plan.name, self._plan.namespace)
        return vmi if vmi and (vmi.get("status") or {}).get("phase") not in conditions.FINAL_PHASES else None

    def _refuse_change(self, before: Mapping[str, Any] | None) -> None:
        """Refuses disks of a machine that rested when their copy began and does so no more."""
        after = self._instance()
        started = after is not None and (before is None or before["metadata"]["uid"] != after["metadata"]["uid"])
        woken = before is not None and after is not None and not conditions.holds(after, "Paused")
        if started or woken:
            what = "was started while its disks were read" if started else "went on while its disks were read"
            raise Refused(what, where=self._where, fix="Run again")

    def _ask(self) -> dict[str, Any] | None:
        """What the guest says right before it is held; a guest that is not asked, or silent, says nothing."""
        if not self._plan.probe.port:
            return None
        try:
            return guest.ask(self._client, *self._key, self._plan.probe)
        except HaError as error:
            self._outcome.warnings.append(f"{self._where}: its guest was not heard before the backup: {error}")
            return None

    # A snapshot, and an export

    def _snapshot(self) -> _Read:
        running = self._instance() is not None
        answer = self._ask() if running else None
        taken = time.time()
        name = f"{self._plan.name[:40]}-backup-{int(taken)}"
        options = {"namespace": self._plan.namespace, "name": name, "vm": self._plan.name, "require_all_volumes": True}
        settings = _wait()
        kind = vm_snapshot.kind(self._client, [options], settings)
        with self._parts.holder.dropping(self._plan, name, self._outcome.warnings):
            done, _found = objects.apply(self._client, kind, [options], settings)
            if done[0].error:
                raise done[0].error
            vm_snapshot.check(self._client, options, done[0], settings)
            told = vm_snapshot.indications(done[0].current or {})
            self._download({"namespace": self._plan.namespace, "name": name, "snapshot": name})
        return _Read(planning.consistency(SNAPSHOT, NOTHING, running, told), taken, None, answer)

    def _export(self) -> _Read:
        name = f"{self._plan.name[:40]}-backup-{int(time.time())}"
        options = {"namespace": self._plan.namespace, "name": name, "vm": self._plan.name}
        with self._stopped():
            taken = time.time()
            self._download(options)
            self._refuse_change(None)
        return _Read(planning.consistency(self._plan.method, NOTHING, False), taken)

    @contextlib.contextmanager
    def _stopped(self) -> Iterator[None]:
        """Stops a machine that runs while the block does."""
        if self._instance() is None:
            yield
            return

        def bring(state: str) -> None:
            options = {"namespace": self._plan.namespace, "name": self._plan.name, "state": state}
            error = power.apply(self._client, [options], _wait())[0].error
            if error:
                raise error

        with self._parts.holder.noted(self._plan, STOP, lambda: bring("started")):
            bring("stopped")
            yield

    def _download(self, options: dict[str, Any]) -> None:
        packed = {disk.claim: os.path.join(self._folder, f"{disk.claim}.gz") for disk in self._plan.disks}
        downloads = [{"dest": dest, "volume": claim, "format": "gzip"} for claim, dest in packed.items()]
        side = {"link": "internal", "via": self._settings.export_via} if self._settings.export_via else {}
        wanted = {**options, "downloads": downloads, "ttl": _WAIT_SECONDS * 6, **side}
        settings = _wait()
        kind = vm_export.kind(self._client, [wanted], settings)
        try:
            done, _found = objects.apply(self._client, kind, [wanted], settings)
            if done[0].error:
                raise done[0].error
            finished = vm_export.finish(self._client, wanted, done[0], settings)
            if finished and finished.error:
                raise finished.error
        finally:
            with contextlib.suppress(HaError):
                self._client.delete(VM_EXPORT, str(options["name"]), self._plan.namespace)
        for disk in self._plan.disks:
            self._known[disk.claim] = unpack(packed[disk.claim], self._regions(disk))


def unpack(source: str, dest: Regions) -> Known:
    """Unpacks a disk, leaving out what is empty, and removes the packed one."""
    offset = 0
    try:
        with gzip.open(source, "rb") as packed:
            while block := packed.read(extents.BLOCK):
                if extents.digest(block) != extents.EMPTY:
                    dest.write(offset, block)
                offset += len(block)
    except (EOFError, gzip.BadGzipFile) as error:
        raise HaError("the exported disk cannot be unpacked", where=source, why=str(error), fix="Run again") from error
    os.unlink(source)
    return Known(size=offset, allocated=dest.finish(offset))


def _wait() -> objects.Settings:
    return objects.Settings(check=False, diff=False, wait=True, wait_timeout=_WAIT_SECONDS, workers=1)
