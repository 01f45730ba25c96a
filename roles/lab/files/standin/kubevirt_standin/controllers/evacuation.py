"""Evacuation: a VMI that was asked to leave its node gets a migration."""

from __future__ import annotations

from ..conditions import final, has, pod_done
from ..resources import MIGRATION, Object, deleting, key_of
from ..work import WorkQueue
from .cluster import Cluster

AGAIN = 1.0


class Evacuations:
    """Makes migrations for VMIs whose `evacuationNodeName` is the node they run on."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.queue = WorkQueue("evacuation", self.reconcile, workers=2)
        cluster.vmis.on_change(lambda old, new: self.queue.add(key_of(new or old or {})))
        cluster.migrations.on_change(self._migration_changed)

    def _migration_changed(self, old: Object | None, new: Object | None) -> None:
        item = new or old or {}
        self.queue.add(f"{item['metadata']['namespace']}/{item['spec'].get('vmiName')}")

    async def reconcile(self, key: str) -> float | None:
        vmi = self.cluster.vmis.get(key)
        if vmi is None or final(vmi) or deleting(vmi):
            return None
        status = vmi.get("status") or {}
        node = status.get("evacuationNodeName")
        if not node or node != status.get("nodeName") or vmi["spec"].get("evictionStrategy") == "External":
            return None
        if not has(vmi, "LiveMigratable") or self.cluster.migration_of(vmi) is not None:
            return None
        if sum(not pod_done(pod) for pod in self.cluster.pods_of(vmi)) > 1:
            return AGAIN
        await self.cluster.make(
            MIGRATION,
            {
                "metadata": {
                    "generateName": "kubevirt-evacuation-",
                    "namespace": vmi["metadata"]["namespace"],
                    "annotations": {"kubevirt.io/evacuationMigration": node},
                },
                "spec": {"vmiName": vmi["metadata"]["name"]},
            },
        )
        return None
