# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: whether a machine is to be migrated or its migration cancelled, and how far a migration has come.

What KubeVirt 1.9.0 refuses and in which order it reports was read in its admission, its migration controller and its
node agent, and recorded from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Optional, Union

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions, node_fit
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VM, is_deleting

Object = Mapping[str, Any]
Options = Mapping[str, Any]

STATES = ["migrated", "cancelled"]
# KubeVirt's own limits where its object states none: in the cluster, and away from one node.
PER_CLUSTER, PER_NODE = 5, 2
JOB_UID = "kubevirt.io/migrationJobUID"
OF_MACHINE = "kubevirt.io/vmi-name"
# While a migration is in these nothing has been done for it.
_QUEUED = frozenset({"", "Pending"})
# While it is in these its target pod is made, placed and started.
_PLACING = frozenset({"", "Pending", "Scheduling"})
# Seconds that the readiness from before a migration may be shown after it.
_STALE_READINESS = 5.0
_WAIT_FOR_IT = "Wait until it is over, or end it with state cancelled"
_LOOK = "Look at the migration's events and the log of the virt-launcher pods on both nodes"


@dataclass(frozen=True)
class Create:
    """A migration is to be made; `node` names the node that was asked for."""

    selector: Mapping[str, str]
    node: str | None = None

    def body(self, name: str, namespace: str, machine: str) -> dict[str, Any]:
        """The VirtualMachineInstanceMigration of this name."""
        spec: dict[str, Any] = {"vmiName": machine}
        if self.selector:
            spec["addedNodeSelector"] = dict(self.selector)
        return {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachineInstanceMigration",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }


@dataclass(frozen=True)
class Adopt:
    """A migration that somebody began already does what is wanted."""

    migration: Object


@dataclass(frozen=True)
class Cancel:
    """A migration is to be deleted; `begun` where it is being deleted already."""

    migration: Object
    begun: bool = False


@dataclass(frozen=True)
class Later:
    """A migration that is being cancelled has to go first."""

    why: str


# None: nothing is to be done.
Decision = Optional[Union[Create, Adopt, Cancel, Later]]


@dataclass(frozen=True)
class Limits:
    """How many migrations may be on their way at once: in all, and away from one node (None: as many as there are)."""

    total: int
    per_node: int | None = None

    @classmethod
    def of(cls, kubevirt: Object | None) -> Limits:
        """KubeVirt's own, from its object."""
        configuration = ((kubevirt or {}).get("spec") or {}).get("configuration") or {}
        stated = configuration.get("migrations") or {}
        total, per_node = stated.get("parallelMigrationsPerCluster"), stated.get("parallelOutboundMigrationsPerNode")
        return cls(PER_CLUSTER if total is None else int(total), PER_NODE if per_node is None else int(per_node))

    def allow(self, source: str, sources: Sequence[str]) -> bool:
        """Whether one more may begin from a node beside those that are on their way, each given by its node."""
        return len(sources) < self.total and (self.per_node is None or sources.count(source) < self.per_node)


def phase(migration: Object) -> str:
    """A migration's phase, empty before it has one."""
    return str((migration.get("status") or {}).get("phase") or "")


def is_over(migration: Object) -> bool:
    """Whether a migration has ended."""
    return phase(migration) in conditions.FINAL_PHASES


def of_machine(migrations: Iterable[Object], namespace: str, name: str) -> list[Object]:
    """The migrations of one machine."""
    return [
        found
        for found in migrations
        if found["metadata"].get("namespace") == namespace and (found.get("spec") or {}).get("vmiName") == name
    ]


def in_flight(migrations: Iterable[Object]) -> Object | None:
    """Of one machine's migrations the one that has not ended; KubeVirt admits no second."""
    return next((found for found in migrations if not is_over(found)), None)


def elder(own: Object, migrations: Iterable[Object]) -> Object | None:
    """Of one machine's migrations the one that `own` has to give way to, None where it need not.

    The API server admits two that come at the same moment, and neither can go on beside the other. All who made one
    come to the same answer; one that is being carried out gives way to none.
    """
    if phase(own) not in _QUEUED:
        return None
    older = [found for found in migrations if not is_over(found) and not is_deleting(found) and _age(found) < _age(own)]
    return min(older, key=_age, default=None)


def _age(migration: Object) -> tuple[str, str]:
    meta = migration["metadata"]
    return str(meta.get("creationTimestamp")), str(meta["name"])


def state_of(vmi: Object | None, migration: Object) -> Object:
    """What the instance says of a migration; what the migration kept of it where the instance says nothing of it."""
    uid = migration["metadata"].get("uid")
    for item in (vmi or {}, migration):
        found: Object = (item.get("status") or {}).get("migrationState") or {}
        if found and found.get("migrationUid") == uid:
            return found
    return {}


def node_of(vmi: Object | None) -> str:
    """The node that the instance runs on, empty where that is not known."""
    return str(((vmi or {}).get("status") or {}).get("nodeName") or "")


def decide(
    options: Options, vmi: Object | None, migrations: Sequence[Object], nodes: Mapping[str, Object] | None
) -> Decision:
    """What is to be sent for the options; Refused where the machine cannot be migrated.

    migrations: those of the machine; nodes: by name those that there are, None where no node is named.
    """
    namespace, name = str(options["namespace"]), str(options["name"])
    where, current = VM.describe(namespace, name), in_flight(migrations)
    if options.get("state") == "cancelled":
        return Cancel(current, begun=is_deleting(current)) if current else None
    vmi = _running(where, vmi)
    runs_on = node_of(vmi)
    wanted = options.get("node")
    if current is not None:
        if is_deleting(current):
            return Later("its last migration is still being cancelled")
        return _adopt(where, vmi, current, wanted, nodes or {})
    if wanted and wanted == runs_on:
        return None
    if conditions.fails(vmi, "LiveMigratable"):
        why = conditions.describe(conditions.find(vmi, "LiveMigratable"))
        fix = "Mend what the reason names; or restart it elsewhere with the module vm_power, which ends the guest"
        raise Refused("cannot be migrated", where=where, why=why, fix=fix)
    if not wanted:
        return Create({})
    return _to_node(where, vmi, str(wanted), nodes or {})


def _running(where: str, vmi: Object | None) -> Object:
    """An instance that runs, Refused for any other; a paused one counts."""
    if vmi is None:
        fix = "Start it with the module vm_power first"
        raise Refused("cannot be migrated, it does not run", where=where, why="it has no instance", fix=fix)
    found = str((vmi.get("status") or {}).get("phase") or "")
    if is_deleting(vmi) or found in conditions.FINAL_PHASES:
        why = "its instance ends" if is_deleting(vmi) else f"its instance is {found}"
        raise Refused("cannot be migrated, it does not run", where=where, why=why, fix="Start it first")
    if found != "Running":
        fix = "Wait until it runs; the module vm_power with state started does"
        raise Refused("cannot be migrated yet", where=where, why=f"its instance is {found or 'new'}", fix=fix)
    return vmi


def _adopt(where: str, vmi: Object, current: Object, wanted: Any, nodes: Mapping[str, Object]) -> Adopt:
    goes_to = target_of(current, vmi, nodes.values())
    if not wanted or goes_to == wanted:
        return Adopt(current)
    what = f"migrates to {goes_to} already" if goes_to else "migrates already, to a node that is not chosen yet"
    why = f"{current['metadata']['name']} is {phase(current) or 'new'}"
    raise Refused(what, where=where, why=why, fix=_WAIT_FOR_IT)


def target_of(migration: Object, vmi: Object | None, nodes: Iterable[Object] = ()) -> str:
    """The node that a migration goes to, empty while it may go to any."""
    stated = str(state_of(vmi, migration).get("targetNode") or "")
    selected = ((migration.get("spec") or {}).get("addedNodeSelector") or {}).get(node_fit.HOSTNAME)
    if stated or not selected:
        return stated
    return next((node_fit.name_of(node) for node in nodes if node_fit.hostname(node) == selected), str(selected))


def _to_node(where: str, vmi: Object, wanted: str, nodes: Mapping[str, Object]) -> Create:
    node = nodes.get(wanted)
    if node is None:
        fix = f"Name one of {', '.join(sorted(nodes))}"
        raise Refused(f"cannot be migrated to {wanted}", where=where, why="there is no such node", fix=fix)
    found = node_fit.obstacles(vmi.get("spec") or {}, node)
    if found:
        fix = "Name another node, or mend this; without a node KubeVirt chooses one"
        raise Refused(f"cannot be migrated to {wanted}", where=where, why=f"it {' and '.join(found)}", fix=fix)
    return Create({node_fit.HOSTNAME: node_fit.hostname(node)}, wanted)


@dataclass(frozen=True)
class Progress:
    """How far a migration or its cancellation has come.

    end: `arrived`, `failed` or `cancelled`, once it has lasted `after` seconds; empty while it goes on.
    """

    end: str = ""
    why: str = ""
    fix: str = ""
    after: float = 0.0


def progress(
    vmi: Object | None, uid: str, source: str, migration: Object | None, pod: Object | None, *, grace: float
) -> Progress:
    """How far a migration has come.

    uid: of the instance that is to move; source: the node it began on; migration: None where it is gone; pod: its target
    pod, where it is known; grace: seconds that this may be unschedulable.
    """
    if vmi is None or vmi["metadata"].get("uid") != uid or is_deleting(vmi):
        return Progress("failed", "its instance ended in the meantime", "Start it, then run again")
    if ((vmi.get("status") or {}).get("phase")) in conditions.FINAL_PHASES:
        return Progress(
            "failed", "its guest ended during the migration", "Look at the instance's events, then run again"
        )
    if migration is None:
        return Progress("failed", "its migration was deleted by somebody", "Run again")
    found = phase(migration)
    if found == "Failed":
        return Progress("failed", _failure(vmi, migration), _LOOK)
    if found == "Succeeded":
        return _arrival(vmi, source, migration)
    return _on_the_way(migration, pod, grace)


def _failure(vmi: Object, migration: Object) -> str:
    state = state_of(vmi, migration)
    return str(state.get("failureReason") or "KubeVirt gave no reason")


def _arrival(vmi: Object, source: str, migration: Object) -> Progress:
    """Right after the end the readiness is still that of the old pod, then it drops until the new pod is ready."""
    if node_of(vmi) == source:
        return Progress(why="the migration is over, its instance is not handed over yet")
    if conditions.holds(vmi, "Paused"):
        return Progress("arrived")
    ready = conditions.find(vmi, "Ready")
    if ready.get("status") != "True":
        return Progress(why="it has moved and is not ready again yet")
    ended, since = state_of(vmi, migration).get("endTimestamp"), ready.get("lastTransitionTime")
    fresh = bool(ended and since) and str(since) >= str(ended)
    return Progress("arrived", after=0.0 if fresh else _STALE_READINESS)


def _on_the_way(migration: Object, pod: Object | None, grace: float) -> Progress:
    found = phase(migration)
    if conditions.holds(migration, "migrationRejectedByResourceQuota"):
        fix = "Raise the namespace's ResourceQuota: a migration needs the machine's requests twice"
        return Progress("failed", "a ResourceQuota leaves no room for its target pod", fix, grace)
    unplaced = unschedulable(pod)
    if unplaced and found in _PLACING:
        fix = "Free capacity, uncordon a node, or relax the machine's node selector and affinity"
        return Progress("failed", f"no node takes its target pod: {unplaced}", fix, grace)
    return Progress(why=f"its migration {migration['metadata']['name']} is {found or 'not taken up yet'}")


def unschedulable(pod: Object | None) -> str:
    """Why the scheduler finds no node for a pod, empty where it does or has not tried."""
    if pod is None or is_deleting(pod):
        return ""
    found = conditions.find(pod, "PodScheduled")
    if found.get("status") != "False" or found.get("reason") != "Unschedulable":
        return ""
    return str(found.get("message") or "Unschedulable")


def cancellation(vmi: Object | None, migration: Object, current: Object | None) -> Progress:
    """How far the deletion of a migration has come; `migration` as it was last known, `current` None where it is gone."""
    if current is not None and current["metadata"].get("uid") == migration["metadata"].get("uid"):
        if not is_over(current):
            return Progress(why=f"the migration is {phase(current) or 'new'} and ends once its nodes let go")
        migration = current
    state = state_of(vmi, migration)
    moved = phase(migration) == "Succeeded" or (bool(state.get("completed")) and not state.get("failed"))
    return Progress("arrived" if moved else "cancelled")


def summary(vmi: Object | None, migration: Object) -> dict[str, Any]:
    """A migration as results show it; what KubeVirt does not tell is None."""
    state = state_of(vmi, migration)
    started, ended = state.get("startTimestamp"), state.get("endTimestamp")
    return {
        "name": migration["metadata"].get("name"),
        "uid": migration["metadata"].get("uid"),
        "phase": phase(migration) or None,
        "source_node": state.get("sourceNode"),
        "target_node": target_of(migration, vmi) or None,
        "mode": state.get("mode"),
        "started_at": started,
        "ended_at": ended,
        "seconds": _seconds(started, ended),
        "failure_reason": state.get("failureReason"),
        # KubeVirt logs it and puts it into no object and no metric.
        "downtime_seconds": None,
    }


def _seconds(started: Any, ended: Any) -> float | None:
    if not started or not ended:
        return None
    begin, end = (datetime.strptime(str(moment), "%Y-%m-%dT%H:%M:%SZ") for moment in (started, ended))
    return (end - begin).total_seconds()
