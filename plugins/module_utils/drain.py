# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drains, cordons and uncordons nodes: all that blocks is named before anything changes, then one node after the other."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import (
    bulk,
    drain_node,
    drain_plan,
    node_fit,
    vm_state,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key, Snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drain_node import Drain, LeavingMachine, Limits
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drain_plan import (
    Blocker,
    Departure,
    Facts,
    Plan,
    Wishes,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, Refused, WaitFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.migration_state import in_flight, of_machine
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    MIGRATION,
    NODE,
    POD,
    VM,
    VMI,
    VMI_ACTION,
    is_deleting,
)

Object = dict[str, Any]

_EVACUATION = "kubevirt.io/evacuationMigration"


@dataclass(frozen=True)
class Settings:
    """How a task is carried out.

    serial: how many nodes at once; on_failure: `leave` or `uncordon`; progress_path: a file that tells what happens.
    """

    state: str
    wishes: Wishes
    limits: Limits
    check: bool = False
    serial: int = 1
    pod_selector: str | None = None
    on_failure: str = "leave"
    cancel_evacuations: bool = False
    progress_path: str | None = None


@dataclass
class Survey:
    """What was read of one node, and the plan that was made from it."""

    plan: Plan
    facts: Facts
    pods: list[Object]
    version: str
    machines: Snapshot
    migrations: Snapshot


@dataclass
class Done:
    """One node's outcome."""

    name: str
    node: Object = field(default_factory=dict)
    survey: Survey | None = None
    changed: bool = False
    cordoned: bool = False
    machines: list[Object] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    blocked_by: list[Blocker] = field(default_factory=list)
    seconds: float | None = None
    error: HaError | None = None

    @property
    def where(self) -> str:
        """The node as messages call it."""
        return NODE.describe(None, self.name)


class Service:
    """One task over several nodes."""

    def __init__(self, client: Client, settings: Settings, names: Sequence[str]) -> None:
        self._client, self._settings = client, settings
        self._leaving = frozenset(names)
        self._nodes: list[Object] = []
        self._lock = threading.Lock()
        self._done = [Done(name) for name in names]

    def carry_out(self) -> list[Done]:
        """One outcome for each node, in the given order. Refused where a node does not exist."""
        self._read_nodes()
        missing = [done.name for done in self._done if not done.node]
        if missing:
            there = ", ".join(sorted(node_fit.name_of(node) for node in self._nodes))
            fix = f"Name some of {there}; nothing was changed"
            raise Refused("does not exist", where=f"{NODE.kind} {', '.join(missing)}", fix=fix)
        if self._settings.state != "drained":
            for done in self._done:
                self._attempt(done, lambda done: self._cordon(done, self._settings.state == "cordoned"))
            return self._done
        self._preflight()
        self._try_progress_path()
        if not any(done.error for done in self._done):
            self._drain_all()
        return self._done

    def _attempt(self, done: Done, work: Any) -> None:
        try:
            work(done)
        except HaError as error:
            done.error = error

    def _read_nodes(self) -> None:
        if self._settings.state == "drained":
            self._nodes = self._client.list(NODE).items
        else:
            found = [self._client.find(NODE, done.name) for done in self._done]
            self._nodes = [node for node in found if node is not None]
        by_name = {node_fit.name_of(node): node for node in self._nodes}
        for done in self._done:
            done.node = by_name.get(done.name) or {}
            done.cordoned = bool(done.node) and node_fit.is_cordoned(done.node)

    def _cordon(self, done: Done, cordoned: bool) -> None:
        if done.cordoned == cordoned:
            return
        body = {"spec": {"unschedulable": True if cordoned else None}}
        self._client.patch(NODE, done.name, body, dry_run=self._settings.check)
        done.changed, done.cordoned = True, cordoned
        self._say(done.name, "cordoned" if cordoned else "uncordoned")

    def _preflight(self) -> None:
        """Names all that blocks, on all nodes, before anything is changed."""
        for done in self._done:
            self._attempt(done, self._look)
        for done in self._done:
            if done.blocked_by:
                why, fix = drain_node.names(done.blocked_by), "Settle each, then run again"
                done.error = Refused("is not drained, nothing was changed", where=done.where, why=why, fix=fix)
        failed = [done.name for done in self._done if done.error]
        for done in self._done:
            if failed and done.error is None:
                why = f"{', '.join(failed)} cannot be drained"
                done.error = Refused("was left alone", where=done.where, why=why, fix="Settle that, then run again")

    def _look(self, done: Done) -> None:
        done.survey = self._survey(done.name)
        done.blocked_by = list(done.survey.plan.blockers)
        done.counts = done.survey.plan.counts

    def _survey(self, name: str) -> Survey:
        """Reads what is on a node, and plans."""
        found = self._client.list(
            POD, field_selector=f"spec.nodeName={name}", label_selector=self._settings.pod_selector
        )
        launchers = [pod for pod in found.items if drain_plan.kind_of(pod) == "machine"]
        machines, migrations, facts = Snapshot(), Snapshot(), Facts(nodes=self._nodes, leaving=self._leaving)
        keys = sorted({drain_plan.machine_of(pod) for pod in launchers})
        if keys:
            machines, migrations = self._read_machines(keys)
            facts = self._facts(machines)
        plan = drain_plan.plan(name, found.items, facts, self._settings.wishes)
        return Survey(plan, facts, found.items, found.resource_version, machines, migrations)

    def _read_machines(self, keys: Sequence[Key]) -> tuple[Snapshot, Snapshot]:
        workers = self._settings.limits.workers
        machines = bulk.fetch(self._client, VMI, keys, workers=workers)
        migrations = bulk.read(self._client, MIGRATION, {key[0] for key in keys}, workers=workers)
        for unreadable in (machines.unreadable, migrations.unreadable):
            for error in unreadable.values():
                raise error
        return machines, migrations

    def _facts(self, machines: Snapshot) -> Facts:
        """The machines of instances that are not simply moved are read too, and where any of them is to start anew all
        pods, to know what room there is."""
        facts = Facts(machines.objects, {}, self._nodes, self._leaving)
        staying = [key for key, vmi in machines.objects.items() if not drain_plan.is_moved(vmi, facts)]
        if not staying:
            return facts
        vms = bulk.fetch(self._client, VM, staying, workers=self._settings.limits.workers)
        # A machine that cannot be read is not one that is not there: its guest might end for good.
        for error in vms.unreadable.values():
            raise error
        pods = self._client.list(POD).items
        return Facts(machines.objects, vms.objects, self._nodes, self._leaving, pods)

    def _drain_all(self) -> None:
        step = self._settings.serial
        for begin in range(0, len(self._done), step):
            wave = self._done[begin : begin + step]
            failed = [done.name for done in self._done[:begin] if done.error]
            if failed:
                for done in wave:
                    why, fix = f"{', '.join(failed)} was not drained", "Settle that, then run again"
                    done.error = Refused("was left alone", where=done.where, why=why, fix=fix)
                continue
            if begin:
                self._look_again(wave)
            work = self._foresee if self._settings.check else self._drain
            for done, outcome in zip(wave, bulk.each(wave, work, len(wave))):
                done.error = outcome if isinstance(outcome, HaError) else done.error

    def _look_again(self, wave: Sequence[Done]) -> None:
        """What was moved away from one node may be on the next one now."""
        if self._settings.check:
            return
        self._nodes = self._client.list(NODE).items
        for done in wave:
            self._attempt(done, self._look)

    def _drain(self, done: Done) -> None:
        """Cordons a node and moves everything away from it."""
        if done.error is not None or done.survey is None:
            return
        if done.blocked_by:
            why = drain_node.names(done.blocked_by)
            raise Refused("is not drained", where=done.where, why=why, fix="Settle each, then run again")
        begun, was_cordoned = time.monotonic(), done.cordoned
        if was_cordoned and not any(_leaves(pod) for pod in done.survey.pods):
            return
        self._cordon(done, True)
        drain = self._prepare(done, done.survey)
        try:
            emptied, failure = drain.run(done.survey.plan), None
        except HaError as error:
            emptied, failure = False, error
        done.seconds = round(time.monotonic() - begun, 1)
        self._take(done, drain)
        if not emptied:
            self._give_up(done, drain, failure, was_cordoned)
        self._say(done.name, "drained" if emptied else "not_drained", why=str(done.error or ""))

    def _prepare(self, done: Done, survey: Survey) -> Drain:
        def say(event: str, **more: Any) -> None:
            self._say(done.name, event, **more)

        settings = self._settings
        drain = Drain(self._client, done.name, survey.facts, settings.wishes, settings.limits, say)
        drain.follow_pods(survey.version, survey.pods, settings.pod_selector)
        if survey.machines.scopes:
            drain.follow_machines(survey.machines, survey.migrations)
        return drain

    def _take(self, done: Done, drain: Drain) -> None:
        done.counts = Counter(done.counts)
        done.counts["evicted"] = drain.evicted
        done.changed = done.changed or drain.changed
        done.machines = [self._machine(done.name, found) for _key, found in sorted(drain.leaving_machines.items())]
        done.blocked_by = drain.left()
        done.counts["left"] = len(drain.leaving_pods)

    def _machine(self, node: str, found: LeavingMachine) -> Object:
        namespace, name = found.departure.key
        entry = self._entry(node, found.departure, found.fate or "waiting")
        entry.update(to=found.to or None, migration=found.migration or None)
        entry["reason"] = found.last.why if found.fate in ("", "blocked") else found.departure.why or None
        entry["seconds"] = round(found.ended - found.begun, 1) if found.ended else None
        if found.departure.way == "shutdown" and found.sent:
            with contextlib.suppress(HaError):
                vm = self._client.find(VM, name, namespace)
                entry["run_strategy"] = vm_state.run_strategy(vm) if vm else None
        return entry

    @staticmethod
    def _entry(node: str, departure: Departure, fate: str) -> Object:
        """A machine as results show it; `run_strategy` is another one than before where KubeVirt changed it."""
        return {
            "namespace": departure.key[0],
            "name": departure.key[1],
            "fate": fate,
            "from": node,
            "to": None,
            "seconds": None,
            "migration": None,
            "reason": departure.why or None,
            "run_strategy": departure.run_strategy or None,
            "run_strategy_before": departure.run_strategy or None,
        }

    def _give_up(self, done: Done, drain: Drain, failure: HaError | None, was_cordoned: bool) -> None:
        """Says what is left, and puts back what the task says is to be put back."""
        left = f"left are {drain_node.names(done.blocked_by)}"
        why = left if failure is None else f"the watch failed: {failure}"
        seconds = self._settings.limits.timeout
        late = failure is None and (done.seconds or 0.0) >= seconds
        what = f"was not drained within {seconds:g} s" if late else "cannot be drained"
        why += self._put_back(done, drain, was_cordoned)
        fix = "Settle each and run again, which goes on from here"
        done.error = WaitFailed(what, where=done.where, why=why, fix=fix, terminal=not late)

    def _put_back(self, done: Done, drain: Drain, was_cordoned: bool) -> str:
        told = ""
        if self._settings.cancel_evacuations:
            told = self._cancel_evacuations(drain)
        if self._settings.on_failure == "leave" or was_cordoned:
            return f"{told}; the node stays cordoned"
        try:
            self._cordon(done, False)
        except HaError as error:
            return f"{told}; the node stays cordoned, for it could not be uncordoned: {error}"
        return f"{told}; the node is uncordoned again"

    def _cancel_evacuations(self, drain: Drain) -> str:
        """Ends the evacuations of machines that are still here, and the migrations that KubeVirt began for them."""
        waiting = [found for found in drain.leaving_machines.values() if found.fate in ("", "blocked") and found.reply]
        waiting = [found for found in waiting if found.departure.way in ("migrate", "external")]

        def cancel(found: LeavingMachine) -> None:
            namespace, name = found.departure.key
            body = {"evacuationNodeName": drain.node}
            self._client.put(VMI_ACTION, name, namespace, subresource="evacuate/cancel", body=body)
            current = in_flight(of_machine(self._client.list(MIGRATION, namespace).items, namespace, name))
            if current is not None and _EVACUATION in (current["metadata"].get("annotations") or {}):
                meta = current["metadata"]
                self._client.delete(MIGRATION, str(meta["name"]), namespace, uid=str(meta["uid"]))

        outcomes = bulk.each(waiting, cancel, self._settings.limits.workers)
        failed = [str(outcome) for outcome in outcomes if isinstance(outcome, HaError)]
        ended = len(waiting) - len(failed)
        told = f"; {ended} evacuations were cancelled" if waiting else ""
        return told + (f"; not cancelled: {' '.join(failed)}" if failed else "")

    def _foresee(self, done: Done) -> None:
        """Check mode: the server says of each pod whether it would be evicted now."""
        if done.survey is None:
            return
        plan = done.survey.plan
        launchers = {drain_plan.machine_of(pod): pod for pod in done.survey.pods if _is_machine(pod)}
        asked = [departure for departure in plan.departures if departure.way not in ("restart", "shutdown")]
        pods = [*plan.pods, *(launchers[departure.key] for departure in asked)]
        workers = self._settings.limits.workers
        replies = bulk.each(pods, lambda pod: drain_node.evict(self._client, pod, None, dry_run=True), workers)
        for pod, reply in zip(pods, replies):
            if isinstance(reply, HaError) or reply.kind in ("budget", "stuck", "refused"):
                why = str(reply) if isinstance(reply, HaError) else reply.why
                done.blocked_by.append(drain_plan.left_pod(pod, f"would not be evicted now: {why}"))
        leaving = [pod for pod in plan.pods if not is_deleting(pod)]
        begun = [
            departure
            for departure in plan.departures
            if not _is_leaving(departure, launchers[departure.key], done.survey.facts)
        ]
        done.changed = not done.cordoned or bool(begun or leaving)
        done.cordoned = True
        done.counts = Counter(plan.counts)
        done.counts["evicted"] = len(leaving)
        done.machines = [self._entry(done.name, departure, departure.fate) for departure in plan.departures]

    def _say(self, node: str, event: str, **more: Any) -> None:
        """Appends a line to the file that tells what happens."""
        path = self._settings.progress_path
        if path is None or self._settings.check:
            return
        line = json.dumps({"at": round(time.time(), 3), "node": node, "event": event, **more}, sort_keys=True)
        # What is under way goes on, be the file's disk full or not.
        with contextlib.suppress(OSError), self._lock, open(path, "a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def _try_progress_path(self) -> None:
        path = self._settings.progress_path
        if path is None or self._settings.check:
            return
        try:
            with open(path, "a", encoding="utf-8"):
                return
        except OSError as error:
            fix = "Correct progress_path; nothing was changed"
            raise Refused("cannot be written", where=path, why=str(error.strerror), fix=fix) from error


def _leaves(pod: Mapping[str, Any]) -> bool:
    return drain_plan.kind_of(pod) in ("machine", "ordinary")


def _is_leaving(departure: Departure, launcher: Mapping[str, Any], facts: Facts) -> bool:
    """Whether a machine is on its way already, so that nothing is sent for it."""
    status = facts.vmis.get(departure.key, {}).get("status") or {}
    return is_deleting(launcher) or bool(status.get("evacuationNodeName"))


def _is_machine(pod: Mapping[str, Any]) -> bool:
    return drain_plan.kind_of(pod) == "machine"


def result(done: Done) -> Object:
    """One node's entry in the module's result."""
    counted = ("evicted", "daemon_set", "static", "finished", "hotplug", "left")
    entry: Object = {
        "name": done.name,
        "changed": done.changed,
        "cordoned": done.cordoned,
        "vms": done.machines,
        "pods": {name: done.counts.get(name, 0) for name in counted},
        "blocked_by": [found.as_dict() for found in done.blocked_by],
        "seconds": done.seconds,
    }
    if done.error is not None:
        entry["error"] = done.error.as_dict()
    return entry


def diff(done: Done) -> Object:
    """Before and after of one node."""
    before: Object = {"cordoned": node_fit.is_cordoned(done.node), "vms": {}}
    after: Object = {"cordoned": done.cordoned, "vms": {}}
    for entry in done.machines:
        name = f"{entry['namespace']}/{entry['name']}"
        before["vms"][name] = entry["from"]
        after["vms"][name] = entry["to"] or entry["fate"]
    return {"before_header": done.where, "after_header": done.where, "before": before, "after": after}
