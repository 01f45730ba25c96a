"""Node agent logic that is the same for a real QEMU and a simulated guest: guest state into VMI status."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..conditions import condition, drop, enter_phase, final, has, phase, put, running
from ..controllers import hotplug
from ..controllers.cluster import Cluster
from ..controllers.launcher_pod import grace_period, mac_address
from ..metrics.guests import Guests, Usage
from ..metrics.instruments import synced
from ..recorder import now
from ..resources import VMI, Object, deleting, key_of
from ..work import WorkQueue

REASONS = {
    "pause": ("Paused", "VirtualMachineInstance paused"),
    "unpause": ("Unpaused", "VirtualMachineInstance unpaused"),
    "reset": ("Reset", "VirtualMachineInstance reset"),
    "softreboot": ("SoftRebooted", "VirtualMachineInstance soft rebooted"),
}


@dataclass(frozen=True)
class Guest:
    """What a launcher says of its guest: state is none, incoming, running, paused, shutoff, crashed or failed."""

    state: str = "none"
    error: str = ""
    ip: str = ""
    migration: str = ""
    migration_error: str = ""
    address: str = ""


class Launcher(Protocol):
    """The control of one launcher pod."""

    async def state(self) -> Guest: ...

    async def usage(self) -> Usage: ...

    async def command(self, verb: str, **arguments: object) -> None:
        """start, pause, unpause, reset, softreboot, shutdown, kill, migrate, cancel_migration."""


class CommandError(Exception):
    """The launcher refused a command; the text says why."""


LauncherOf = Callable[[Object, Object], Launcher | None]


class Domains:
    """Keeps VMI statuses of one node (or of all, when simulated) equal to what the launchers say."""

    def __init__(self, cluster: Cluster, node: str | None, launcher_of: LauncherOf) -> None:
        self.cluster, self.node, self._launcher_of = cluster, node, launcher_of
        self.queue = WorkQueue("handler", self.reconcile, workers=8)
        cluster.vmis.on_change(self._vmi_changed)
        cluster.pods.on_change(self._pod_changed)
        self._signalled: dict[str, float] = {}

    def _vmi_changed(self, old: Object | None, new: Object | None) -> None:
        vmi = new or old or {}
        if new is None:
            self._signalled.pop(vmi["metadata"]["uid"], None)
        elif self._concerns(vmi):
            self.queue.add(key_of(vmi))

    def _concerns(self, vmi: Object) -> bool:
        status = vmi.get("status") or {}
        state = status.get("migrationState") or {}
        return self.node is None or self.node in (status.get("nodeName"), state.get("targetNode"))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new or old or {}
        if self.node is None or pod["spec"].get("nodeName") == self.node:
            name = (pod["metadata"].get("annotations") or {}).get("kubevirt.io/domain")
            if name:
                self.queue.add(f"{pod['metadata']['namespace']}/{name}")

    def poke(self, key: str) -> None:
        """A launcher has news of this VMI."""
        self.queue.add(key)

    def pod_of(self, vmi: Object, name: str = "") -> Object | None:
        """The launcher pod on the VMI's node, or the one with that name."""
        node = (vmi.get("status") or {}).get("nodeName")
        found = [
            pod
            for pod in self.cluster.pods_of(vmi)
            if (pod["metadata"]["name"] == name if name else pod["spec"].get("nodeName") == node)
        ]
        return found[-1] if found else None

    def launcher(self, vmi: Object, name: str = "") -> Launcher | None:
        pod = self.pod_of(vmi, name)
        return self._launcher_of(vmi, pod) if pod is not None else None

    async def measure(self, guests: Guests) -> None:
        """Ask the launcher of every guest here what it has used; one that does not answer has no series."""
        mine = [vmi for vmi in self.cluster.vmis.all() if running(vmi) and self._own_node(vmi)]
        answers = await asyncio.gather(*(self._usage(vmi) for vmi in mine), return_exceptions=True)
        for vmi, answer in zip(mine, answers, strict=True):
            if isinstance(answer, Usage):
                guests.guest(vmi, answer, not has(vmi, "Paused"))

    def _own_node(self, vmi: Object) -> bool:
        return self.node is None or (vmi.get("status") or {}).get("nodeName") == self.node

    async def _usage(self, vmi: Object) -> Usage | None:
        launcher = self.launcher(vmi)
        return await launcher.usage() if launcher is not None else None

    async def reconcile(self, key: str) -> float | None:
        vmi = self.cluster.vmis.get(key)
        if vmi is None or self._concerns(vmi):
            synced(key, vmi is not None)
        if vmi is None or phase(vmi) not in ("Scheduled", "Running", "Succeeded", "Failed"):
            return None
        status = vmi["status"]
        delay: float | None = None
        if self.node is None or status.get("nodeName") == self.node:
            delay = await self._own(vmi)
        state = status.get("migrationState") or {}
        active = state and not state.get("completed")
        if active and (self.node is None or state.get("targetNode") == self.node):
            fresh = self.cluster.vmis.get(key)
            if fresh is not None:
                await self._target(fresh)
        return delay

    async def _own(self, vmi: Object) -> float | None:
        launcher = self.launcher(vmi)
        if launcher is None:
            return None
        guest = await launcher.state()
        if final(vmi):
            return None
        if phase(vmi) == "Scheduled" and guest.state == "none" and not deleting(vmi):
            if not has(vmi, "Synchronized", "False"):
                await launcher.command("start", paused=vmi["spec"].get("startStrategy") == "Paused")
            return None
        delay = await self._end(vmi, launcher, guest)
        wanted = self._desired(vmi, guest)
        if wanted != vmi:
            vmi = await self.cluster.write(VMI, wanted)
            self._tell(vmi, wanted, guest)
        await self._source(vmi, launcher, guest)
        return delay

    async def _end(self, vmi: Object, launcher: Launcher, guest: Guest) -> float | None:
        """Ask the guest of a VMI or pod that is to go to shut down; kill it when its time is over."""
        pod = self.pod_of(vmi)
        if guest.state not in ("running", "paused") or not (deleting(vmi) or (pod is not None and deleting(pod))):
            return None
        uid, clock = vmi["metadata"]["uid"], asyncio.get_running_loop().time
        if uid not in self._signalled:
            self._signalled[uid] = clock()
            if guest.state == "paused":
                text = (
                    'server error. command Shutdown failed: "LibvirtError(Code=55, Domain=10, '
                    "Message='Requested operation is not valid: domain is not running')\""
                )
                self.cluster.recorder.event(vmi, "Warning", "SyncFailed", text)
            else:
                await launcher.command("shutdown")
                self.cluster.recorder.event(vmi, "Normal", "ShuttingDown", "Signaled Graceful Shutdown")
        left = self._signalled[uid] + self._patience(vmi, pod, guest) - clock()
        if left <= 0:
            self.cluster.recorder.event(vmi, "Normal", "Deleted", "VirtualMachineInstance stopping")
            await launcher.command("kill")
            return None
        return left

    @staticmethod
    def _patience(vmi: Object, pod: Object | None, guest: Guest) -> float:
        grace = float(grace_period(vmi["spec"]))
        if pod is not None and pod["metadata"].get("deletionGracePeriodSeconds") == 0:
            return 0.0
        return grace + (15.0 if guest.state == "paused" else 0.0)

    def _desired(self, vmi: Object, guest: Guest) -> Object:
        wanted: Object = copy.deepcopy(vmi)
        status = wanted["status"]
        if guest.state == "failed":
            put(status, "Synchronized", "False", "Synchronizing with the Domain failed.", guest.error, probed=True)
            return wanted
        if guest.state in ("running", "paused") and phase(vmi) == "Scheduled":
            if condition(vmi, "LiveMigratable") is None:
                self._migratable(wanted)
                return wanted
            enter_phase(status, "Running")
            drop(status, "Synchronized")
        if guest.state in ("shutoff", "crashed"):
            enter_phase(status, "Succeeded" if guest.state == "shutoff" else "Failed")
            drop(status, "Paused")
        if phase(wanted) == "Running":
            self._running(wanted, guest)
        return wanted

    @staticmethod
    def _running(vmi: Object, guest: Guest) -> None:
        status = vmi["status"]
        moving = (status.get("migrationState") or {}).get("startTimestamp") and not status["migrationState"].get(
            "completed"
        )
        if guest.state == "paused" and not moving:
            put(status, "Paused", "True", "PausedByUser", "VMI was paused by user", probed=True)
        elif guest.state == "running":
            drop(status, "Paused")
        status.setdefault("guestOSInfo", {})
        plugged = hotplug.statuses(vmi["spec"])
        if plugged:
            status["volumeStatus"] = plugged
        else:
            status.pop("volumeStatus", None)
        if guest.ip:
            domain = vmi["spec"].get("domain") or {}
            status["interfaces"] = [
                {
                    "name": item["name"],
                    "ipAddress": guest.ip,
                    "ipAddresses": [guest.ip],
                    "infoSource": "domain",
                    "linkState": "up",
                    "podInterfaceName": "eth0",
                    "queueCount": 1,
                    "mac": mac_address(vmi["metadata"], item),
                }
                for item in (domain.get("devices") or {}).get("interfaces") or []
            ]

    def _migratable(self, vmi: Object) -> None:
        status = vmi["status"]
        reason = self._not_migratable(vmi)
        if reason:
            put(status, "LiveMigratable", "False", *reason)
        else:
            put(status, "LiveMigratable", "True")
            status["migrationMethod"] = "LiveMigration"
        put(status, "StorageLiveMigratable", "True")
        for item in status["conditions"]:
            if item["type"] in ("LiveMigratable", "StorageLiveMigratable"):
                item["lastTransitionTime"] = None
        status["migrationTransport"] = "Unix"
        status["machine"] = {"type": "pc-q35-10.0"}

    def _not_migratable(self, vmi: Object) -> tuple[str, str] | None:
        """Why the VMI cannot move: a claim that only one node can use, or a bridge on the pod network."""
        namespace = vmi["metadata"]["namespace"]
        for volume in vmi["spec"].get("volumes") or []:
            source = volume.get("persistentVolumeClaim") or {}
            name = source.get("claimName") or (volume.get("dataVolume") or {}).get("name")
            pvc = self.cluster.pvcs.get(f"{namespace}/{name}") if name else None
            if pvc is not None and "ReadWriteMany" not in (pvc["spec"].get("accessModes") or []):
                text = f"cannot migrate VMI: PVC {name} is not shared, live migration requires that all PVCs must be shared (using ReadWriteMany access mode)"
                return "DisksNotLiveMigratable", text
        networks = {item["name"] for item in vmi["spec"].get("networks") or [] if "pod" in item}
        devices = (vmi["spec"].get("domain") or {}).get("devices") or {}
        for item in devices.get("interfaces") or []:
            if item.get("bridge") is not None and item["name"] in networks:
                return "InterfaceNotLiveMigratable", (
                    "cannot migrate VMI which does not use masquerade, bridge with kubevirt.io/allow-pod-bridge-network-live-migration "
                    "VM annotation or a migratable plugin to connect to the pod network"
                )
        return None

    def _tell(self, vmi: Object, wanted: Object, guest: Guest) -> None:
        event, now_phase = self.cluster.recorder.event, phase(wanted)
        passed = (wanted["status"].get("phaseTransitionTimestamps") or [{}])[-1].get("phase")
        if now_phase == "Running" and passed == "Running" and not has(wanted, "Ready") and not final(vmi):
            event(vmi, "Normal", "Created", "VirtualMachineInstance defined.")
            event(vmi, "Normal", "Started", "VirtualMachineInstance started.")
        elif now_phase == "Succeeded":
            event(vmi, "Normal", "Stopped", "The VirtualMachineInstance was shut down.")
        elif now_phase == "Failed":
            event(vmi, "Warning", "Stopped", "The VirtualMachineInstance crashed.")
        elif guest.state == "failed":
            event(vmi, "Warning", "SyncFailed", guest.error)

    async def _target(self, vmi: Object) -> None:
        """On the node that receives: say where to, and that the machine stands ready."""
        state = vmi["status"]["migrationState"]
        launcher = self.launcher(vmi, state.get("targetPod", ""))
        if launcher is None:
            return
        guest = await launcher.state()
        wanted = copy.deepcopy(vmi)
        target = wanted["status"]["migrationState"]
        if guest.state == "incoming" and not state.get("targetNodeDomainDetected"):
            target |= {"targetNodeAddress": guest.address, "targetNodeDomainDetected": True}
            event = self.cluster.recorder.event
            event(vmi, "Normal", "PreparingTarget", "VirtualMachineInstance Migration Target Prepared.")
            event(vmi, "Normal", "PreparingTarget", f"Migration Target is listening at {guest.address}")
        elif guest.state in ("running", "paused") and state.get("startTimestamp"):
            await self._arrived(wanted, guest)
        if wanted != vmi:
            await self.cluster.write(VMI, wanted)

    async def _arrived(self, vmi: Object, guest: Guest) -> None:
        """The guest runs here now: the VMI's node changes first, the migration is complete next."""
        status = vmi["status"]
        state = status["migrationState"]
        if status["nodeName"] != state["targetNode"]:
            status["nodeName"] = state["targetNode"]
            vmi["metadata"].setdefault("labels", {})["kubevirt.io/nodeName"] = state["targetNode"]
            status.pop("evacuationNodeName", None)
            if guest.ip:
                for item in status.get("interfaces") or []:
                    item |= {"ipAddress": guest.ip, "ipAddresses": [guest.ip]}
            return
        state |= {"completed": True, "endTimestamp": now()}
        text = f"The VirtualMachineInstance migrated to node {state['targetNode']}."
        self.cluster.recorder.event(vmi, "Normal", "Migrated", text)

    async def _source(self, vmi: Object, launcher: Launcher, guest: Guest) -> None:
        """On the node that sends: begin when the target waits, report a failure."""
        state = (vmi.get("status") or {}).get("migrationState") or {}
        if not state:
            return
        if state.get("abortRequested"):
            if guest.migration == "active":
                await launcher.command("cancel_migration")
            return
        if state.get("completed") or not state.get("targetNodeDomainDetected"):
            return
        wanted = copy.deepcopy(vmi)
        moving = wanted["status"]["migrationState"]
        if not state.get("startTimestamp"):
            moving |= {"startTimestamp": now(), "mode": "PreCopy"}
            await self.cluster.write(VMI, wanted)
            self.cluster.recorder.event(vmi, "Normal", "Migrating", "VirtualMachineInstance is migrating.")
            await launcher.command("migrate", to=state["targetNodeAddress"])
        elif guest.migration == "failed":
            moving |= {"failed": True, "completed": True, "endTimestamp": now(), "failureReason": guest.migration_error}
            await self.cluster.write(VMI, wanted)
            self.cluster.recorder.event(
                vmi, "Warning", "Migrated", f"VirtualMachineInstance migration failed: {guest.migration_error}"
            )
