"""Updates of workloads: VMIs in launchers of another version come to the newest, as `workloadUpdateStrategy` says."""

from __future__ import annotations

import time

from ..conditions import final, has, pod_done, running
from ..durations import seconds
from ..kube import ApiError
from ..operator.status import outdated
from ..resources import MIGRATION, POD, Object, deleting, key_of
from ..work import WorkQueue
from . import migration_limits
from .cluster import Cluster
from .launcher_pod import Settings

AGAIN = 2.0
ONE_KEY = "workloads"
BATCH, INTERVAL = 10, 60.0


class WorkloadUpdates:
    """Migrates what can be migrated, no more at once than migrations may run, and evicts the others in batches."""

    def __init__(self, cluster: Cluster, settings: Settings) -> None:
        self.cluster, self.settings = cluster, settings
        self._evicted_at = float("-inf")
        self.queue = WorkQueue("workload-update", self.reconcile, workers=1)
        for informer in (cluster.kubevirts, cluster.vmis, cluster.migrations):
            informer.on_change(lambda old, new: self.queue.add(ONE_KEY))

    async def reconcile(self, _key: str) -> float | None:
        kubevirt = self.cluster.kubevirt()
        strategy = (kubevirt.get("spec") or {}).get("workloadUpdateStrategy") or {}
        methods = strategy.get("workloadUpdateMethods") or []
        old = [vmi for vmi in outdated(self.cluster.vmis.all(), self.settings.image) if not deleting(vmi)]
        if not old or not methods:
            return None
        movable = [vmi for vmi in old if has(vmi, "LiveMigratable")] if "LiveMigrate" in methods else []
        await self._migrate(kubevirt, movable)
        if "Evict" in methods:
            await self._evict(strategy, [vmi for vmi in old if vmi not in movable])
        return AGAIN

    async def _migrate(self, kubevirt: Object, vmis: list[Object]) -> None:
        open_ones = [
            each for each in self.cluster.migrations.all() if migration_limits.state(each) not in migration_limits.OVER
        ]
        room = migration_limits.allowed(kubevirt)[0] - len(open_ones)
        for vmi in sorted(vmis, key=key_of):
            # One that another is under way for, or whose old launcher is still going, is looked at again.
            pods = sum(not pod_done(pod) for pod in self.cluster.pods_of(vmi))
            if room <= 0 or not running(vmi) or self.cluster.migration_of(vmi) is not None or pods != 1:
                continue
            room -= 1
            meta: Object = {
                "generateName": "kubevirt-workload-update-",
                "namespace": vmi["metadata"]["namespace"],
                "annotations": {"kubevirt.io/workloadUpdateMigration": ""},
            }
            await self.cluster.make(MIGRATION, {"metadata": meta, "spec": {"vmiName": vmi["metadata"]["name"]}})

    async def _evict(self, strategy: Object, vmis: list[Object]) -> None:
        interval = seconds(strategy["batchEvictionInterval"]) if strategy.get("batchEvictionInterval") else INTERVAL
        if not vmis or time.monotonic() - self._evicted_at < interval:
            return
        self._evicted_at = time.monotonic()
        for vmi in sorted(vmis, key=key_of)[: strategy.get("batchEvictionSize") or BATCH]:
            for pod in self.cluster.pods_of(vmi):
                if not final(vmi) and not pod_done(pod):
                    await self._evict_pod(pod)

    async def _evict_pod(self, pod: Object) -> None:
        meta = {"namespace": pod["metadata"]["namespace"], "name": pod["metadata"]["name"]}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
        try:
            await self.cluster.kube.request("POST", POD.path(meta["namespace"], meta["name"], "eviction"), body=body)
        except ApiError as error:
            # A budget, or the machine's own eviction strategy, stands against it.
            if error.status not in (404, 429):
                raise
