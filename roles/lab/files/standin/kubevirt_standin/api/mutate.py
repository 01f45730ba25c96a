"""The mutating webhooks: defaults that KubeVirt writes into what it is given; pure."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from math import ceil

from ..conditions import enter_phase
from ..quantity import parse
from ..resources import Object
from ..schema import VM_SPEC, VMI_SPEC
from .typecheck import check, normalise

TOPOLOGY = "kubevirt.io/pci-topology-version"
MACHINES = {"amd64": "q35", "arm64": "virt", "s390x": "s390-ccw-virtio"}


class Refused(Exception):
    """The object cannot be defaulted."""


Mutator = Callable[[Object, Object, str, bool], Object]


def mutate_vm(obj: Object, old: Object, operation: str, own: bool) -> Object:
    """Defaults of a VirtualMachine's template."""
    if obj["metadata"].get("deletionTimestamp"):
        return obj
    check(obj, VM_SPEC, "VirtualMachine")
    wanted = copy.deepcopy(obj)
    wanted["spec"] = normalise(wanted["spec"], VM_SPEC)
    template = wanted["spec"]["template"]
    spec = template["spec"]
    spec.setdefault("architecture", "amd64")
    domain = spec["domain"]
    domain.setdefault("machine", {}).setdefault("type", MACHINES.get(spec["architecture"], "q35"))
    if domain.get("resources") is None:
        domain["resources"] = {}
    if operation == "CREATE":
        firmware = domain.setdefault("firmware", {})
        firmware.setdefault("uuid", str(uuid.uuid4()))
        firmware.setdefault("serial", str(uuid.uuid4()))
    meta = template.get("metadata") or {}
    meta["annotations"] = {TOPOLOGY: "v3"} | (meta.get("annotations") or {})
    template["metadata"] = meta
    return wanted


def mutate_vmi(obj: Object, old: Object, operation: str, own: bool) -> Object:
    """Defaults of a VirtualMachineInstance; its status is nobody's but KubeVirt's."""
    wanted = copy.deepcopy(obj)
    if operation == "UPDATE":
        if not own:
            wanted["status"] = copy.deepcopy(old.get("status") or {})
        return wanted
    check(obj, VMI_SPEC, "VirtualMachineInstance")
    wanted["spec"] = normalise(wanted["spec"], VMI_SPEC)
    spec, meta = wanted["spec"], wanted["metadata"]
    meta["annotations"] = {TOPOLOGY: "v3"} | (meta.get("annotations") or {})
    meta["finalizers"] = list(
        dict.fromkeys([*(meta.get("finalizers") or []), "kubevirt.io/foregroundDeleteVirtualMachine"])
    )
    _default_spec(spec)
    cpu = spec["domain"]["cpu"]
    memory = (spec["domain"].get("memory") or {}).get("guest") or _requested_memory(spec)
    topology = {field: cpu[field] for field in ("cores", "sockets", "threads") if field in cpu}
    revision = (obj.get("status") or {}).get("virtualMachineRevisionName") if own else None
    status: Object = {"guestOSInfo": {}, "runtimeUser": 107, "currentCPUTopology": topology}
    if memory:
        status["memory"] = {"guestAtBoot": memory, "guestCurrent": memory, "guestRequested": memory}
    if revision:
        status["virtualMachineRevisionName"] = revision
    enter_phase(status, "Pending")
    wanted["status"] = status
    return wanted


def _requested_memory(spec: Object) -> str:
    wanted = spec["domain"].get("resources") or {}
    return str((wanted.get("requests") or {}).get("memory") or (wanted.get("limits") or {}).get("memory") or "")


def _sockets(resources: Object) -> int:
    """As many as there are processors in the limits, else in the requests, begun ones counted."""
    for kind in ("limits", "requests"):
        asked = (resources.get(kind) or {}).get("cpu")
        if asked is not None:
            return max(1, ceil(parse(str(asked))))
    return 1


def _default_spec(spec: Object) -> None:
    spec.setdefault("architecture", "amd64")
    spec.setdefault("evictionStrategy", "None")
    domain = spec["domain"]
    domain.setdefault("machine", {}).setdefault("type", MACHINES.get(spec["architecture"], "q35"))
    domain.setdefault("firmware", {}).setdefault("uuid", str(uuid.uuid4()))
    domain.setdefault("features", {}).setdefault("acpi", {}).setdefault("enabled", True)
    if domain.get("resources") is None:
        domain["resources"] = {}
    cpu = domain.setdefault("cpu", {})
    if not any(cpu.get(part) for part in ("cores", "sockets", "threads")):
        sockets = _sockets(domain["resources"])
        cpu.update(cores=1, sockets=sockets, threads=1)
        cpu.setdefault("maxSockets", 4 * sockets)
    domain["cpu"].setdefault("model", "host-model")
    devices = domain["devices"]
    attach = devices.get("autoattachPodInterface")
    if attach is not False and not spec.get("networks") and not devices.get("interfaces"):
        devices["interfaces"] = [{"name": "default", "bridge": {}}]
        spec["networks"] = [{"name": "default", "pod": {}}]


def mutate_migration(obj: Object, old: Object, operation: str, own: bool) -> Object:
    """A migration gets its finalizer and the label that names its VMI."""
    wanted = copy.deepcopy(obj)
    if operation != "CREATE":
        return wanted
    meta = wanted["metadata"]
    meta["finalizers"] = list(dict.fromkeys([*(meta.get("finalizers") or []), "kubevirt.io/migrationJobFinalize"]))
    name = (wanted.get("spec") or {}).get("vmiName")
    if name:
        meta["labels"] = (meta.get("labels") or {}) | {"kubevirt.io/vmi-name": name}
    return wanted


def mutate_clone(obj: Object, old: Object, operation: str, own: bool) -> Object:
    """A clone without a target's name gets one."""
    wanted = copy.deepcopy(obj)
    spec = wanted.get("spec") or {}
    target = spec.setdefault("target", {"apiGroup": "kubevirt.io", "kind": "VirtualMachine"})
    if not target.get("name"):
        target["name"] = f"clone-{(spec.get('source') or {}).get('name', '')}-{uuid.uuid4().hex[:5]}"
    return wanted


MUTATORS: dict[str, Mutator] = {
    "vm": mutate_vm,
    "vmi": mutate_vmi,
    "migration": mutate_migration,
    "clone": mutate_clone,
}
