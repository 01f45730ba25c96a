"""List and watch one resource into a store that never misses a deletion.

kopf's event handlers say nothing of objects that vanished while a watch was broken, and that is just
when a node has died; so the stand-in keeps this store of its own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable

import aiohttp

from .kube import ApiError, Kube
from .metrics.instruments import Request
from .resources import Object, Resource, key_of

Handler = Callable[[Object | None, Object | None], None]


class Informer:
    """The objects of one resource, kept current by a watch."""

    def __init__(
        self, kube: Kube, resource: Resource, selector: str = "", fields: str = "", namespace: str = ""
    ) -> None:
        self._kube, self.resource = kube, resource
        self._params = {
            name: value for name, value in (("labelSelector", selector), ("fieldSelector", fields)) if value
        }
        self._namespace = namespace
        self._handlers: list[Handler] = []
        self.store: dict[str, Object] = {}
        self._gone: dict[str, None] = {}
        self.synced = asyncio.Event()

    def on_change(self, handler: Handler) -> None:
        """Call `handler(old, new)` at each change; `old` is None at an addition, `new` at a deletion."""
        self._handlers.append(handler)

    def get(self, key: str) -> Object | None:
        return self.store.get(key)

    def all(self) -> Iterable[Object]:
        return list(self.store.values())

    def remember(self, obj: Object) -> None:
        """Take the answer of an own write at once, so that the next pass does not read what is outdated."""
        if obj["metadata"]["uid"] not in self._gone:
            self._put(obj)

    async def run(self) -> None:
        """List and watch for ever."""
        path = self.resource.path(self._namespace)
        while True:
            try:
                version = await self._list(path)
                self.synced.set()
                await self._watch(path, version)
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                if not (isinstance(error, ApiError) and error.status == 410):
                    print(f"watch of {self.resource.plural}: {type(error).__name__}: {error}", flush=True)
                await asyncio.sleep(0.3)

    async def _list(self, path: str) -> str:
        answer = await self._kube.request("GET", path, params=self._params)
        fresh = {}
        for item in answer.get("items") or []:
            item.setdefault("apiVersion", self.resource.api_version)
            item.setdefault("kind", self.resource.kind)
            fresh[key_of(item)] = item
        for key in set(self.store) - set(fresh):
            self._drop(key)
        for item in fresh.values():
            self._put(item)
        return str(answer["metadata"]["resourceVersion"])

    async def _watch(self, path: str, version: str) -> None:
        """Watch until a list is needed again."""
        while True:
            params = self._params | {
                "watch": "true",
                "allowWatchBookmarks": "true",
                "resourceVersion": version,
                "timeoutSeconds": "600",
            }
            async for event in self._events(path, params):
                obj = event["object"]
                if event["type"] == "ERROR":
                    raise ApiError(int(obj.get("code", 500)), obj)
                version = obj["metadata"]["resourceVersion"]
                if event["type"] == "DELETED":
                    self._drop(key_of(obj), obj)
                elif event["type"] != "BOOKMARK":
                    self._put(obj)

    async def _events(self, path: str, params: dict[str, str]) -> AsyncIterator[Object]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=2, sock_read=None)
        url = self._kube.server + path
        timing = Request(self._kube.server, "GET", path, watch=True)
        async with self._kube.session.get(
            url, params=params, headers=self._kube.headers(), timeout=timeout
        ) as response:
            timing.done(str(response.status))
            if response.status >= 400:
                raise ApiError(response.status, {"message": await response.text()})
            pending = b""
            async for chunk in response.content.iter_any():
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    if line:
                        yield json.loads(line)

    def _put(self, obj: Object) -> None:
        key = key_of(obj)
        known = self.store.get(key)
        if known is not None and known["metadata"]["uid"] != obj["metadata"]["uid"]:
            if _version(obj) < _version(known):
                return
            self._drop(key)
            known = None
        if known is not None and _version(obj) <= _version(known):
            return
        self.store[key] = obj
        self._tell(known, obj)

    def _drop(self, key: str, obj: Object | None = None) -> None:
        known = self.store.get(key)
        if known is None or (obj is not None and known["metadata"]["uid"] != obj["metadata"]["uid"]):
            return
        del self.store[key]
        self._bury(known["metadata"]["uid"])
        self._tell(obj or known, None)

    def _bury(self, uid: str) -> None:
        """An answer to an own write can come after the news that the object is gone."""
        self._gone[uid] = None
        if len(self._gone) > 1000:
            del self._gone[next(iter(self._gone))]

    def _tell(self, old: Object | None, new: Object | None) -> None:
        for handler in self._handlers:
            handler(old, new)


def _version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])
