"""VirtualMachineInstance: its launcher pod, and the phases before and after the node has it."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from ..conditions import (
    condition,
    drop,
    enter_phase,
    final,
    has,
    phase,
    pod_done,
    pod_ready,
    put,
)
from ..kube import ApiError
from ..metrics.instruments import synced
from ..resources import POD, VMI, Object, controller_of, deleting, key_of
from ..work import WorkQueue
from . import launcher_pod, vmi_volumes
from .claims import claims_of
from .cluster import Cluster

FOREGROUND = "kubevirt.io/foregroundDeleteVirtualMachine"
CONTROLLER = "kubevirt.io/virtualMachineControllerFinalize"
OBSERVED = {"kubevirt.io/latest-observed-api-version": "v1", "kubevirt.io/storage-observed-api-version": "v1"}
UNPAUSED_GATE = "kubevirt.io/virtual-machine-unpaused"
# A VM shows that its guest runs for a moment before it shows that it is ready.
SHOWN_SECONDS = 0.2
NOT_RUNNING = ("GuestNotRunning", "Guest VM is not reported as running")
PAUSED_MESSAGE = f'the status of pod readiness gate "{UNPAUSED_GATE}" is not "True", but False'


@dataclass
class SyncState:
    """What a pass found that the status must say."""

    reason: str = ""
    message: str = ""


class Instances:
    """The controller of VirtualMachineInstances."""

    def __init__(self, cluster: Cluster, settings: launcher_pod.Settings) -> None:
        self.cluster, self.settings = cluster, settings
        self.queue = WorkQueue("vmi", self.reconcile, workers=8)
        cluster.vmis.on_change(self._vmi_changed)
        cluster.pods.on_change(self._pod_changed)
        for informer in (cluster.pvcs, cluster.data_volumes):
            informer.on_change(self._volume_changed)

    def _vmi_changed(self, old: Object | None, new: Object | None) -> None:
        key = key_of(new or old or {})
        if old is not None and new is not None and phase(old) != "Running" and phase(new) == "Running":
            self.queue.add_after(key, SHOWN_SECONDS)
        else:
            self.queue.add(key)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new or old or {}
        owner = controller_of(pod)
        if owner is not None:
            self.queue.add(f"{pod['metadata']['namespace']}/{owner['name']}")

    def _volume_changed(self, old: Object | None, new: Object | None) -> None:
        volume = new or old or {}
        for vmi in self.cluster.vmis.all():
            if vmi["metadata"]["namespace"] == volume["metadata"]["namespace"] and phase(vmi) in ("", "Pending"):
                self.queue.add(key_of(vmi))

    async def reconcile(self, key: str) -> float | None:
        vmi = self.cluster.vmis.get(key)
        synced(key, vmi is not None)
        if vmi is None:
            return None
        pods = self.cluster.pods_of(vmi)
        sync = SyncState()
        if deleting(vmi) or final(vmi):
            await self._end_pods(vmi, pods)
        elif not pods and phase(vmi) in ("", "Pending"):
            pods = await self._create_pod(vmi, sync)
        fresh = self.cluster.vmis.get(key)
        if fresh is None or fresh["metadata"]["uid"] != vmi["metadata"]["uid"]:
            return None
        pods = self.cluster.pods_of(fresh)
        wanted = self._desired(fresh, pods, sync)
        if wanted != fresh:
            fresh = await self.cluster.write(VMI, wanted)
        if not self._shown(fresh):
            return SHOWN_SECONDS
        await self._gate(fresh, pods)
        return 1.0 if sync.reason and not pods else None

    def _shown(self, vmi: Object) -> bool:
        """Whether the VM has told that the guest runs: until then the VMI is not ready, whatever else wakes this controller."""
        owner = self.cluster.vms.get(key_of(vmi)) if phase(vmi) == "Running" else None
        owned = owner is not None and (controller_of(vmi) or {}).get("uid") == owner["metadata"]["uid"]
        return not owned or ((owner or {}).get("status") or {}).get("printableStatus") != "Starting"

    async def _end_pods(self, vmi: Object, pods: list[Object]) -> None:
        """A VMI that is to go, or that ended without owner to keep it, takes its pods along."""
        if not deleting(vmi):
            return
        for pod in pods:
            if not deleting(pod):
                await self.cluster.remove(POD, pod)
                name = pod["metadata"]["name"]
                self.cluster.recorder.event(vmi, "Normal", "SuccessfulDelete", f"Deleted virtual machine pod {name}")

    async def _create_pod(self, vmi: Object, sync: SyncState) -> list[Object]:
        namespace = vmi["metadata"]["namespace"]
        for _volume, claim in claims_of(vmi["spec"]):
            if self.cluster.pvcs.get(f"{namespace}/{claim}") is None:
                sync.reason = "FailedPvcNotFound"
                sync.message = f"PVC {namespace}/{claim} does not exist, waiting for it to appear"
                self.cluster.recorder.event(vmi, "Normal", sync.reason, sync.message)
                return []
        if not vmi_volumes.ready(self.cluster, vmi):
            return []
        try:
            pod = await self.cluster.make(
                POD, launcher_pod.render(vmi, self.settings, capacities=self.cluster.capacities(vmi))
            )
        except ApiError as error:
            sync.reason = "FailedCreate"
            sync.message = f"failed to create virtual machine pod: {error.message}"
            self.cluster.recorder.event(vmi, "Warning", "FailedCreate", f"Error creating pod: {error.message}")
            return []
        name = pod["metadata"]["name"]
        self.cluster.recorder.event(vmi, "Normal", "SuccessfulCreate", f"Created virtual machine pod {name}")
        return [pod]

    def _desired(self, vmi: Object, pods: list[Object], sync: SyncState) -> Object:
        """The VMI as it should be now."""
        wanted: Object = copy.deepcopy(vmi)
        meta, status = wanted["metadata"], wanted.setdefault("status", {})
        meta["annotations"] = (meta.get("annotations") or {}) | OBSERVED
        current = self._current_pod(vmi, pods)
        status["activePods"] = {
            pod["metadata"]["uid"]: pod["spec"].get("nodeName", "")
            for pod in pods
            if not (deleting(vmi) and pod_done(pod))
        }
        if not status["activePods"]:
            del status["activePods"]
        self._phase(wanted, current, pods)
        self._conditions(wanted, current, sync)
        self._finalizers(wanted, pods)
        return wanted

    @staticmethod
    def _current_pod(vmi: Object, pods: list[Object]) -> Object | None:
        """The pod that runs the guest: the one on the VMI's node, the newest before it has one."""
        node = (vmi.get("status") or {}).get("nodeName")
        on_node = [pod for pod in pods if pod["spec"].get("nodeName") == node] if node else pods
        ordinary = [
            pod for pod in on_node if node or "kubevirt.io/migrationJobUID" not in (pod["metadata"].get("labels") or {})
        ]
        return ordinary[-1] if ordinary else None

    def _phase(self, vmi: Object, pod: Object | None, pods: list[Object]) -> None:
        status, now = vmi["status"], phase(vmi)
        if now in ("", "Pending"):
            if pod is not None:
                enter_phase(status, "Scheduling")
                status["qosClass"] = (pod.get("status") or {}).get("qosClass") or "Burstable"
                status["launcherContainerImageVersion"] = self.settings.image
                status.setdefault("memory", {})["memoryOverhead"] = f"{launcher_pod.OVERHEAD >> 20}Mi"
            elif deleting(vmi) or vmi_volumes.failed(self.cluster, vmi):
                enter_phase(status, "Failed")
            elif not now:
                enter_phase(status, "Pending")
        elif now == "Scheduling":
            self._scheduling(vmi, pod)
        elif now in ("Scheduled", "Running") and (pod is None or pod_done(pod)) and not self._moving(vmi, pods):
            enter_phase(status, "Failed")
        if final(vmi) and pod is None:
            status.pop("activePods", None)

    @staticmethod
    def _moving(vmi: Object, pods: list[Object]) -> bool:
        """Whether the guest is on its way into another pod that lives."""
        state = vmi["status"].get("migrationState") or {}
        begun = state.get("startTimestamp") and not state.get("failed")
        target = next((pod for pod in pods if pod["metadata"]["name"] == state.get("targetPod")), None)
        return bool(begun and target is not None and not pod_done(target) and not deleting(target))

    @staticmethod
    def _scheduling(vmi: Object, pod: Object | None) -> None:
        status = vmi["status"]
        if pod is None or pod_done(pod) or (deleting(vmi) and not pod_ready(pod)):
            enter_phase(status, "Failed")
        elif pod_ready(pod) and not deleting(pod):
            enter_phase(status, "Scheduled")
            status["nodeName"] = pod["spec"]["nodeName"]
            vmi["metadata"].setdefault("labels", {})["kubevirt.io/nodeName"] = pod["spec"]["nodeName"]

    def _conditions(self, vmi: Object, pod: Object | None, sync: SyncState) -> None:
        status = vmi["status"]
        self._ready(vmi, pod, sync)
        if sync.reason:
            put(status, "Synchronized", "False", sync.reason, sync.message, probed=True)
        elif pod is not None:
            self._pull_problem(vmi, pod)
        elif (condition(vmi, "Synchronized") or {}).get("reason") in ("FailedPvcNotFound", "FailedCreate"):
            drop(status, "Synchronized")
        self._scheduled_condition(vmi, pod, sync)
        vmi_volumes.tell(self.cluster, vmi, pod)

    def _ready(self, vmi: Object, pod: Object | None, sync: SyncState) -> None:
        status, now = vmi["status"], phase(vmi)
        if pod is None:
            if deleting(vmi) or final(vmi) or sync.reason or now in ("Scheduled", "Running"):
                put(
                    status,
                    "Ready",
                    "False",
                    "PodNotExists",
                    "virt-launcher pod has not yet been scheduled",
                    probed=True,
                )
        elif deleting(pod) or (final(vmi) and pod_done(pod)):
            put(status, "Ready", "False", "PodTerminating", "virt-launcher pod is terminating", probed=True)
        elif now != "Running" or not self._shown(vmi):
            put(status, "Ready", "False", *NOT_RUNNING, probed=True)
        elif has(vmi, "Paused"):
            put(status, "Ready", "False", "ReadinessGatesNotReady", PAUSED_MESSAGE)
        elif (condition(pod, "Ready") or {}).get("reason") == "ReadinessGatesNotReady":
            gates = condition(pod, "Ready") or {}
            put(status, "Ready", "False", gates["reason"], gates.get("message", ""))
        elif pod_ready(pod):
            put(status, "Ready", "True")

    @staticmethod
    def _pull_problem(vmi: Object, pod: Object) -> None:
        status, pod_status = vmi["status"], pod.get("status") or {}
        reason, message = "", ""
        for item in (pod_status.get("initContainerStatuses") or []) + (pod_status.get("containerStatuses") or []):
            waiting = (item.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in ("ErrImagePull", "ImagePullBackOff") and not deleting(vmi):
                reason, message = waiting["reason"], waiting.get("message", "")
        known = (condition(vmi, "Synchronized") or {}).get("reason")
        if reason:
            put(status, "Synchronized", "False", reason, message, probed=True)
        elif known in ("ErrImagePull", "ImagePullBackOff", "FailedPvcNotFound", "FailedCreate"):
            drop(status, "Synchronized")

    @staticmethod
    def _scheduled_condition(vmi: Object, pod: Object | None, sync: SyncState) -> None:
        status = vmi["status"]
        if sync.reason == "FailedPvcNotFound":
            put(status, "PodScheduled", "False", "Unschedulable", sync.message, probed=True)
            return
        if pod is None:
            return
        scheduled = condition(pod, "PodScheduled")
        if scheduled is not None and scheduled["status"] == "False":
            put(status, "PodScheduled", "False", scheduled.get("reason", ""), scheduled.get("message", ""), probed=True)
        elif condition(vmi, "PodScheduled") is not None:
            drop(status, "PodScheduled")

    def _finalizers(self, vmi: Object, pods: list[Object]) -> None:
        """Let a deleted VMI go once no pod of it is left alive; its VM, where it has one, lets it go by itself."""
        if not deleting(vmi):
            return
        alive = [pod for pod in pods if not pod_done(pod)]
        if final(vmi) and not alive:
            owner = self.cluster.vms.get(key_of(vmi))
            owned = owner is not None and (controller_of(vmi) or {}).get("uid") == owner["metadata"]["uid"]
            dropped = (FOREGROUND,) if owned else (FOREGROUND, CONTROLLER)
            keep = [name for name in vmi["metadata"].get("finalizers") or [] if name not in dropped]
            vmi["metadata"]["finalizers"] = keep

    async def _gate(self, vmi: Object, pods: list[Object]) -> None:
        """The pod's readiness gate follows whether the guest runs unpaused."""
        pod = self._current_pod(vmi, pods)
        if pod is None or deleting(pod) or pod_done(pod) or not pod["spec"].get("nodeName"):
            return
        value = "True" if phase(vmi) == "Running" and not has(vmi, "Paused") else "False"
        known = condition(pod, UNPAUSED_GATE)
        if (known is None and value == "False") or (known is not None and known["status"] == value):
            return
        status: Object = {"conditions": copy.deepcopy((pod.get("status") or {}).get("conditions") or [])}
        put(
            status, UNPAUSED_GATE, value, "Paused" if has(vmi, "Paused") else "NotPaused", "the virtual machine's state"
        )
        gate = next(item for item in status["conditions"] if item["type"] == UNPAUSED_GATE)
        body = {"status": {"conditions": [gate]}}
        meta = pod["metadata"]
        strategic = "application/strategic-merge-patch+json"
        answer = await self.cluster.kube.patch(POD, meta["namespace"], meta["name"], body, "status", strategic)
        self.cluster.seen(POD, answer)
