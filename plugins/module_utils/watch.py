# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches that are kept up, and a mirror of objects of several kinds that such watches feed."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Union

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key, key_of
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Gone, HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import Resource

Object = dict[str, Any]

_LONGEST_WATCH = 300.0
_BETWEEN_WATCHES = 0.2


@dataclass(frozen=True)
class Seen:
    """One event: the object, None where it was deleted."""

    stream: Hashable
    key: Key
    object: Object | None
    version: str


@dataclass(frozen=True)
class Relisted:
    """A whole scope, read anew."""

    stream: Hashable
    namespace: str | None
    objects: dict[Key, Object]
    version: str


# What the watchers report; an error where they cannot go on.
News = Union[Seen, Relisted, HaError]


def is_older(version: str, known: Object | None) -> bool:
    """Whether a version is from before a known state; the versions of one API server count upwards."""
    other = str(known["metadata"].get("resourceVersion", "")) if known else ""
    return version.isdigit() and other.isdigit() and int(version) < int(other)


@dataclass
class Watcher:
    """One scope's watch, kept up until it is stopped: begun anew where it broke, read anew where it fell behind.

    stream: what its news are marked with; give_up: of the monotonic clock; unlisted: without a version to go on from the
    first watch begins with what is there, which needs no read; optional: see `Mirror.follow`.
    """

    client: Client
    resource: Resource
    namespace: str | None
    stream: Hashable
    news: queue.Queue[News]
    stop: threading.Event
    give_up: float
    field_selector: str | None = None
    label_selector: str | None = None
    unlisted: bool = False
    optional: bool = False

    def start(self, version: str) -> None:
        """Runs in a thread of its own."""
        threading.Thread(target=self.run, args=(version,), daemon=True).start()

    def run(self, version: str) -> None:
        """Watches from a resource version on; an empty one begins with a read."""
        try:
            while not self._over():
                version = self._follow(version) if version else self._begin()
                self.stop.wait(_BETWEEN_WATCHES)
        except HaError as error:
            if not self.optional:
                self.news.put(error)

    def _over(self) -> bool:
        return self.stop.is_set() or time.monotonic() >= self.give_up

    def _begin(self) -> str:
        if not self.unlisted:
            return self.read()
        # Only once: what was deleted in the meantime is told by a read alone.
        self.unlisted = False
        return self._follow("")

    def _follow(self, version: str) -> str:
        """One watch; the version to go on from, empty where the server no longer knows it."""
        seconds = min(_LONGEST_WATCH, self.give_up - time.monotonic() + 1)
        try:
            for event in self.client.watch(
                self.resource,
                self.namespace,
                resource_version=version,
                seconds=seconds,
                field_selector=self.field_selector,
                label_selector=self.label_selector,
            ):
                version = str(event.object["metadata"].get("resourceVersion") or version)
                if event.type != "BOOKMARK":
                    left = None if event.type == "DELETED" else event.object
                    self.news.put(Seen(self.stream, key_of(event.object), left, version))
                if self._over():
                    break
        except Gone:
            return ""
        return version

    def read(self) -> str:
        """Reads the scope anew; the version to go on from."""
        listing = self.client.list(
            self.resource, self.namespace, field_selector=self.field_selector, label_selector=self.label_selector
        )
        objects = {key_of(item): item for item in listing.items}
        self.news.put(Relisted(self.stream, self.namespace, objects, listing.resource_version))
        return listing.resource_version


class Mirror:
    """Objects of several streams, as new as the last `wait`; each stream is a kind in some scopes, by a name.

    seconds: how long the watches are kept up.
    """

    def __init__(self, client: Client, seconds: float) -> None:
        self._client = client
        self._give_up = time.monotonic() + seconds
        self._news: queue.Queue[News] = queue.Queue()
        self._stop = threading.Event()
        self._objects: dict[Hashable, dict[Key, Object]] = {}
        self._watchers: list[Watcher] = []

    def follow(
        self,
        stream: str,
        resource: Resource,
        scopes: Mapping[str | None, str],
        objects: Iterable[Object] = (),
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        optional: bool = False,
    ) -> None:
        """Begins a stream: `objects` are what a read found, and `scopes` the namespaces (None: the cluster) with the
        version of that read. A scope without a version needs no read: its watch begins with what is there.

        optional: a watch of it that cannot go on, as without the right to it, ends it and nothing else.
        """
        self._objects.setdefault(stream, {}).update((key_of(item), item) for item in objects)
        for namespace, version in scopes.items():
            watcher = Watcher(
                self._client,
                resource,
                namespace,
                stream,
                self._news,
                self._stop,
                self._give_up,
                field_selector=field_selector,
                label_selector=label_selector,
                unlisted=not version,
                optional=optional,
            )
            self._watchers.append(watcher)
            watcher.start(version)

    def follows(self, stream: str) -> bool:
        """Whether a stream has begun."""
        return stream in self._objects

    def objects(self, stream: str) -> Mapping[Key, Object]:
        """What is known of a stream; nothing of one that has not begun."""
        return self._objects.get(stream, {})

    def remember(self, stream: str, item: Object) -> None:
        """Takes the answer of an own write at once."""
        self._take(Seen(stream, key_of(item), item, str(item["metadata"].get("resourceVersion", ""))))

    def wait(self, seconds: float) -> None:
        """Takes all news that have come in; waits up to `seconds` for the first. HaError where a watch cannot go on."""
        try:
            self._take(self._news.get(timeout=max(0.0, seconds)))
            while True:
                self._take(self._news.get_nowait())
        except queue.Empty:
            return

    def look_again(self) -> None:
        """Reads everything anew: a watch may have fallen silent without an end, which matters before a time-out is told."""
        for watcher in self._watchers:
            watcher.read()
        self.wait(0.0)

    def close(self) -> None:
        """Ends the watches."""
        self._stop.set()

    def _take(self, item: News) -> None:
        if isinstance(item, HaError):
            raise item
        known = self._objects.setdefault(item.stream, {})
        if isinstance(item, Relisted):
            for key in [key for key in known if item.namespace in (None, key[0]) and key not in item.objects]:
                del known[key]
            known.update(item.objects)
        elif not is_older(item.version, known.get(item.key)):
            if item.object is None:
                known.pop(item.key, None)
            else:
                known[item.key] = item.object
