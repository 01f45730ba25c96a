"""A CSI snapshotter for the claims of the class `simulated`: their contents are a number that is copied."""

from __future__ import annotations

from ..controllers.cluster import Cluster
from ..kube import Kube
from ..recorder import now
from ..resources import PVC, VOLUME_SNAPSHOT, VOLUME_SNAPSHOT_CLASS, Object, deleting, key_of, split_key
from ..simulated import ANNOTATION
from ..work import WorkQueue

# VolumeSnapshotClasses by the StorageClass of claims.
CLASSES = {"simulated": "simulated-snapshots"}
# What a claim of this class holds, where it does not hold what its own UID stands for.
CONTENT = f"{ANNOTATION}-content"
# Of a claim: `never` makes its snapshots hang, any other text makes them fail with it.
FAULT = f"{ANNOTATION}-snapshot-fault"


def content_of(pvc: Object) -> str:
    """What the claim holds."""
    meta = pvc["metadata"]
    return str((meta.get("annotations") or {}).get(CONTENT) or meta["uid"])


class Snapshotter:
    """Snapshots claims, and fills claims from snapshots."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.queue = WorkQueue("simulated snapshotter", self.reconcile, workers=1)
        cluster.volume_snapshots.on_change(lambda old, new: self.queue.add(f"snapshot:{key_of(new or old or {})}"))
        cluster.pvcs.on_change(lambda old, new: self.queue.add(f"claim:{key_of(new or old or {})}"))

    async def reconcile(self, item: str) -> None:
        kind, _colon, key = item.partition(":")
        await (self._snapshot(key) if kind == "snapshot" else self._fill(key))

    async def _snapshot(self, key: str) -> None:
        snapshot = self.cluster.volume_snapshots.get(key)
        if snapshot is None or deleting(snapshot) or (snapshot.get("status") or {}).get("readyToUse"):
            return
        namespace, name = split_key(key)
        pvc = self.cluster.pvcs.get(f"{namespace}/{snapshot['spec']['source']['persistentVolumeClaimName']}")
        if pvc is None:
            return
        fault = (pvc["metadata"].get("annotations") or {}).get(FAULT)
        if fault:
            error = {} if fault == "never" else {"error": {"time": now(), "message": fault}}
            await self.cluster.write_status(VOLUME_SNAPSHOT, snapshot, {"readyToUse": False} | error)
            return
        body = {"metadata": {"annotations": {CONTENT: content_of(pvc)}}}
        snapshot = self.cluster.seen(
            VOLUME_SNAPSHOT, await self.cluster.kube.patch(VOLUME_SNAPSHOT, namespace, name, body)
        )
        size = ((pvc.get("status") or {}).get("capacity") or {}).get("storage")
        status = {
            "boundVolumeSnapshotContentName": f"snapcontent-{snapshot['metadata']['uid']}",
            "creationTime": now(),
            "readyToUse": True,
            "restoreSize": size,
        }
        await self.cluster.write_status(VOLUME_SNAPSHOT, snapshot, status)

    async def _fill(self, key: str) -> None:
        """A claim that is made of a snapshot holds what that held."""
        pvc = self.cluster.pvcs.get(key)
        source = (pvc or {"spec": {}})["spec"].get("dataSource") or {}
        if pvc is None or deleting(pvc) or source.get("kind") != VOLUME_SNAPSHOT.kind:
            return
        namespace, name = split_key(key)
        snapshot = self.cluster.volume_snapshots.get(f"{namespace}/{source['name']}")
        if CONTENT in (pvc["metadata"].get("annotations") or {}) or snapshot is None:
            return
        body = {"metadata": {"annotations": {CONTENT: (snapshot["metadata"].get("annotations") or {}).get(CONTENT)}}}
        self.cluster.seen(PVC, await self.cluster.kube.patch(PVC, namespace, name, body))


async def install(kube: Kube) -> None:
    """The classes of snapshots."""
    for name in CLASSES.values():
        body = {
            "metadata": {"name": name, "annotations": {ANNOTATION: "true"}},
            "driver": ANNOTATION,
            "deletionPolicy": "Delete",
        }
        await kube.apply(VOLUME_SNAPSHOT_CLASS, body)
