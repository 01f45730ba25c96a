# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What wanted objects depend on: read by whoever asks first, for all of them together, and not at all where nobody asks."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, Callable, Generic, TypeVar

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import bulk
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key, Snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ApiError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import Resource

Object = dict[str, Any]


Value = TypeVar("Value")


class Once(Generic[Value]):
    """A value that is made when it is first asked for, and kept. Safe to use from several threads."""

    def __init__(self, make: Callable[[], Value]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: list[Value] = []

    def get(self) -> Value:
        """The value; what failed is tried again by the next one who asks."""
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]


class Existing:
    """The objects of one kind by these keys, as far as they exist."""

    def __init__(self, client: Client, resource: Resource, keys: Iterable[Key], workers: int) -> None:
        wanted = sorted(set(keys))
        self._found: Once[Snapshot] = Once(lambda: bulk.fetch(client, resource, wanted, workers=workers))

    def find(self, key: Key) -> Object | None:
        """The object, None where it is missing; an error where its namespace cannot be read."""
        found = self._found.get()
        if key[0] in found.unreadable:
            raise found.unreadable[key[0]]
        return found.objects.get(key)


class Names:
    """The names of all objects of one kind; None where they may not be read."""

    def __init__(self, client: Client, resource: Resource) -> None:
        self._found: Once[frozenset[str] | None] = Once(lambda: _names(client, resource))

    def get(self) -> frozenset[str] | None:
        """The names, None where they may not be read."""
        return self._found.get()


def _names(client: Client, resource: Resource) -> frozenset[str] | None:
    try:
        return frozenset(client.list(resource, trim=lambda item: str(item["metadata"]["name"])).items)
    except ApiError as error:
        if error.status != 403:
            raise
        return None
