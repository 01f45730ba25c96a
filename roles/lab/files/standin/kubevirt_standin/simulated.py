"""Nodes, kubelet and guests that are not there: for API tests without nodes, and labelled as such."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable

from .conditions import condition, pod_done, put
from .controllers.cluster import Cluster
from .controllers.launcher_pod import guest_memory
from .controllers.vmi import PAUSED_MESSAGE, UNPAUSED_GATE
from .controllers.vmi_volumes import unbound
from .handler.domains import CommandError, Guest
from .metrics.guests import Usage
from .quantity import to_bytes
from .recorder import now
from .resources import NODE, POD, Object, deleting, key_of
from .work import WorkQueue

ANNOTATION = "kubevirt-ha.virtops/simulated"
NODES = ("simulated-1", "simulated-2", "simulated-3")
NODE_MEMORY = 64 << 30
MISSING_IMAGE_MARKS = ("no-such", "does-not-exist", "missing")
BACK_OFF = 1.0
KUBELET_SECONDS = 0.3
GATE_MISSING = (
    "ReadinessGatesNotReady",
    f'corresponding condition of pod readiness gate "{UNPAUSED_GATE}" does not exist.',
)
GATE_CLOSED = ("ReadinessGatesNotReady", PAUSED_MESSAGE)
CPU_MODELS = ("qemu64", "Skylake-Client", "host-model")


class SimulatedGuest:
    """One guest that exists as a state only; it ignores ACPI unless its boot arguments end it."""

    def __init__(self, vmi: Object, pod: Object, changed: Callable[[], None]) -> None:
        self.vmi, self._changed = vmi, changed
        self.ip = (pod.get("status") or {}).get("podIP", "")
        target = "kubevirt.io/migrationJobUID" in (pod["metadata"].get("labels") or {})
        self._state = "incoming" if target else "none"
        self._error, self._migration, self._migration_error = "", "", ""
        self.peer: Callable[[], SimulatedGuest | None] = lambda: None

    async def state(self) -> Guest:
        return Guest(self._state, self._error, self.ip, self._migration, self._migration_error, f"{self.ip}:49152")

    async def usage(self) -> Usage:
        """A simulated guest has its memory and uses nothing that could be measured."""
        return Usage(balloon=guest_memory(self.vmi["spec"]))

    def _set(self, state: str) -> None:
        self._state = state
        self._changed()

    async def command(self, verb: str, **arguments: object) -> None:
        if verb == "start":
            await self._start(bool(arguments.get("paused")))
        elif verb in ("pause", "unpause"):
            self._set("paused" if verb == "pause" else "running")
        elif verb == "kill":
            self._set("crashed")
        elif verb == "migrate":
            self._migration, self._migration_error = "active", ""
            self._later(migration_seconds(self.vmi["spec"]), self._migrate)
        elif verb == "cancel_migration":
            self._migration = "cancelled"
            self._changed()
        elif verb not in ("shutdown", "reset", "softreboot"):
            raise CommandError(f"unknown command {verb}")

    async def _start(self, paused: bool) -> None:
        problem = startup_problem(self.vmi["spec"])
        if problem:
            self._error = problem
            self._set("failed")
            return
        self._set("paused" if paused else "running")
        seconds = poweroff_after(self.vmi["spec"])
        if seconds is not None:
            self._later(seconds, lambda: self._set("shutoff"))

    def _migrate(self) -> None:
        peer = self.peer()
        if self._migration != "active":
            return
        if peer is None:
            self._migration, self._migration_error = "failed", "the target is gone"
            self._changed()
            return
        state, self._state = self._state, "migrated"
        self._migration = "completed"
        peer._set(state)
        self._changed()

    @staticmethod
    def _later(seconds: float, call: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, call)


def poweroff_after(spec: Object) -> float | None:
    """Guests whose kernel arguments carry `poweroff=SECONDS` switch themselves off."""
    return _seconds(spec, "poweroff", "poweroff_after")


def migration_seconds(spec: Object) -> float:
    """How long a migration takes: `migration=SECONDS` in the kernel arguments, else a second."""
    stated = _seconds(spec, "migration")
    return 1.0 if stated is None else stated


def _seconds(spec: Object, *names: str) -> float | None:
    boot = ((spec.get("domain") or {}).get("firmware") or {}).get("kernelBoot") or {}
    for word in str(boot.get("kernelArgs") or "").split():
        name, _sign, value = word.partition("=")
        if name in names and value.replace(".", "", 1).isdigit():
            return float(value)
    return None


def startup_problem(spec: Object) -> str:
    """Why QEMU could not start such a machine."""
    if guest_memory(spec) <= 0:
        return (
            'server error. command SyncVMI failed: "LibvirtError(Code=27, Domain=20, '
            "Message='XML error: memory size must be specified')\""
        )
    disks = {item["name"] for item in ((spec.get("domain") or {}).get("devices") or {}).get("disks") or []}
    for volume in spec.get("volumes") or []:
        if volume["name"] not in disks and "containerDisk" in volume:
            return (
                f"failed to find a sourceFile in containerDisk {volume['name']}: failed to determine default image path"
            )
    return ""


class SimulatedWorld:
    """Plays scheduler and kubelet for launcher pods, and garbage collector for what they leave."""

    def __init__(self, cluster: Cluster, poke: Callable[[str], None]) -> None:
        self.cluster, self._poke = cluster, poke
        self.guests: dict[str, SimulatedGuest] = {}
        self.queue = WorkQueue("simulated kubelet", self.reconcile, workers=8)
        cluster.pods.on_change(lambda old, new: self.queue.add(key_of(new or old or {})))
        cluster.vmis.on_change(self._vmi_changed)
        self._addresses = 0
        self._pulls: dict[str, float] = {}

    def _vmi_changed(self, old: Object | None, new: Object | None) -> None:
        vmi = new or old or {}
        for pod in self.cluster.pods_of(vmi):
            self.queue.add(key_of(pod))

    async def prepare(self) -> None:
        """Register the nodes."""
        for name in NODES:
            await self.cluster.kube.apply(
                NODE,
                {
                    "metadata": {
                        "name": name,
                        "labels": _labels(name),
                        "annotations": {ANNOTATION: "true", "kubevirt.io/heartbeat": now()},
                    }
                },
            )
            status = {
                "capacity": {"cpu": "8", "memory": str(NODE_MEMORY), "pods": "110"},
                "allocatable": {"cpu": "8", "memory": str(NODE_MEMORY), "pods": "110"},
                "conditions": [
                    {
                        "type": "Ready",
                        "status": "True",
                        "reason": "Simulated",
                        "message": "simulated node",
                        "lastHeartbeatTime": now(),
                        "lastTransitionTime": now(),
                    }
                ],
            }
            await self.cluster.kube.patch(NODE, "", name, {"status": status}, "status")
            # The API server marks new nodes as not ready, and nothing else here takes that away from a ready one.
            await self.cluster.kube.patch(NODE, "", name, {"spec": {"taints": None}})

    async def beat(self) -> None:
        """Keep the nodes' heartbeats young."""
        while True:
            await asyncio.sleep(60)
            for name in NODES:
                await self.cluster.kube.patch(
                    NODE, "", name, {"metadata": {"annotations": {"kubevirt.io/heartbeat": now()}}}
                )

    def launcher_of(self, vmi: Object, pod: Object) -> SimulatedGuest | None:
        return self.guests.get(pod["metadata"]["uid"])

    async def reconcile(self, key: str) -> float | None:
        pod = self.cluster.pods.get(key)
        if pod is None:
            return None
        if deleting(pod):
            return await self._end(pod)
        if not pod["spec"].get("nodeName"):
            return await self._schedule(pod)
        if pod_done(pod):
            return None
        if not (pod.get("status") or {}).get("containerStatuses"):
            return await self._start(pod)
        guest = self.guests.get(pod["metadata"]["uid"])
        if guest is not None:
            state = (await guest.state()).state
            if state in ("shutoff", "crashed", "migrated"):
                await asyncio.sleep(0.3)
                await self._finish(pod)
                return None
        return await self._readiness(pod)

    async def _readiness(self, pod: Object) -> float | None:
        """Some time after a readiness gate moved, the pod's condition follows."""
        wanted = _readiness(pod)
        known = condition(pod, "Ready") or {}
        if (known.get("status"), known.get("reason", ""), known.get("message", "")) == wanted:
            return None
        await asyncio.sleep(KUBELET_SECONDS)
        fresh = self.cluster.pods.get(key_of(pod))
        if fresh is None or deleting(fresh) or pod_done(fresh):
            return None
        status = copy.deepcopy(fresh["status"])
        put(status, "Ready", *_readiness(fresh))
        self.cluster.seen(POD, await self.cluster.write_status(POD, fresh, status))
        return None

    async def _schedule(self, pod: Object) -> float | None:
        node, why = self._choose(pod)
        if node is None:
            status = copy.deepcopy(pod.get("status") or {})
            put(status, "PodScheduled", "False", "Unschedulable", why, probed=True)
            answer = await self.cluster.write_status(POD, pod, status)
            self.cluster.seen(POD, answer)
            return 2.0
        meta = pod["metadata"]
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta["name"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        await self.cluster.kube.request("POST", POD.path(meta["namespace"], meta["name"], "binding"), body)
        return None

    def _choose(self, pod: Object) -> tuple[str | None, str]:
        """A node that the selector, a required affinity by host name and the memory allow."""
        selector = pod["spec"].get("nodeSelector") or {}
        memory = sum(
            to_bytes((item["resources"].get("requests") or {}).get("memory", 0)) for item in pod["spec"]["containers"]
        )
        refused = _refused_hosts(pod)
        fitting = [
            node
            for node in self.cluster.nodes.all()
            if selector.items() <= (node["metadata"].get("labels") or {}).items()
            and not node["spec"].get("unschedulable")
            and node["metadata"]["name"] not in refused
        ]
        total = len(list(self.cluster.nodes.all()))
        if not fitting:
            return None, f"0/{total} nodes are available: {total} node(s) didn't match Pod's node affinity/selector."
        if memory > NODE_MEMORY:
            return None, f"0/{total} nodes are available: {total} Insufficient memory."
        load = {node["metadata"]["name"]: 0 for node in fitting}
        for other in self.cluster.pods.all():
            if other["spec"].get("nodeName") in load and not pod_done(other):
                load[other["spec"]["nodeName"]] += 1
        return min(load, key=lambda name: (load[name], name)), ""

    async def _start(self, pod: Object) -> float | None:
        status = copy.deepcopy(pod.get("status") or {})
        bad = _missing_image(pod)
        if _missing_volume(pod):
            return None
        if unbound(self.cluster, pod["metadata"]["namespace"], _claims(pod)):
            return KUBELET_SECONDS
        if bad:
            return await self._pull_failure(pod, status, bad)
        self._addresses += 1
        ip = f"10.254.{self._addresses // 250 % 250}.{self._addresses % 250 + 2}"
        uid, key = (
            pod["metadata"]["uid"],
            f"{pod['metadata']['namespace']}/{pod['metadata']['annotations']['kubevirt.io/domain']}",
        )
        vmi = self.cluster.vmis.get(key)
        if vmi is None:
            return None
        status |= {
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "startTime": now(),
            "qosClass": status.get("qosClass", "Burstable"),
        }
        status["containerStatuses"] = [_container(item, True) for item in pod["spec"]["containers"]]
        put(status, "Ready", "False", *GATE_MISSING)
        guest = SimulatedGuest(vmi, pod | {"status": status}, lambda: self._changed(key, pod))
        guest.peer = lambda: self._peer(vmi, uid)
        self.guests[uid] = guest
        self.cluster.seen(POD, await self.cluster.write_status(POD, pod, status))
        return None

    def _changed(self, vmi_key: str, pod: Object) -> None:
        self._poke(vmi_key)
        self.queue.add_after(key_of(pod), 0.5)

    def _peer(self, vmi: Object, uid: str) -> SimulatedGuest | None:
        for pod in self.cluster.pods_of(vmi):
            other = self.guests.get(pod["metadata"]["uid"])
            if pod["metadata"]["uid"] != uid and other is not None and other._state == "incoming":
                return other
        return None

    async def _pull_failure(self, pod: Object, status: Object, image: str) -> float | None:
        """ErrImagePull first, ImagePullBackOff from a second later on."""
        clock = asyncio.get_running_loop().time()
        begun = self._pulls.setdefault(pod["metadata"]["uid"], clock)
        known = clock - begun >= BACK_OFF
        reason = "ImagePullBackOff" if known else "ErrImagePull"
        message = (
            f'Back-off pulling image "{image}"' if known else f'failed to pull and unpack image "{image}": not found'
        )
        put(status, "Initialized", "False", "ContainersNotInitialized", "images are missing")
        status["initContainerStatuses"] = [
            {
                "name": item["name"],
                "ready": False,
                "restartCount": 0,
                "image": item["image"],
                "imageID": "",
                "state": {"waiting": {"reason": reason, "message": message}},
            }
            for item in pod["spec"].get("initContainers") or []
        ]
        self.cluster.seen(POD, await self.cluster.write_status(POD, pod, status))
        return None if known else BACK_OFF

    async def _end(self, pod: Object) -> float | None:
        """A deleted pod goes when its guest has ended, at once where none ran."""
        guest = self.guests.get(pod["metadata"]["uid"])
        state = (await guest.state()).state if guest is not None else "none"
        if state in ("running", "paused", "incoming") and state != "incoming":
            return None
        if not pod_done(pod) and guest is not None:
            await asyncio.sleep(0.2)
            await self._finish(pod)
            return 0.1
        self.guests.pop(pod["metadata"]["uid"], None)
        self._pulls.pop(pod["metadata"]["uid"], None)
        meta = pod["metadata"]
        await self.cluster.kube.delete(POD, meta["namespace"], meta["name"], meta["uid"], grace=0)
        return None

    async def _finish(self, pod: Object) -> None:
        fresh = self.cluster.pods.get(key_of(pod)) or pod
        status = copy.deepcopy(fresh.get("status") or {}) | {"phase": "Succeeded"}
        status["containerStatuses"] = [_container(item, False) for item in fresh["spec"]["containers"]]
        put(status, "Ready", "False", "PodCompleted")
        self.cluster.seen(POD, await self.cluster.write_status(POD, fresh, status))


def _labels(name: str) -> dict[str, str]:
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubevirt.io/schedulable": "true",
    }
    return labels | {f"cpu-model.node.kubevirt.io/{model}": "true" for model in CPU_MODELS}


def _refused_hosts(pod: Object) -> set[str]:
    node = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    terms = (node.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or []
    return {
        value
        for term in terms
        for item in term.get("matchExpressions") or []
        if item["key"] == "kubernetes.io/hostname" and item["operator"] == "NotIn"
        for value in item.get("values") or []
    }


def _readiness(pod: Object) -> tuple[str, str, str]:
    """Status, reason and message of the pod's Ready condition."""
    gate = condition(pod, UNPAUSED_GATE)
    if gate is None:
        return ("False", *GATE_MISSING)
    return ("True", "", "") if gate["status"] == "True" else ("False", *GATE_CLOSED)


def _missing_image(pod: Object) -> str:
    for item in pod["spec"].get("initContainers") or []:
        if any(mark in item["image"] for mark in MISSING_IMAGE_MARKS):
            return str(item["image"])
    return ""


def _claims(pod: Object) -> list[str]:
    volumes = pod["spec"].get("volumes") or []
    return [volume["persistentVolumeClaim"]["claimName"] for volume in volumes if volume.get("persistentVolumeClaim")]


def _missing_volume(pod: Object) -> bool:
    """A Secret or ConfigMap whose name says that it does not exist keeps the pod from starting."""
    for volume in pod["spec"].get("volumes") or []:
        name = (volume.get("secret") or {}).get("secretName") or (volume.get("configMap") or {}).get("name") or ""
        if any(mark in name for mark in MISSING_IMAGE_MARKS):
            return True
    return False


def _container(container: Object, ready: bool) -> Object:
    state: Object = (
        {"running": {"startedAt": now()}}
        if ready
        else {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": now()}}
    )
    return {
        "name": container["name"],
        "ready": ready,
        "started": ready,
        "restartCount": 0,
        "image": container["image"],
        "imageID": "",
        "state": state,
    }
