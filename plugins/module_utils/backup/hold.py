# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holding a machine's disks still, and never for longer than was allowed.

A note in the state directory says what is held before it is held. A second process watches: it lets the machine go when
the time is over, or when the first one is gone, however it ended. What both left behind, since the whole host went, the
next run lets go, and so does the unit `release` at the host's boot. A guest that was frozen thaws by itself besides.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, NoReturn

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import auth, conditions, durations
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import FREEZE, NOTHING, PAUSE, Plan
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import (
    ApiError,
    HaError,
    ManyFailed,
    NotFound,
    Refused,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    VM_ACTION,
    VM_SNAPSHOT,
    VMI,
    VMI_ACTION,
    is_deleting,
)

STOP, DROP = "stop", "drop"
_FOLDER = "held"
# Seconds: how long a machine is tried to be let go; how long KubeVirt may take to show that it is paused; by how much
# the guest's own clock for a freeze is behind ours.
_RELEASE_SECONDS = 300.0
_SHOWN_SECONDS = 20.0
_SLACK = 15
_TICK = 0.1

Connect = Callable[[], Client]


def connect(kubeconfig: str) -> Client:
    """A client of the cluster."""
    return Client(auth.resolve({"kubeconfig": kubeconfig}))


@dataclass
class Held:
    """A machine that is held. seconds: how long it was, once it is let go, from before the first call to after the last."""

    plan: Plan
    limit: float
    began: float = field(default_factory=time.monotonic)
    seconds: float | None = None

    @property
    def left(self) -> float:
        """How long it may be held still."""
        return max(0.1, self.limit - (time.monotonic() - self.began))


class Holder:
    """Holds machines of one cluster, one after the other. state_dir: where the notes are."""

    def __init__(self, client: Client, again: Connect, state_dir: str, limit: float) -> None:
        self._client = client
        self._again = again
        self._folder = os.path.join(state_dir, _FOLDER)
        self._limit = limit

    @contextlib.contextmanager
    def hold(self, plan: Plan) -> Iterator[Held]:
        """Holds a machine while the block runs; Refused where it was let go before the block's end."""
        held = Held(plan, self._limit)
        if plan.hold == NOTHING:
            yield held
            return
        note = {"namespace": plan.namespace, "name": plan.name, "how": plan.hold, "pid": os.getpid()}
        path = self._note(note)
        watchdog = Watchdog(note, self._again, self._limit + _SLACK)
        try:
            held.began = time.monotonic()
            take(self._client, plan, self._limit)
            yield held
            self._still(held)
        finally:
            let_go(self._client, note)
            held.seconds = round(time.monotonic() - held.began, 3)
            watchdog.end()
            os.unlink(path)

    def _still(self, held: Held) -> None:
        plan = held.plan
        gone = time.monotonic() - held.began >= self._limit
        if plan.hold == PAUSE and not gone:
            vmi = self._client.find(VMI, plan.name, plan.namespace)
            gone = vmi is None or not _shown_paused(self._client, plan, vmi)
        if gone:
            raise Refused(
                "was let go before its disks were read",
                where=VMI.describe(plan.namespace, plan.name),
                why=f"it may be held for {self._limit:g} s",
                fix="Raise backup_max_frozen_seconds, or use a StorageClass with snapshots",
            )

    def _note(self, note: Mapping[str, Any]) -> str:
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        path = os.path.join(self._folder, f"{note['namespace']}_{note['name']}.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(note, file)
            file.flush()
            os.fsync(file.fileno())
        return path

    @contextlib.contextmanager
    def noted(self, plan: Plan, how: str, undo: Callable[[], Any]) -> Iterator[None]:
        """Notes that a machine is in another state than it was, such as stopped, while the block runs, and undoes that."""
        note = {"namespace": plan.namespace, "name": plan.name, "how": how, "pid": os.getpid()}
        path = self._note(note)
        watchdog = Watchdog(note, self._again, None)
        try:
            yield
        finally:
            undo()
            watchdog.end()
            os.unlink(path)

    @contextlib.contextmanager
    def dropping(self, plan: Plan, snapshot: str, warnings: list[str]) -> Iterator[None]:
        """Takes a snapshot of the cluster away after the block, also where the run is gone before; one that cannot be taken
        away now goes with the next run."""
        note = {"namespace": plan.namespace, "name": plan.name, "how": DROP, "snapshot": snapshot, "pid": os.getpid()}
        path = self._note(note)
        watchdog = Watchdog(note, self._again, None)
        try:
            yield
        finally:
            try:
                with contextlib.suppress(NotFound):
                    _undo(self._client, note)
                os.unlink(path)
            except HaError as error:
                where = VM_SNAPSHOT.describe(plan.namespace, snapshot)
                warnings.append(f"{where}: stays until the next run, which takes it away: {error}")
            watchdog.end()

    def leftovers(self) -> list[dict[str, Any]]:
        """The notes that a run which is gone has left."""
        notes = []
        for name in sorted(os.listdir(self._folder)) if os.path.isdir(self._folder) else []:
            path = os.path.join(self._folder, name)
            with open(path, encoding="utf-8") as file, contextlib.suppress(ValueError):
                notes.append({**json.load(file), "path": path})
        return notes

    def release(self) -> list[str]:
        """Lets go what earlier runs left held; the machines. One that stays held keeps none of the others so."""
        done: list[str] = []
        errors: list[HaError] = []
        notes = self.leftovers()
        for note in notes:
            try:
                let_go(self._client, note)
            except HaError as error:
                errors.append(error)
                continue
            os.unlink(note["path"])
            done.append(f"{note['namespace']}/{note['name']}")
        if errors:
            raise errors[0] if len(errors) == 1 else ManyFailed(errors, len(notes), of="machines", done="let go")
        return done


def _shown_paused(client: Client, plan: Plan, vmi: Mapping[str, Any] | None) -> bool:
    """Whether KubeVirt shows the machine as paused, which it does a moment after it is."""
    give_up = time.monotonic() + _SHOWN_SECONDS
    while vmi is not None and time.monotonic() < give_up:
        if conditions.holds(vmi, "Paused"):
            return True
        time.sleep(_TICK)
        vmi = client.find(VMI, plan.name, plan.namespace)
    return False


def take(client: Client, plan: Plan, limit: float) -> None:
    """Freezes or pauses a machine."""
    if plan.hold == FREEZE:
        body = {"unfreezeTimeout": durations.write(int(limit) + _SLACK)}
        client.put(VMI_ACTION, plan.name, plan.namespace, subresource="freeze", body=body)
    else:
        client.put(VMI_ACTION, plan.name, plan.namespace, subresource="pause")


def let_go(client: Client, note: Mapping[str, Any]) -> None:
    """Undoes what a note says; HaError where that did not succeed in five minutes."""
    namespace, name, how = str(note["namespace"]), str(note["name"]), note["how"]
    give_up = time.monotonic() + _RELEASE_SECONDS
    began = time.monotonic()
    while True:
        try:
            _undo(client, note)
            return
        except NotFound:
            return
        except HaError as error:
            if _is_free(client, namespace, name, how, error, time.monotonic() - began):
                return
            if time.monotonic() > give_up:
                verb = {FREEZE: "unfreeze vm", PAUSE: "unpause vm"}.get(how, "start")
                what = f"kubectl delete vmsnapshot {note['snapshot']}" if how == DROP else f"virtctl {verb} {name}"
                error.fix = f"By hand: {what} --namespace {namespace}"
                raise
        time.sleep(_TICK)


def _undo(client: Client, note: Mapping[str, Any]) -> None:
    namespace, name, how = str(note["namespace"]), str(note["name"]), note["how"]
    if how == DROP:
        client.delete(VM_SNAPSHOT, str(note["snapshot"]), namespace)
    elif how == STOP:
        client.put(VM_ACTION, name, namespace, subresource="start")
    else:
        client.put(VMI_ACTION, name, namespace, subresource="unpause" if how == PAUSE else "unfreeze")


def _is_free(client: Client, namespace: str, name: str, how: str, error: HaError, since: float) -> bool:
    """Whether a refusal means that there is nothing to let go: KubeVirt refuses to unpause what it does not show as paused
    yet, too, so that counts only after a while."""
    if how == DROP or not isinstance(error, ApiError) or error.status not in (409, 500):
        return False
    with contextlib.suppress(HaError):
        vmi = client.find(VMI, name, namespace)
        ends = vmi is None or (vmi.get("status") or {}).get("phase") in conditions.FINAL_PHASES
        if how == STOP:  # one that is still on its way down is not there to stay
            return vmi is not None and not ends and not is_deleting(vmi)
        if vmi is None or ends:
            return True
        if how == FREEZE:
            return since > _SHOWN_SECONDS and (vmi.get("status") or {}).get("fsFreezeStatus") != "frozen"
        return since > _SHOWN_SECONDS and not conditions.holds(vmi, "Paused")
    return False


class Watchdog:
    """A process of its own that lets a machine go when the time is over, where it has an end, or this process is gone."""

    def __init__(self, note: Mapping[str, Any], again: Connect, seconds: float | None) -> None:
        mine, self._pipe = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            os.close(self._pipe)
            self._watch(mine, note, again, seconds)
        os.close(mine)

    def end(self) -> None:
        """Tells it that all is well."""
        with contextlib.suppress(OSError):
            os.write(self._pipe, b"1")
        os.close(self._pipe)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)

    @staticmethod
    def _watch(pipe: int, note: Mapping[str, Any], again: Connect, seconds: float | None) -> NoReturn:
        code = 1
        try:
            os.setsid()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nothing, stream)
            for other in range(3, 256):
                if other != pipe:
                    with contextlib.suppress(OSError):
                        os.close(other)
            ready, _write, _error = select.select([pipe], [], [], seconds)
            if not ready or not os.read(pipe, 1):
                let_go(again(), note)
            code = 0
        finally:
            sys.stderr = None
            os._exit(code)  # pylint: disable=protected-access
