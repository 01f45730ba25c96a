# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole run: etcd, objects and machines into the repository, old backups forgotten, the repository looked at.

The modules call it, and the command line that a backup host's timer calls. Faults of the settings are told before anything is changed; a
machine that cannot be backed up, or fails, does not stop the others.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import (
    checking,
    etcd,
    machine,
    objects,
    records,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import plan as planning
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.bricks import Bricks
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.disks import Hosts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.hold import Holder, connect
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.locks import locked, written
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.machine import Parts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import (
    ETCD,
    MACHINE,
    MACHINES,
    OBJECTS,
    PARTS,
    RECORD,
    VERIFY,
    Plan,
    time_text,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restic import Restic
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.run_plan import Planner
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.run_result import Result
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.settings import Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import (
    HaError,
    InputError,
    Refused,
    without_password,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.platform_state import source_of
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import DEPLOYMENT, NAMESPACE

# What a run does besides its parts, and may fail with.
_FORGETTING, _NOTING = "forgetting", "noting"


class Run:
    """One run with these settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.restic = Restic(settings)
        self._hosts = Hosts(settings.hosts)

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

    def take(self, parts: Sequence[str] = PARTS, *, check: bool = False, lenient: bool = False) -> Result:
        """Backs up these parts. In check mode only plans are made, and whatever stands against one is a fault.

        lenient: of what may be made later, machines and namespaces that are not there, is only warned.
        """
        began = time.monotonic()
        self.usable()
        client = connect(self.settings.kubeconfig)
        result = Result()
        planned = Planner(self.settings, self._hosts).plan(client, parts)
        result.plans, result.selected = planned.plans, planned.selected
        result.warnings = planned.later if lenient else []
        if check or not (planned.plans or self._takes_more(parts)):
            planned.refuse(lenient=lenient)
        self._refuse(planned.faults)
        result.kubevirt_source = source_of(client.list(DEPLOYMENT, "kubevirt").items)
        if check:
            return result
        with locked(self.settings.state_dir):
            holder = self._holder(client)
            result.released = holder.release()
            self.restic.unlock()
            shutil.rmtree(self.settings.spool, ignore_errors=True)
            with written("backup_spool_dir"):
                os.makedirs(self.settings.spool, mode=0o700)
            given = self.settings
            bricks = Bricks(given.brick_hosts, given.mount, given.brick)
            work = Parts(given, client, self.restic, self._hosts, bricks, holder, result.kubevirt_source)
            for error in planned.against + ([] if lenient else [HaError(what) for what in planned.later]):
                result.fail(MACHINES if MACHINES in parts else OBJECTS, error)
            result.total += len(result.errors)
            self._take_all(work, parts, planned.found, result)
            result.seconds = time.monotonic() - began
            self._settle(client, parts, result)
        return result

    def _takes_more(self, parts: Sequence[str]) -> bool:
        """Whether there is something to back up beside machines."""
        return bool((ETCD in parts and self.settings.etcd.endpoints) or (OBJECTS in parts and self.settings.namespaces))

    def _holder(self, client: Client) -> Holder:
        def again() -> Client:
            return connect(self.settings.kubeconfig)

        return Holder(client, again, self.settings.state_dir, self.settings.max_frozen_seconds)

    def _take_all(self, work: Parts, parts: Sequence[str], found: planning.Found, result: Result) -> None:
        if ETCD in parts and self.settings.etcd.endpoints:
            result.total += 1
            with self._noting(result, ETCD):
                result.etcd = self._etcd(work.client)
        if OBJECTS in parts and self.settings.namespaces:
            result.total += 1
            with self._noting(result, OBJECTS):
                result.objects = self._objects(work.client)
        for plan in result.plans:
            result.total += 1
            key = plan.namespace, plan.name
            claims = [_claim(found, key[0], disk.claim) for disk in plan.disks]
            outcome = machine.back_up(work, plan, found.machines[key], claims)
            result.machines.append(outcome)
            result.warnings += outcome.warnings
            if outcome.error:
                result.fail(MACHINES, _of(plan, outcome.error))
        with self._noting(result, _FORGETTING):
            result.forgotten = self._forget(result)
        if VERIFY in parts:
            result.total += 1
            with self._noting(result, VERIFY):
                result.checked = checking.check(self.restic, self.settings.verify_subset)
                failure = result.checked.failure(self.restic.where)
                if failure:
                    raise failure

    @staticmethod
    @contextlib.contextmanager
    def _noting(result: Result, part: str) -> Iterator[None]:
        """What a part fails with does not stop the others; neither does a disk that is full."""
        try:
            with written("backup_spool_dir"):
                yield
        except HaError as error:
            result.fail(part, error)

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
            "whole": all(NAMESPACE.describe(None, name) not in done.unread for name in self.settings.namespaces),
            "snapshot": str(saved["snapshot_id"])[:8],
        }

    def _forget(self, result: Result) -> int:
        """Forgets what no rule keeps, of all that was backed up now: what failed keeps its old backups."""
        keep = self.settings.keep
        sets = [{"kind": ETCD}] if result.etcd else []
        # Of a namespace that is not there, what older backups have may be all there is.
        sets += [{"kind": OBJECTS}] if result.objects and result.objects["whole"] else []
        for outcome in result.machines:
            if not outcome.error:
                sets.append({"kind": MACHINE, "namespace": outcome.plan.namespace, "vm": outcome.plan.name})
        gone = sum(len(self.restic.forget(tags, keep)) for tags in sets)
        if gone:
            self.restic.prune()
        return gone

    def _settle(self, client: Client, parts: Sequence[str], result: Result) -> None:
        """Writes down what there is now."""
        more: dict[str, Any] = {}
        if MACHINES in parts:
            more["selected"] = result.selected
        if result.checked:
            more["checked"] = {"at": time_text(time.time()), **result.checked.as_dict()}
        with self._noting(result, _NOTING):
            before = records.read(self.settings.state_dir).get("run") or {}
            self.note(client, run=records.run(before, parts, result.failed, time_text(time.time())), **more)

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
