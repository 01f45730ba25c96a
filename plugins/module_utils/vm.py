# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual machines of one task: read once, plan each, write what differs, wait for all."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import bulk, plan, vm_object, vm_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Conflict, HaError, NotFound, Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VM
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.wait import DONE, Target, Verdict, wait_for

Object = dict[str, Any]

_CONFLICTS = 5
_BETWEEN_CONFLICTS = 0.1
# Seconds after which an error that was there before our change counts as one that is there after it.
_OLD_ERROR = 10.0
# Seconds for the controller to say whether a change needs a restart.
_SETTLE = 10.0
# Parts of the template's spec that the controller applies to a running machine.
_LIVE = frozenset({"nodeSelector", "tolerations", "affinity"})


@dataclass(frozen=True)
class Settings:
    """How a task is carried out. Times are seconds."""

    check: bool = False
    diff: bool = False
    wait: bool = True
    wait_timeout: float = 300.0
    unschedulable_grace: float = 60.0
    workers: int = 8


@dataclass(frozen=True)
class Plan:
    """What is to be done with one machine.

    action: created, changed, deleted or unchanged; body: what is written; before, after: the object's states.
    """

    action: str
    body: Object = field(default_factory=dict)
    before: Object | None = None
    after: Object | None = None

    @property
    def starts(self) -> bool:
        """Whether this creates the machine or sets its run strategy."""
        spec = self.body.get("spec") or {}
        return self.action == "created" or "runStrategy" in spec or "running" in spec

    @property
    def needs_restart(self) -> bool:
        """Whether the change will not reach the instance that runs, as far as the object tells."""
        if self.action != "changed" or self.before is None or not vm_state.is_created(self.before):
            return False
        changed = ((self.body.get("spec") or {}).get("template") or {}).get("spec") or {}
        return bool(set(changed) - _LIVE) or plan.touches(self.body, "spec", "instancetype")


@dataclass
class Done:
    """One machine's outcome: its plan, its newest known state, and the error where it failed."""

    key: Key
    plan: Plan = field(default_factory=lambda: Plan("unchanged"))
    current: Object | None = None
    error: HaError | None = None
    written: bool = False
    # Whether `current` is what check mode said would be.
    predicted: bool = False


def make_plan(options: Mapping[str, Any], current: Object | None) -> Plan:
    """Pure: what the options ask for against the state that was found."""
    if options.get("state") == "absent":
        return Plan("deleted" if current and not vm_state.is_deleting(current) else "unchanged", before=current)
    if current is None:
        body = vm_object.new(options)
        return Plan("created", body=body, after=body)
    if vm_state.is_deleting(current):
        raise Refused(
            "cannot be changed, it is being deleted",
            where=VM.describe(str(options["namespace"]), str(options["name"])),
            fix="Wait until it is gone, then run again",
        )
    owned: Object = {key: current[key] for key in ("metadata", "spec") if key in current}
    after = plan.merge(owned, vm_object.desired(options))
    body = plan.merge_patch(owned, after)
    if not body:
        return Plan("unchanged", before=current, after=current)
    if plan.has_list(body):
        body = plan.overlay(body, {"metadata": {"resourceVersion": current["metadata"]["resourceVersion"]}})
    return Plan("changed", body=body, before=current, after={**current, **after})


def apply(client: Client, wanted: Sequence[Mapping[str, Any]], settings: Settings) -> list[Done]:
    """Brings all machines into their wanted states; one outcome for each, in the given order."""
    keys = [(str(options["namespace"]), str(options["name"])) for options in wanted]
    found = bulk.fetch(client, VM, keys, workers=settings.workers)

    def work(index: int) -> Done:
        key = keys[index]
        if key[0] in found.unreadable:
            return Done(key, error=found.unreadable[key[0]])
        return _apply_one(client, wanted[index], key, found.objects.get(key), settings)

    done = [
        Done(keys[index], error=outcome) if isinstance(outcome, HaError) else outcome
        for index, outcome in enumerate(bulk.each(range(len(keys)), work, settings.workers))
    ]
    if settings.wait and not settings.check:
        _wait(client, done, found.scopes, settings)
    return done


def result(done: Done) -> Object:
    """One machine's entry in the module's result."""
    current = done.current or {}
    meta, status = current.get("metadata") or {}, vm_state.status(current)
    namespace, name = done.key
    entry: Object = {
        "name": name,
        "namespace": namespace,
        "changed": done.written,
        "action": done.plan.action if done.error is None or done.written else "failed",
        "uid": None if done.predicted else meta.get("uid"),
        "generation": meta.get("generation"),
        "run_strategy": vm_state.run_strategy(current) if current else None,
        "status": status.get("printableStatus"),
        "ready": bool(current) and vm_state.is_ready(current),
        "restart_required": _needs_restart(done),
    }
    if done.error is not None:
        entry["error"] = done.error.as_dict()
    return entry


def diff(done: Done) -> Object:
    """Before and after of one machine, of what a person can set, without cloud-init's data."""
    before = _shown(done.plan.before)
    after = None if done.plan.action == "deleted" else _shown(done.plan.after)
    name = VM.describe(*done.key)
    return {
        "before_header": name,
        "after_header": name,
        "before": vm_object.hide_secrets(before) if before else {},
        "after": vm_object.hide_secrets(after, before) if after else {},
    }


def _needs_restart(done: Done) -> bool:
    if done.current is None or done.plan.action == "deleted":
        return False
    return (done.written and done.plan.needs_restart) or vm_state.holds(done.current, "RestartRequired")


def _shown(item: Object | None) -> Object | None:
    if item is None:
        return None
    meta = item.get("metadata") or {}
    kept = {key: meta[key] for key in ("name", "namespace", "labels", "annotations") if key in meta}
    return {"metadata": kept, "spec": item.get("spec") or {}}


def _apply_one(
    client: Client, options: Mapping[str, Any], key: Key, current: Object | None, settings: Settings
) -> Done:
    """Plans and writes one machine; a lost race is tried again on a fresh read. In check mode the server says what it
    would do, and keeps nothing."""
    done = Done(key, current=current)
    secrets: list[str] = []
    try:
        for attempt in range(_CONFLICTS):
            done.plan = make_plan(options, done.current)
            secrets = vm_object.secrets(done.plan.body)
            if done.plan.action == "unchanged":
                return done
            try:
                done.current = _write(client, key, done.plan, settings.check)
                done.written = True
                done.predicted = settings.check and done.plan.action == "created"
                return done
            except (Conflict, NotFound) as error:
                if isinstance(error, NotFound) and done.plan.action == "created":
                    raise
                done.written = done.written or getattr(error, "ambiguous", False)
                if attempt == _CONFLICTS - 1:
                    raise
            time.sleep(_BETWEEN_CONFLICTS * attempt)
            done.current = client.find(VM, key[1], key[0])
    except HaError as error:
        done.error = _without(error, secrets)
    return done


def _write(client: Client, key: Key, todo: Plan, check: bool) -> Object | None:
    namespace, name = key
    if todo.action == "created":
        return client.create(VM, todo.body, namespace, dry_run=check)
    if todo.action == "changed":
        return client.patch(VM, name, todo.body, namespace, dry_run=check)
    before = todo.before or {"metadata": {}}
    client.delete(VM, name, namespace, uid=before["metadata"].get("uid"), dry_run=check)
    return None if check else before


def _without(error: HaError, secrets: Sequence[str]) -> HaError:
    """An error whose text does not quote the machine's cloud-init data."""
    for secret in secrets:
        for text in (secret, repr(secret)[1:-1]):
            error.why = error.why.replace(text, "(hidden)")
    return error


def _wait(client: Client, done: Sequence[Done], scopes: Mapping[str | None, str], settings: Settings) -> None:
    targets = [_target(one, settings) for one in done if one.error is None]
    failures = wait_for(client, VM, targets, scopes=scopes, timeout=settings.wait_timeout)
    states = {target.key: target.current for target in targets}
    for one in done:
        if one.key in states:
            one.current = states[one.key]
            one.error = failures.get(one.key)


def _target(one: Done, settings: Settings) -> Target:
    if one.plan.action == "deleted" or (one.plan.after is None and one.plan.action == "unchanged"):
        uid = str(((one.plan.before or {}).get("metadata") or {}).get("uid", ""))
        return Target(one.key, lambda vm: vm_state.gone(vm, uid), one.current, wanted="gone")
    grace, todo = settings.unschedulable_grace, one.plan
    old_error = vm_state.status(todo.before or {}).get("printableStatus")
    settle_until = time.monotonic() + _SETTLE

    def verdict(vm: Object | None) -> Verdict:
        found = vm_state.wanted(vm, started=todo.starts, unschedulable_grace=grace)
        if found.failed and vm and todo.action == "changed" and vm_state.status(vm).get("printableStatus") == old_error:
            return replace(found, grace=max(found.grace, _OLD_ERROR))
        if found.done and vm and todo.needs_restart and not vm_state.is_settled(vm) and time.monotonic() < settle_until:
            return Verdict(why="virt-controller has not taken note of the change yet")
        return DONE if found.done else found

    strategy = vm_state.run_strategy(one.current or {})
    return Target(one.key, verdict, one.current, wanted="stopped" if strategy == "Halted" else "ready")
