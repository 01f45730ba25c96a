# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Live migrations of many machines: read once, decide each, send as many as may be on their way, follow them to the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import (
    bulk,
    conditions,
    migration_state,
    node_fit,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key, Snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.migration_follow import Follower, Task
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.migration_state import (
    Adopt,
    Cancel,
    Create,
    Later,
    Limits,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import KUBEVIRT, MIGRATION, NODE, VM, VMI

Object = dict[str, Any]
Options = Mapping[str, Any]


@dataclass(frozen=True)
class How:
    """How migrations are carried out beyond the settings of every task.

    parallel: how many at once, None for KubeVirt's own limits; unschedulable_grace: seconds that a target pod may find no
    node; on_timeout: `cancel` or `leave`.
    """

    parallel: int | None = None
    unschedulable_grace: float = 60.0
    on_timeout: str = "cancel"


@dataclass
class _Read:
    """What was read at the beginning."""

    machines: Snapshot
    migrations: Snapshot
    nodes: Mapping[str, Object] | None = None
    unreadable: HaError | None = None
    by_machine: dict[Key, list[Object]] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)


def apply(client: Client, wanted: Sequence[Options], settings: Settings, how: How) -> list[Task]:
    """Migrates machines, or cancels their migrations; one outcome for each, in the given order."""
    found = _read(client, wanted, settings)
    bulk.each(found.tasks, lambda task: _decide(client, found, task), settings.workers)
    todo = [task for task in found.tasks if task.error is None and task.decision is not None]
    follower = Follower(client, settings, how.unschedulable_grace, how.on_timeout == "cancel", found.migrations.scopes)
    if settings.check:
        follower.foresee(todo)
    elif not settings.wait:
        follower.send(todo)
    elif todo:
        follower.carry_out(todo, found.machines, found.migrations, _limits(client, how, todo))
    return found.tasks


def _read(client: Client, wanted: Sequence[Options], settings: Settings) -> _Read:
    keys = [(str(options["namespace"]), str(options["name"])) for options in wanted]
    only = f"{migration_state.OF_MACHINE}={keys[0][1]}" if len(keys) == 1 else None
    machines = bulk.fetch(client, VMI, keys, workers=settings.workers)
    namespaces = {key[0] for key in keys}
    migrations = Snapshot()
    if namespaces:
        migrations = bulk.read(client, MIGRATION, namespaces, label_selector=only, workers=settings.workers)
    found = _Read(machines, migrations)
    for item in migrations.objects.values():
        machine = (str(item["metadata"]["namespace"]), str(item["spec"].get("vmiName")))
        found.by_machine.setdefault(machine, []).append(item)
    named = {str(options["node"]) for options in wanted if options.get("node") and _migrates(options)}
    try:
        found.nodes = _nodes(client, named)
    except HaError as error:
        found.unreadable = error
    for options, key in zip(wanted, keys):
        task = Task(options, machines.objects.get(key))
        task.error = machines.unreadable.get(key[0]) or migrations.unreadable.get(key[0])
        if options.get("node") and _migrates(options):
            task.error = task.error or found.unreadable
        found.tasks.append(task)
    return found


def _migrates(options: Options) -> bool:
    return options.get("state") != "cancelled"


def _nodes(client: Client, named: set[str]) -> Mapping[str, Object] | None:
    return {node_fit.name_of(node): node for node in client.list(NODE).items} if named else None


def _decide(client: Client, found: _Read, task: Task) -> None:
    if task.error is not None:
        return
    try:
        under_way = found.by_machine.get(task.key)
        if task.vmi is None and not under_way and client.find(VM, task.key[1], task.key[0]) is None:
            raise Refused("does not exist", where=task.where, fix="Correct the name or the namespace")
        task.nodes = found.nodes
        task.decide(task.vmi, under_way or [])
    except HaError as error:
        task.error = error


def _limits(client: Client, how: How, todo: Sequence[Task]) -> Limits:
    """How many may be on their way; KubeVirt's own limits are read only where they may matter."""
    if how.parallel is not None:
        return Limits(how.parallel)
    begun = sum(isinstance(task.decision, (Create, Later)) for task in todo)
    if begun <= migration_state.PER_NODE:
        return Limits(migration_state.PER_CLUSTER, migration_state.PER_NODE)
    try:
        kubevirts = client.list(KUBEVIRT).items
    except HaError:
        kubevirts = []
    return Limits.of(kubevirts[0] if kubevirts else None)


def result(task: Task) -> Object:
    """One machine's entry in the module's result."""
    namespace, name = task.key
    moved = migration_state.summary(task.vmi, task.migration) if task.migration else None
    entry: Object = {
        "name": name,
        "namespace": namespace,
        "changed": task.changed,
        "action": _action(task),
        "outcome": task.outcome or ("failed" if task.error else "unchanged"),
        "node": migration_state.node_of(task.vmi) or None,
        "source_node": (moved or {}).get("source_node") or task.source or None,
        "target_node": (moved or {}).get("target_node") or task.options.get("node"),
        "ready": bool(task.vmi) and conditions.holds(task.vmi or {}, "Ready"),
        "migration": moved,
        "data": task.data,
    }
    if task.error is not None:
        entry["error"] = task.error.as_dict()
    return entry


def _action(task: Task) -> str:
    if isinstance(task.decision, Adopt):
        return "adopt"
    if isinstance(task.decision, Cancel):
        return "cancel"
    if isinstance(task.decision, (Create, Later)) and (task.changed or task.error is None):
        return "migrate"
    return "failed" if task.error else "none"


def diff(task: Task) -> Object:
    """Before and after of one machine that something was sent for."""
    ended = task.outcome == "migrated"
    after = migration_state.node_of(task.vmi) if ended else task.options.get("node") or "another node"
    changed: Object = {"before": {"node": task.source}, "after": {"node": after}}
    if isinstance(task.decision, Cancel):
        name = task.decision.migration["metadata"]["name"]
        changed = {"before": {"migration": name}, "after": {"migration": None}}
    return {"before_header": task.where, "after_header": task.where, **changed}
