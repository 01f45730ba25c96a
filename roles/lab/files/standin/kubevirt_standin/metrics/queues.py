"""Gauges of the work queues of this process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..work import WorkQueue
    from . import Labels


class Queues:
    """All work queues of this process, in the order they were made."""

    def __init__(self) -> None:
        self._queues: list[WorkQueue] = []

    def add(self, queue: WorkQueue) -> None:
        self._queues.append(queue)

    def samples(self) -> dict[str, list[tuple[Labels, float]]]:
        """Depth and running work of each queue."""
        now = time.monotonic()
        found: dict[str, list[tuple[Labels, float]]] = {}
        for queue in self._queues:
            running = [now - begun for begun in queue.begun.values()]
            for name, value in (
                ("depth", float(queue.depth)),
                ("longest_running_processor_seconds", max(running, default=0.0)),
                ("unfinished_work_seconds", sum(running)),
            ):
                found.setdefault(f"kubevirt_workqueue_{name}", []).append(({"name": queue.name}, value))
        return found


QUEUES = Queues()
