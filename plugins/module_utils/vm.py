# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What virtual machines bring along as declared objects: when a change needs a restart, and what they are waited for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import (
    conditions,
    objects,
    plan,
    power,
    priority_class,
    vm_object,
    vm_state,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Done, Plan, Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VM
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.verdict import DONE, Verdict
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.wait import Target

Object = dict[str, Any]

# Seconds after which an error that was there before our change counts as one that is there after it.
_OLD_ERROR = 10.0
# Seconds for the controller to say whether a change needs a restart.
_SETTLE = 10.0
# Parts of the template's spec that the controller applies to a running machine.
_LIVE = frozenset({"nodeSelector", "tolerations", "affinity"})


@dataclass(frozen=True)
class Restarts:
    """How machines whose change needs it are restarted: `serial` at a time."""

    serial: int = 1


@dataclass
class Outcome:
    """All that a task did: one entry a machine, in the given order, and the machines that were restarted."""

    done: list[Done]
    restarted: dict[Key, power.Done] = field(default_factory=dict)

    def error_of(self, one: Done) -> Any:
        """The error of a machine: of its change, else of its restart."""
        restart = self.restarted.get(one.key)
        return one.error or (restart.error if restart else None)


def kind(unschedulable_grace: float = 60.0) -> objects.Kind:
    """Virtual machines as declared objects; `unschedulable_grace` is in seconds."""
    return objects.Kind(VM, vm_object.desired, vm_object.new, target=lambda done: _target(done, unschedulable_grace))


def apply(
    client: Client,
    wanted: Sequence[Mapping[str, Any]],
    settings: Settings,
    *,
    unschedulable_grace: float = 60.0,
    restarts: Restarts | None = None,
) -> Outcome:
    """Brings all machines into their wanted states, and restarts those that need it where that is wanted. InputError,
    before anything is written, for PriorityClasses that are not there."""
    checked = priority_class.checked(kind(unschedulable_grace), client, "template", "spec")
    done, _found = objects.apply(client, checked, wanted, settings)
    outcome = Outcome(done)
    pending = [one for one in done if one.error is None and restart_required(one)]
    if restarts is not None and pending:
        options = [{"namespace": one.key[0], "name": one.key[1], "state": "restarted"} for one in pending]
        try:
            found = power.apply(client, options, replace(settings, wait=True), serial=restarts.serial)
        except HaError as error:
            found = [power.Done(one, error=error) for one in options]
        outcome.restarted = {one.key: one for one in found}
        for one in pending:
            one.current = outcome.restarted[one.key].vm or one.current
    return outcome


def starts(todo: Plan) -> bool:
    """Whether a plan creates the machine or sets its run strategy."""
    spec = todo.body.get("spec") or {}
    return todo.action == "created" or "runStrategy" in spec or "running" in spec


def needs_restart(todo: Plan) -> bool:
    """Whether a change will not reach the instance that runs, as far as the object tells."""
    if todo.action != "changed" or todo.before is None or not vm_state.is_created(todo.before):
        return False
    changed = ((todo.body.get("spec") or {}).get("template") or {}).get("spec") or {}
    return bool(set(changed) - _LIVE) or plan.touches(todo.body, "spec", "instancetype")


def restart_required(done: Done) -> bool:
    """Whether something of the machine's spec reaches its guest with the next restart only.

    Once the controller has taken note of a change its word counts: some changes go live after all.
    """
    if done.current is None or done.plan.action == "deleted" or not vm_state.is_created(done.current):
        return False
    if conditions.holds(done.current, "RestartRequired"):
        return True
    return done.written and needs_restart(done.plan) and not vm_state.is_settled(done.current)


def result(outcome: Outcome, done: Done) -> Object:
    """One machine's entry in the module's result."""
    current = done.current or {}
    restart = outcome.restarted.get(done.key)
    entry = objects.result(done)
    entry.update(
        run_strategy=vm_state.run_strategy(current) if current else None,
        status=vm_state.status(current).get("printableStatus"),
        ready=bool(current) and vm_state.is_ready(current),
        restart_required=restart_required(done) if restart is None else not restart.changed,
        restarted=restart is not None and restart.changed,
    )
    entry["changed"] = entry["changed"] or entry["restarted"]
    if restart is not None and restart.error is not None:
        entry["error"] = restart.error.as_dict()
    return entry


def _target(one: Done, grace: float) -> Target:
    todo = one.plan
    old_error = vm_state.status(todo.before or {}).get("printableStatus")
    settle_until = time.monotonic() + _SETTLE

    def verdict(vm: Object | None) -> Verdict:
        found = vm_state.wanted(vm, started=starts(todo), unschedulable_grace=grace)
        if found.failed and vm and todo.action == "changed" and vm_state.status(vm).get("printableStatus") == old_error:
            return replace(found, grace=max(found.grace, _OLD_ERROR))
        if (
            found.done
            and vm
            and needs_restart(todo)
            and not vm_state.is_settled(vm)
            and time.monotonic() < settle_until
        ):
            return Verdict(why="virt-controller has not taken note of the change yet")
        return DONE if found.done else found

    strategy = vm_state.run_strategy(one.current or {})
    return Target(one.key, verdict, one.current, wanted="stopped" if strategy == "Halted" else "ready")
