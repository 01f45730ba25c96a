"""VirtualMachine: its run strategy makes and ends the VMI, its status tells how that stands."""

from __future__ import annotations

import copy
import uuid

from ..conditions import final, running
from ..kube import ApiError
from ..resources import VM, VMI, Object, controller_of, deleting, key_of, owner_reference
from ..work import WorkQueue
from . import hotplug, vm_revision, vm_status, vm_volumes
from .cluster import Cluster
from .instancetype import InstancetypeError, expand

FINALIZER = "kubevirt.io/virtualMachineControllerFinalize"
# A VM without firmware UUID gets the one that follows from its name.
FIRMWARE = uuid.UUID("6a1a24a1-4061-4607-8bf4-a3963d0c5895")
OBSERVED = {"kubevirt.io/latest-observed-api-version": "v1", "kubevirt.io/storage-observed-api-version": "v1"}


class SpecFailure(Exception):
    """The VM cannot be started as it is; `reason` goes into its Failure condition."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def run_strategy(vm: Object) -> str:
    """The run strategy, from the deprecated `running` where that is given."""
    spec = vm["spec"]
    if spec.get("runStrategy"):
        return str(spec["runStrategy"])
    return "Always" if spec.get("running") else "Halted"


def requests_of(vm: Object) -> list[Object]:
    """The pending state change requests, oldest first."""
    return list((vm.get("status") or {}).get("stateChangeRequests") or [])


def stop_requested(vm: Object, vmi: Object) -> bool:
    first = next(iter(requests_of(vm)), {})
    return bool(first.get("action") == "Stop" and first.get("uid") == vmi["metadata"]["uid"])


def start_requested(vm: Object) -> bool:
    return bool(next(iter(requests_of(vm)), {}).get("action") == "Start")


class VirtualMachines:
    """The controller of VirtualMachines."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.queue = WorkQueue("vm", self.reconcile)
        cluster.vms.on_change(lambda old, new: self.queue.add(key_of(new or old or {})))
        cluster.vmis.on_change(self._vmi_changed)
        for informer in (cluster.pvcs, cluster.data_volumes):
            informer.on_change(self._volume_changed)
        self._volumes = vm_volumes.VolumeTemplates(cluster)

    def _vmi_changed(self, old: Object | None, new: Object | None) -> None:
        vmi = new or old or {}
        owner = controller_of(vmi)
        if owner is None or owner["kind"] == VM.kind:
            self.queue.add(key_of(vmi))

    def _volume_changed(self, old: Object | None, new: Object | None) -> None:
        volume = new or old or {}
        for vm in self.cluster.vms.all():
            if vm["metadata"]["namespace"] == volume["metadata"]["namespace"]:
                self.queue.add(key_of(vm))

    async def reconcile(self, key: str) -> float | None:
        vm = self.cluster.vms.get(key)
        if vm is None:
            return None
        vmi = self._vmi_of(vm, key)
        if deleting(vm):
            return await self._finish(vm, vmi)
        vm = await self._ensure_marks(vm)
        if vmi is not None and controller_of(vmi) is None and not deleting(vmi):
            vmi = await self._adopt(vm, vmi)
        failure: SpecFailure | None = None
        delay: float | None = None
        before = vm
        try:
            vm = await self._plug_requested(vm, vmi)
            if await self._volumes.ensure(vm) or run_strategy(vm) == "Halted":
                vm, delay = await self._sync(vm, vmi)
        except SpecFailure as error:
            failure = error
        except vm_volumes.VolumeError as error:
            failure = SpecFailure("FailedCreate", str(error))
            self.cluster.recorder.event(vm, "Warning", "FailedDataVolumeCreate", str(error))
        if vm["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]:
            return 0.0 if failure is None else delay
        await self._write_status(vm, self._vmi_of(vm, key), failure)
        return delay if failure is None else 5.0

    async def _plug_requested(self, vm: Object, vmi: Object | None) -> Object:
        """Take the volumes that were asked for over into the template and the VMI."""
        wanted, spec = copy.deepcopy(vm), copy.deepcopy((vmi or {}).get("spec") or {})
        for request in (vm.get("status") or {}).get("volumeRequests") or []:
            template = wanted["spec"]["template"]
            template["spec"] = hotplug.requested(template["spec"], request)
            spec = hotplug.requested(spec, request) if vmi is not None else spec
        if vmi is not None and spec != vmi["spec"] and not deleting(vmi):
            await self.cluster.write(VMI, vmi | {"spec": spec})
        return await self.cluster.write(VM, wanted) if wanted != vm else vm

    def _vmi_of(self, vm: Object, key: str) -> Object | None:
        vmi = self.cluster.vmis.get(key)
        if vmi is None:
            return None
        owner = controller_of(vmi)
        return vmi if owner is None or owner["uid"] == vm["metadata"]["uid"] else None

    async def _ensure_marks(self, vm: Object) -> Object:
        """The finalizer, the annotations and the firmware UUID that every VM gets."""
        meta = vm["metadata"]
        finalizers, annotations = meta.get("finalizers") or [], meta.get("annotations") or {}
        firmware = (vm["spec"]["template"]["spec"].get("domain") or {}).get("firmware") or {}
        if FINALIZER in finalizers and all(name in annotations for name in OBSERVED) and firmware.get("uuid"):
            return vm
        marked = copy.deepcopy(vm)
        if not firmware.get("uuid"):
            domain = marked["spec"]["template"]["spec"].setdefault("domain", {})
            domain["firmware"] = firmware | {"uuid": str(uuid.uuid5(FIRMWARE, meta["name"]))}
        if FINALIZER not in finalizers:
            marked["metadata"]["finalizers"] = [*finalizers, FINALIZER]
        marked["metadata"]["annotations"] = annotations | OBSERVED
        return await self.cluster.write(VM, marked)

    async def _adopt(self, vm: Object, vmi: Object) -> Object:
        adopted = copy.deepcopy(vmi)
        adopted["metadata"]["ownerReferences"] = [owner_reference(vm)]
        return await self.cluster.write(VMI, adopted)

    async def _finish(self, vm: Object, vmi: Object | None) -> float | None:
        """End the VMI, then let the VM go; with `orphan` the VMI stays."""
        finalizers = vm["metadata"].get("finalizers") or []
        if vmi is not None and "orphan" not in finalizers:
            if not deleting(vmi):
                await self._stop(vm, vmi)
            await self._write_status(vm, self.cluster.vmis.get(key_of(vm)), None)
            return None
        if FINALIZER in finalizers:
            done = copy.deepcopy(vm)
            done["metadata"]["finalizers"] = [name for name in finalizers if name != FINALIZER]
            await self.cluster.write(VM, done)
        return None

    async def _sync(self, vm: Object, vmi: Object | None) -> tuple[Object, float | None]:
        """Do what the run strategy asks for; the VM as it then is, and when to look again."""
        strategy = run_strategy(vm)
        if vmi is not None:
            return await self._sync_existing(vm, vmi, strategy)
        if strategy == "Halted" and start_requested(vm):
            started = copy.deepcopy(vm)
            started["spec"].pop("running", None)
            started["spec"]["runStrategy"] = "Always"
            return await self.cluster.write(VM, started), None
        came_from = (vm.get("status") or {}).get("runStrategy")
        wanted = {
            "Always": True,
            "Halted": False,
            "Manual": start_requested(vm),
            "RerunOnFailure": start_requested(vm) or came_from != strategy,
            "Once": came_from != strategy or not (vm.get("status") or {}).get("observedGeneration"),
        }[strategy]
        if not wanted:
            return vm, None
        left = self._backoff_left(vm)
        if left > 0:
            return vm, left
        await self._start(vm)
        return vm, None

    async def _sync_existing(self, vm: Object, vmi: Object, strategy: str) -> tuple[Object, float | None]:
        if deleting(vmi):
            return vm, None
        await self._update_live(vm, vmi)
        ended = final(vmi)
        end = (
            stop_requested(vm, vmi)
            or {
                "Always": ended,
                "Halted": True,
                "Manual": ended and start_requested(vm),
                "RerunOnFailure": ended,
                "Once": False,
            }[strategy]
        )
        if not end:
            return vm, None
        if (
            strategy == "RerunOnFailure"
            and (vmi.get("status") or {}).get("phase") == "Failed"
            and not stop_requested(vm, vmi)
        ):
            status = copy.deepcopy(vm.get("status") or {})
            status["stateChangeRequests"] = [{"action": "Stop", "uid": vmi["metadata"]["uid"]}, {"action": "Start"}]
            vm = await self.cluster.write_status(VM, vm, status)
        await self._stop(vm, vmi)
        return vm, None

    async def _update_live(self, vm: Object, vmi: Object) -> None:
        """Take placement, link states and hot-plugged volumes of the template over into the VMI."""
        if final(vmi):
            return
        fresh = copy.deepcopy(vmi)
        template, spec = vm["spec"]["template"]["spec"], fresh["spec"]
        for field in vm_revision.LIVE_TEMPLATE_FIELDS:
            if template.get(field) is None:
                spec.pop(field, None)
            else:
                spec[field] = template[field]
        states = {item["name"]: item.get("state") for item in vm_revision.interfaces_of(template)}
        for item in vm_revision.interfaces_of(spec):
            if states.get(item["name"]) is None:
                item.pop("state", None)
            else:
                item["state"] = states[item["name"]]
        if self.cluster.hotplugs and hotplug.mode(self.cluster.kubevirt()) == hotplug.DECLARATIVE and running(vmi):
            wrong = hotplug.wrong_bus(template, spec)
            if wrong:
                text = (
                    f"Error encountered while handling declarative hotplug volumes: admission webhook denied: {wrong}"
                )
                raise SpecFailure("HotPlugVolumeError", text)
            plugged = {item["name"] for item in (vmi.get("status") or {}).get("volumeStatus") or []}
            fresh["spec"] = hotplug.follow(template, spec, plugged)
        if fresh != vmi:
            await self.cluster.write(VMI, fresh)

    async def _stop(self, vm: Object, vmi: Object) -> None:
        await self.cluster.remove(VMI, vmi)
        uid = vmi["metadata"]["uid"]
        self.cluster.recorder.event(
            vm,
            "Normal",
            "SuccessfulDelete",
            f"Stopped the virtual machine by deleting the virtual machine instance {uid}",
        )

    @staticmethod
    def _backoff_left(vm: Object) -> float:
        failure = (vm.get("status") or {}).get("startFailure")
        return vm_status.seconds_until(failure["retryAfterTimestamp"]) if failure else 0.0

    async def _start(self, vm: Object) -> None:
        """Create the VMI from the template."""
        try:
            spec, annotations = await expand(self.cluster.kube, vm)
        except InstancetypeError as error:
            raise SpecFailure(error.reason, str(error)) from error
        template = vm["spec"]["template"]
        meta = vm["metadata"]
        revision = await vm_revision.ensure_start(self.cluster, vm)
        extra = dict((template.get("metadata") or {}).get("annotations") or {}) | annotations
        extra["kubevirt.io/vm-generation"] = str(meta["generation"])
        first = next(iter(requests_of(vm)), {})
        if (first.get("data") or {}).get("paused") == "true":
            spec["startStrategy"] = "Paused"
        vmi = {
            "metadata": {
                "name": meta["name"],
                "namespace": meta["namespace"],
                "labels": (template.get("metadata") or {}).get("labels") or {},
                "annotations": extra,
                "ownerReferences": [owner_reference(vm)],
                "finalizers": [FINALIZER],
            },
            "spec": spec,
            "status": {"virtualMachineRevisionName": revision},
        }
        try:
            await self.cluster.make(VMI, vmi)
        except ApiError as error:
            if error.status == 409:
                raise
            text = f"Error creating virtual machine instance: {error.message}"
            self.cluster.recorder.event(vm, "Warning", "FailedCreate", text)
            raise SpecFailure("FailedCreate", error.message) from error
        self.cluster.recorder.event(
            vm,
            "Normal",
            "SuccessfulCreate",
            f"Started the virtual machine by creating the new virtual machine instance {meta['name']}",
        )

    async def _write_status(self, vm: Object, vmi: Object | None, failure: SpecFailure | None) -> None:
        changed = await vm_revision.needs_restart(self.cluster, vm, vmi) if vmi is not None else ""
        facts = vm_status.Facts(
            vm=vm,
            vmi=vmi,
            strategy=run_strategy(vm),
            failure=(failure.reason, str(failure)) if failure else None,
            restart_required=changed,
            missing_pvc=vm_volumes.missing_claim(self.cluster, vm, vmi),
            snapshottable=vm_volumes.snapshottable(self.cluster, vm),
            volumes=vm_volumes.state_of(self.cluster, vm),
        )
        await self.cluster.write_status(VM, vm, vm_status.render(facts))
        await self._release(vmi)

    async def _release(self, vmi: Object | None) -> None:
        """A VMI that has ended goes only after the VM's status has told how."""
        finalizers = vmi["metadata"].get("finalizers") or [] if vmi is not None else []
        if vmi is not None and deleting(vmi) and final(vmi) and FINALIZER in finalizers:
            released = copy.deepcopy(vmi)
            released["metadata"]["finalizers"] = [name for name in finalizers if name != FINALIZER]
            await self.cluster.write(VMI, released)
