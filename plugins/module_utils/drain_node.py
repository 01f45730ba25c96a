# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One node's drain under way: evicts what is due, follows every machine and pod by watches, until all is gone or stuck."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import (
    bulk,
    drain_plan,
    drain_state,
    migration_state,
    node_fit,
    power,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key, Snapshot, key_of
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drain_plan import (
    Blocker,
    Departure,
    Facts,
    Plan,
    Wishes,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drain_state import Reply, Seen
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ApiError, HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.migration_state import Progress
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    DISRUPTION_BUDGET,
    MIGRATION,
    POD,
    VM,
    VMI,
    is_deleting,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.watch import Mirror

Object = dict[str, Any]

_TICK = 0.5
# Seconds until an eviction that was not granted is asked for again.
_AGAIN = 3.0
_FIX_BUDGET = "raise its replicas, mend those that are not healthy, or change the budget"
_STATES = {"shutdown": "stopped", "restart": "restarted"}


@dataclass(frozen=True)
class Limits:
    """timeout: seconds for one node; attempts: how many migrations of a machine may fail; grace: seconds that no node may
    take one."""

    timeout: float
    attempts: int
    grace: float
    workers: int


@dataclass
class LeavingMachine:
    """A machine that leaves, and what is known of that; times are of the monotonic clock."""

    departure: Departure
    begun: float
    pod: Object | None = None
    reply: Reply | None = None
    due: float = 0.0
    sent: bool = False
    fate: str = ""
    to: str = ""
    migration: str = ""
    ended: float = 0.0
    last: Progress = field(default_factory=Progress)
    _end: tuple[str, float] = ("", 0.0)

    def take(self, found: Progress, now: float) -> None:
        """Takes note of how far it has come; an end counts once it has lasted."""
        self.last = found
        if self._end[0] != found.end:
            self._end = (found.end, now)
        if found.end and now - self._end[1] >= found.after:
            self.fate, self.ended = found.end, now


@dataclass
class LeavingPod:
    """An ordinary pod that leaves."""

    pod: Object
    due: float = 0.0
    reply: Reply | None = None
    evicted: bool = False

    @property
    def why(self) -> str:
        """Why it is still there."""
        if self.evicted:
            return "it still ends"
        return self.reply.why if self.reply else "its eviction was not sent yet"


class Drain:
    """Carries out the plan of one node that is cordoned.

    facts: what the plan was made from, of it the instances are kept up to date; say: tells what happens, as it happens.
    """

    def __init__(self, client: Client, node: str, facts: Facts, wishes: Wishes, limits: Limits, say: Any) -> None:
        self._client, self.node, self._facts, self._wishes, self._limits = client, node, facts, wishes, limits
        self._say = say
        self._mirror = Mirror(client, limits.timeout + 60.0)
        self._old: frozenset[str] = frozenset()
        self._scopes: set[str | None] = set()
        self._asked: dict[Key, float] = {}
        self.leaving_machines: dict[Key, LeavingMachine] = {}
        self.leaving_pods: dict[Key, LeavingPod] = {}
        self.blockers: dict[Key, Blocker] = {}
        # Machines with a pod here of no machine that leaves: the target of a migration, or one that ends.
        self.passing: set[Key] = set()
        self.evicted = 0

    def follow_pods(self, version: str, pods: Sequence[Object], label_selector: str | None) -> None:
        """Begins to watch the node's pods after a read of them."""
        selector = f"spec.nodeName={self.node}"
        self._mirror.follow("pods", POD, {None: version}, pods, field_selector=selector, label_selector=label_selector)

    def follow_machines(self, machines: Snapshot, migrations: Snapshot) -> None:
        """Begins to watch instances and migrations after reads of them."""
        self._mirror.follow("machines", VMI, machines.scopes, machines.objects.values())
        self._mirror.follow("migrations", MIGRATION, migrations.scopes, migrations.objects.values())
        self._scopes |= set(machines.scopes)

    def _cover(self, vmi: Object) -> None:
        """Watches the namespace of a machine that came since."""
        namespace = str(vmi["metadata"]["namespace"])
        self._mirror.remember("machines", vmi)
        if None not in self._scopes and namespace not in self._scopes:
            self._scopes.add(namespace)
            for stream, kind in (("machines", VMI), ("migrations", MIGRATION)):
                self._mirror.follow(stream, kind, {namespace: ""})

    def run(self, plan: Plan) -> bool:
        """Drains; whether all is gone. HaError where a watch cannot go on."""
        begun = time.monotonic()
        over = (found for found in self._mirror.objects("migrations").values() if migration_state.is_over(found))
        self._old = frozenset(str(found["metadata"]["uid"]) for found in over)
        for departure in plan.departures:
            self._add_machine(departure)
        self.leaving_pods = {key_of(dict(pod)): LeavingPod(dict(pod), evicted=is_deleting(pod)) for pod in plan.pods}
        try:
            while True:
                self._look()
                if not self._is_over() and time.monotonic() - begun >= self._limits.timeout:
                    self._mirror.look_again()
                    self._look()
                    return self._is_over() and not self.left()
                if self._is_over():
                    return not self.left()
                self._act()
                self._mirror.wait(_TICK)
        finally:
            self._mirror.close()

    @property
    def changed(self) -> bool:
        """Whether anything was sent that was not refused."""
        replies = [leaving_pod.reply for leaving_pod in self.leaving_pods.values()]
        replies += [leaving.reply for leaving in self.leaving_machines.values() if leaving.sent]
        return self.evicted > 0 or any(reply.kind in ("granted", "evacuating") for reply in replies if reply)

    def left(self) -> list[Blocker]:
        """What is still on the node, and why."""
        budgets = self._budgets()
        found = list(self.blockers.values())
        for key, leaving in sorted(self.leaving_machines.items()):
            if leaving.fate in ("", "blocked"):
                why = self._with_budget(leaving.last.why, leaving.reply, key, budgets)
                found.append(Blocker(VM.kind, *key, why, leaving.last.fix))
        found += [Blocker(VM.kind, *key, "a pod of it starts or ends on the node") for key in sorted(self.passing)]
        for key, leaving_pod in sorted(self.leaving_pods.items()):
            held = leaving_pod.reply is not None and leaving_pod.reply.kind == "budget"
            why = self._with_budget(leaving_pod.why, leaving_pod.reply, key, budgets)
            found.append(Blocker(POD.kind, *key, why, _FIX_BUDGET if held else ""))
        return found

    def _add_machine(self, departure: Departure) -> None:
        leaving = LeavingMachine(departure, time.monotonic())
        if departure.way == "external" or self._is_marked(departure.key):
            leaving.reply = Reply("evacuating") if self._is_marked(departure.key) else None
        self.leaving_machines[departure.key] = leaving
        self._say("machine_leaves", machine="/".join(departure.key), way=departure.way)

    def _is_marked(self, key: Key) -> bool:
        """Whether KubeVirt has been asked already to move the machine away from here."""
        vmi = self._mirror.objects("machines").get(key) or {}
        return (vmi.get("status") or {}).get("evacuationNodeName") == self.node

    def _is_over(self) -> bool:
        waiting = [leaving for leaving in self.leaving_machines.values() if not leaving.fate]
        stuck = [found for found in self.leaving_pods.values() if found.reply and found.reply.kind == "refused"]
        return not waiting and not self.passing and len(stuck) == len(self.leaving_pods)

    def _look(self) -> None:
        """Takes note of all that came in."""
        now = time.monotonic()
        self._discover()
        for key, leaving in self.leaving_machines.items():
            if leaving.fate:
                continue
            seen = self._seen(key, leaving)
            leaving.take(
                drain_state.fate(
                    leaving.departure, self.node, seen, attempts=self._limits.attempts, grace=self._limits.grace
                ),
                now,
            )
            if leaving.fate:
                self._settle(key, leaving, seen)

    def _seen(self, key: Key, leaving: LeavingMachine) -> Seen:
        migrations = migration_state.of_machine(self._mirror.objects("migrations").values(), *key)
        current = migration_state.in_flight(migrations)
        uid = (current or {"metadata": {}})["metadata"].get("uid")
        targets = self._mirror.objects("targets").values()
        target = next(
            (pod for pod in targets if uid and pod["metadata"]["labels"].get(migration_state.JOB_UID) == uid), None
        )
        vmi = self._mirror.objects("machines").get(key)
        return Seen(vmi, leaving.pod, migrations, self._old, target, leaving.reply)

    def _settle(self, key: Key, leaving: LeavingMachine, seen: Seen) -> None:
        if leaving.fate in ("migrated", "restarted"):
            leaving.to = migration_state.node_of(seen.vmi)
        done = [found for found in seen.migrations if migration_state.phase(found) == "Succeeded"]
        if leaving.fate == "migrated" and done:
            newest = max(done, key=lambda found: str(found["metadata"].get("creationTimestamp")))
            leaving.migration = str(newest["metadata"]["name"])
        self._say("machine", machine="/".join(key), fate=leaving.fate, to=leaving.to, why=leaving.last.why)

    def _discover(self) -> None:
        """Pods come and go: machines that arrived since, and pods that were bound while the node was cordoned."""
        pods = self._mirror.objects("pods")
        here: dict[Key, Object] = {}
        for key, pod in pods.items():
            kind = drain_plan.kind_of(pod)
            if kind == "machine":
                self._discover_machine(pod, here)
            elif kind == "ordinary" and key not in self.leaving_pods and key not in self.blockers:
                self._discover_pod(key, pod)
        for machine, leaving in self.leaving_machines.items():
            leaving.pod = here.get(machine)
        waiting = {machine for machine, leaving in self.leaving_machines.items() if leaving.fate in ("", "blocked")}
        self.passing = here.keys() - waiting - self.blockers.keys()
        for key, leaving_pod in list(self.leaving_pods.items()):
            found = pods.get(key)
            same = found is not None and found["metadata"]["uid"] == leaving_pod.pod["metadata"]["uid"]
            if not same or drain_plan.kind_of(dict(found or {})) == "finished":
                del self.leaving_pods[key]
                self.evicted += leaving_pod.reply is not None and leaving_pod.reply.kind == "granted"

    def _discover_machine(self, pod: Object, here: dict[Key, Object]) -> None:
        """Of two launcher pods of one machine on the node the one counts that does not end."""
        machine = drain_plan.machine_of(pod)
        if machine not in here or is_deleting(here[machine]):
            here[machine] = pod
        known = self.leaving_machines.get(machine)
        vmi = self._mirror.objects("machines").get(machine)
        if vmi is None and known is None:
            vmi = self._find(machine)
        if vmi is None or machine in self.blockers or not self._came(vmi, known):
            return
        self._cover(vmi)
        vm = self._client.find(VM, machine[1], machine[0])
        facts = Facts({machine: vmi}, {machine: vm} if vm else {}, self._facts.nodes, self._facts.leaving)
        found = drain_plan.departure(vmi, pod, facts, self._wishes)
        if isinstance(found, Blocker):
            self.blockers[machine] = found
        else:
            self._add_machine(found)

    def _find(self, machine: Key) -> Object | None:
        """An instance that is not watched yet, asked for now and then."""
        if self._asked.get(machine, 0.0) > time.monotonic():
            return None
        self._asked[machine] = time.monotonic() + _AGAIN
        return self._client.find(VMI, machine[1], machine[0])

    def _came(self, vmi: Object, known: LeavingMachine | None) -> bool:
        """Whether a machine runs here that was not here before, or had left already."""
        if (vmi.get("status") or {}).get("nodeName") != self.node or is_deleting(vmi):
            return False
        return known is None or known.fate in ("migrated", "restarted")

    def _discover_pod(self, key: Key, pod: Object) -> None:
        """One that tolerates the cordon would only come again."""
        if is_deleting(pod):
            self.leaving_pods[key] = LeavingPod(pod, evicted=True)
            return
        if node_fit.is_tolerated(pod["spec"], node_fit.CORDON):
            return
        blockers = list(drain_plan.pod_blockers(pod, self._wishes))
        if blockers:
            self.blockers[key] = blockers[0]
        else:
            self.leaving_pods[key] = LeavingPod(pod)

    def _act(self) -> None:
        """Evicts what is due, and stops or restarts the machines that are not evicted."""
        now = time.monotonic()
        pods = [found for found in self.leaving_pods.values() if not found.evicted and found.due <= now]
        pods = [found for found in pods if not (found.reply and found.reply.kind == "refused")]
        bulk.each(pods, self._evict_pod, self._limits.workers)
        machines = [found for found in self.leaving_machines.values() if self._is_due(found, now)]
        bulk.each(machines, self._send, self._limits.workers)
        if any(leaving.reply for leaving in self.leaving_machines.values()):
            self._watch_targets()

    def _is_due(self, leaving: LeavingMachine, now: float) -> bool:
        if leaving.fate or leaving.due > now or leaving.pod is None:
            return False
        if leaving.departure.way in _STATES:
            return not leaving.sent
        granted = leaving.reply is not None and leaving.reply.kind == "granted"
        if granted or is_deleting(leaving.pod) or self._is_marked(leaving.departure.key):
            return False
        return drain_plan.is_on(self._mirror.objects("machines").get(leaving.departure.key), self.node)

    def _send(self, leaving: LeavingMachine) -> None:
        leaving.due = time.monotonic() + _AGAIN
        if leaving.departure.way not in _STATES:
            leaving.reply = self._evict(leaving.pod or {}, None)
            leaving.sent = True
            return
        namespace, name = leaving.departure.key
        wanted = {"namespace": namespace, "name": name, "state": _STATES[leaving.departure.way]}
        # One that cannot take the call yet is asked again later; the others do not wait for it.
        settings = Settings(wait=False, wait_timeout=_AGAIN, workers=1)
        (done,) = power.apply(self._client, [wanted], settings)
        leaving.sent = done.error is None
        leaving.reply = Reply("refused", str(done.error)) if done.error else Reply("granted")

    def _evict_pod(self, leaving_pod: LeavingPod) -> None:
        leaving_pod.due = time.monotonic() + _AGAIN
        leaving_pod.reply = self._evict(leaving_pod.pod, self._wishes.grace_period)
        leaving_pod.evicted = leaving_pod.reply.kind in ("granted", "gone")

    def _evict(self, pod: Object, grace: int | None) -> Reply:
        reply = evict(self._client, pod, grace)
        self._say("eviction", pod="/".join(key_of(pod)), answer=reply.kind, why=reply.why)
        return reply

    def _watch_targets(self) -> None:
        """The pods that migrations go to tell where no node takes a machine."""
        if not self._mirror.follows("targets"):
            namespaces = {key[0] for key in self.leaving_machines}
            scopes: dict[str | None, str] = {next(iter(namespaces)) if len(namespaces) == 1 else None: ""}
            self._mirror.follow("targets", POD, scopes, label_selector=migration_state.JOB_UID)

    def _budgets(self) -> Mapping[Key, Object]:
        """The PodDisruptionBudgets that hold something, by namespace and name."""
        replies = [(key, leaving_pod.reply) for key, leaving_pod in self.leaving_pods.items()]
        replies += [(key, leaving.reply) for key, leaving in self.leaving_machines.items()]
        namespaces = {key[0] for key, reply in replies if reply is not None and reply.kind == "budget"}
        if not namespaces:
            return {}
        try:
            return bulk.read(self._client, DISRUPTION_BUDGET, namespaces).objects
        except HaError:
            return {}

    @staticmethod
    def _with_budget(why: str, reply: Reply | None, key: Key, budgets: Mapping[Key, Object]) -> str:
        if reply is None or reply.kind != "budget":
            return why
        return drain_state.describe_budget(reply.budget, budgets.get((key[0], reply.budget)))


def evict(client: Client, pod: Mapping[str, Any], grace: int | None, *, dry_run: bool = False) -> Reply:
    """Asks for one eviction of just this pod."""
    meta = pod["metadata"]
    options: Object = {"preconditions": {"uid": meta["uid"]}}
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
        "deleteOptions": options,
    }
    try:
        client.create(
            POD, body, str(meta["namespace"]), name=str(meta["name"]), subresource="eviction", dry_run=dry_run
        )
    except ApiError as error:
        return drain_state.read_reply(error)
    except HaError as error:
        return Reply("later", str(error))
    return drain_state.read_reply(None)


def names(found: Sequence[Blocker]) -> str:
    """What is left, in one sentence."""
    return "; ".join(str(one) for one in found)
