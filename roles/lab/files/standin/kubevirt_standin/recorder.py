"""Kubernetes Events, counted as client-go counts them."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime

import aiohttp

from .kube import ApiError, Kube
from .resources import EVENT, Object


def now() -> str:
    """The present time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Recorder:
    """Writes Events in the background; one that repeats is counted up."""

    def __init__(self, kube: Kube, component: str) -> None:
        self._kube, self._component = kube, component
        self._counts: dict[str, tuple[str, int]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def event(self, obj: Object, kind: str, reason: str, message: str) -> None:
        """Record an event of `kind` Normal or Warning on the object."""
        task = asyncio.get_running_loop().create_task(self._write(obj, kind, reason, message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self, obj: Object, kind: str, reason: str, message: str) -> None:
        meta = obj["metadata"]
        same = "|".join((meta["uid"], kind, reason, message))
        name, count = self._counts.get(same, ("", 0))
        count += 1
        if not name:
            digest = hashlib.sha256(same.encode()).hexdigest()[:16]
            name = f"{meta['name'][:200]}.{digest}"
        self._counts[same] = (name, count)
        if len(self._counts) > 2000:
            self._counts.clear()
        try:
            if count > 1:
                await self._kube.patch(
                    EVENT, meta.get("namespace") or "default", name, {"count": count, "lastTimestamp": now()}
                )
            else:
                await self._kube.create(EVENT, self._body(obj, name, kind, reason, message))
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            if not (isinstance(error, ApiError) and error.status in (404, 409)):
                print(f"event {reason} of {meta['name']}: {error}", flush=True)

    def _body(self, obj: Object, name: str, kind: str, reason: str, message: str) -> Object:
        meta = obj["metadata"]
        return {
            "metadata": {"name": name, "namespace": meta.get("namespace") or "default"},
            "involvedObject": {
                "apiVersion": obj["apiVersion"],
                "kind": obj["kind"],
                "name": meta["name"],
                "namespace": meta.get("namespace"),
                "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"],
            },
            "type": kind,
            "reason": reason,
            "message": message[:1000],
            "count": 1,
            "firstTimestamp": now(),
            "lastTimestamp": now(),
            "source": {"component": self._component},
        }
