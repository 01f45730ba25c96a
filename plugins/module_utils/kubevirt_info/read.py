# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: objects of the API to facts, one at a time, while their page is at hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions, placement, vm_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import key_of
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import (
    STATE_CLAIM,
    Budget,
    Claim,
    Disk,
    Guest,
    Node,
    Pod,
    PriorityClass,
    Quota,
    Vm,
    Vmi,
    Volume,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.placement import Placement
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.pod_requests import amounts, gives_way, requests
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.gather import seconds
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.names import LAUNCHER

Object = dict[str, Any]

_HEARTBEAT = "kubevirt.io/heartbeat"
_CREATED_BY = "kubevirt.io/created-by"
_DOMAIN = "kubevirt.io/domain"
_MIGRATION = "kubevirt.io/migrationJobUID"
_LOST = ("containerDisk", "emptyDisk", "ephemeral")
_WATCHED_CONDITIONS = ("LiveMigratable", "StorageLiveMigratable")


def node(item: Object) -> Node:
    meta, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    return Node(
        name=str(meta["name"]),
        labels=meta.get("labels") or {},
        taints=placement.taints(spec),
        ready=conditions.holds(item, "Ready"),
        cordoned=bool(spec.get("unschedulable")),
        room=amounts(status.get("allocatable")),
        addresses=tuple(str(entry["address"]) for entry in status.get("addresses") or [] if entry.get("address")),
        info=status.get("nodeInfo") or {},
        heartbeat=_seconds((meta.get("annotations") or {}).get(_HEARTBEAT)),
        pressures=tuple(
            str(condition["type"])
            for condition in status.get("conditions") or []
            if condition.get("type") != "Ready" and condition.get("status") == "True"
        ),
    )


def pod(item: Object) -> Pod:
    meta, spec = item["metadata"], item.get("spec") or {}
    labels = meta.get("labels") or {}
    launcher = labels.get(LAUNCHER[0]) == LAUNCHER[1]
    return Pod(
        namespace=str(meta.get("namespace", "")),
        name=str(meta["name"]),
        node=str(spec.get("nodeName") or ""),
        labels=labels,
        ready=conditions.holds(item, "Ready"),
        requests=requests(spec),
        vmi=str(labels.get(_CREATED_BY) or "") if launcher else "",
        machine=str((meta.get("annotations") or {}).get(_DOMAIN) or meta["name"]),
        target=_MIGRATION in labels,
        gives_way=gives_way(item),
        placement=placement.parse(spec) if launcher else Placement(),
    )


def vm(item: Object) -> Vm:
    spec = item.get("spec") or {}
    return Vm(
        key=key_of(item),
        strategy=vm_state.run_strategy(item),
        guest=guest((spec.get("template") or {}).get("spec") or {}),
        created=vm_state.is_created(item),
        ready=vm_state.is_ready(item) or vm_state.status(item).get("printableStatus") == "Paused",
        stopped=vm_state.status(item).get("printableStatus") == "Stopped",
        description=vm_state.describe(item),
    )


def vmi(item: Object) -> Vmi | None:
    """An instance; None where it has ended."""
    status = item.get("status") or {}
    if status.get("phase") in conditions.FINAL_PHASES:
        return None
    found = {kind: conditions.find(item, kind) for kind in _WATCHED_CONDITIONS}
    owners = [owner for owner in item["metadata"].get("ownerReferences") or [] if owner.get("controller")]
    return Vmi(
        key=key_of(item),
        uid=str(item["metadata"].get("uid") or ""),
        owner=str(owners[0].get("kind")) if owners else "",
        guest=guest(item.get("spec") or {}),
        node=str(status.get("nodeName") or ""),
        leaving=bool(item["metadata"].get("deletionTimestamp")),
        ready=conditions.holds(item, "Ready") or conditions.holds(item, "Paused"),
        refusals={
            kind: (str(one.get("reason") or "no reason given"), str(one.get("message") or ""))
            for kind, one in found.items()
            if one.get("status") == "False"
        },
    )


def guest(spec: Object) -> Guest:
    """What an instance's spec asks for."""
    domain = spec.get("domain") or {}
    devices, cpu = domain.get("devices") or {}, domain.get("cpu") or {}
    efi = ((domain.get("firmware") or {}).get("bootloader") or {}).get("efi") or {}
    state = {"TPM": (devices.get("tpm") or {}).get("persistent"), "EFI": efi.get("persistent")}
    passed_through = [*(devices.get("hostDevices") or []), *(devices.get("gpus") or [])]
    return Guest(
        eviction=str(spec.get("evictionStrategy") or ""),
        disks=tuple(_disks(spec.get("volumes") or [], devices.get("disks") or [])),
        devices=tuple(str(device.get("deviceName") or device.get("name")) for device in passed_through),
        cpu_model=str(cpu.get("model") or ""),
        dedicated=bool(cpu.get("dedicatedCpuPlacement")),
        state=tuple(name for name, kept in state.items() if kept),
        priority_class=str(spec.get("priorityClassName") or ""),
        placement=placement.parse(spec),
    )


def _disks(volumes: Iterable[Object], disks: Iterable[Object]) -> Iterator[Disk]:
    compact = {str(disk.get("name")) for disk in disks if "cdrom" in disk}
    for volume in volumes:
        name = str(volume.get("name"))
        claim = volume.get("persistentVolumeClaim") or {}
        if "persistentVolumeClaim" in volume:
            yield Disk("claim", str(claim.get("claimName")), bool(claim.get("readOnly")))
        elif "dataVolume" in volume:
            yield Disk("claim", str((volume["dataVolume"] or {}).get("name")))
        elif "hostDisk" in volume and not (volume["hostDisk"] or {}).get("shared"):
            yield Disk("host", name)
        elif any(kind in volume for kind in _LOST) and name not in compact:
            yield Disk("lost", name)


def claim(item: Object) -> Claim:
    meta, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    return Claim(
        key=key_of(item),
        modes=tuple(status.get("accessModes") or spec.get("accessModes") or ()),
        storage_class=str(spec.get("storageClassName") or ""),
        volume=str(spec.get("volumeName") or ""),
        state_of=_state_of(meta),
    )


def _state_of(meta: Object) -> str:
    labelled = (meta.get("labels") or {}).get(STATE_CLAIM)
    name, prefix = str(meta["name"]), f"{STATE_CLAIM}-"
    return str(labelled or (name[len(prefix) :] if name.startswith(prefix) else ""))


def volume(item: Object) -> Volume:
    spec = item.get("spec") or {}
    return Volume(
        name=str(item["metadata"]["name"]),
        terms=placement.node_terms((spec.get("nodeAffinity") or {}).get("required")),
        host_path="hostPath" in spec,
        shared="ReadWriteMany" in (spec.get("accessModes") or ()),
        modes=tuple(str(mode) for mode in spec.get("accessModes") or ()),
        storage_class=str(spec.get("storageClassName") or ""),
        phase=str((item.get("status") or {}).get("phase") or ""),
    )


def budget(item: Object) -> Budget:
    spec, status = item.get("spec") or {}, item.get("status") or {}
    owners = item["metadata"].get("ownerReferences") or []
    return Budget(
        key=key_of(item),
        selector=placement.label_selector(spec.get("selector")),
        min_available=spec.get("minAvailable"),
        max_unavailable=spec.get("maxUnavailable"),
        allowed=status.get("disruptionsAllowed"),
        of_vmi=any(owner.get("kind") == "VirtualMachineInstance" for owner in owners),
    )


def quota(item: Object) -> Quota:
    spec, status = item.get("spec") or {}, item.get("status") or {}
    hard, used = amounts(status.get("hard") or spec.get("hard")), amounts(status.get("used"))
    scopes = [str(scope) for scope in spec.get("scopes") or []]
    classes = None
    for rule in (spec.get("scopeSelector") or {}).get("matchExpressions") or []:
        if rule.get("scopeName") == "PriorityClass" and rule.get("operator") == "In":
            classes = tuple(str(value) for value in rule.get("values") or [])
        else:
            scopes.append(str(rule.get("scopeName")))
    room = {name: value - used.get(name, 0) for name, value in hard.items()}
    return Quota(key_of(item), room, tuple(scopes), classes, hard)


def priority_class(item: Object) -> PriorityClass:
    return PriorityClass(int(item.get("value") or 0), bool(item.get("globalDefault")))


def endpoints(item: Object) -> list[str]:
    """The addresses of an EndpointSlice that are not said to be unready."""
    serving = (one for one in item.get("endpoints") or [] if (one.get("conditions") or {}).get("ready") is not False)
    return [str(address) for one in serving for address in one.get("addresses") or []]


def few(item: Object) -> Object:
    """An object of a kind of which there are few, without what the server notes on it."""
    meta = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return {**item, "metadata": meta}


def _seconds(moment: Any) -> float | None:
    try:
        return seconds(str(moment)) if moment else None
    except ValueError:
        return None
