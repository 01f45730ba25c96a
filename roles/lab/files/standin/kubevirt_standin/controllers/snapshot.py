"""VirtualMachineSnapshot: keeps the VM's spec and snapshots of its volumes, as far as their storage can, in a content object."""

from __future__ import annotations

import copy
from datetime import UTC, datetime

from ..conditions import has, put
from ..durations import seconds
from ..kube import ApiError
from ..recorder import now
from ..resources import (
    SNAPSHOT,
    SNAPSHOT_CONTENT,
    VOLUME_SNAPSHOT,
    Object,
    deleting,
    key_of,
    owner_reference,
)
from ..work import WorkQueue
from .claims import claims_of
from .cluster import Cluster

WAIT = 5.0
SOON = 1.0
DEADLINE = "5m0s"
MESSAGES = {
    "Online": "The machine ran while it was snapshotted",
    "NoGuestAgent": "No guest agent could freeze the file systems",
    "GuestAgent": "The guest agent froze the file systems",
    "Paused": "The machine was paused",
    "PartialSnapshot": "Volumes that could have been snapshotted are missing",
}


class Snapshots:
    """The controller of snapshots."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.queue = WorkQueue("snapshot", self.reconcile, workers=2)
        cluster.snapshots.on_change(lambda old, new: self.queue.add(key_of(new or old or {})))
        cluster.volume_snapshots.on_change(self._volume_changed)

    def _volume_changed(self, old: Object | None, new: Object | None) -> None:
        volume = new or old or {}
        for snapshot in self.cluster.snapshots.all():
            if snapshot["metadata"]["uid"] in volume["metadata"]["name"]:
                self.queue.add(key_of(snapshot))

    async def reconcile(self, key: str) -> float | None:
        snapshot = self.cluster.snapshots.get(key)
        if snapshot is None or deleting(snapshot):
            return None
        status: Object = copy.deepcopy(snapshot.get("status") or {"readyToUse": False})
        if status.get("phase") == "Failed" or status.get("readyToUse"):
            return None
        left = seconds_left(snapshot)
        if left is not None and left <= 0 and status.get("phase") != "Succeeded":
            await self._fail(snapshot, status)
        else:
            await self._sync(snapshot, status)
        _ready(status)
        await self.cluster.write_status(SNAPSHOT, snapshot, status)
        if status["readyToUse"] or status["phase"] == "Failed":
            return None
        return WAIT if left is None else max(SOON, min(WAIT, left))

    async def _fail(self, snapshot: Object, status: Object) -> None:
        """A snapshot that failed keeps nothing."""
        status["phase"] = "Failed"
        put(status, "Failure", "True", "snapshot deadline exceeded")
        put(status, "Progressing", "False", "Operation failed")
        await self.cluster.kube.delete(SNAPSHOT_CONTENT, snapshot["metadata"]["namespace"], content_name(snapshot))

    async def _sync(self, snapshot: Object, status: Object) -> None:
        namespace, name = snapshot["metadata"]["namespace"], snapshot["spec"]["source"]["name"]
        vm = self.cluster.vms.get(f"{namespace}/{name}")
        status["phase"] = status.get("phase") or "InProgress"
        if vm is None:
            put(status, "Progressing", "False", "Source does not exist")
            return
        status["sourceUID"] = vm["metadata"]["uid"]
        wrong = self._cannot_lock(vm)
        if wrong:
            put(status, "Progressing", "False", f"Source not locked source {namespace}/{name} {wrong}")
            return
        if status["phase"] == "InProgress":
            put(status, "Progressing", "True", "Source locked and operation in progress")
            self._indicate(status, vm)
        await self._keep(snapshot, vm, status)

    def _cannot_lock(self, vm: Object) -> str:
        """Why no snapshot can be begun: a claim that is missing or not bound."""
        for _volume, claim in claims_of(vm["spec"]["template"]["spec"]):
            pvc = self.cluster.pvcs.get(f"{vm['metadata']['namespace']}/{claim}")
            if pvc is None:
                return f"volume doesnt exist: {claim}"
            if deleting(pvc):
                return f"volume is being deleted: {claim}"
            if (pvc.get("status") or {}).get("phase") != "Bound":
                return f"volume not bound: {claim}"
        return ""

    def _indicate(self, status: Object, vm: Object) -> None:
        vmi = self.cluster.vmis.get(key_of(vm))
        if vmi is None:
            return
        found = ["Online", "NoGuestAgent"]
        if has(vmi, "Paused"):
            found = ["Online", "Paused"]
        elif has(vmi, "AgentConnected"):
            found = ["Online", "GuestAgent"]
        _add_indications(status, found)

    async def _keep(self, snapshot: Object, vm: Object, status: Object) -> None:
        content = await self._content(snapshot, vm)
        backups = content["spec"].get("volumeBackups") or []
        found = [await self._volume_snapshot(content, backup) for backup in backups]
        errors = [
            f"VolumeSnapshot {item['metadata']['name']} error: {problem['message']}"
            for item in found
            for problem in [(item.get("status") or {}).get("error")]
            if problem
        ]
        ready = all((item.get("status") or {}).get("readyToUse") for item in found)
        await self._tell_content(content, found, ready)
        status["virtualMachineSnapshotContentName"] = content["metadata"]["name"]
        status["readyToUse"] = ready
        if errors and not ready:
            known = (status.get("error") or {}).get("message")
            status["error"] = status["error"] if known == errors[0] else {"time": now(), "message": errors[0]}
            put(status, "Progressing", "False", "In error state")
        if all((item.get("status") or {}).get("creationTime") for item in found):
            status |= {"phase": "Succeeded", "creationTime": now()}
            status.pop("error", None)
            put(status, "Progressing", "False", "Operation complete")
            _list_volumes(status, vm, backups)

    async def _content(self, snapshot: Object, vm: Object) -> Object:
        meta, name = snapshot["metadata"], content_name(snapshot)
        known = await self.cluster.kube.find(SNAPSHOT_CONTENT, meta["namespace"], name)
        if known is not None:
            return known
        kept: Object = {"spec": vm["spec"], "status": {}}
        kept["metadata"] = {
            part: vm["metadata"][part]
            for part in ("name", "namespace", "uid", "labels", "annotations")
            if part in vm["metadata"]
        }
        delete = snapshot["spec"].get("deletionPolicy", "Delete") == "Delete"
        body = {
            "metadata": {"name": name, "namespace": meta["namespace"]}
            | ({"ownerReferences": [owner_reference(snapshot)]} if delete else {}),
            "spec": {
                "virtualMachineSnapshotName": meta["name"],
                "source": {"virtualMachine": kept},
                "volumeBackups": self._backups(snapshot, vm),
            },
        }
        try:
            return await self.cluster.kube.create(SNAPSHOT_CONTENT, body)
        except ApiError as error:
            if error.status != 409:
                raise
        return await self.cluster.kube.get(SNAPSHOT_CONTENT, meta["namespace"], name)

    def _backups(self, snapshot: Object, vm: Object) -> list[Object]:
        """The claims that can be snapshotted, each as it is now."""
        namespace, found = vm["metadata"]["namespace"], []
        for volume, claim in claims_of(vm["spec"]["template"]["spec"]):
            pvc = self.cluster.pvcs.get(f"{namespace}/{claim}")
            if pvc is None or not self.cluster.snapshot_class(namespace, claim):
                continue
            meta = {key: value for key, value in pvc["metadata"].items() if key != "managedFields"}
            found.append(
                {
                    "volumeName": volume,
                    "persistentVolumeClaim": {"metadata": meta, "spec": pvc["spec"]},
                    "volumeSnapshotName": f"vmsnapshot-{snapshot['metadata']['uid']}-volume-{volume}",
                }
            )
        return found

    async def _volume_snapshot(self, content: Object, backup: Object) -> Object:
        namespace, name = content["metadata"]["namespace"], backup["volumeSnapshotName"]
        known = self.cluster.volume_snapshots.get(f"{namespace}/{name}")
        if known is not None:
            return known
        claim = backup["persistentVolumeClaim"]["metadata"]["name"]
        body = {
            "metadata": {"name": name, "namespace": namespace, "ownerReferences": [owner_reference(content)]},
            "spec": {
                "source": {"persistentVolumeClaimName": claim},
                "volumeSnapshotClassName": self.cluster.snapshot_class(namespace, claim),
            },
        }
        return await self.cluster.make(VOLUME_SNAPSHOT, body)

    async def _tell_content(self, content: Object, found: list[Object], ready: bool) -> None:
        known = content.get("status") or {}
        status: Object = {
            "readyToUse": ready,
            "volumeSnapshotStatus": [
                {"volumeSnapshotName": item["metadata"]["name"]}
                | {key: value for key, value in (item.get("status") or {}).items() if key in STATUS_FIELDS}
                for item in found
            ],
        }
        if ready:
            status["creationTime"] = known.get("creationTime") or now()
        if status != known:
            await self.cluster.kube.update(SNAPSHOT_CONTENT, content | {"status": status}, "status")


STATUS_FIELDS = ("readyToUse", "creationTime", "error")


def content_name(snapshot: Object) -> str:
    """The name of the content object."""
    return f"vmsnapshot-content-{snapshot['metadata']['uid']}"


def seconds_left(snapshot: Object) -> float | None:
    """Seconds until the snapshot fails, None for one without a deadline."""
    allowed = seconds(snapshot["spec"].get("failureDeadline") or DEADLINE)
    if not allowed:
        return None
    made = datetime.strptime(snapshot["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return allowed - (datetime.now(UTC) - made).total_seconds()


def _add_indications(status: Object, found: list[str]) -> None:
    wanted = sorted({*(status.get("indications") or []), *found})
    status["indications"] = wanted
    status["sourceIndications"] = [{"indication": one, "message": MESSAGES[one]} for one in wanted]


def _list_volumes(status: Object, vm: Object, backups: list[Object]) -> None:
    """Which volumes are kept; those without a claim never are, and are no loss."""
    spec, kept = vm["spec"]["template"]["spec"], {backup["volumeName"] for backup in backups}
    names = [volume["name"] for volume in spec.get("volumes") or []]
    lists = {
        "includedVolumes": [name for name in names if name in kept],
        "excludedVolumes": [name for name in names if name not in kept],
    }
    status["snapshotVolumes"] = {key: value for key, value in lists.items() if value}
    if any(volume not in kept for volume, _claim in claims_of(spec)):
        _add_indications(status, ["PartialSnapshot"])


def _ready(status: Object) -> None:
    ready = bool(status.get("readyToUse"))
    put(status, "Ready", "True" if ready else "False", "Ready" if ready else "Not ready")
