"""Counters and histograms that the stand-in's own code moves as it works."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable
from typing import Protocol
from urllib.parse import quote, urlsplit

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import Metric

from .catalogue import CATALOGUE

REGISTRY = CollectorRegistry()
PHASE_BUCKETS = (0.5, 1, 2, 5, 10, 20, 30, 40, 50, 60, 90, 120, 180, 300, 600, 1200, 1800, 3600)
LATENCY_BUCKETS = (
    *(0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60),
)
QUEUE_BUCKETS = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10)
LIMITER_BUCKETS = tuple(0.001 * 2**power for power in range(10))
PATH = re.compile(r"^(/api/v1|/apis/[^/]+/[^/]+)(/namespaces/[^/]+(?=/))?/([^/?]+)(/[^/?]+)?(/[^?]+)?")


class Instrument(Protocol):
    """What can be collected."""

    def collect(self) -> Iterable[Metric]: ...


INSTRUMENTS: dict[str, Instrument] = {}


def _counter(name: str, *labels: str) -> Counter:
    made = Counter(f"kubevirt_{name}", CATALOGUE[f"kubevirt_{name}"].help, labels, registry=REGISTRY)
    INSTRUMENTS[f"kubevirt_{name}"] = made
    return made


def _histogram(name: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    text = CATALOGUE[f"kubevirt_{name}"].help
    made = Histogram(f"kubevirt_{name}", text, labels, buckets=buckets, registry=REGISTRY)
    INSTRUMENTS[f"kubevirt_{name}"] = made
    return made


REQUESTS = _counter("rest_client_requests_total", "code", "host", "method", "resource", "verb")
LATENCY = _histogram("rest_client_request_latency_seconds", LATENCY_BUCKETS, "url", "verb")
LIMITER = _histogram("rest_client_rate_limiter_duration_seconds", LIMITER_BUCKETS, "url", "verb")
ADDS = _counter("workqueue_adds_total", "name")
RETRIES = _counter("workqueue_retries_total", "name")
QUEUED = _histogram("workqueue_queue_duration_seconds", QUEUE_BUCKETS, "name")
WORKED = _histogram("workqueue_work_duration_seconds", QUEUE_BUCKETS, "name")
SYNCS = _counter("vmi_sync_total", "name", "namespace")
CREATED = _counter("vm_created_by_pod_total", "namespace")
PHASES = _histogram("vmi_phase_transition_time_seconds", PHASE_BUCKETS, "last_phase", "phase")
SINCE_CREATION = _histogram("vmi_phase_transition_time_from_creation_seconds", PHASE_BUCKETS, "phase")
SINCE_DELETION = _histogram("vmi_phase_transition_time_from_deletion_seconds", PHASE_BUCKETS, "phase")
MIGRATION_PHASES = _histogram("vmi_migration_phase_transition_time_from_creation_seconds", PHASE_BUCKETS, "phase")


class Request:
    """Times one request to the API server; `done` with its code, or `<error>` where none came."""

    def __init__(self, server: str, method: str, path: str, watch: bool = False) -> None:
        self._server, self._method, self._begun = server, method, time.perf_counter()
        found = PATH.match(path)
        self._parts = found.groups(default="") if found else ("", "", "", "", "")
        self._watch = watch

    def done(self, code: str) -> None:
        base, namespace, resource, name, sub = self._parts
        template = base + ("/namespaces/{namespace}" if namespace else "") + f"/{resource}"
        template += ("/{name}" if name else "") + sub
        LATENCY.labels(self._server + quote(template), self._method).observe(time.perf_counter() - self._begun)
        REQUESTS.labels(code, urlsplit(self._server).netloc, self._method, resource, self._verb(bool(name))).inc()

    def _verb(self, named: bool) -> str:
        if self._method == "GET":
            return "WATCH" if self._watch else "GET" if named else "LIST"
        return {"POST": "CREATE", "PUT": "UPDATE"}.get(self._method, self._method)


def synced(key: str, there: bool) -> None:
    """A pass over the VMI of the key; one that is not there any more has no series."""
    namespace, _slash, name = key.rpartition("/")
    if there:
        SYNCS.labels(name, namespace).inc()
    else:
        with contextlib.suppress(KeyError):
            SYNCS.remove(name, namespace)
