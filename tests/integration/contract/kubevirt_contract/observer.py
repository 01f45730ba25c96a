"""Sees every state that the objects of the namespace pass through, from one watch a kind."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests

from .cluster import Cluster


@dataclass(frozen=True)
class Seen:
    """One watch event: ``event`` is ADDED, MODIFIED or DELETED, ``at`` a monotonic time in seconds."""

    at: float
    event: str
    object: dict[str, Any]

    @property
    def uid(self) -> str:
        """The UID of the object."""
        return str(self.object["metadata"]["uid"])

    @property
    def gone(self) -> bool:
        """Whether this is the last of the object."""
        return self.event == "DELETED"


class Observer:
    """Keeps the history of each object, by kind and name."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._history: dict[tuple[str, str], list[Seen]] = defaultdict(list)
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._versions: dict[str, str] = {}

    def start(self) -> None:
        """Begins to watch VMs, VMIs, migrations and pods."""
        for kind, path in self._paths().items():
            self._versions[kind] = self._cluster.get(path)["metadata"]["resourceVersion"]
            threading.Thread(target=self._watch, args=(kind, path), daemon=True, name=f"watch-{kind}").start()

    def stop(self) -> None:
        """Ends the watches."""
        self._stopped.set()

    def _paths(self) -> dict[str, str]:
        return {
            **{kind: self._cluster.path(kind) for kind in ("vm", "vmi", "migration")},
            "pod": self._cluster.core("pods"),
        }

    def _watch(self, kind: str, path: str) -> None:
        while not self._stopped.is_set():
            query = {"watch": "true", "resourceVersion": self._versions[kind], "timeoutSeconds": "280"}
            try:
                with self._cluster.stream(path, query) as response:
                    for line in response.iter_lines():
                        self._take(kind, json.loads(line))
            except (requests.RequestException, ConnectionError):
                time.sleep(0.2)

    def _take(self, kind: str, event: dict[str, Any]) -> None:
        thing = event["object"]
        if event["type"] == "ERROR":
            raise ConnectionError(f"the watch of {kind} ended: {thing.get('message')}")
        self._versions[kind] = thing["metadata"]["resourceVersion"]
        if event["type"] == "BOOKMARK":
            return
        with self._changed:
            self._history[kind, self._name(kind, thing)].append(Seen(time.monotonic(), event["type"], thing))
            self._changed.notify_all()

    @staticmethod
    def _name(kind: str, thing: dict[str, Any]) -> str:
        """What an object is filed under: its own name, or that of the VMI it belongs to."""
        if kind == "migration":
            return str(thing["spec"].get("vmiName", ""))
        if kind == "pod":
            labels = thing["metadata"].get("labels") or {}
            annotations = thing["metadata"].get("annotations") or {}
            return str(
                annotations.get("kubevirt.io/domain") or labels.get("vm.kubevirt.io/name") or thing["metadata"]["name"]
            )
        return str(thing["metadata"]["name"])

    def history(self, kind: str, name: str, since: float = 0.0) -> list[Seen]:
        """The events after ``since``, preceded by the last one before it."""
        with self._changed:
            events = list(self._history[kind, name])
        before = [seen for seen in events if seen.at < since]
        return before[-1:] + [seen for seen in events if seen.at >= since]

    def last(self, kind: str, name: str) -> dict[str, Any]:
        """The object as last seen; empty when it is gone or was never there."""
        with self._changed:
            events = self._history[kind, name]
            return {} if not events or events[-1].gone else events[-1].object

    def wait(self, what: str, done: Callable[[], bool], seconds: float) -> None:
        """Waits for watch events until ``done``; fails with ``what`` after ``seconds``."""
        end = time.monotonic() + seconds
        with self._changed:
            while not done():
                if time.monotonic() >= end:
                    raise TimeoutError(f"{what} did not come within {seconds:.0f} s")
                self._changed.wait(timeout=min(0.5, max(0.01, end - time.monotonic())))
