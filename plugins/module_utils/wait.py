# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for states: predicates over objects, fed by one watch a scope and kind; terminal states fail at once."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, WaitFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import Resource
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.verdict import Verdict
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.watch import (
    News,
    Relisted,
    Seen,
    Watcher,
    is_older,
)

Object = dict[str, Any]

_TICK = 0.5

# Of the object; where objects of a second kind are watched beside, of the one of the same name, too.
Predicate = Callable[..., Verdict]
Beside = tuple[Resource, Mapping[Optional[str], str]]


@dataclass
class Target:
    """One object that is waited for, its newest known state (None: missing), and what became of it.

    passive: whether `wanted` is what is done to the object, such as restarted, and not what it becomes, such as ready;
    beside: the newest known state of the object of a second kind that has the same name, such as a machine's instance.
    """

    key: Key
    predicate: Predicate
    current: Object | None
    wanted: str = "ready"
    beside: Object | None = None
    passive: bool = False
    failed_since: float | None = field(default=None, init=False)
    last: Verdict = field(default=Verdict(), init=False)


def wait_for(
    client: Client,
    resource: Resource,
    targets: Sequence[Target],
    *,
    scopes: Mapping[str | None, str],
    timeout: float,
    beside: Beside | None = None,
    span: str = "",
) -> dict[Key, WaitFailed]:
    """Waits until every target is done; the failures by key. Nothing is requested where all are done already.

    scopes: the namespaces to watch (None: the cluster) and the resource version to go on from; beside: a second kind
    to watch, with its own; the predicates then take the object of that kind, too; span: how
    messages call the time, where it is not the task's own.
    """
    give_up = time.monotonic() + timeout
    waiting = {target.key: target for target in targets}
    failures = _judge(resource, waiting, beside is not None, list(waiting))
    if not waiting:
        return failures
    news: queue.Queue[News] = queue.Queue()
    stop = threading.Event()
    selector = f"metadata.name={targets[0].key[1]}" if len(waiting) == 1 and len(targets) == 1 else None
    watchers = [
        (Watcher(client, kind, namespace, kind, news, stop, give_up, field_selector=selector), version)
        for kind, versions in ((resource, scopes), *([beside] if beside else []))
        for namespace, version in versions.items()
    ]
    for watcher, version in watchers:
        watcher.start(version)
    looked = time.monotonic()
    try:
        while waiting and time.monotonic() < give_up:
            touched = _take_news(resource, waiting, news, min(_TICK, max(0.0, give_up - time.monotonic())))
            # With thousands of targets each event judges its own; time alone changes a verdict too, so now and then all.
            if time.monotonic() - looked >= _TICK:
                looked, touched = time.monotonic(), set(waiting)
            failures.update(_judge(resource, waiting, beside is not None, touched))
        if waiting:
            # A watch may have fallen silent without an end, so time-outs are told after a last look only.
            stop.set()
            for watcher, _version in watchers:
                watcher.read()
            _take_news(resource, waiting, news, 0.0)
            failures.update(_judge(resource, waiting, beside is not None, list(waiting)))
    except HaError as error:
        failures.update({key: _blind(resource, target, error) for key, target in waiting.items()})
    else:
        failures.update({key: _too_late(resource, target, span or _within(timeout)) for key, target in waiting.items()})
    finally:
        stop.set()
    return failures


def _judge(resource: Resource, waiting: dict[Key, Target], both: bool, keys: Iterable[Key]) -> dict[Key, WaitFailed]:
    """Takes out of `waiting` what of `keys` is done or has failed; the failures."""
    failures: dict[Key, WaitFailed] = {}
    now = time.monotonic()
    for key in keys:
        target = waiting[key]
        verdict = target.predicate(target.current, target.beside) if both else target.predicate(target.current)
        target.last = verdict
        if not verdict.failed:
            target.failed_since = None
        elif target.failed_since is None:
            target.failed_since = now
        if verdict.done:
            del waiting[key]
        elif target.failed_since is not None and now - target.failed_since >= verdict.grace:
            where = resource.describe(*key)
            what = f"will not {'be' if target.passive else 'become'} {target.wanted}"
            failures[key] = WaitFailed(what, where=where, why=verdict.why, fix=verdict.fix, terminal=True)
            del waiting[key]
    return failures


def _within(seconds: float) -> str:
    return f"within {seconds:.0f} s" if seconds >= 10 else f"within {seconds:.2g} s"


def _too_late(resource: Resource, target: Target, span: str) -> WaitFailed:
    return WaitFailed(
        f"{'was not' if target.passive else 'did not become'} {target.wanted} {span}",
        where=resource.describe(*target.key),
        why=target.last.why,
        fix=target.last.fix or "Raise wait_timeout, or look at the object's events",
    )


def _take_news(resource: Resource, waiting: dict[Key, Target], news: queue.Queue[News], seconds: float) -> set[Key]:
    """Brings the targets up to date with all that has come in; waits `seconds` for the first. The targets' keys."""
    touched: set[Key] = set()
    try:
        item = news.get(timeout=seconds)
        while True:
            touched |= _take_one(resource, waiting, item)
            item = news.get_nowait()
    except queue.Empty:
        return touched


def _take_one(resource: Resource, waiting: Mapping[Key, Target], item: News) -> set[Key]:
    if isinstance(item, HaError):
        raise item
    touched: set[Key] = set()
    for seen in _changes(waiting, item):
        target = waiting[seen.key]
        touched.add(seen.key)
        # The watch begins before our own writes, so events from before them come in too.
        if seen.stream is not resource:
            target.beside = target.beside if is_older(seen.version, target.beside) else seen.object
        elif not is_older(seen.version, target.current):
            target.current = seen.object
    return touched


def _changes(waiting: Mapping[Key, Target], item: Seen | Relisted) -> Iterator[Seen]:
    if isinstance(item, Relisted):
        for key in waiting:
            if item.namespace in (None, key[0]):
                yield Seen(item.stream, key, item.objects.get(key), item.version)
    elif item.key in waiting:
        yield item


def _blind(resource: Resource, target: Target, error: HaError) -> WaitFailed:
    become = "been" if target.passive else "become"
    what = f"may or may not have {become} {target.wanted}, the watch failed"
    return WaitFailed(what, where=resource.describe(*target.key), why=str(error), fix=error.fix)
