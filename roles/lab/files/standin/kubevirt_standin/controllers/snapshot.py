"""VirtualMachineSnapshot: keeps the VM's spec in a content object; no volume here can be snapshotted, and the status says so."""

from __future__ import annotations

import copy

from ..conditions import final, put
from ..kube import ApiError
from ..recorder import now
from ..resources import SNAPSHOT, SNAPSHOT_CONTENT, Object, deleting, key_of, owner_reference
from ..work import WorkQueue
from .claims import claims_of
from .cluster import Cluster

WAIT = 5.0


class Snapshots:
    """The controller of snapshots."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.queue = WorkQueue("snapshot", self.reconcile, workers=2)
        cluster.snapshots.on_change(lambda old, new: self.queue.add(key_of(new or old or {})))

    async def reconcile(self, key: str) -> float | None:
        snapshot = self.cluster.snapshots.get(key)
        if snapshot is None or deleting(snapshot) or (snapshot.get("status") or {}).get("readyToUse"):
            return None
        source = snapshot["spec"]["source"]
        vm = self.cluster.vms.get(f"{snapshot['metadata']['namespace']}/{source['name']}")
        status: Object = copy.deepcopy(snapshot.get("status") or {})
        if vm is None:
            status |= {"phase": "InProgress", "readyToUse": False}
            self._tell(status, False, "Source does not exist")
        else:
            await self._keep(snapshot, vm, status)
        await self.cluster.write_status(SNAPSHOT, snapshot, status)
        return WAIT if vm is None else None

    async def _keep(self, snapshot: Object, vm: Object, status: Object) -> None:
        meta = snapshot["metadata"]
        name = f"vmsnapshot-content-{meta['uid']}"
        kept: Object = {part: vm[part] for part in ("spec", "status") if part in vm}
        kept["metadata"] = {
            part: vm["metadata"][part] for part in ("name", "namespace", "uid", "labels") if part in vm["metadata"]
        }
        content = {
            "metadata": {"name": name, "namespace": meta["namespace"], "ownerReferences": [owner_reference(snapshot)]},
            "spec": {"virtualMachineSnapshotName": meta["name"], "source": {"virtualMachine": kept}},
        }
        try:
            made = await self.cluster.kube.create(SNAPSHOT_CONTENT, content)
            ready = {"status": {"readyToUse": True, "creationTime": now()}}
            await self.cluster.kube.patch(
                SNAPSHOT_CONTENT, meta["namespace"], made["metadata"]["name"], ready, "status"
            )
        except ApiError as error:
            if error.status != 409:
                raise
        status |= {
            "phase": "Succeeded",
            "readyToUse": True,
            "creationTime": now(),
            "sourceUID": vm["metadata"]["uid"],
            "virtualMachineSnapshotContentName": name,
        }
        vmi = self.cluster.vmis.get(key_of(vm))
        if vmi is not None and not final(vmi):
            status["indications"] = ["Online", "NoGuestAgent"]
        excluded = [volume for volume, _claim in claims_of(vm["spec"]["template"]["spec"])]
        if excluded:
            status["snapshotVolumes"] = {"excludedVolumes": excluded}
        self._tell(status, True, "Operation complete")

    @staticmethod
    def _tell(status: Object, ready: bool, reason: str) -> None:
        put(status, "Progressing", "False", reason)
        put(status, "Ready", "True" if ready else "False", reason)
