"""One session of the contract against one cluster: its namespace, what it can do, and the players."""

from __future__ import annotations

import os

from .cluster import MERGE_PATCH, Cluster
from .facts import Row
from .infra import Infra
from .manifests import at
from .observer import Observer
from .players import Players, changes
from .scenario import Scenarios
from .stage import STATE_NEEDS, Stage

# What a row may need, and why it is left out where that is missing.
REASONS = {
    "nodes": "the cluster has no nodes with a kubelet, so no component of KubeVirt runs as a pod",
    "two-nodes": "a live migration needs a second schedulable node",
    "poweroff": "no CONTRACT_POWEROFF_ARGUMENT says which kernel argument makes the guest power itself off",
    "slow-pods": "pods without a kubelet are gone at once",
    "no-cdi": "CDI is installed, and the fact is about its absence",
    "cdi": "CDI is not installed",
    "default-infra": "the KubeVirt object sets spec.infra",
    "storage": "no default StorageClass is here",
}

# Migrations at once while the rows are played.
ROOM = 50


class Session:
    """Plays rows against a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.observer = Observer(cluster)
        self.stage = Stage(cluster, self.observer)
        self.scenarios = Scenarios(self.stage)
        self._players = Players(self.stage)
        self._infra = Infra(cluster)
        self._able: frozenset[str] = frozenset()
        self._made_room = False

    def open(self, rows: list[Row]) -> None:
        """Makes the namespace and begins to set up whatever the rows need."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.cluster.namespace}}
        self.cluster.must("POST", "/api/v1/namespaces", namespace)
        self._able = self._capabilities()
        self._make_room(ROOM)
        self.observer.start()
        playable = [row for row in rows if not self.why_not(row)]
        calls = [
            row
            for row in playable
            if row.play in ("call", "patch", "look", "metric") and row.state not in ("", "missing")
        ]
        self.stage.prepare(
            shared=[row.state for row in calls if not changes(row)],
            fresh=[row.state for row in calls if changes(row)],
        )
        self.scenarios.prepare([row for row in playable if row.play == "scenario"])

    def close(self) -> None:
        """Deletes what was made."""
        self.scenarios.close()
        self.observer.stop()
        self.stage.clear()
        self._make_room(None)
        self.cluster.request("DELETE", f"/api/v1/namespaces/{self.cluster.namespace}")

    def _make_room(self, many: int | None) -> None:
        """Lets so many migrations run at once, for those of other rows that find no target would hold up all the others."""
        for item in self._kubevirts():
            stated = at(item, "spec/configuration/migrations") not in (None, {}, "$absent")
            if stated and not (many is None and self._made_room):
                continue
            limits = {"parallelMigrationsPerCluster": many, "parallelOutboundMigrationsPerNode": many}
            patch = {"spec": {"configuration": {"migrations": limits if many else None}}}
            name, namespace = at(item, "metadata/name"), at(item, "metadata/namespace")
            path = f"/apis/kubevirt.io/v1/namespaces/{namespace}/kubevirts/{name}"
            self.cluster.must("PATCH", path, patch, headers={"Content-Type": MERGE_PATCH})
            self._made_room = bool(many)

    def _capabilities(self) -> frozenset[str]:
        able = set(os.environ.get("CONTRACT_ABLE", "").split())
        kubelets = self.cluster.has_kubelets()
        groups = {group["name"] for group in self.cluster.get("/apis").get("groups", [])}
        able.add("cdi" if "cdi.kubevirt.io" in groups else "no-cdi")
        if kubelets:
            able |= {"nodes", "slow-pods"}
        if len(self._schedulable()) > 1:
            able.add("two-nodes")
        classes = self.cluster.get("/apis/storage.k8s.io/v1/storageclasses").get("items", [])
        if any("is-default-class" in str(item["metadata"].get("annotations")) for item in classes):
            able.add("storage")
        if not kubelets or "CONTRACT_POWEROFF_ARGUMENT" in os.environ:
            able.add("poweroff")
        if all(not at(item, "spec/infra") or at(item, "spec/infra") == "$absent" for item in self._kubevirts()):
            able.add("default-infra")
        crds = self.cluster.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions").get("items", [])
        return frozenset(able | {f"crd:{crd['metadata']['name']}" for crd in crds})

    def _kubevirts(self) -> list[dict[str, object]]:
        return list(self.cluster.get("/apis/kubevirt.io/v1/kubevirts").get("items", []))

    def _schedulable(self) -> list[str]:
        nodes = self.cluster.get("/api/v1/nodes", {"labelSelector": "kubevirt.io/schedulable=true"}).get("items", [])
        return [node["metadata"]["name"] for node in nodes if not node["spec"].get("unschedulable")]

    def why_not(self, row: Row) -> str:
        """Why a row cannot be played here; empty where it can."""
        needs = set(row.needs)
        if row.play in ("call", "look", "patch") and row.state:
            kind = row.state.split("/")[0]
            needs |= set(STATE_NEEDS.get(kind, "").split())
        missing = sorted(needs - self._able)
        return "; ".join(f"needs {word}: {REASONS.get(word, 'not here')}" for word in missing)

    def check(self, row: Row) -> str:
        """Plays a row: empty where it holds, else what was seen instead."""
        if row.play == "scenario":
            return self.scenarios.check(row)
        if row.play == "infra":
            return self._infra.check(row)
        return self._players.check(row)
