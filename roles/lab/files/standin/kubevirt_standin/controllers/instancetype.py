"""Instancetypes and preferences: found and written into the VMI's spec."""

from __future__ import annotations

import copy

from ..kube import Kube
from ..resources import (
    CLUSTER_INSTANCETYPE,
    CLUSTER_PREFERENCE,
    INSTANCETYPE,
    PREFERENCE,
    Object,
    Resource,
)

KINDS: dict[str, dict[str, Resource]] = {
    "instancetype": {
        "virtualmachineinstancetype": INSTANCETYPE,
        "virtualmachineclusterinstancetype": CLUSTER_INSTANCETYPE,
    },
    "preference": {
        "virtualmachinepreference": PREFERENCE,
        "virtualmachineclusterpreference": CLUSTER_PREFERENCE,
    },
}
DEFAULT_KIND = {"instancetype": "VirtualMachineClusterInstancetype", "preference": "VirtualMachineClusterPreference"}
REASON = {"instancetype": "FailedFindInstancetype", "preference": "FailedFindPreference"}


class InstancetypeError(Exception):
    """The matcher names nothing that exists; `reason` goes into the VM's Failure condition."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


async def _find(kube: Kube, vm: Object, field: str) -> Object | None:
    matcher = vm["spec"].get(field)
    if not matcher:
        return None
    kind, name = matcher.get("kind") or DEFAULT_KIND[field], matcher.get("name", "")
    resource = KINDS[field].get(kind.lower())
    if resource is None:
        raise InstancetypeError(REASON[field], f"got unexpected kind in {_Title[field]}Matcher: {kind}")
    namespace = vm["metadata"]["namespace"] if resource.namespaced else ""
    found = await kube.find(resource, namespace, name)
    if found is None:
        text = f'{resource.plural}.{resource.group} "{name}" not found'
        raise InstancetypeError(REASON[field], text)
    return found


_Title = {"instancetype": "Instancetype", "preference": "Preference"}


async def expand(kube: Kube, vm: Object) -> tuple[Object, dict[str, str]]:
    """The VMI's spec with instancetype and preference applied, and the annotations that say so."""
    spec: Object = copy.deepcopy(vm["spec"]["template"]["spec"])
    annotations: dict[str, str] = {}
    instancetype = await _find(kube, vm, "instancetype")
    preference = await _find(kube, vm, "preference")
    domain = spec.setdefault("domain", {})
    if instancetype is not None:
        cpu, memory = instancetype["spec"].get("cpu") or {}, instancetype["spec"].get("memory") or {}
        domain.setdefault("cpu", {}).setdefault("sockets", int(cpu.get("guest") or 1))
        if memory.get("guest"):
            domain.setdefault("memory", {}).setdefault("guest", memory["guest"])
        annotations[_annotation(instancetype)] = instancetype["metadata"]["name"]
    if preference is not None:
        _prefer(domain, preference["spec"])
        annotations[_annotation(preference)] = preference["metadata"]["name"]
    return spec, annotations


def _annotation(found: Object) -> str:
    kind = str(found["kind"])
    cluster = "cluster-" if "Cluster" in kind else ""
    return f"kubevirt.io/{cluster}{'preference' if kind.endswith('Preference') else 'instancetype'}-name"


def _prefer(domain: Object, preference: Object) -> None:
    """The few preferences that this fixture knows: bus of disks, model of interfaces."""
    devices = domain.get("devices") or {}
    wanted = preference.get("devices") or {}
    for disk in devices.get("disks") or []:
        target = disk.get("disk")
        if target is not None and wanted.get("preferredDiskBus"):
            target.setdefault("bus", wanted["preferredDiskBus"])
    for interface in devices.get("interfaces") or []:
        if wanted.get("preferredInterfaceModel"):
            interface.setdefault("model", wanted["preferredInterfaceModel"])
