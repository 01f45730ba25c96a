# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared objects of one kind: read once, plan each, write what differs, wait for all."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import bulk, plan, redaction
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import (
    Conflict,
    HaError,
    InputError,
    ManyFailed,
    NotFound,
    Refused,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import Resource, is_deleting
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.verdict import DONE, Verdict
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.wait import Target, wait_for

Object = dict[str, Any]
Options = Mapping[str, Any]

_CONFLICTS = 5
_BETWEEN_CONFLICTS = 0.1


@dataclass(frozen=True)
class Settings:
    """How a task is carried out. `wait_timeout` is in seconds."""

    check: bool = False
    diff: bool = False
    wait: bool = True
    wait_timeout: float = 300.0
    workers: int = 8

    @classmethod
    def of(cls, module: Any) -> Settings:
        """The settings of a module with the fragments `wait` and `bulk`."""
        params = module.params
        return cls(
            check=module.check_mode,
            diff=module._diff,  # pylint: disable=protected-access
            wait=params["wait"],
            wait_timeout=params["wait_timeout"],
            workers=params["workers"],
        )


@dataclass(frozen=True)
class Plan:
    """What is to be done with one object.

    action: created, changed, deleted or unchanged; body: what is written; before, after: the object's states.
    """

    action: str
    body: Object = field(default_factory=dict)
    before: Object | None = None
    after: Object | None = None


@dataclass
class Done:
    """One object's outcome: its plan, its newest known state, and the error where it failed."""

    key: Key
    plan: Plan = field(default_factory=lambda: Plan("unchanged"))
    current: Object | None = None
    error: HaError | None = None
    written: bool = False
    # Whether `current` is what check mode said would be.
    predicted: bool = False


def _accept(_options: Options, _plan: Plan) -> None:
    """Accepts every plan as it is."""


def _no_faults(_options: Options, _current: Object | None) -> Iterable[str]:
    """Finds nothing wrong."""
    return ()


def _reached(_done: Done) -> Target | None:
    """Waits for nothing."""
    return None


@dataclass(frozen=True)
class Kind:
    """What a kind brings along.

    desired: the owned fields that options stand for; new: the whole object to create; accept: raises Refused where a
    plan may not be carried out, or returns one to carry out instead; target: what is waited for once an object was made or changed, or found as wanted, None
    for nothing; frozen: fields, as paths, that cannot be changed once the object is there; desired_of: as desired, where
    the owned fields depend on the object that is there; write: carries a plan out in another way than by one request, in
    check mode without a trace, and returns the object's new state; faults: what stands against one object's options, by its
    state that was found, so that none of the task's objects may be touched.
    """

    resource: Resource
    desired: Callable[[Options], Object]
    new: Callable[[Options], Object]
    accept: Callable[[Options, Plan], Plan | None] = _accept
    target: Callable[[Done], Target | None] = _reached
    frozen: Sequence[tuple[str, ...]] = ()
    desired_of: Callable[[Options, Object], Object] | None = None
    write: Callable[[Client, Key, Plan, bool], Object | None] | None = None
    faults: Callable[[Options, Object | None], Iterable[str]] = _no_faults


def make_plan(kind: Kind, options: Options, current: Object | None) -> Plan:
    """Pure: what the options ask for against the state that was found; Refused where that cannot be."""
    todo = _plan(kind, options, current)
    # First what may not be at all: it makes the advice about single fields void.
    accepted = kind.accept(options, todo) or todo
    _refuse_frozen(kind, options, todo)
    return accepted


def _refuse_frozen(kind: Kind, options: Options, todo: Plan) -> None:
    if todo.action != "changed":
        return
    changed = [found for path in kind.frozen for found in _changed(todo.body, path)]
    if changed:
        raise Refused(
            f"{', '.join(changed)} cannot be changed once it is there",
            where=kind.resource.describe(str(options["namespace"]), str(options["name"])),
            fix="Give another name, or delete it first with state absent",
        )


def _changed(body: Object, path: tuple[str, ...]) -> list[str]:
    """The fields of a patch at a path; below a whole part of an object, such as its spec, two levels of them."""
    if not plan.touches(body, *path):
        return []
    found = [path]
    for _level in range(2 if len(path) == 1 else 0):
        found = [deeper for one in found for deeper in _below(body, one)]
    return [".".join(one) for one in found]


def _below(body: Object, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    here: Any = body
    for key in path:
        here = here[key]
    return [(*path, key) for key in here] if isinstance(here, dict) and here else [path]


def _plan(kind: Kind, options: Options, current: Object | None) -> Plan:
    if options.get("state") == "absent":
        return Plan("deleted" if current and not is_deleting(current) else "unchanged", before=current)
    if current is None:
        body = kind.new(options)
        return Plan("created", body=body, after=body)
    where = kind.resource.describe(str(options["namespace"]), str(options["name"]))
    if is_deleting(current):
        raise Refused(
            "cannot be changed, it is being deleted", where=where, fix="Wait until it is gone, then run again"
        )
    owned: Object = {key: current[key] for key in ("metadata", "spec") if key in current}
    desired = kind.desired_of(options, current) if kind.desired_of else kind.desired(options)
    after = plan.merge(owned, desired)
    body = plan.merge_patch(owned, after)
    if not body:
        return Plan("unchanged", before=current, after=current)
    if plan.has_list(body):
        body = plan.overlay(body, {"metadata": {"resourceVersion": current["metadata"]["resourceVersion"]}})
    return Plan("changed", body=body, before=current, after={**current, **after})


def apply(
    client: Client, kind: Kind, wanted: Sequence[Options], settings: Settings
) -> tuple[list[Done], bulk.Snapshot]:
    """Brings all objects into their wanted states; one outcome for each, in the given order, and what was read. InputError
    with the faults of all before anything is written."""
    keys = [(str(options["namespace"]), str(options["name"])) for options in wanted]
    found = bulk.fetch(client, kind.resource, keys, workers=settings.workers)
    readable = [(options, key) for options, key in zip(wanted, keys) if key[0] not in found.unreadable]
    faults = [fault for options, key in readable for fault in kind.faults(options, found.objects.get(key))]
    if faults:
        raise InputError(faults)

    def work(index: int) -> Done:
        key = keys[index]
        if key[0] in found.unreadable:
            return Done(key, error=found.unreadable[key[0]])
        return _apply_one(client, kind, wanted[index], key, found.objects.get(key), settings)

    done = [
        Done(keys[index], error=outcome) if isinstance(outcome, HaError) else outcome
        for index, outcome in enumerate(bulk.each(range(len(keys)), work, settings.workers))
    ]
    if settings.wait and not settings.check:
        wait(client, kind, done, found.scopes, settings)
    return done, found


def wait(
    client: Client, kind: Kind, done: Sequence[Done], scopes: Mapping[str | None, str], settings: Settings
) -> None:
    """Waits for those that did not fail; their newest states and errors are put into `done`."""
    targets = [target for target in (_target(kind, one) for one in done if one.error is None) if target is not None]
    failures = wait_for(client, kind.resource, targets, scopes=scopes, timeout=settings.wait_timeout)
    states = {target.key: target.current for target in targets}
    for one in done:
        if one.key in states:
            one.current = states[one.key]
            one.error = failures.get(one.key)


def _target(kind: Kind, done: Done) -> Target | None:
    if done.plan.action == "deleted" or (done.plan.after is None and done.plan.action == "unchanged"):
        uid = str(((done.plan.before or {}).get("metadata") or {}).get("uid", ""))
        return Target(done.key, lambda item: gone(item, uid), done.current, wanted="gone")
    return kind.target(done)


def gone(item: Object | None, uid: str) -> Verdict:
    """Whether the object of this UID is deleted; a new one of the same name is another."""
    if item is None or item["metadata"].get("uid") != uid:
        return DONE
    finalizers = ", ".join(item["metadata"].get("finalizers") or [])
    why = f"waits for {finalizers}" if finalizers else "it is still there"
    return Verdict(why=why, fix="Raise wait_timeout, or check the controllers that remove the finalizers")


def result(done: Done) -> Object:
    """What the result's entry of any object holds."""
    meta = (done.current or {}).get("metadata") or {}
    namespace, name = done.key
    entry: Object = {
        "name": name,
        "namespace": namespace,
        "changed": done.written,
        "action": done.plan.action if done.error is None or done.written else "failed",
        "uid": None if done.predicted else meta.get("uid"),
        "generation": meta.get("generation"),
    }
    if done.error is not None:
        entry["error"] = done.error.as_dict()
    return entry


def report(kind: Kind, key: str, entries: Iterable[Object], done: Sequence[Done], settings: Settings) -> Object:
    """A module's result: the entries under `key`, the difference where it is asked for, the failure where one is."""
    found: Object = {"changed": any(one.written for one in done), key: list(entries)}
    if settings.diff:
        found["diff"] = [diff(kind, one) for one in done if one.written]
    failure = failure_of([one.error for one in done])
    return {**found, "failure": failure} if failure else found


def failure_of(outcomes: Sequence[HaError | None]) -> HaError | None:
    """The failure of a task over several objects: the one's own where there is but one object."""
    errors = [error for error in outcomes if error is not None]
    if not errors:
        return None
    return errors[0] if len(outcomes) == 1 else ManyFailed(errors, len(outcomes))


def diff(kind: Kind, done: Done) -> Object:
    """Before and after of one object, of what a person can set, without cloud-init's data."""
    before = _shown(done.plan.before)
    after = None if done.plan.action == "deleted" else _shown(done.plan.after)
    name = kind.resource.describe(*done.key)
    return {
        "before_header": name,
        "after_header": name,
        "before": redaction.hide_secrets(before) if before else {},
        "after": redaction.hide_secrets(after, before) if after else {},
    }


def _shown(item: Object | None) -> Object | None:
    if item is None:
        return None
    meta = item.get("metadata") or {}
    kept = {key: meta[key] for key in ("name", "namespace", "labels", "annotations") if key in meta}
    return {"metadata": kept, "spec": item.get("spec") or {}}


def _apply_one(
    client: Client, kind: Kind, options: Options, key: Key, current: Object | None, settings: Settings
) -> Done:
    """Plans and writes one object; a lost race is tried again on a fresh read. In check mode the server says what it
    would do, and keeps nothing."""
    done = Done(key, current=current)
    secrets: list[str] = []
    # What may have been carried out already, as a whole or in part.
    lost: Plan | None = None
    try:
        for attempt in range(_CONFLICTS):
            done.plan = make_plan(kind, options, done.current)
            secrets = redaction.secrets(done.plan.body)
            if done.plan.action == "unchanged":
                done.plan = lost or done.plan
                return done
            try:
                write = kind.write or writer(kind.resource)
                done.current = write(client, key, done.plan, settings.check)
                done.written = True
                done.predicted = settings.check and done.plan.action == "created"
                return done
            except (Conflict, NotFound) as error:
                if isinstance(error, NotFound) and done.plan.action == "created":
                    raise
                if error.wrote:
                    lost, done.written = done.plan, True
                if attempt == _CONFLICTS - 1:
                    raise
            time.sleep(_BETWEEN_CONFLICTS * attempt)
            done.current = client.find(kind.resource, key[1], key[0])
    except HaError as error:
        done.error = _without(error, secrets)
        done.written = done.written or error.wrote
    return done


def writer(resource: Resource) -> Callable[[Client, Key, Plan, bool], Object | None]:
    """Carries plans out by one request each."""

    def write(client: Client, key: Key, todo: Plan, check: bool) -> Object | None:
        namespace, name = key
        if todo.action == "created":
            return client.create(resource, todo.body, namespace, dry_run=check)
        if todo.action == "changed":
            return client.patch(resource, name, todo.body, namespace, dry_run=check)
        before = todo.before or {"metadata": {}}
        client.delete(resource, name, namespace, uid=before["metadata"].get("uid"), dry_run=check)
        return None if check else before

    return write


def _without(error: HaError, secrets: Sequence[str]) -> HaError:
    """An error whose text does not quote the object's cloud-init data."""
    for secret in secrets:
        for text in (secret, repr(secret)[1:-1]):
            error.why = error.why.replace(text, "(hidden)")
    return error
