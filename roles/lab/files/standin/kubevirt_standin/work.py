"""A queue of keys with workers: each key is handled by one worker at a time, failures come again later."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable

import aiohttp

from .kube import ApiError
from .metrics.instruments import ADDS, QUEUED, RETRIES, WORKED
from .metrics.queues import QUEUES

Reconcile = Callable[[str], Awaitable[float | None]]
MANY = 5  # failures in a row after which also a lost race is told


class WorkQueue:
    """Runs `reconcile(key)`; a number that it returns is the seconds after which the key comes again."""

    def __init__(self, name: str, reconcile: Reconcile, workers: int = 4) -> None:
        self.name, self._reconcile, self._workers = name, reconcile, workers
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: set[str] = set()
        self._active: set[str] = set()
        self._again: set[str] = set()
        self._failures: dict[str, int] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._added: dict[str, float] = {}
        self.begun: dict[str, float] = {}
        QUEUES.add(self)

    @property
    def depth(self) -> int:
        """How many keys wait."""
        return len(self._waiting)

    def add(self, key: str) -> None:
        """Handle the key as soon as may be."""
        ADDS.labels(self.name).inc()
        self._added.setdefault(key, time.monotonic())
        if key in self._active:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)

    def add_after(self, key: str, seconds: float) -> None:
        """Handle the key after so many seconds; the sooner of two such calls counts."""
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        timer = self._timers.get(key)
        if timer is not None and not timer.cancelled() and loop.time() < timer.when() <= when:
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = loop.call_at(when, self._fire, key)

    def _fire(self, key: str) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def run(self) -> None:
        """Work until cancelled; what was being handled then comes again with the next run."""
        async with asyncio.TaskGroup() as group:
            for _worker in range(self._workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._active.add(key)
            now = self.begun[key] = time.monotonic()
            QUEUED.labels(self.name).observe(now - self._added.pop(key, now))
            try:
                await self._handle(key)
            except asyncio.CancelledError:
                self._again.add(key)
                raise
            finally:
                self._active.discard(key)
                WORKED.labels(self.name).observe(time.monotonic() - self.begun.pop(key))
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)

    async def _handle(self, key: str) -> None:
        try:
            delay = await self._reconcile(key)
        except ApiError as error:
            if error.status not in (404, 409) or self._failures.get(key, 0) >= MANY:
                print(f"{self.name} {key}: {error}", flush=True)
            self._fail(key, 0.05 if error.status in (404, 409) else 0.5)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            print(f"{self.name} {key}: {type(error).__name__}: {error}", flush=True)
            self._fail(key, 0.3)
        except Exception:
            traceback.print_exc()
            self._fail(key, 1.0)
        else:
            self._failures.pop(key, None)
            if delay is not None:
                self.add_after(key, delay)

    def _fail(self, key: str, base: float) -> None:
        RETRIES.labels(self.name).inc()
        count = self._failures[key] = self._failures.get(key, 0) + 1
        self.add_after(key, min(base * 2 ** (count - 1), 15.0))
