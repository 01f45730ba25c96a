# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations under way: begun while there is room for one more, followed by watches, cancelled where they lead nowhere."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import bulk, events, migration_data, migration_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key, Snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import (
    ApiError,
    Conflict,
    HaError,
    Refused,
    WaitFailed,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.migration_state import (
    Adopt,
    Cancel,
    Create,
    Decision,
    Later,
    Limits,
    Progress,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import MIGRATION, POD, VM, VMI
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.watch import Mirror

Object = dict[str, Any]
Options = Mapping[str, Any]

_TICK = 0.5
_ATTEMPTS = 3
# Seconds after which the target pods of migrations that are still being placed are looked at.
_SLOW = 2.0
# Seconds that a cancellation is given to be carried out.
_CANCELLING = 30.0
# How KubeVirt's admission begins its refusal of a second migration of one machine.
_SECOND = "in-flight migration detected"


@dataclass
class Task:
    """One machine's way: what is wanted, what was decided, its newest known state, and the end."""

    options: Options
    vmi: Object | None = None
    nodes: Mapping[str, Object] | None = None
    decision: Decision = None
    migration: Object | None = None
    outcome: str = ""
    error: HaError | None = None
    data: dict[str, Any] | None = None
    changed: bool = False
    ours: bool = False
    # Of the instance when it was decided.
    uid: str = ""
    source: str = ""
    # When it was begun, and since when it has been in the end that it seems to have come to; of the monotonic clock.
    begun: float = 0.0
    _end: tuple[str, float] = ("", 0.0)
    # What has become of it unless its cancellation, which has until then, comes too late.
    verdict: HaError | None = None
    cancel_until: float | None = None
    last: Progress = field(default_factory=Progress)

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return str(self.options["namespace"]), str(self.options["name"])

    @property
    def where(self) -> str:
        """The machine as messages call it."""
        return VM.describe(*self.key)

    @property
    def title(self) -> str:
        """The migration's name."""
        return str(((self.migration or {}).get("metadata") or {}).get("name", ""))

    def decide(self, vmi: Object | None, migrations: Sequence[Mapping[str, Any]]) -> None:
        """Decides on what is known now; Refused where it cannot be migrated."""
        self.vmi = vmi
        self.uid = str(((vmi or {}).get("metadata") or {}).get("uid", ""))
        self.source = migration_state.node_of(vmi)
        self.decision = migration_state.decide(self.options, vmi, migrations, self.nodes)
        if isinstance(self.decision, (Adopt, Cancel)):
            self.migration = dict(self.decision.migration)
            self.source = str(migration_state.state_of(vmi, self.migration).get("sourceNode") or self.source)

    def has_lasted(self, found: Progress, now: float) -> bool:
        """Whether an end has lasted as long as it must."""
        if self._end[0] != found.end:
            self._end = (found.end, now)
        return bool(found.end) and now - self._end[1] >= found.after

    def finish(self, outcome: str, error: HaError | None = None) -> None:
        """The end."""
        self.outcome, self.error = outcome, error


class Follower:
    """Carries out what was decided."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        grace: float,
        cancels: bool,
        scopes: Mapping[str | None, str],
    ) -> None:
        self._client, self._settings = client, settings
        self._grace, self._cancels, self._scopes = grace, cancels, scopes
        self._mirror = Mirror(client, settings.wait_timeout + 2 * _CANCELLING)
        self._waiting: list[Task] = []
        self._under_way: list[Task] = []

    def foresee(self, tasks: Sequence[Task]) -> None:
        """Check mode: the server says of each new migration whether it would admit it."""

        def ask(task: Task) -> None:
            decision = task.decision
            if isinstance(decision, Create):
                body = decision.body(_new_name(task.key[1]), *task.key)
                self._client.create(MIGRATION, body, task.key[0], dry_run=True)
            task.changed = isinstance(decision, (Create, Later)) or (
                isinstance(decision, Cancel) and not decision.begun
            )
            task.outcome = "cancelled" if isinstance(decision, Cancel) else "migrated"

        self._each(tasks, ask)

    def send(self, tasks: Sequence[Task]) -> None:
        """Begins all and waits for none; KubeVirt lets them queue."""

        def begin(task: Task) -> None:
            if isinstance(task.decision, Later):
                fix = "Run again; or leave wait on, which waits for that"
                raise Refused("cannot be migrated yet", where=task.where, why=task.decision.why, fix=fix)
            self._begin(task)
            task.outcome = "cancelled" if isinstance(task.decision, Cancel) else "in_flight"

        self._each(tasks, begin)
        self._measure([task for task in tasks if isinstance(task.decision, Adopt)])

    def carry_out(self, tasks: Sequence[Task], machines: Snapshot, migrations: Snapshot, limits: Limits) -> None:
        """Begins as many at once as may be, and follows each to its end."""
        deadline = time.monotonic() + self._settings.wait_timeout
        self._mirror.follow("machines", VMI, machines.scopes, machines.objects.values())
        self._mirror.follow("migrations", MIGRATION, migrations.scopes, migrations.objects.values())
        free = [task for task in tasks if isinstance(task.decision, (Adopt, Cancel))]
        self._waiting = [task for task in tasks if task not in free]
        try:
            self._start(free)
            while self._waiting or self._under_way:
                if time.monotonic() >= deadline and self._is_unsettled():
                    self._mirror.look_again()
                    self._look()
                    self._time_is_over()
                self._fill(limits)
                self._look()
                if self._waiting or self._under_way:
                    self._mirror.wait(_TICK)
        except HaError as error:
            self._go_blind(error)
        finally:
            self._mirror.close()

    def _is_unsettled(self) -> bool:
        """Whether there are tasks that only wait for time to pass."""
        return bool(self._waiting) or any(task.cancel_until is None for task in self._under_way)

    def _each(self, tasks: Sequence[Task], work: Any) -> list[Task]:
        """Does the work on each task, those whose work failed ended by that; the others."""
        good = []
        for task, outcome in zip(tasks, bulk.each(tasks, work, self._settings.workers)):
            if isinstance(outcome, HaError):
                task.changed = task.changed or outcome.ambiguous
                task.finish("failed", outcome)
            else:
                good.append(task)
        return good

    def _start(self, tasks: Sequence[Task]) -> None:
        for task in self._each(tasks, self._begin):
            self._under_way.append(task)
            # Made by this task or, while it tried, by another: the watch may not tell of it yet.
            if task.migration is not None and not isinstance(task.decision, Cancel):
                self._mirror.remember("migrations", task.migration)

    def _fill(self, limits: Limits) -> None:
        """Begins those that there is room for; decides anew on those that had to wait for something."""
        batch: list[Task] = []
        busy = [task.source for task in self._under_way if task.cancel_until is None]
        for task in list(self._waiting):
            if not limits.allow(task.source, busy):
                continue
            try:
                if isinstance(task.decision, Later) or task.begun == 0.0:
                    task.decide(self._mirror.objects("machines").get(task.key), self._own(task))
            except HaError as error:
                self._waiting.remove(task)
                task.finish("failed", error)
                continue
            if not isinstance(task.decision, Later):
                self._waiting.remove(task)
                batch.append(task)
                busy.append(task.source)
        self._start([task for task in batch if task.decision is not None])

    def _own(self, task: Task) -> list[Mapping[str, Any]]:
        return migration_state.of_machine(self._mirror.objects("migrations").values(), *task.key)

    def _begin(self, task: Task) -> None:
        task.begun = time.monotonic()
        if isinstance(task.decision, Cancel):
            if not task.decision.begun:
                self._delete(task)
        elif isinstance(task.decision, Create):
            self._create(task, task.decision)

    def _create(self, task: Task, wanted: Create) -> None:
        """Makes the migration; one that somebody made in the meantime is taken instead."""
        namespace, machine = task.key
        name = _new_name(machine)
        for attempt in range(_ATTEMPTS):
            try:
                task.migration = self._client.create(MIGRATION, wanted.body(name, namespace, machine), namespace)
                task.ours = task.changed = True
                return
            except Conflict as error:
                made = self._client.find(MIGRATION, name, namespace) if error.ambiguous else None
                if made is None:
                    raise
                task.migration, task.ours, task.changed = made, True, True
                return
            except ApiError as error:
                if _SECOND not in error.why or attempt == _ATTEMPTS - 1:
                    raise
            selector = f"{migration_state.OF_MACHINE}={machine}"
            others = self._client.list(MIGRATION, namespace, label_selector=selector).items
            task.decide(self._client.find(VMI, machine, namespace), others)
            if not isinstance(task.decision, Create):
                # One whose answer was lost is in its own way.
                task.ours = task.changed = task.title == name
                return
            wanted = task.decision

    def _delete(self, task: Task) -> None:
        meta = (task.migration or {})["metadata"]
        sent = self._client.delete(MIGRATION, str(meta["name"]), task.key[0], uid=str(meta["uid"]))
        task.changed = task.changed or sent

    def _look(self) -> None:
        """Takes note of what has become of those under way."""
        now = time.monotonic()
        self._watch_targets(now)
        for task in self._under_way:
            self._give_way(task)
        ended: list[tuple[Task, Progress]] = []
        for task in [task for task in self._under_way if not task.outcome]:
            task.vmi = dict(self._mirror.objects("machines").get(task.key) or {}) or None
            current = self._mirror.objects("migrations").get((task.key[0], task.title))
            if task.cancel_until is not None or isinstance(task.decision, Cancel):
                found = migration_state.cancellation(task.vmi, task.migration or {}, current)
            else:
                pod = self._target(task)
                found = migration_state.progress(task.vmi, task.uid, task.source, current, pod, grace=self._grace)
            task.migration, task.last = dict(current or task.migration or {}), found
            if task.has_lasted(found, now) or task.cancel_until is not None and now >= task.cancel_until:
                ended.append((task, found))
        for task, found in ended:
            self._end(task, found)
        self._under_way = [task for task in self._under_way if not task.outcome]

    def _give_way(self, task: Task) -> None:
        """Takes the older one of two migrations that were made at the same moment in place of this task's own."""
        current = self._mirror.objects("migrations").get((task.key[0], task.title))
        if not task.ours or task.cancel_until is not None or current is None:
            return
        older = migration_state.elder(current, self._own(task))
        if older is None:
            return
        try:
            self._delete(task)
            task.ours = task.changed = False
            task.decide(self._mirror.objects("machines").get(task.key), [older])
        except HaError as error:
            task.finish("failed", error)

    def _watch_targets(self, now: float) -> None:
        """Target pods are watched only once one takes its time; they only say why, so it can do without."""
        if self._mirror.follows("targets") or not any(now - task.begun > _SLOW for task in self._under_way):
            return
        scopes = dict.fromkeys(self._scopes, "")
        self._mirror.follow("targets", POD, scopes, label_selector=migration_state.JOB_UID, optional=True)

    def _target(self, task: Task) -> Object | None:
        uid = ((task.migration or {}).get("metadata") or {}).get("uid")
        pods = self._mirror.objects("targets").values()
        return next((pod for pod in pods if pod["metadata"]["labels"].get(migration_state.JOB_UID) == uid), None)

    def _end(self, task: Task, found: Progress) -> None:
        if task.cancel_until is not None or isinstance(task.decision, Cancel):
            self._end_cancelled(task, found)
        elif found.end == "arrived":
            task.finish("migrated")
        else:
            self._fail(task, found)

    def _end_cancelled(self, task: Task, found: Progress) -> None:
        """A cancellation may come too late."""
        error = task.verdict
        if found.end == "arrived" or (found.end and error is None):
            task.finish("migrated" if found.end == "arrived" else "cancelled")
        elif error is not None:
            left = "" if found.end else f" is asked to be cancelled, but {found.why}"
            error.why += f"; its migration {task.title}{left or ' was cancelled'}"
            task.finish("cancelled" if found.end else "in_flight", error)

    def _fail(self, task: Task, found: Progress) -> None:
        """The migration leads nowhere: one that still goes on, and is ours, is cancelled."""
        goes_on = task.migration is not None and not migration_state.is_over(task.migration) and found.after > 0
        why = found.why if goes_on else self._with_events(task, found.why)
        error = WaitFailed("was not migrated", where=task.where, why=why, fix=found.fix, terminal=True)
        if goes_on and task.ours:
            self._call_off(task, error)
        else:
            if goes_on:
                error.why += f"; its migration {task.title} is not of this task and goes on"
            task.finish("failed", error)

    def _call_off(self, task: Task, error: HaError) -> None:
        """Cancels a migration of ours; the task ends by that error once it is gone."""
        try:
            self._delete(task)
        except HaError as refused:
            error.why += f"; its migration {task.title} could not be cancelled: {refused}"
            task.finish("in_flight", error)
            return
        task.verdict, task.cancel_until = error, time.monotonic() + _CANCELLING

    def _with_events(self, task: Task, why: str) -> str:
        """The reason with the last warning about the migration, where that says more."""
        warning = events.last_warning(self._client, task.key[0], f"involvedObject.name={task.title}").rstrip(".")
        return f"{why} ({warning})" if warning and warning not in why else why

    def _time_is_over(self) -> None:
        """Those that wait are not begun any more; those under way are cancelled or left, as the task says."""
        seconds = f"{self._settings.wait_timeout:g} s"
        late = [task for task in self._under_way if task.cancel_until is None]
        for task in self._waiting:
            why = task.decision.why if isinstance(task.decision, Later) else "as many as may be were on their way"
            what = f"was not begun to be migrated within {seconds}"
            task.finish("failed", WaitFailed(what, where=task.where, why=why, fix="Raise wait_timeout, then run again"))
        self._waiting = []
        self._measure([task for task in late if not isinstance(task.decision, Cancel)])
        for task in late:
            done = "cancelled" if isinstance(task.decision, Cancel) else "migrated"
            error = WaitFailed(
                f"was not {done} within {seconds}",
                where=task.where,
                why=task.last.why,
                fix=task.last.fix or "Raise wait_timeout, or look at the migration's events",
            )
            if isinstance(task.decision, Cancel):
                task.finish("in_flight", error)
            elif task.ours and self._cancels:
                self._call_off(task, error)
            else:
                whose = "goes on" if task.ours else "is not of this task and goes on"
                error.why += f"; its migration {task.title} {whose}"
                task.finish("in_flight", error)
        self._under_way = [task for task in self._under_way if not task.outcome]

    def _measure(self, tasks: Sequence[Task]) -> None:
        """How much is left to be moved, of those whose memory is being moved."""
        moving = {task.key: task.source for task in tasks if migration_state.phase(task.migration or {}) == "Running"}
        figures = migration_data.read(self._client, moving, self._settings.workers)
        for task in tasks:
            why = f"its migration is {migration_state.phase(task.migration or {}) or 'new'}"
            task.data = figures.get(task.key) or migration_data.unknown(f"{why}: nothing is moved yet")

    def _go_blind(self, error: HaError) -> None:
        for task in self._waiting:
            what = "was not begun to be migrated, the watch failed"
            task.finish("failed", WaitFailed(what, where=task.where, why=str(error), fix=error.fix))
        for task in self._under_way:
            what = "may or may not be migrated, the watch failed"
            task.finish("in_flight", WaitFailed(what, where=task.where, why=str(error), fix=error.fix))


def _new_name(machine: str) -> str:
    return f"{machine}-{uuid.uuid4().hex[:10]}"
