"""VirtualMachineInstanceMigration: a second launcher pod, and the hand-over between two nodes."""

from __future__ import annotations

import copy

from ..conditions import final, phase, pod_done, pod_ready
from ..kube import ApiError
from ..recorder import now
from ..resources import MIGRATION, POD, VMI, Object, deleting, key_of
from ..work import WorkQueue
from . import launcher_pod
from .cluster import Cluster

FINALIZER = "kubevirt.io/migrationJobFinalize"
OBSERVED = {"kubevirt.io/latest-observed-api-version": "v1", "kubevirt.io/storage-observed-api-version": "v1"}
OVER = ("Succeeded", "Failed")


class Migrations:
    """The controller of live migrations."""

    def __init__(self, cluster: Cluster, settings: launcher_pod.Settings) -> None:
        self.cluster, self.settings = cluster, settings
        self.queue = WorkQueue("migration", self.reconcile)
        cluster.migrations.on_change(lambda old, new: self.queue.add(key_of(new or old or {})))
        cluster.vmis.on_change(self._vmi_changed)
        cluster.pods.on_change(self._pod_changed)

    def _vmi_changed(self, old: Object | None, new: Object | None) -> None:
        vmi = new or old or {}
        for item in self.cluster.migrations.all():
            if item["spec"].get("vmiName") == vmi["metadata"]["name"]:
                self.queue.add(key_of(item))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new or old or {}
        name = (pod["metadata"].get("annotations") or {}).get("kubevirt.io/migrationJobName")
        if name:
            self.queue.add(f"{pod['metadata']['namespace']}/{name}")

    async def reconcile(self, key: str) -> float | None:
        migration = self.cluster.migrations.get(key)
        if migration is None:
            return None
        vmi = self.cluster.vmis.get(f"{migration['metadata']['namespace']}/{migration['spec'].get('vmiName')}")
        pod = self._target_pod(migration)
        now_phase = (migration.get("status") or {}).get("phase") or ""
        if now_phase in OVER or deleting(migration):
            return await self._settle(migration, vmi, pod, now_phase)
        migration = await self._mark(migration)
        if vmi is None or final(vmi) or deleting(vmi):
            await self._enter(migration, "Failed")
            return None
        step = {
            "": self._pending,
            "Pending": self._create_target,
            "Scheduling": self._scheduling,
            "Scheduled": self._hand_over,
            "PreparingTarget": self._follow,
            "TargetReady": self._follow,
            "Running": self._follow,
        }[now_phase]
        await step(migration, vmi, pod)
        return None

    def _target_pod(self, migration: Object) -> Object | None:
        uid = migration["metadata"]["uid"]
        for pod in self.cluster.pods.all():
            if (pod["metadata"].get("labels") or {}).get("kubevirt.io/migrationJobUID") == uid:
                return pod
        return None

    async def _mark(self, migration: Object) -> Object:
        meta = migration["metadata"]
        annotations, finalizers = meta.get("annotations") or {}, meta.get("finalizers") or []
        if OBSERVED.items() <= annotations.items() and FINALIZER in finalizers:
            return migration
        marked = copy.deepcopy(migration)
        marked["metadata"]["annotations"] = annotations | OBSERVED
        marked["metadata"]["finalizers"] = list(dict.fromkeys([*finalizers, FINALIZER]))
        return await self.cluster.write(MIGRATION, marked)

    async def _enter(self, migration: Object, value: str) -> Object:
        status: Object = copy.deepcopy(migration.get("status") or {})
        if status.get("phase") == value:
            return migration
        status["phase"] = value
        passed: list[Object] = status.setdefault("phaseTransitionTimestamps", [])
        passed.append({"phase": value, "phaseTransitionTimestamp": now()})
        return await self.cluster.write_status(MIGRATION, migration, status)

    async def _pending(self, migration: Object, vmi: Object, pod: Object | None) -> None:
        await self._enter(migration, "Pending")

    async def _create_target(self, migration: Object, vmi: Object, pod: Object | None) -> None:
        if phase(vmi) != "Running":
            return
        if pod is None:
            try:
                await self.cluster.make(
                    POD, launcher_pod.render(vmi, self.settings, migration, self.cluster.capacities(vmi))
                )
            except ApiError as error:
                self.cluster.recorder.event(
                    migration, "Warning", "FailedCreate", f"Error creating pod: {error.message}"
                )
                await self._enter(migration, "Failed")
                return
        await self._enter(migration, "Scheduling")

    async def _scheduling(self, migration: Object, vmi: Object, pod: Object | None) -> None:
        if pod is None or pod_done(pod) or deleting(pod):
            await self._enter(migration, "Failed")
        elif pod_ready(pod):
            await self._enter(migration, "Scheduled")

    async def _hand_over(self, migration: Object, vmi: Object, pod: Object | None) -> None:
        """Tell both nodes, by the VMI, that the target waits."""
        if pod is None or pod_done(pod):
            await self._enter(migration, "Failed")
            return
        fresh = copy.deepcopy(vmi)
        source = next(
            (
                item
                for item in self.cluster.pods_of(vmi)
                if item["spec"].get("nodeName") == vmi["status"].get("nodeName")
            ),
            None,
        )
        fresh["metadata"].setdefault("labels", {})["kubevirt.io/migrationTargetNodeName"] = pod["spec"]["nodeName"]
        fresh["status"]["migrationState"] = {
            "migrationUid": migration["metadata"]["uid"],
            "sourceNode": vmi["status"]["nodeName"],
            "sourcePod": source["metadata"]["name"] if source else "",
            "targetNode": pod["spec"]["nodeName"],
            "targetPod": pod["metadata"]["name"],
        }
        await self.cluster.write(VMI, fresh)
        await self._enter(migration, "PreparingTarget")

    async def _follow(self, migration: Object, vmi: Object, pod: Object | None) -> None:
        """The nodes report in the VMI; the migration takes its phase from there."""
        state = (vmi.get("status") or {}).get("migrationState") or {}
        now_phase = migration["status"]["phase"]
        if state.get("migrationUid") != migration["metadata"]["uid"]:
            return
        if state.get("failed"):
            await self._enter(migration, "Failed")
        elif state.get("completed"):
            await self._succeed(migration, vmi, state)
        elif pod is None or pod_done(pod):
            await self._fail_state(vmi)
        elif now_phase == "PreparingTarget" and state.get("targetNodeDomainDetected"):
            await self._enter(migration, "TargetReady")
        elif now_phase in ("PreparingTarget", "TargetReady") and state.get("startTimestamp"):
            await self._enter(migration, "Running")

    async def _succeed(self, migration: Object, vmi: Object, state: Object) -> None:
        """Clear the VMI first: once the migration is over nobody comes back to it."""
        fresh = copy.deepcopy(self.cluster.vmis.get(key_of(vmi)) or vmi)
        fresh["metadata"].get("labels", {}).pop("kubevirt.io/migrationTargetNodeName", None)
        fresh["status"]["conditions"] = [
            item for item in fresh["status"].get("conditions") or [] if item["type"] != "EvictionRequested"
        ]
        if fresh != self.cluster.vmis.get(key_of(vmi)):
            await self.cluster.write(VMI, fresh)
        status: Object = copy.deepcopy(migration.get("status") or {})
        status["migrationState"] = state
        await self._enter(migration | {"status": status}, "Succeeded")

    async def _fail_state(self, vmi: Object) -> None:
        fresh = copy.deepcopy(vmi)
        fresh["status"]["migrationState"] |= {"failed": True, "completed": True, "endTimestamp": now()}
        await self.cluster.write(VMI, fresh)

    async def _settle(self, migration: Object, vmi: Object | None, pod: Object | None, value: str) -> float | None:
        """After the end, or at a cancellation: clear the target pod of a failed one, drop the finalizer."""
        if value != "Succeeded":
            if pod is not None and not deleting(pod):
                await self.cluster.remove(POD, pod)
            if vmi is not None and not final(vmi):
                await self._cancel_state(migration, vmi)
        if value not in OVER:
            migration = await self._enter(migration, "Failed")
        finalizers = migration["metadata"].get("finalizers") or []
        if FINALIZER in finalizers:
            done = copy.deepcopy(migration)
            done["metadata"]["finalizers"] = [name for name in finalizers if name != FINALIZER]
            await self.cluster.write(MIGRATION, done)
        return None

    async def _cancel_state(self, migration: Object, vmi: Object) -> None:
        state = (vmi.get("status") or {}).get("migrationState") or {}
        if state.get("migrationUid") == migration["metadata"]["uid"] and not state.get("completed"):
            fresh = copy.deepcopy(vmi)
            fresh["status"]["migrationState"] |= {
                "abortRequested": True,
                "failed": True,
                "completed": True,
                "endTimestamp": now(),
            }
            fresh["metadata"].get("labels", {}).pop("kubevirt.io/migrationTargetNodeName", None)
            await self.cluster.write(VMI, fresh)
