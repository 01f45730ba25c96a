"""The virt-launcher pod of a VMI; pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from ..quantity import parse, to_bytes
from ..resources import Object, owner_reference

OVERHEAD = 268 << 20
CONTROL_DIR = "/var/run/kubevirt-standin"
DISKS = "/var/run/kubevirt-disks"


@dataclass(frozen=True)
class Settings:
    """What the KubeVirt CR and the operator decide for every launcher."""

    image: str
    use_emulation: bool = False
    pull_policy: str = "IfNotPresent"
    migration_port: int = 49152


def render(
    vmi: Object, settings: Settings, migration: Object | None = None, capacities: dict[str, int] | None = None
) -> Object:
    """The pod that runs the VMI; with a migration, the pod that receives it. `capacities` in bytes, a volume each."""
    meta, spec = vmi["metadata"], vmi["spec"]
    pod_spec: Object = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": grace_period(spec) + 15,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "initContainers": _init_containers(spec, settings),
        "containers": [_compute(vmi, settings, migration, capacities or {})],
        "volumes": _volumes(spec),
        "hostname": str(spec.get("hostname") or meta["name"])[:63].strip("-."),
        "readinessGates": [{"conditionType": "kubevirt.io/virtual-machine-unpaused"}],
        "nodeSelector": (spec.get("nodeSelector") or {}) | _machine_selector(spec),
    }
    for field in (
        "affinity",
        "tolerations",
        "priorityClassName",
        "schedulerName",
        "topologySpreadConstraints",
        "dnsPolicy",
        "dnsConfig",
        "subdomain",
    ):
        if spec.get(field):
            pod_spec[field] = spec[field]
    if migration is not None:
        _place_target(pod_spec, vmi, migration)
    return {
        "metadata": {
            "generateName": f"virt-launcher-{meta['name'][:200]}-",
            "namespace": meta["namespace"],
            "labels": _labels(vmi, migration),
            "annotations": _annotations(vmi, migration),
            "ownerReferences": [owner_reference(vmi)],
        },
        "spec": pod_spec,
    }


def grace_period(spec: Object) -> int:
    """Seconds that the guest has to shut down."""
    value = spec.get("terminationGracePeriodSeconds")
    return max(0, int(30 if value is None else value))


def _labels(vmi: Object, migration: Object | None) -> dict[str, str]:
    meta = vmi["metadata"]
    labels = dict(meta.get("labels") or {})
    labels.pop("kubevirt.io/nodeName", None)
    labels |= {
        "kubevirt.io": "virt-launcher",
        "kubevirt.io/created-by": meta["uid"],
        "vm.kubevirt.io/name": meta["name"][:63].rstrip("-."),
        "vmi.kubevirt.io/id": meta["name"][:63].rstrip("-."),
    }
    if migration is not None:
        labels["kubevirt.io/migrationJobUID"] = migration["metadata"]["uid"]
    return labels


def _annotations(vmi: Object, migration: Object | None) -> dict[str, str]:
    annotations = {
        name: value
        for name, value in (vmi["metadata"].get("annotations") or {}).items()
        if name not in ("kubevirt.io/latest-observed-api-version", "kubevirt.io/storage-observed-api-version")
    }
    annotations |= {
        "kubevirt.io/domain": vmi["metadata"]["name"],
        "kubevirt.io/memory-overhead-bytes": str(OVERHEAD),
        "kubectl.kubernetes.io/default-container": "compute",
        "descheduler.alpha.kubernetes.io/request-evict-only": "",
        "kubevirt.io/migrationTransportUnix": "true",
    }
    if migration is not None:
        annotations["kubevirt.io/migrationJobName"] = migration["metadata"]["name"]
    return annotations


def _machine_selector(spec: Object) -> dict[str, str]:
    selector = {"kubevirt.io/schedulable": "true"}
    if spec.get("architecture"):
        selector["kubernetes.io/arch"] = spec["architecture"]
    model = ((spec.get("domain") or {}).get("cpu") or {}).get("model") or "host-model"
    if model not in ("host-model", "host-passthrough"):
        selector[f"cpu-model.node.kubevirt.io/{model}"] = "true"
    return selector


def _place_target(pod_spec: Object, vmi: Object, migration: Object) -> None:
    """A migration goes to another node, where the migration asks to."""
    pod_spec["nodeSelector"] = (migration["spec"].get("addedNodeSelector") or {}) | pod_spec["nodeSelector"]
    term = {
        "matchExpressions": [
            {
                "key": "kubernetes.io/hostname",
                "operator": "NotIn",
                "values": [(vmi.get("status") or {}).get("nodeName", "")],
            }
        ]
    }
    affinity = json.loads(json.dumps(pod_spec.get("affinity") or {}))
    node = affinity.setdefault("nodeAffinity", {})
    required = node.setdefault("requiredDuringSchedulingIgnoredDuringExecution", {"nodeSelectorTerms": []})
    terms = required["nodeSelectorTerms"] or [{}]
    required["nodeSelectorTerms"] = [
        item | {"matchExpressions": (item.get("matchExpressions") or []) + term["matchExpressions"]} for item in terms
    ]
    pod_spec["affinity"] = affinity


def _compute(vmi: Object, settings: Settings, migration: Object | None, capacities: dict[str, int]) -> Object:
    spec, meta = vmi["spec"], vmi["metadata"]
    devices = (spec.get("domain") or {}).get("devices") or {}
    ports = [
        {"containerPort": int(port["port"]), "protocol": port.get("protocol") or "TCP"}
        | ({"name": port["name"]} if port.get("name") else {})
        for interface in devices.get("interfaces") or []
        for port in interface.get("ports") or []
    ]
    return {
        "name": "compute",
        "image": settings.image,
        "imagePullPolicy": settings.pull_policy,
        "command": ["/usr/bin/kubevirt-standin", "launcher"],
        "env": [
            {"name": "VMI", "value": json.dumps({"metadata": _brief(meta), "spec": spec}, sort_keys=True)},
            {"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "CAPACITIES", "value": json.dumps(capacities, sort_keys=True)},
            {"name": "USE_EMULATION", "value": "1" if settings.use_emulation else ""},
            {"name": "INCOMING_PORT", "value": str(settings.migration_port) if migration else ""},
        ],
        "ports": ports,
        "resources": resources(spec),
        "securityContext": {"privileged": True, "runAsUser": 0},
        "volumeMounts": _mounts(spec),
    }


def _brief(meta: Object) -> Object:
    return {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]}


def guest_memory(spec: Object) -> int:
    """Bytes of memory that the guest sees."""
    domain = spec.get("domain") or {}
    stated = (domain.get("memory") or {}).get("guest")
    wanted = domain.get("resources") or {}
    for text in (stated, (wanted.get("requests") or {}).get("memory"), (wanted.get("limits") or {}).get("memory")):
        if text is not None:
            return to_bytes(text)
    return 0


def vcpus(spec: Object) -> int:
    cpu = (spec.get("domain") or {}).get("cpu") or {}
    return int(cpu.get("cores") or 1) * int(cpu.get("sockets") or 1) * int(cpu.get("threads") or 1)


def mac_address(meta: Object, interface: Object) -> str:
    """The MAC address that the interface asks for, else one of its own that stays the VMI's as it moves."""
    if interface.get("macAddress"):
        return str(interface["macAddress"]).replace("-", ":").lower()
    digest = hashlib.sha256(f"{meta['uid']}/{interface['name']}".encode()).hexdigest()
    return ":".join(("02", *(digest[at : at + 2] for at in range(0, 10, 2))))


def resources(spec: Object) -> Object:
    """Requests and limits of the compute container: the guest's own, plus the overhead of its memory."""
    wanted = (spec.get("domain") or {}).get("resources") or {}
    requests, limits = dict(wanted.get("requests") or {}), dict(wanted.get("limits") or {})
    requests.setdefault("cpu", f"{max(1, vcpus(spec)) * 100}m")
    memory = to_bytes(requests["memory"]) if "memory" in requests else guest_memory(spec)
    requests["memory"] = str(max(0, memory) + OVERHEAD)
    requests.setdefault("ephemeral-storage", "50M")
    if "memory" in limits:
        limits["memory"] = str(to_bytes(limits["memory"]) + OVERHEAD)
    if "cpu" in limits and parse(requests["cpu"]) > parse(limits["cpu"]):
        requests["cpu"] = limits["cpu"]
    return {"requests": requests} | ({"limits": limits} if limits else {})


def images(spec: Object) -> list[tuple[str, Object, str]]:
    """Images that carry files for the guest: container name, its source, the command's mode."""
    found: list[tuple[str, Object, str]] = []
    boot = (((spec.get("domain") or {}).get("firmware") or {}).get("kernelBoot") or {}).get("container")
    if boot:
        found.append(("volumekernel-boot-volume", boot, "boot"))
    for volume in spec.get("volumes") or []:
        if "containerDisk" in volume:
            found.append((f"volume{volume['name']}", volume["containerDisk"], "disk"))
    return found


def _init_containers(spec: Object, settings: Settings) -> list[Object]:
    """One container an image: it copies its files for QEMU with the static busybox of the first one."""
    found = images(spec)
    if not found:
        return []
    tools = {
        "name": "container-disk-binary",
        "image": settings.image,
        "imagePullPolicy": settings.pull_policy,
        "command": ["/usr/bin/kubevirt-standin-copy", "tools", f"{DISKS}/tools"],
        "volumeMounts": [{"name": "container-disks", "mountPath": DISKS}],
    }
    return [tools] + [_copier(name, source, mode) for name, source, mode in found]


def _copier(name: str, source: Object, mode: str) -> Object:
    target = f"{DISKS}/{name}"
    paths = (
        [source.get("path") or ""]
        if mode == "disk"
        else [source.get("kernelPath") or "", source.get("initrdPath") or ""]
    )
    return {
        "name": f"{name}-init",
        "image": source.get("image", ""),
        "imagePullPolicy": source.get("imagePullPolicy") or "IfNotPresent",
        "command": [f"{DISKS}/tools/busybox", "sh", f"{DISKS}/tools/copy.sh", mode, target, *paths],
        "volumeMounts": [{"name": "container-disks", "mountPath": DISKS}],
    }


def _volumes(spec: Object) -> list[Object]:
    volumes: list[Object] = [
        {"name": "container-disks", "emptyDir": {}},
        {"name": "control", "hostPath": {"path": CONTROL_DIR, "type": "DirectoryOrCreate"}},
        {"name": "dev", "hostPath": {"path": "/dev"}},
    ]
    for volume in spec.get("volumes") or []:
        name = f"vol-{volume['name']}"
        if "persistentVolumeClaim" in volume or "dataVolume" in volume:
            source = volume.get("persistentVolumeClaim") or {}
            claim = source.get("claimName") or (volume.get("dataVolume") or {}).get("name") or ""
            volumes.append(
                {"name": name, "persistentVolumeClaim": {"claimName": claim, "readOnly": bool(source.get("readOnly"))}}
            )
        elif "configMap" in volume or "secret" in volume:
            kind = "configMap" if "configMap" in volume else "secret"
            source = dict(volume[kind])
            source.pop("volumeLabel", None)
            volumes.append({"name": name, kind: source})
        else:
            volumes += _cloud_init_secret(name, volume)
    return volumes


def _cloud_init_secret(name: str, volume: Object) -> list[Object]:
    source = volume.get("cloudInitNoCloud") or volume.get("cloudInitConfigDrive") or {}
    reference = source.get("secretRef") or source.get("userDataSecretRef")
    return [{"name": name, "secret": {"secretName": reference["name"]}}] if reference else []


def _mounts(spec: Object) -> list[Object]:
    mounts: list[Object] = [
        {"name": "container-disks", "mountPath": DISKS},
        {"name": "control", "mountPath": CONTROL_DIR},
        {"name": "dev", "mountPath": "/host-dev"},
    ]
    named = {volume["name"] for volume in _volumes(spec)}
    mounts += [
        {"name": f"vol-{volume['name']}", "mountPath": f"/volumes/{volume['name']}"}
        for volume in spec.get("volumes") or []
        if f"vol-{volume['name']}" in named
    ]
    return mounts
