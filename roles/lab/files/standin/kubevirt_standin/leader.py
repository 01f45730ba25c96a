"""Leader election on a Lease, with the field names and time rules of client-go."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp

from .kube import ApiError, Kube
from .resources import LEASE, Object
from .work import WorkQueue


@dataclass(frozen=True)
class Timing:
    """Seconds: how long a lease lasts, until when its holder tries to renew it, how often all try."""

    duration: float = 15
    renew: float = 10
    retry: float = 2


class Elector:
    """Takes the lease when it is free or silent, and tells when it could not be renewed."""

    def __init__(self, kube: Kube, namespace: str, name: str, identity: str, timing: Timing) -> None:
        self._kube, self._namespace, self._name = kube, namespace, name
        self.identity, self._timing = identity, timing
        self._seen: tuple[str, str] = ("", "")
        self._seen_at = 0.0
        self._mine: Object | None = None
        self.leading = False

    async def acquire(self) -> None:
        """Return once this process leads."""
        while True:
            try:
                if await self._try():
                    self.leading = True
                    print(f"leading {self._name} as {self.identity}", flush=True)
                    return
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                self._say(error)
            await asyncio.sleep(self._timing.retry)

    async def hold(self) -> None:
        """Renew; return when the lease was lost. The caller then ends its work before it asks again."""
        renewed = time.monotonic()
        while time.monotonic() - renewed < self._timing.renew:
            await asyncio.sleep(self._timing.retry)
            try:
                async with asyncio.timeout(max(1.0, self._timing.renew / 2)):
                    if not await self._try():
                        break
                renewed = time.monotonic()
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                self._say(error)
        self.leading = False
        print(f"lost {self._name}", flush=True)

    def _say(self, error: Exception) -> None:
        if not (isinstance(error, ApiError) and error.status == 409):
            print(f"lease {self._name}: {type(error).__name__}: {error}", flush=True)

    async def _try(self) -> bool:
        if self._mine is not None:
            known, self._mine = self._mine, None
            self._mine = await self._kube.update(LEASE, self._body(known))
            return True
        lease = await self._kube.find(LEASE, self._namespace, self._name)
        if lease is None:
            self._mine = await self._kube.create(LEASE, self._body(None))
            return True
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder and holder != self.identity and not self._silent(spec):
            return False
        self._mine = await self._kube.update(LEASE, self._body(lease))
        return True

    def _silent(self, spec: Object) -> bool:
        """Whether the holder did not renew for the whole duration, by this process's own clock."""
        seen = (spec.get("holderIdentity") or "", spec.get("renewTime") or "")
        now = time.monotonic()
        if seen != self._seen:
            self._seen, self._seen_at = seen, now
        return now - self._seen_at > float(spec.get("leaseDurationSeconds") or self._timing.duration)

    def _body(self, lease: Object | None) -> Object:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        old = (lease or {}).get("spec") or {}
        mine = old.get("holderIdentity") == self.identity
        spec = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self._timing.duration)),
            "acquireTime": old.get("acquireTime") if mine else now,
            "renewTime": now,
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (0 if mine or lease is None else 1),
        }
        meta: Object = {"namespace": self._namespace, "name": self._name}
        if lease is not None:
            meta = lease["metadata"]
        return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": meta, "spec": spec}


async def lead(elector: Elector, queues: list[WorkQueue]) -> None:
    """Run the queues while the lease is held; without it they rest, and the caches stay warm."""
    while True:
        await elector.acquire()
        working = [asyncio.create_task(queue.run()) for queue in queues]
        await elector.hold()
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
