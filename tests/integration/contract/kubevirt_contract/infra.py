"""Plays what the KubeVirt object's infra.replicas does; one run serves all its rows."""

from __future__ import annotations

import threading
import time
from typing import Any

from .cluster import MERGE_PATCH, Cluster
from .facts import Row
from .manifests import at, mismatch

DEPLOYMENTS = ("virt-api", "virt-controller", "virt-exportproxy", "virt-operator")
SECONDS = 180.0


class Infra:
    """Raises the replicas to 3 and puts them back, watching the conditions all the while."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._seen: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def check(self, row: Row) -> str:
        """Empty where the row holds, else what was seen instead."""
        with self._lock:
            if not self._seen:
                self._seen["infra.replicas 3"] = self._set(3)
                self._seen["infra unset again"] = self._set(None)
        ((aspect, wanted),) = row.expect.items()
        return mismatch(self._seen[row.scenario].get(aspect), wanted)

    def _item(self) -> dict[str, Any]:
        (item,) = self._cluster.get("/apis/kubevirt.io/v1/kubevirts")["items"]
        return dict(item)

    def _set(self, replicas: int | None) -> dict[str, Any]:
        meta = self._item()["metadata"]
        path = f"/apis/kubevirt.io/v1/namespaces/{meta['namespace']}/kubevirts/{meta['name']}"
        seen: dict[str, Any] = {"Available": ["True"], "Progressing": ["False"]}
        patch = {"spec": {"infra": {"replicas": replicas} if replicas else None}}
        self._cluster.must("PATCH", path, patch, headers={"Content-Type": MERGE_PATCH})
        end, early = time.monotonic() + SECONDS, False
        while time.monotonic() < end:
            status = self._item()["status"]
            early = early or self._note(seen, status) and not self._ready(meta["namespace"], replicas or 2)
            if len(seen["Available"]) == 3 and self._ready(meta["namespace"], replicas or 2):
                break
            time.sleep(0.3)
        return {
            **seen,
            **self._counts(meta["namespace"]),
            "phase": status["phase"],
            "available before the third pod is ready": early,
        }

    @staticmethod
    def _note(seen: dict[str, Any], status: dict[str, Any]) -> bool:
        """Adds conditions that turned; true once Available is True again."""
        for name in ("Available", "Progressing"):
            value = at(status, f"conditions[type={name}]/status")
            if value != seen[name][-1]:
                seen[name].append(value)
        return bool(seen["Available"] == ["True", "False", "True"])

    def _ready(self, namespace: str, replicas: int) -> bool:
        base = f"/apis/apps/v1/namespaces/{namespace}/deployments/"
        return all(at(self._cluster.get(base + name), "status/readyReplicas") == replicas for name in DEPLOYMENTS[:3])

    def _counts(self, namespace: str) -> dict[str, Any]:
        counts: dict[str, Any] = {}
        for name in DEPLOYMENTS:
            counts[name] = at(
                self._cluster.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"), "spec/replicas"
            )
            pdb = self._cluster.get(f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/{name}-pdb")
            counts[f"{name}-pdb"] = at(pdb, "spec/minAvailable")
        return counts
