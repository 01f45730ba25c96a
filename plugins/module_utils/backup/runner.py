# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole run: etcd, objects and machines into the repository, old backups forgotten, the repository looked at.

The modules call it, and the command line that a backup host's timer calls. Every fault is told before anything is changed; a
machine that fails does not stop the others.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import bulk
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import (
    checking,
    etcd,
    machine,
    objects,
    records,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import plan as planning
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.bricks import Bricks
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.disks import DiskFailed, Hosts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.hold import Holder, connect
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.machine import Outcome, Parts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import (
    COPY,
    ETCD,
    MACHINE,
    OBJECTS,
    RECORD,
    Plan,
    time_text,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restic import Restic
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.settings import Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import (
    HaError,
    InputError,
    ManyFailed,
    Refused,
    without_password,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.platform_state import source_of
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import DEPLOYMENT, PV, PVC, VM, VMI

MACHINES, VERIFY = "machines", "verify"
PARTS = (ETCD, OBJECTS, MACHINES, VERIFY)
_LOCK = "lock"
_WORKERS = 8
_ROOM = 64 << 20


@contextlib.contextmanager
def locked(state_dir: str, name: str = _LOCK) -> Iterator[None]:
    """One run of that name at a time; Refused where another is under way."""
    path = os.path.join(state_dir, name)
    with _written("backup_state_dir"):
        os.makedirs(state_dir, mode=0o700, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(file, 32, 0).decode("utf-8", "replace").strip()
            why = f"process {holder or 'unknown'} holds {path}"
            raise Refused("another run is under way", where=state_dir, why=why, fix="Wait for its end") from error
        with contextlib.suppress(OSError):  # a full disk keeps it from being named, not from being held
            os.ftruncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(file)


@contextlib.contextmanager
def _written(variable: str) -> Iterator[None]:
    """Turns what a file system says into an error that names the variable which chose it."""
    try:
        yield
    except OSError as error:
        fix = f"Free space there, or set {variable} to another file system"
        where, why = str(error.filename or variable), str(error.strerror or error)
        raise HaError("cannot be written", where=where, why=why, fix=fix) from error


@dataclass
class Result:
    """What a run did."""

    plans: list[Plan] = field(default_factory=list)
    machines: list[Outcome] = field(default_factory=list)
    etcd: dict[str, Any] | None = None
    objects: dict[str, Any] | None = None
    checked: checking.Checked | None = None
    forgotten: int = 0
    released: list[str] = field(default_factory=list)
    seconds: float = 0.0
    kubevirt_source: str = ""
    warnings: list[str] = field(default_factory=list)
    errors: list[HaError] = field(default_factory=list)
    total: int = 0

    @property
    def failure(self) -> HaError | None:
        """What to fail with; None where all succeeded."""
        if not self.errors:
            return None
        return self.errors[0] if self.total <= 1 else ManyFailed(self.errors, self.total, of="parts", done="backed up")

    def as_dict(self) -> dict[str, Any]:
        """As the module returns it."""
        return {
            "plan": [one.as_dict() for one in self.plans],
            "machines": [one.as_dict() for one in self.machines],
            "etcd": self.etcd,
            "objects": self.objects,
            "verified": self.checked.as_dict() if self.checked else None,
            "forgotten": self.forgotten,
            "released": self.released,
            "seconds": round(self.seconds, 3),
            "kubevirt_source": self.kubevirt_source,
        }


class Run:
    """One run with these settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.restic = Restic(settings)
        self._hosts = Hosts(settings.hosts)

    # The repository

    def prepare(self, *, check: bool = False) -> tuple[bool, bool]:
        """Makes the repository where there has never been one; whether it was, or would be, made, and whether all was as it
        should before.

        One that was there and is gone is refused: an empty one in its place would look like backups.
        """
        self._refuse(self.restic.faults())
        there = self.restic.exists()
        state = records.read(self.settings.state_dir)
        known = (state.get("repository") or {}).get("location") == self.settings.repository
        if not there and known:
            raise _gone(self.restic, self.settings)
        if check:
            return not there, there and known
        if not there:
            self.restic.create()
        if not known:
            records.write(self.settings.state_dir, {**state, "repository": {"location": self.settings.repository}})
        return not there, there and known

    def _refuse(self, faults: Sequence[str]) -> None:
        if faults:
            raise InputError(faults)

    def usable(self) -> None:
        """Refused with every reason where the repository cannot be used."""
        self._refuse(self.restic.faults())
        if not self.restic.exists():
            raise _gone(self.restic, self.settings)

    # Plans

    def plan(
        self, client: Client, parts: Sequence[str], *, lenient: bool = False
    ) -> tuple[list[Plan], planning.Found, list[str]]:
        """How each machine is backed up; InputError with every fault of this run.

        lenient: machines and namespaces that are not there are no faults but warnings, the third that is returned.
        """
        faults: list[str] = []
        missing = objects.missing(client, self.settings.namespaces) if OBJECTS in parts else []
        if ETCD in parts:
            faults += etcd.faults(self.settings.etcd)
        plans: list[Plan] = []
        found = planning.Found()
        if MACHINES in parts:
            plans, found, nobody, told = self._machines(client)
            missing += nobody
            faults += told
        if not lenient:
            faults += missing
        if not faults:
            faults += self._room(plans)
        self._refuse(faults)
        return plans, found, missing

    def _machines(self, client: Client) -> tuple[list[Plan], planning.Found, list[str], list[str]]:
        """Plans, what they are made of, and faults: of selections that nobody matches, and of machines."""
        listed: dict[int, Mapping[Key, Any]] = {}
        for index, one in enumerate(self.settings.machines):
            items = client.list(VM, one.namespace, label_selector=one.labels or None).items
            listed[index] = {bulk.key_of(item): item for item in items}
        wanted, nobody = planning.select(self.settings.machines, listed)
        namespaces = sorted({key[0] for key in wanted})
        found = planning.Found(
            {key: item for items in listed.values() for key, item in items.items()},
            {bulk.key_of(item): item for name in namespaces for item in client.list(VMI, name).items},
            {bulk.key_of(item): item for name in namespaces for item in client.list(PVC, name).items},
            {str(item["metadata"]["name"]): item for item in (client.list(PV).items if namespaces else [])},
        )
        plans: list[Plan] = []
        faults: list[str] = []
        for key, probe in wanted.items():
            made, told = planning.plan(key, probe, found, self.settings)
            plans += [made] if made else []
            faults += told
        return plans, found, nobody, faults

    def _room(self, plans: Sequence[Plan]) -> list[str]:
        """Faults of disks that cannot be reached, and of too little room for them here."""
        wanted = [(plan, disk) for plan in plans for disk in plan.disks if plan.method == COPY]

        def look(pair: tuple[Plan, Any]) -> int:
            plan, disk = pair
            told = self._hosts.of(disk.path, disk.node).look(disk.path)
            if not told.exists:
                raise DiskFailed("the disk's file does not exist", where=f"{plan.key}: {disk.path}")
            return told.allocated

        if wanted:
            with contextlib.suppress(HaError):  # asked once before all the others, so that these know who answers
                look(wanted[0])
        outcomes = bulk.each(wanted, look, _WORKERS)
        faults = [str(outcome) for outcome in outcomes if isinstance(outcome, HaError)]
        sizes: dict[str, int] = {}
        for (plan, disk), outcome in zip(wanted, outcomes):
            sizes[plan.key] = sizes.get(plan.key, 0) + (disk.size if isinstance(outcome, HaError) else outcome)
        for plan in plans:
            if plan.method != COPY:
                sizes[plan.key] = sum(disk.size for disk in plan.disks)
        largest = max(sizes.values(), default=0)
        return faults + [
            fault for fault in (self._fault_of_room("backup_spool_dir", self.settings.spool, largest),) if fault
        ]

    @staticmethod
    def _fault_of_room(name: str, folder: str, needed: int) -> str:
        there = os.path.abspath(folder)
        while not os.path.isdir(there):  # it is made by the run
            there = os.path.dirname(there)
        free = shutil.disk_usage(there).free
        if free >= needed + _ROOM:
            return ""
        return (
            f"{name}: {folder} has {free >> 20} MiB free, the largest machine needs {(needed + _ROOM) >> 20} MiB; "
            "free space there, or set it to another file system"
        )

    # A run

    def take(self, parts: Sequence[str] = PARTS, *, check: bool = False, lenient: bool = False) -> Result:
        """Backs up these parts; in check mode only the plans are made. lenient: as for `plan`."""
        began = time.monotonic()
        self.usable()
        client = connect(self.settings.kubeconfig)
        result = Result()
        result.plans, found, result.warnings = self.plan(client, parts, lenient=lenient)
        result.kubevirt_source = source_of(client.list(DEPLOYMENT, "kubevirt").items)
        if check:
            return result
        with locked(self.settings.state_dir):
            holder = self._holder(client)
            result.released = holder.release()
            self.restic.unlock()
            shutil.rmtree(self.settings.spool, ignore_errors=True)
            with _written("backup_spool_dir"):
                os.makedirs(self.settings.spool, mode=0o700)
            given = self.settings
            bricks = Bricks(given.brick_hosts, given.mount, given.brick)
            work = Parts(given, client, self.restic, self._hosts, bricks, holder, result.kubevirt_source)
            self._take_all(work, parts, found, result)
            result.seconds = time.monotonic() - began
            self._settle(client, parts, result)
        return result

    def _holder(self, client: Client) -> Holder:
        def again() -> Client:
            return connect(self.settings.kubeconfig)

        return Holder(client, again, self.settings.state_dir, self.settings.max_frozen_seconds)

    def _take_all(self, work: Parts, parts: Sequence[str], found: planning.Found, result: Result) -> None:
        if ETCD in parts and self.settings.etcd.endpoints:
            result.total += 1
            with self._noting(result):
                result.etcd = self._etcd(work.client)
        if OBJECTS in parts and self.settings.namespaces:
            result.total += 1
            with self._noting(result):
                result.objects = self._objects(work.client)
        for plan in result.plans:
            result.total += 1
            key = plan.namespace, plan.name
            claims = [_claim(found, key[0], disk.claim) for disk in plan.disks]
            outcome = machine.back_up(work, plan, found.machines[key], claims)
            result.machines.append(outcome)
            result.warnings += outcome.warnings
            if outcome.error:
                result.errors.append(_of(plan, outcome.error))
        with self._noting(result):
            result.forgotten = self._forget(result)
        if VERIFY in parts:
            result.total += 1
            with self._noting(result):
                result.checked = checking.check(self.restic, self.settings.verify_subset)
                failure = result.checked.failure(self.restic.where)
                if failure:
                    raise failure

    @staticmethod
    @contextlib.contextmanager
    def _noting(result: Result) -> Iterator[None]:
        """What a part fails with does not stop the others; neither does a disk that is full."""
        try:
            with _written("backup_spool_dir"):
                yield
        except HaError as error:
            result.errors.append(error)

    def _etcd(self, client: Client) -> dict[str, Any]:
        folder = os.path.join(self.settings.spool, ETCD)
        os.makedirs(folder, mode=0o700)
        try:
            path = os.path.join(folder, "snapshot.db")
            taken = etcd.take(self.settings.etcd, path)
            taken.pop("notices", None)
            proof = etcd.prove(self.settings.etcd, taken, folder)
            proven = "restored" if proof else "+".join(taken["verified_with"])
            tags = {"kind": ETCD, "taken": taken["taken_at"], "revision": str(taken["revision"]), "proof": proven}
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, "scratch.log"))
            told = self.restic.backup(folder, tags)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        snapshot = str(told["snapshot_id"])[:8]
        location = f"restic snapshot {snapshot} of {without_password(self.settings.repository)} on {self.settings.host}"
        records.publish_etcd(client, taken["taken_at"], location, str(taken["hash"] or taken["sha256"]))
        kept = {key: taken[key] for key in ("taken_at", "size", "revision", "total_keys", "verified_with")}
        return {**kept, "restored": proof, "snapshot": snapshot}

    def _objects(self, client: Client) -> dict[str, Any]:
        folder = os.path.join(self.settings.spool, OBJECTS)
        os.makedirs(folder, mode=0o700)
        taken = time_text(time.time())
        try:
            done = objects.write(client, folder, self.settings.namespaces, secrets=self.settings.include_secrets)
            with open(os.path.join(folder, RECORD), "w", encoding="utf-8") as file:
                told = {"taken_at": taken, "namespaces": done.namespaces, "unread": done.unread}
                json.dump({**told, "secrets": self.settings.include_secrets}, file, indent=1)
            saved = self.restic.backup(folder, {"kind": OBJECTS, "taken": taken})
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return {
            "taken_at": taken,
            "files": done.files,
            "namespaces": done.namespaces,
            "unread": done.unread,
            "snapshot": str(saved["snapshot_id"])[:8],
        }

    def _forget(self, result: Result) -> int:
        """Forgets what no rule keeps, of all that was backed up now: what failed keeps its old backups."""
        keep = self.settings.keep
        sets = [{"kind": ETCD}] if result.etcd else []
        sets += [{"kind": OBJECTS}] if result.objects else []
        for outcome in result.machines:
            if not outcome.error:
                sets.append({"kind": MACHINE, "namespace": outcome.plan.namespace, "vm": outcome.plan.name})
        gone = sum(len(self.restic.forget(tags, keep)) for tags in sets)
        if gone:
            self.restic.prune()
        return gone

    def _settle(self, client: Client, parts: Sequence[str], result: Result) -> None:
        """Writes down what there is now."""
        more: dict[str, Any] = {"run": {"at": time_text(time.time()), "failed": [str(one) for one in result.errors]}}
        if MACHINES in parts:
            more["selected"] = [plan.key for plan in result.plans]
        if result.checked:
            more["checked"] = {"at": time_text(time.time()), **result.checked.as_dict()}
        with self._noting(result):
            self.note(client, **more)

    def note(self, client: Client | None, **more: Any) -> dict[str, Any]:
        """Brings the state up to date with the repository; where there is a client, its ConfigMap, too."""
        before = records.read(self.settings.state_dir)
        state = records.merged(before, self.restic.snapshots(), **more)
        records.write(self.settings.state_dir, state)
        if client:
            records.publish(client, {key: value for key, value in state.items() if key != "repository"})
        return state

    def verify(self, subset: str = "") -> checking.Checked:
        """Looks at the repository, and notes what was found."""
        self.usable()
        with locked(self.settings.state_dir):
            self.restic.unlock()
            checked = checking.check(self.restic, subset or self.settings.verify_subset)
            found = {"at": time_text(time.time()), **checked.as_dict()}
            client: Client | None = None
            with contextlib.suppress(HaError):
                client = connect(self.settings.kubeconfig)
            try:
                self.note(client, checked=found)
            except HaError:
                if checked.sound:
                    raise
        return checked

    def release(self) -> list[str]:
        """Lets go what a run that is gone has left held."""
        with locked(self.settings.state_dir):
            holder = self._holder(connect(self.settings.kubeconfig))
            return holder.release() if holder.leftovers() else []


def _claim(found: planning.Found, namespace: str, name: str) -> dict[str, Any]:
    claim = found.claims[(namespace, name)]
    meta = claim["metadata"]
    kept = {key: meta[key] for key in ("name", "namespace", "labels", "annotations") if key in meta}
    return {"metadata": kept, "spec": claim.get("spec") or {}, "status": claim.get("status") or {}}


def _of(plan: Plan, error: HaError) -> HaError:
    """An error that names its machine."""
    if plan.name not in str(error):
        error.where = f"{plan.key}, {error.where}" if error.where else plan.key
    return error


def _gone(restic: Restic, settings: Settings) -> Refused:
    known = (records.read(settings.state_dir).get("repository") or {}).get("location") == settings.repository
    fix = "Mount or reconnect what it was on; an empty one is made in its place only after state.json in backup_state_dir is removed"
    if not known:
        fix = "Run the role backup, which makes it, or correct backup_repository"
    return Refused("there is no repository", where=restic.where, fix=fix)


def figures(result: Result, settings: Settings) -> list[Figure]:
    """What a run measured."""
    done = [one for one in result.machines if not one.error]
    found = [
        Figure("backup_seconds", round(result.seconds, 3), "s", samples=1),
        Figure("backup_bytes", sum(one.bytes for one in done), "bytes", samples=len(done)),
        Figure("backup_added_bytes", sum(one.added for one in done), "bytes", samples=len(done)),
    ]
    if result.plans:
        held = {one.plan.key: one.record.frozen_seconds for one in done if one.record}
        times = {key: value for key, value in held.items() if value is not None}
        value = max(times.values(), default=0.0) if done else None
        limit = settings.max_frozen_seconds
        why = "no machine was backed up"
        more = {"machines": times}
        found.append(Figure("backup_frozen_seconds", value, "s", limit, len(times), why, more=more))
        expected = len(result.plans)
        found.append(Figure("backup_machines", len(done), "machines", expected, expected, at_least=True))
    if result.etcd:
        proof = result.etcd["restored"]
        seconds = proof["seconds"] if proof else None
        why = "neither etcd nor etcdutl is on the backup host"
        found.append(Figure("backup_etcd_restore_seconds", seconds, "s", samples=1 if proof else 0, why=why))
    return found + ([figure_of_check(result.checked)] if result.checked else [])


def figure_of_check(checked: checking.Checked) -> Figure:
    """What a look at the repository measured."""
    return Figure("backup_damaged_parts", checked.count if not checked.sound else 0, "parts", 0, 1)
