# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many objects at once: one LIST for all of them, and a bounded pool of writers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Callable, TypeVar

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import PAGE, RELISTS, Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ApiError, Gone, HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import NAMESPACE, Resource

Object = dict[str, Any]
Item = TypeVar("Item")
Result = TypeVar("Result")


# Namespace and name.
Key = tuple[str, str]


@dataclass
class Snapshot:
    """What a read of several objects found.

    objects: those that exist, of those asked for; unreadable: why a namespace could not be read; scopes: the
    namespaces that were read, None for the whole cluster, each with the version that a watch goes on from.
    """

    objects: dict[Key, Object] = field(default_factory=dict)
    unreadable: dict[str, HaError] = field(default_factory=dict)
    scopes: dict[str | None, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Wanted:
    """What a read keeps: objects by key, of each what `trim` says; the selectors are the server's part of it."""

    keep: Callable[[Key], bool]
    trim: Callable[[Object], Any] | None
    label_selector: str | None
    field_selector: str | None
    page: int

    def within(self, namespaces: frozenset[str]) -> _Wanted:
        """The same, in these namespaces only; in all where there are none."""
        if not namespaces:
            return self
        keep = self.keep
        return replace(self, keep=lambda key: key[0] in namespaces and keep(key))

    def of(self, item: Object) -> tuple[Key, Any] | None:
        """An object's key and what is kept of it; None where nothing is."""
        key = key_of(item)
        if not self.keep(key):
            return None
        return key, self.trim(item) if self.trim else item


def key_of(item: Object) -> Key:
    """Namespace and name of an object."""
    meta = item["metadata"]
    return str(meta.get("namespace", "")), str(meta["name"])


def fetch(client: Client, resource: Resource, keys: Sequence[Key], *, workers: int = 8) -> Snapshot:
    """Reads objects: one GET for one; one LIST for more, over their namespace, or over the cluster where they are in
    several and that is permitted; else a LIST a namespace."""
    if not keys:
        return Snapshot()
    if len(keys) == 1:
        return _fetch_one(client, resource, keys[0])
    wanted = frozenset(keys)
    return read(client, resource, {key[0] for key in keys}, keep=wanted.__contains__, workers=workers)


def read(
    client: Client,
    resource: Resource,
    namespaces: Iterable[str],
    *,
    keep: Callable[[Key], bool] = lambda _key: True,
    trim: Callable[[Object], Any] | None = None,
    label_selector: str | None = None,
    field_selector: str | None = None,
    page: int = PAGE,
    workers: int = 8,
) -> Snapshot:
    """Lists objects of several namespaces: over the cluster where that is permitted, else a LIST a namespace.

    No namespaces at all stand for the whole cluster. trim: what is kept of an object, so that whole pages of large ones
    do not stay in memory.
    """
    wanted = _Wanted(keep, trim, label_selector, field_selector, page)
    scopes = sorted(set(namespaces))
    found = Snapshot()
    if len(scopes) != 1:
        try:
            _read_scope(client, resource, None, wanted.within(frozenset(scopes)), found)
            return found
        except ApiError as error:
            if error.status != 403 or not scopes:
                raise

    def read_one(namespace: str) -> None:
        _read_scope(client, resource, namespace, wanted, found)

    for namespace, outcome in zip(scopes, each(scopes, read_one, workers)):
        if isinstance(outcome, HaError):
            found.unreadable[namespace] = outcome
    return found


def absent_namespaces(client: Client, namespaces: Iterable[str], *found: Snapshot) -> list[str]:
    """Of the namespaces that were asked for by name those that do not exist, a sentence each: a LIST of one is empty and
    no error. Asked for are only those in which nothing was found."""
    full = {key[0] for each in found for key in each.objects}
    full.update(namespace for each in found for namespace in each.unreadable)

    def missing(namespace: str) -> bool:
        return client.find(NAMESPACE, namespace) is None

    empty = sorted(set(namespaces) - full)
    answers = zip(empty, each(empty, missing, workers=8))
    # Of one that cannot be read, as by who may not, nothing is known.
    return [f"Namespace {namespace} does not exist" for namespace, answer in answers if answer is True]


def each(items: Iterable[Item], work: Callable[[Item], Result], workers: int) -> list[Result | HaError]:
    """Does the work on every item, `workers` at a time; in the items' order its result or its error."""

    def attempt(item: Item) -> Result | HaError:
        try:
            return work(item)
        except HaError as error:
            return error

    todo = list(items)
    if len(todo) < 2 or workers < 2:
        return [attempt(item) for item in todo]
    with ThreadPoolExecutor(max_workers=min(workers, len(todo))) as pool:
        return list(pool.map(attempt, todo))


def _fetch_one(client: Client, resource: Resource, key: Key) -> Snapshot:
    namespace, name = key
    found = Snapshot()
    try:
        item = client.find(resource, name, namespace)
    except ApiError as error:
        found.unreadable[namespace] = error
        return found
    if item is not None:
        found.objects[key] = item
    found.scopes[namespace] = str(item["metadata"]["resourceVersion"]) if item else ""
    return found


def _read_scope(client: Client, resource: Resource, namespace: str | None, wanted: _Wanted, found: Snapshot) -> None:
    """One LIST into the snapshot; begun anew where a page expired in the meantime."""
    for attempt in range(RELISTS):
        objects: dict[Key, Any] = {}
        version = ""
        pages = client.pages(
            resource,
            namespace,
            label_selector=wanted.label_selector,
            field_selector=wanted.field_selector,
            limit=wanted.page,
            trim=wanted.of,
        )
        try:
            for page in pages:
                objects.update(pair for pair in page.items if pair)
                version = page.resource_version
        except Gone:
            if attempt == RELISTS - 1:
                raise
            continue
        found.objects.update(objects)
        found.scopes[namespace] = version
        return
