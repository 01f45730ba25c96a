"""VirtualMachineRestore: gives a stopped VM the spec and the volumes of a snapshot, or makes another VM of it."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime

from ..conditions import put
from ..kube import ApiError
from ..recorder import now
from ..resources import RESTORE, SNAPSHOT_CONTENT, VM, Object, deleting, key_of
from ..storage import json_patch
from ..work import WorkQueue
from . import restore_volumes
from .cluster import Cluster
from .vm import run_strategy

WAIT = 2.0
SOON = 0.2
GRACE_SECONDS = 300
LAST = "restore.kubevirt.io/lastRestoreUID"
WAITING = {
    "WaitEventually": "Waiting for target VM to be powered off. Please stop the restore target to proceed with restore",
    "WaitGracePeriod": "Waiting for target VM to be powered off. Please stop the restore target to proceed with restore, "
    "or the operation will fail after 5m0s",
    "StopTarget": "Automatically stopping restore target for restore operation",
}
MUST_BE_OFF = "Restore target VMI must be powered off before restore operation"
TOO_LATE = "Restore target failed to be ready within 5m0s. Please power off the target VM before attempting restore"
OTHER_TARGET = "restore source and restore target are different but restore target already exists"


class Problem(Exception):
    """What goes wrong, and is tried again; `final` where it is not."""

    def __init__(self, text: str, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


class Restores:
    """The controller of restores."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.queue = WorkQueue("restore", self.reconcile, workers=2)
        cluster.restores.on_change(lambda old, new: self.queue.add(key_of(new or old or {})))
        cluster.vmis.on_change(self._target_changed)

    def _target_changed(self, old: Object | None, new: Object | None) -> None:
        key = key_of(new or old or {})
        for restore in self.cluster.restores.all():
            if key == f"{restore['metadata']['namespace']}/{restore['spec']['target']['name']}":
                self.queue.add(key_of(restore))

    async def reconcile(self, key: str) -> float | None:
        restore = self.cluster.restores.get(key)
        if restore is None or deleting(restore) or is_over(restore):
            return None
        status: Object = copy.deepcopy(restore.get("status") or {}) | {"complete": False}
        delay = WAIT
        try:
            doing = await self._restore(restore, status)
        except Problem as problem:
            self._tell(status, "False", str(problem))
            if problem.final:
                put(status, "Failure", "True", str(problem))
            self.cluster.recorder.event(restore, "Warning", "VirtualMachineRestoreError", str(problem))
        else:
            if not doing:
                status |= {"complete": True, "restoreTime": now()}
                put(status, "Progressing", "False", "Operation complete")
                put(status, "Ready", "True", "Operation complete")
            else:
                waiting = doing in WAITING.values()
                delay = WAIT if waiting else SOON
                self._tell(status, "False" if waiting else "True", doing)
        written = await self.cluster.write_status(RESTORE, restore, status)
        return None if is_over(written) else delay

    @staticmethod
    def _tell(status: Object, progressing: str, reason: str) -> None:
        put(status, "Progressing", progressing, reason)
        put(status, "Ready", "False", reason)

    async def _restore(self, restore: Object, status: Object) -> str:
        """One step; what is being done, empty when all is done."""
        namespace, spec = restore["metadata"]["namespace"], restore["spec"]
        key = f"{namespace}/{spec['target']['name']}"
        vm = self.cluster.vms.get(key)
        vmi = self.cluster.vmis.get(key)
        if vm is not None and vmi is not None:
            return await self._not_off(restore, key)
        snapshot = self.cluster.snapshots.get(f"{namespace}/{spec['virtualMachineSnapshotName']}")
        content = await self._content(namespace, spec["virtualMachineSnapshotName"], snapshot)
        restored = vm is not None and _mark(restore) == (vm["metadata"].get("annotations") or {}).get(LAST)
        if vm is not None and not restored and vm["metadata"]["uid"] != (snapshot or {})["status"].get("sourceUID"):
            raise Problem(OTHER_TARGET)
        status["restores"] = status.get("restores") or restore_volumes.plan(restore, content)
        if not status["restores"]:
            del status["restores"]
        if await restore_volumes.fill(self.cluster, restore, content, vm, status.get("restores") or []):
            return "Creating new PVCs"
        if not restored:
            return await self._update(restore, content, vm, status)
        await restore_volumes.remove_obsolete(self.cluster, restore, status.get("deletedDataVolumes") or [])
        return ""

    async def _update(self, restore: Object, content: Object, vm: Object | None, status: Object) -> str:
        """The next step of the target's spec: its DataVolumes first, then what goes is noted, then the target is written."""
        kept = content["spec"]["source"]["virtualMachine"]
        spec = restore_volumes.renamed(kept["spec"], status.get("restores") or [])
        spec.pop("running", None)
        waits = await restore_volumes.make_data_volumes(self.cluster, restore, spec)
        names = restore_volumes.template_names
        gone = [name for name in names(vm["spec"]) if name not in names(spec)] if vm else []
        if gone != status.get("deletedDataVolumes", []):
            status["deletedDataVolumes"] = gone
        elif not waits:
            await self._write(restore, kept, vm, spec)
        return "Updating target spec"

    async def _not_off(self, restore: Object, key: str) -> str:
        policy = restore["spec"].get("targetReadinessPolicy") or "WaitGracePeriod"
        if policy == "FailImmediate":
            raise Problem(MUST_BE_OFF, final=True)
        made = datetime.strptime(restore["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        if policy == "WaitGracePeriod" and (datetime.now(UTC) - made).total_seconds() > GRACE_SECONDS:
            raise Problem(TOO_LATE, final=True)
        if policy == "StopTarget":
            namespace, _slash, name = key.partition("/")
            path = f"/apis/subresources.kubevirt.io/v1/namespaces/{namespace}/virtualmachines/{name}/stop"
            try:
                await self.cluster.kube.request("PUT", path, {})
            except ApiError as error:
                if error.status != 409:  # it stops already
                    raise Problem(error.message) from error
        return WAITING[policy]

    async def _content(self, namespace: str, name: str, snapshot: Object | None) -> Object:
        if snapshot is None:
            raise Problem(f"VMSnapshot {namespace}/{name} does not exist")
        status = snapshot.get("status") or {}
        if status.get("phase") == "Failed":
            raise Problem(f"VMSnapshot {namespace}/{name} failed and is invalid to use")
        if not status.get("readyToUse"):
            raise Problem(f"VMSnapshot {namespace}/{name} not ready")
        return await self.cluster.kube.get(SNAPSHOT_CONTENT, namespace, status["virtualMachineSnapshotContentName"])

    async def _write(self, restore: Object, kept: Object, vm: Object | None, spec: Object) -> None:
        """Make the target, or give it the snapshot's spec; its run strategy stays as it is."""
        if vm is not None:
            wanted = copy.deepcopy(vm)
            wanted["spec"] = spec | {"runStrategy": run_strategy(vm)}
            wanted["metadata"].setdefault("annotations", {})[LAST] = _mark(restore)
            await self.cluster.write(VM, wanted)
            return
        meta = {part: kept["metadata"][part] for part in ("labels", "annotations") if kept["metadata"].get(part)}
        meta |= {"name": restore["spec"]["target"]["name"], "namespace": restore["metadata"]["namespace"]}
        meta["annotations"] = (meta.get("annotations") or {}) | {LAST: _mark(restore)}
        made = {"apiVersion": VM.api_version, "kind": VM.kind, "metadata": meta}
        made["spec"] = spec | {"runStrategy": "Halted"}
        try:
            operations = [json.loads(text) for text in restore["spec"].get("patches") or []]
            await self.cluster.make(VM, json_patch.apply(made, operations))
        except json_patch.PatchError as error:
            raise Problem(f"error patching VM {meta['name']}: {error}") from error
        except ApiError as error:
            raise Problem(error.message) from error


def is_over(restore: Object) -> bool:
    """Whether the restore is complete, or has failed for good."""
    status = restore.get("status") or {}
    failed = any(item["type"] == "Failure" for item in status.get("conditions") or [])
    return bool(status.get("complete")) or failed


def _mark(restore: Object) -> str:
    """What a target is marked with that a restore has written."""
    return f"{restore['metadata']['name']}-{restore['metadata']['uid']}"
