"""VirtualMachineInstanceMigration: a second launcher pod, and the hand-over between two nodes."""

from __future__ import annotations

import copy

from ..conditions import final, phase, pod_done, pod_ready
from ..kube import ApiError
from ..recorder import now
from ..resources import KUBEVIRT, MIGRATION, POD, VMI, Object, deleting, key_of
from ..work import WorkQueue
from . import launcher_pod, migration_limits
from .cluster import Cluster
from .migration_limits import OVER

FINALIZER = "kubevirt.io/migrationJobFinalize"
OBSERVED = {"kubevirt.io/latest-observed-api-version": "v1", "kubevirt.io/storage-observed-api-version": "v1"}
ABORT = "migrationAbortRequested"


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
            await self._fail(migration, "Migration failed vmi shutdown during migration.")
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
        return await step(migration, vmi, pod)

    async def _fail(self, migration: Object, why: str) -> None:
        self.cluster.recorder.event(migration, "Warning", "FailedMigration", why)
        await self._enter(migration, "Failed")

    def _of_vmi(self, vmi: Object) -> list[Object]:
        name, namespace = vmi["metadata"]["name"], vmi["metadata"]["namespace"]
        found = self.cluster.migrations.all()
        return [item for item in found if (item["metadata"]["namespace"], item["spec"]["vmiName"]) == (namespace, name)]

    async def _collect(self, vmi: Object | None) -> None:
        """The oldest of those that are over go."""
        for item in migration_limits.outdated(self._of_vmi(vmi)) if vmi is not None else ():
            await self.cluster.remove(MIGRATION, item)

    def _wake_pending(self) -> None:
        """A place is free now."""
        for item in self.cluster.migrations.all():
            if migration_limits.state(item) == "Pending":
                self.queue.add(key_of(item))

    async def _is_full(self, vmi: Object) -> bool:
        begun = [
            item
            for item in self.cluster.migrations.all()
            if migration_limits.state(item) not in migration_limits.NOT_BEGUN or self._has_target(item)
        ]
        kubevirts = await self.cluster.kube.list(KUBEVIRT)
        limits = migration_limits.allowed(kubevirts[0] if kubevirts else None)
        return migration_limits.are_full(begun, self.cluster.vmis.store, vmi["status"]["nodeName"], limits)

    def _has_target(self, migration: Object) -> bool:
        return migration_limits.state(migration) not in OVER and self._target_pod(migration) is not None

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

    async def _pending(self, migration: Object, vmi: Object, pod: Object | None) -> float | None:
        await self._enter(migration, "Pending")
        return None

    async def _create_target(self, migration: Object, vmi: Object, pod: Object | None) -> float | None:
        if phase(vmi) != "Running":
            return None
        if pod is None:
            wait = migration_limits.backoff(migration, self._of_vmi(vmi))
            if wait:
                meta = vmi["metadata"]
                text = f"backoff migrating vmi {meta['namespace']}/{meta['name']}"
                self.cluster.recorder.event(vmi, "Warning", "MigrationBackoff", text)
                return wait
            if sum(not pod_done(item) for item in self.cluster.pods_of(vmi)) > 1:
                return migration_limits.RETRY_PODS
            if await self._is_full(vmi):
                automatic = migration_limits.is_automatic(migration)
                return migration_limits.RETRY_AUTOMATIC if automatic else migration_limits.RETRY
            try:
                await self.cluster.make(
                    POD, launcher_pod.render(vmi, self.settings, migration, self.cluster.capacities(vmi))
                )
            except ApiError as error:
                self.cluster.recorder.event(
                    migration, "Warning", "FailedCreate", f"Error creating pod: {error.message}"
                )
                await self._enter(migration, "Failed")
                return None
        await self._enter(migration, "Scheduling")
        return None

    async def _scheduling(self, migration: Object, vmi: Object, pod: Object | None) -> float | None:
        if pod is None or deleting(pod):
            await self._fail(migration, "Migration target pod was removed during active migration.")
        elif pod_done(pod):
            await self._fail(migration, "Migration failed because target pod shutdown during migration")
        elif pod_ready(pod):
            await self._enter(migration, "Scheduled")
        elif migration_limits.is_unschedulable(pod):
            return await self._unschedulable(migration, vmi, pod)
        return None

    async def _unschedulable(self, migration: Object, vmi: Object, pod: Object) -> float | None:
        meta = vmi["metadata"]
        text = f"Migration target pod for VMI [{meta['namespace']}/{meta['name']}] is currently unschedulable."
        self.cluster.recorder.event(migration, "Warning", "migrationTargetPodUnschedulable", text)
        left = migration_limits.patience(migration) - migration_limits.seconds_since(
            pod["metadata"]["creationTimestamp"]
        )
        if left > 0:
            return left
        await self.cluster.remove(POD, pod)
        return None

    async def _hand_over(self, migration: Object, vmi: Object, pod: Object | None) -> float | None:
        """Tell both nodes, by the VMI, that the target waits."""
        if pod is None or pod_done(pod):
            await self._fail(migration, "Migration failed because target pod shutdown during migration")
            return None
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
        return None

    async def _follow(self, migration: Object, vmi: Object, pod: Object | None) -> float | None:
        """The nodes report in the VMI; the migration takes its phase from there."""
        state = (vmi.get("status") or {}).get("migrationState") or {}
        now_phase = migration["status"]["phase"]
        if state.get("migrationUid") != migration["metadata"]["uid"]:
            return None
        if state.get("failed"):
            await self._fail(migration, "source node reported migration failed")
        elif state.get("completed"):
            await self._succeed(migration, vmi, state)
        elif pod is None or pod_done(pod):
            await self._fail_state(vmi)
        elif now_phase == "PreparingTarget" and state.get("targetNodeDomainDetected"):
            await self._enter(migration, "TargetReady")
        elif now_phase in ("PreparingTarget", "TargetReady") and state.get("startTimestamp"):
            await self._enter(migration, "Running")
        return None

    async def _succeed(self, migration: Object, vmi: Object, state: Object) -> None:
        """Clear the VMI first: once the migration is over nobody comes back to it."""
        fresh = copy.deepcopy(self.cluster.vmis.get(key_of(vmi)) or vmi)
        fresh["metadata"].get("labels", {}).pop("kubevirt.io/migrationTargetNodeName", None)
        fresh["status"]["conditions"] = [
            item for item in fresh["status"].get("conditions") or [] if item["type"] != "EvictionRequested"
        ]
        for pod in self.cluster.pods_of(vmi):
            if pod["metadata"]["name"] == state.get("targetPod"):
                fresh["status"]["launcherContainerImageVersion"] = pod["spec"]["containers"][0]["image"]
        if fresh != self.cluster.vmis.get(key_of(vmi)):
            await self.cluster.write(VMI, fresh)
        status: Object = copy.deepcopy(migration.get("status") or {})
        status["migrationState"] = state
        text = "Source node reported migration succeeded"
        self.cluster.recorder.event(migration, "Normal", "SuccessfulMigration", text)
        await self._enter(migration | {"status": status}, "Succeeded")

    async def _fail_state(self, vmi: Object) -> None:
        fresh = copy.deepcopy(vmi)
        ended = {"failed": True, "completed": True, "endTimestamp": now(), "failureReason": "Target pod is down"}
        fresh["status"]["migrationState"] |= ended
        await self.cluster.write(VMI, fresh)

    async def _settle(self, migration: Object, vmi: Object | None, pod: Object | None, value: str) -> float | None:
        """After the end, or at a cancellation: clear the target pod of a failed one, drop the finalizer."""
        if value not in OVER and vmi is not None and not final(vmi) and await self._is_handed_off(migration, vmi, pod):
            return None
        if value != "Succeeded" and pod is not None and not deleting(pod):
            await self.cluster.remove(POD, pod)
        if value not in OVER:
            self.cluster.recorder.event(
                migration, "Warning", "FailedMigration", "Migration failed due to being canceled"
            )
            migration = await self._enter(self._marked_for_abort(migration), "Failed")
        finalizers = migration["metadata"].get("finalizers") or []
        if FINALIZER in finalizers:
            done = copy.deepcopy(migration)
            done["metadata"]["finalizers"] = [name for name in finalizers if name != FINALIZER]
            await self.cluster.write(MIGRATION, done)
            await self._collect(vmi)
            self._wake_pending()
        return None

    @staticmethod
    def _marked_for_abort(migration: Object) -> Object:
        status: Object = copy.deepcopy(migration.get("status") or {})
        conditions: list[Object] = status.setdefault("conditions", [])
        if not any(item["type"] == ABORT for item in conditions):
            conditions.append({"type": ABORT, "status": "True", "lastProbeTime": now(), "lastTransitionTime": None})
        return migration | {"status": status}

    async def _is_handed_off(self, migration: Object, vmi: Object, pod: Object | None) -> bool:
        """One that the nodes have is theirs to abort, once it runs; whether it is still theirs."""
        state = (vmi.get("status") or {}).get("migrationState") or {}
        if state.get("migrationUid") != migration["metadata"]["uid"]:
            return False
        if state.get("completed") and state.get("failed"):
            await self._clear_target(vmi)
            return False
        if migration_limits.state(migration) == "Running" and not state.get("completed"):
            fresh = copy.deepcopy(vmi)
            fresh["status"]["migrationState"]["abortRequested"] = True
            if fresh != vmi:
                await self.cluster.write(VMI, fresh)
        else:
            await self._follow(migration, vmi, pod)
        return True

    async def _clear_target(self, vmi: Object) -> None:
        fresh = copy.deepcopy(vmi)
        if (fresh["metadata"].get("labels") or {}).pop("kubevirt.io/migrationTargetNodeName", None):
            await self.cluster.write(VMI, fresh)
