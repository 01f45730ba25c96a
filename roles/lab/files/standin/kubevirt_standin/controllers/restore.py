"""VirtualMachineRestore: gives a stopped VM the spec of a snapshot; a VM that runs is waited for."""

from __future__ import annotations

import copy

from ..conditions import final, put
from ..recorder import now
from ..resources import RESTORE, SNAPSHOT_CONTENT, VM, Object, deleting, key_of
from ..work import WorkQueue
from .cluster import Cluster
from .vm import run_strategy

WAIT = 5.0


class NotYet(Exception):
    """What the restore waits for."""


class Restores:
    """The controller of restores."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.queue = WorkQueue("restore", self.reconcile, workers=2)
        cluster.restores.on_change(lambda old, new: self.queue.add(key_of(new or old or {})))

    async def reconcile(self, key: str) -> float | None:
        restore = self.cluster.restores.get(key)
        if restore is None or deleting(restore) or (restore.get("status") or {}).get("complete"):
            return None
        status: Object = copy.deepcopy(restore.get("status") or {}) | {"complete": False}
        try:
            await self._restore(restore)
        except NotYet as reason:
            put(status, "Progressing", "False", str(reason))
            put(status, "Ready", "False", str(reason))
        else:
            status |= {"complete": True, "restoreTime": now()}
            put(status, "Progressing", "False", "Operation complete")
            put(status, "Ready", "True", "Operation complete")
        await self.cluster.write_status(RESTORE, restore, status)
        return None if status["complete"] else WAIT

    async def _restore(self, restore: Object) -> None:
        namespace, spec = restore["metadata"]["namespace"], restore["spec"]
        snapshot = self.cluster.snapshots.get(f"{namespace}/{spec['virtualMachineSnapshotName']}")
        known = (snapshot or {}).get("status") or {}
        if not known.get("readyToUse"):
            raise NotYet(f"VirtualMachineSnapshot {spec['virtualMachineSnapshotName']} is not ready")
        key = f"{namespace}/{spec['target']['name']}"
        vmi = self.cluster.vmis.get(key)
        if vmi is not None and not final(vmi):
            raise NotYet("Waiting for target VM to be powered off")
        name = known["virtualMachineSnapshotContentName"]
        content = await self.cluster.kube.get(SNAPSHOT_CONTENT, namespace, name)
        kept = copy.deepcopy(content["spec"]["source"]["virtualMachine"]["spec"])
        kept.pop("running", None)
        vm = self.cluster.vms.get(key)
        if vm is None:
            meta = {"name": spec["target"]["name"], "namespace": namespace}
            await self.cluster.make(VM, {"metadata": meta, "spec": kept | {"runStrategy": "Halted"}})
            return
        await self.cluster.write(VM, vm | {"spec": kept | {"runStrategy": run_strategy(vm)}})
