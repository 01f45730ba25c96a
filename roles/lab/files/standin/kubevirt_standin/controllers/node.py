"""Nodes whose virt-handler fell silent: unschedulable, and their guests without a pod failed."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta

from ..conditions import enter_phase, final
from ..resources import NODE, VMI, Object, key_of
from ..work import WorkQueue
from .cluster import Cluster

SILENCE = timedelta(minutes=5)
CHECK_EVERY = 30.0


class Nodes:
    """The controller of nodes."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.queue = WorkQueue("node", self.reconcile, workers=1)
        cluster.nodes.on_change(self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if old is None or new is None:
            self.queue.add(key_of(new or old or {}))

    async def reconcile(self, key: str) -> float | None:
        node = self.cluster.nodes.get(key)
        if node is None:
            return None
        beat = (node["metadata"].get("annotations") or {}).get("kubevirt.io/heartbeat")
        if not beat:
            return CHECK_EVERY
        seen = datetime.strptime(beat, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        if datetime.now(UTC) - seen < SILENCE:
            return CHECK_EVERY
        labels = node["metadata"].get("labels") or {}
        if labels.get("kubevirt.io/schedulable") != "false":
            await self.cluster.kube.patch(NODE, "", key, {"metadata": {"labels": {"kubevirt.io/schedulable": "false"}}})
            self.cluster.recorder.event(
                node, "Warning", "NodeUnresponsive", f"virt-handler is not responsive on node {key}"
            )
        await self._fail_orphans(key)
        return CHECK_EVERY

    async def _fail_orphans(self, node: str) -> None:
        for vmi in self.cluster.vmis.all():
            if (vmi.get("status") or {}).get("nodeName") == node and not final(vmi) and not self.cluster.pods_of(vmi):
                failed = copy.deepcopy(vmi)
                enter_phase(failed["status"], "Failed")
                failed["status"]["reason"] = "NodeUnresponsive"
                await self.cluster.write(VMI, failed)
