"""VirtualMachineClone: a snapshot of the source and a restore of it into another VM, both of which go again."""

from __future__ import annotations

import copy

from ..conditions import has, put
from ..kube import ApiError
from ..recorder import now
from ..resources import (
    CLONE,
    RESTORE,
    SNAPSHOT,
    SNAPSHOT_CONTENT,
    VM,
    Object,
    Resource,
    deleting,
    key_of,
    owner_reference,
)
from ..work import WorkQueue
from . import clone_patches
from .claims import claims_of
from .cluster import Cluster

WAIT = 2.0
SOON = 0.2


class Pending(Exception):
    """What the clone waits for; `event` names it."""

    def __init__(self, event: str, text: str) -> None:
        super().__init__(text)
        self.event = event


class Failed(Pending):
    """Why there will be no clone."""


class Clones:
    """The controller of clones."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.queue = WorkQueue("clone", self.reconcile, workers=2)
        cluster.clones.on_change(lambda old, new: self.queue.add(key_of(new or old or {})))
        for informer in (cluster.snapshots, cluster.restores):
            informer.on_change(self._helper_changed)
        cluster.vms.on_change(self._target_changed)

    def _helper_changed(self, old: Object | None, new: Object | None) -> None:
        helper = new or old or {}
        for owner in helper["metadata"].get("ownerReferences") or []:
            if owner["kind"] == CLONE.kind:
                self.queue.add(f"{helper['metadata']['namespace']}/{owner['name']}")

    def _target_changed(self, old: Object | None, new: Object | None) -> None:
        vm = new or old or {}
        for clone in self.cluster.clones.all():
            same = clone["metadata"]["namespace"] == vm["metadata"]["namespace"]
            if same and new is None and _target(clone) == vm["metadata"]["name"]:
                self.queue.add(key_of(clone))

    async def reconcile(self, key: str) -> float | None:
        clone = self.cluster.clones.get(key)
        if clone is None or deleting(clone):
            return None
        status: Object = copy.deepcopy(clone.get("status") or {})
        phase = status.get("phase")
        if phase == "Succeeded":
            await self._follow_target(clone)
            return None
        if phase == "Failed":
            return None
        delay: float | None = SOON
        try:
            await self._step(clone, status)
        except Failed as problem:
            status["phase"] = "Failed"
            self._tell(clone, status, "False", problem)
            delay = None
        except Pending as problem:
            self._tell(clone, status, "False", problem)
            delay = WAIT
        except ApiError as error:
            text = f"failed creating restore tmp-restore-{clone['metadata']['uid']}: {error.message}"
            self.cluster.recorder.event(clone, "Warning", "RestoreCreationFailed", text)
            self._tell(clone, status, "True")
            delay = WAIT
        await self.cluster.write_status(CLONE, clone, status)
        return None if status.get("phase") in ("Succeeded", "Failed") else delay

    async def _follow_target(self, clone: Object) -> None:
        """A clone whose target was deleted goes."""
        if f"{clone['metadata']['namespace']}/{_target(clone)}" not in self.cluster.vms.store:
            await self.cluster.remove(CLONE, clone)

    def _tell(self, clone: Object, status: Object, progressing: str, problem: Pending | None = None) -> None:
        reason = str(problem) if problem else "Still processing"
        word = ("Failed" if isinstance(problem, Failed) else "Pending") if problem else reason
        put(status, "Progressing", progressing, word)
        put(status, "Ready", "False", reason)
        if problem:
            self.cluster.recorder.event(clone, "Normal", problem.event, reason)

    async def _step(self, clone: Object, status: Object) -> None:
        """Do what comes next."""
        namespace, spec = clone["metadata"]["namespace"], clone["spec"]
        of_vm = spec["source"]["kind"] == VM.kind
        source = (self.cluster.vms if of_vm else self.cluster.snapshots).get(f"{namespace}/{spec['source']['name']}")
        if source is None:
            text = f"Source doesnt exist: {spec['source']['kind']} {namespace}/{spec['source']['name']}"
            raise Pending("SourceDoesNotExist", text)
        if of_vm and not status.get("snapshotName"):
            status["snapshotName"] = await self._snapshot(clone, source)
        status["phase"] = status.get("phase") or "SnapshotInProgress"
        self._tell(clone, status, "True")
        name = status["snapshotName"] if of_vm else spec["source"]["name"]
        snapshot = self.cluster.snapshots.get(f"{namespace}/{name}")
        if snapshot is None or not (snapshot.get("status") or {}).get("readyToUse"):
            return
        if not status.get("restoreName"):
            status["restoreName"] = await self._restore(clone, snapshot)
        status["phase"] = "RestoreInProgress"
        restore = self.cluster.restores.get(f"{namespace}/{status['restoreName']}")
        if restore is None or not has(restore, "Ready"):
            return
        name = restore["spec"]["target"]["name"]
        status |= {"targetName": name, "creationTime": now(), "phase": "Succeeded"}
        put(status, "Progressing", "False", "Ready")
        put(status, "Ready", "True", "Ready")
        await self.cluster.remove(RESTORE, restore)
        if of_vm:
            await self.cluster.remove(SNAPSHOT, snapshot)
        del status["restoreName"]
        status.pop("snapshotName", None)

    async def _snapshot(self, clone: Object, vm: Object) -> str:
        """Snapshot the source, once its status says that all its volumes can be."""
        known = {one["name"]: one for one in (vm.get("status") or {}).get("volumeSnapshotStatuses") or []}
        wrong = []
        for volume, _claim in claims_of(vm["spec"]["template"]["spec"]):
            if volume not in known:
                wrong.append(f"Virtual Machine volume {volume} snapshot support unknown")
            elif not known[volume]["enabled"]:
                wrong.append(f"Virtual Machine volume {volume} does not support snapshots")
        if wrong:
            raise Pending("VMVolumeSnapshotsInvalid", "\n".join(wrong))
        name = f"tmp-snapshot-{clone['metadata']['uid']}"
        source = {"apiGroup": VM.group, "kind": VM.kind, "name": vm["metadata"]["name"]}
        await self._make_helper(SNAPSHOT, clone, name, {"source": source})
        return name

    async def _restore(self, clone: Object, snapshot: Object) -> str:
        namespace, name = clone["metadata"]["namespace"], f"tmp-restore-{clone['metadata']['uid']}"
        content_name = snapshot["status"]["virtualMachineSnapshotContentName"]
        content = await self.cluster.kube.get(SNAPSHOT_CONTENT, namespace, content_name)
        vm = content["spec"]["source"]["virtualMachine"]
        kept = {backup["volumeName"] for backup in content["spec"].get("volumeBackups") or []}
        missing = [volume for volume, _claim in claims_of(vm["spec"]["template"]["spec"]) if volume not in kept]
        if missing:
            texts = [
                f"volume {volume} is not backed up in snapshot {snapshot['metadata']['name']}" for volume in missing
            ]
            raise Failed("SnapshotContentInvalid", "\n".join(texts))
        spec: Object = {
            "target": clone["spec"]["target"],
            "virtualMachineSnapshotName": snapshot["metadata"]["name"],
            "patches": clone_patches.patches(vm, clone["spec"]),
        }
        if clone["spec"].get("volumeNamePolicy"):
            spec["volumeRestorePolicy"] = clone["spec"]["volumeNamePolicy"]
        await self._make_helper(RESTORE, clone, name, spec)
        return name

    async def _make_helper(self, kind: Resource, clone: Object, name: str, spec: Object) -> None:
        meta = {"name": name, "namespace": clone["metadata"]["namespace"]}
        meta |= {"ownerReferences": [owner_reference(clone)]}
        try:
            await self.cluster.make(kind, {"metadata": meta, "spec": spec})
        except ApiError as error:
            if error.status != 409:
                raise


def _target(clone: Object) -> str:
    return str((clone.get("status") or {}).get("targetName") or clone["spec"]["target"]["name"])
