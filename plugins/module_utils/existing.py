# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects that wanted ones depend on: read together by whoever asks first, and not at all where nobody asks."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import bulk
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key, Snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import Resource

Object = dict[str, Any]


class Existing:
    """The objects of one kind by these keys, as far as they exist. Safe to use from several threads."""

    def __init__(self, client: Client, resource: Resource, keys: Iterable[Key], workers: int) -> None:
        self._client = client
        self._resource = resource
        self._keys = sorted(set(keys))
        self._workers = workers
        self._lock = threading.Lock()
        self._found: Snapshot | None = None

    def find(self, key: Key) -> Object | None:
        """The object, None where it is missing; an error where its namespace cannot be read."""
        with self._lock:
            if self._found is None:
                self._found = bulk.fetch(self._client, self._resource, self._keys, workers=self._workers)
        if key[0] in self._found.unreadable:
            raise self._found.unreadable[key[0]]
        return self._found.objects.get(key)
