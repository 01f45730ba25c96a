"""The pods that would fill claims: they advance by the clock, tell of it in the claim's annotations, and carry no byte.

A source whose name says that it is missing fails again and again, as a pod does that is restarted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from ..controllers.cluster import Cluster
from ..resources import PVC, Object, deleting, key_of
from ..simulated import ANNOTATION
from ..simulated_storage import has_consumer
from ..work import WorkQueue
from . import (
    FATAL,
    IMPORT_POD,
    IMPORTS,
    MISSING,
    POD_PHASE,
    POD_READY,
    POD_RESTARTS,
    PROGRESS,
    RUNNING,
    SLOW,
    TAMPERED,
    USE_POPULATOR,
    annotations_of,
    populated_elsewhere,
    source_of,
)

STEP = 0.3
PARTS, SLOW_PARTS = 4, 200
MOST_BACK_OFF = 10.0
RUNS = {RUNNING: "true", f"{RUNNING}.reason": "Pod is running", f"{RUNNING}.message": ""}
CREATED = {RUNNING: "false", f"{RUNNING}.reason": "ContainerCreating", f"{RUNNING}.message": ""}
ENDED = {RUNNING: "false", f"{RUNNING}.reason": "Completed", f"{RUNNING}.message": ""}
NOT_FOUND = "Unable to process data: expected status code 200, got 404. Status: 404 Not Found"
MISMATCH = "Unable to process data: checksum mismatch"
Marks = dict[str, str]


@dataclass
class Run:
    """One pod's life: what comes next, and when."""

    steps: Iterator[tuple[float, Marks]]
    due: float = 0.0


def steps(name: str, dv: Object) -> Iterator[tuple[float, Marks]]:
    """What the pod says of itself: seconds before the next step, and annotations of the claim."""
    kind, parameters = source_of(dv)
    address = " ".join(str(part) for part in parameters.values())
    pod = {IMPORT_POD: f"importer-{name}"} if kind in IMPORTS else {}
    yield STEP, {POD_PHASE: "Pending", **pod, **CREATED}
    if kind == "upload":
        yield STEP, {POD_PHASE: "Running", POD_READY: "true", **RUNS}
        return
    yield STEP, {POD_PHASE: "Running", POD_READY: "true", **RUNS}
    if any(mark in address for mark in MISSING):
        yield from _failures()
    if TAMPERED in address and parameters.get("checksum"):
        told = {RUNNING: "false", f"{RUNNING}.reason": "ChecksumError", f"{RUNNING}.message": MISMATCH}
        yield STEP, {POD_PHASE: "Failed", FATAL: "true", **told}
        return
    if kind != "blank":
        parts = SLOW_PARTS if SLOW in address else PARTS
        for part in range(1, parts):
            yield STEP, {PROGRESS: f"{100 * part / parts:.2f}%"}
    yield 0.0, {POD_PHASE: "Succeeded", POD_READY: "false", PROGRESS: "100.0%", **ENDED}


def _failures() -> Iterator[tuple[float, Marks]]:
    restarts, pause = 0, STEP
    while True:
        failed = {RUNNING: "false", f"{RUNNING}.reason": "Error", f"{RUNNING}.message": NOT_FOUND}
        yield pause, {POD_RESTARTS: str(restarts), POD_READY: "false", **failed}
        restarts, pause = restarts + 1, min(pause * 2, MOST_BACK_OFF)
        yield STEP, {POD_RESTARTS: str(restarts), **RUNS}


class Transfers:
    """Fills claims of DataVolumes."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.queue = WorkQueue("simulated transfer", self.reconcile, workers=2)
        self._runs: dict[str, Run] = {}
        cluster.pvcs.on_change(lambda old, new: self.queue.add(key_of(new or old or {})))

    async def reconcile(self, key: str) -> float | None:
        pvc, dv = self.cluster.pvcs.get(key), self.cluster.data_volumes.get(key)
        if pvc is None or dv is None or deleting(pvc) or deleting(dv) or not _wanted(pvc, dv):
            return None
        run = self._runs.setdefault(pvc["metadata"]["uid"], Run(steps(pvc["metadata"]["name"], dv)))
        left = run.due - time.monotonic()
        if left > 0:
            return left
        pause, marks = next(run.steps, (0.0, {}))
        if not marks:
            return None
        run.due = time.monotonic() + pause
        await self._mark(pvc, marks)
        return pause

    async def uploaded(self, pvc: Object) -> None:
        """The bytes of an upload have come; the pod ends."""
        await self._mark(pvc, {POD_PHASE: "Succeeded", POD_READY: "false", **ENDED})

    async def _mark(self, pvc: Object, marks: Marks) -> None:
        meta = pvc["metadata"]
        body = {"metadata": {"annotations": {ANNOTATION: "true", **marks}}}
        self.cluster.seen(PVC, await self.cluster.kube.patch(PVC, meta["namespace"], meta["name"], body))


def _wanted(pvc: Object, dv: Object) -> bool:
    """Whether a pod fills the claim now: it is not full yet, and there is a place for it."""
    annotations = annotations_of(pvc)
    if populated_elsewhere(pvc, dv) or annotations.get(POD_PHASE) == "Succeeded" or annotations.get(FATAL) == "true":
        return False
    if annotations.get(USE_POPULATOR) == "true":
        return has_consumer(pvc)
    return bool((pvc.get("status") or {}).get("phase") == "Bound")
