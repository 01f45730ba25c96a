# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: which machines are backed up, how each one's disks are read, and what holds it still meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions, quantity, vm_state, volumes
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import (
    COPY,
    CRASH_CONSISTENT,
    EXPORT,
    FREEZE,
    FROZEN,
    NOTHING,
    PAUSE,
    SNAPSHOT,
    SNAPSHOTTED,
    STOPPED,
    Disk,
    Plan,
    Probe,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.settings import AUTO, Selection, Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key

Object = Mapping[str, Any]

# KubeVirt's name of a disk in a claim that holds a file system.
DISK_FILE = "disk.img"
_HOSTNAME = "kubernetes.io/hostname"
# Volumes that are no loss: they come with the machine's definition, from a registry, or are empty at each start.
_HARMLESS = {
    "containerDisk": "comes from its registry again",
    "cloudInitNoCloud": "stands in the machine's definition",
    "cloudInitConfigDrive": "stands in the machine's definition",
    "sysprep": "comes from its ConfigMap or Secret again",
    "configMap": "comes from its ConfigMap again",
    "secret": "comes from its Secret again",
    "serviceAccount": "comes from its ServiceAccount again",
    "downwardAPI": "is made anew",
    "downwardMetrics": "is made anew",
    "emptyDisk": "is empty after each start",
    "ephemeral": "is written to for one run only",
    "memoryDump": "is a dump, no disk",
}


@dataclass(frozen=True)
class Found:
    """What the cluster has, by namespace and name; volumes by name."""

    machines: Mapping[Key, Object] = field(default_factory=dict)
    instances: Mapping[Key, Object] = field(default_factory=dict)
    claims: Mapping[Key, Object] = field(default_factory=dict)
    volumes: Mapping[str, Object] = field(default_factory=dict)


def select(
    selections: Iterable[Selection], found: Mapping[int, Mapping[Key, Object]]
) -> tuple[dict[Key, Probe], list[str]]:
    """The machines that are asked for with their probes, and a fault for each selection that nothing comes of.

    found: by a selection's number, what its label selector or namespace has.
    """
    wanted: dict[Key, Probe] = {}
    faults: list[str] = []
    for index, one in enumerate(selections):
        there = {key for key in found.get(index, {}) if key[0] == one.namespace}
        keys = {(one.namespace, name) for name in one.names} if one.names else there
        wanted.update(dict.fromkeys(sorted(keys & there), one.probe))
        names = ", ".join(sorted(key[1] for key in there)) or "none"
        missing = sorted(key[1] for key in keys - there)
        faults += [
            f"backup_machines[{index}]: VirtualMachine {one.namespace}/{name} does not exist; there are {names}"
            for name in missing
        ]
        if not keys:
            what = f"labels {one.labels} match" if one.labels else "has"
            subject = "" if one.labels else f"namespace {one.namespace} "
            faults.append(
                f"backup_machines[{index}]: {subject}{what} no VirtualMachine in {one.namespace}; correct it, or take it out"
            )
    return wanted, faults


def plan(key: Key, probe: Probe, found: Found, settings: Settings) -> tuple[Plan | None, list[str]]:
    """How a machine is backed up, or why it cannot be."""
    vm, vmi = found.machines[key], found.instances.get(key)
    where = f"VirtualMachine {key[0]}/{key[1]}"
    disks, skipped, faults = _disks(key, vm, found, settings)
    runs = vmi is not None and _runs(vmi)
    method, why = _method(vm, disks, runs, settings)
    if disks and not method:
        faults.append(why)
    if faults:
        return None, [f"{where}: {fault}" for fault in faults]
    hold = _hold(vmi) if vmi is not None and runs and method == COPY else NOTHING
    uid = str(vm["metadata"].get("uid") or "")
    return Plan(key[0], key[1], uid, method, hold, tuple(disks), probe if runs else Probe(), skipped), []


def _runs(vmi: Object) -> bool:
    return (vmi.get("status") or {}).get("phase") not in conditions.FINAL_PHASES


def _hold(vmi: Object) -> str:
    """What keeps a guest's disks still. A machine that somebody paused is still already."""
    if conditions.holds(vmi, "Paused"):
        return NOTHING
    return FREEZE if conditions.holds(vmi, "AgentConnected") else PAUSE


def consistency(method: str, hold: str, runs: bool, indications: Iterable[str] = ()) -> str:
    """How consistent the disks are that were read so; indications: of a snapshot, in KubeVirt's words."""
    if not runs:
        return STOPPED
    if method == SNAPSHOT:
        told = set(indications)
        return FROZEN if "GuestAgent" in told and "QuiesceTimeout" not in told else SNAPSHOTTED
    return FROZEN if hold == FREEZE else CRASH_CONSISTENT


def _method(vm: Object, disks: list[Disk], runs: bool, settings: Settings) -> tuple[str, str]:
    """The method, and why there is none."""
    held = {disk.volume for disk in disks}
    barred = volumes.without_snapshots(vm)
    known = {str(one["name"]) for one in vm_state.status(vm).get("volumeSnapshotStatuses") or []}
    possible = {
        SNAPSHOT: bool(held) and not (held & set(barred)) and held <= known,
        COPY: all(disk.path for disk in disks),
        EXPORT: not runs or settings.stop_machines,
    }
    asked = (SNAPSHOT, COPY, EXPORT) if settings.method == AUTO else (settings.method,)
    for method in asked:
        if possible[method]:
            return (COPY if not held else method), ""
    reasons = {
        SNAPSHOT: "; ".join(dict.fromkeys(barred.values())) or "KubeVirt says nothing of snapshots of its volumes",
        COPY: f"the disks of {', '.join(disk.claim for disk in disks if not disk.path)} are no files that backup_disk_hosts reach",
        EXPORT: "it runs",
    }
    told = "; ".join(f"{method}: {reasons[method]}" for method in asked)
    fix = "give its StorageClass a VolumeSnapshotClass, or set backup_stop_machines to stop it for the time of the copy"
    return "", f"its disks cannot be read ({told}); {fix}"


def _disks(key: Key, vm: Object, found: Found, settings: Settings) -> tuple[list[Disk], dict[str, str], list[str]]:
    disks: list[Disk] = []
    skipped: dict[str, str] = {}
    faults: list[str] = []
    for name, volume in volumes.volumes(volumes.template_spec(vm)).items():
        kind = next((one for one in volume if one != "name"), "")
        claim_name = "" if kind in _HARMLESS else volumes.claim(volume)
        if claim_name:
            claim = found.claims.get((key[0], claim_name))
            if claim is None:
                faults.append(f"claim {claim_name} of volume {name} does not exist")
            else:
                disks.append(_disk(name, claim, found.volumes, settings))
        elif kind in _HARMLESS:
            skipped[name] = _HARMLESS[kind]
        else:
            faults.append(f"volume {name} is of kind {kind}, which is on one node; give it a claim")
    return disks, skipped, faults


def _disk(volume: str, claim: Object, persistent: Mapping[str, Object], settings: Settings) -> Disk:
    spec = claim.get("spec") or {}
    size = ((claim.get("status") or {}).get("capacity") or {}).get("storage")
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage") or 0
    found = persistent.get(str(spec.get("volumeName") or ""))
    path, node = file_of(found, settings) if found is not None and spec.get("volumeMode") != "Block" else ("", "")
    return Disk(volume, str(claim["metadata"]["name"]), int(quantity.parse(size or asked)), path, node)


def file_of(persistent: Object, settings: Settings) -> tuple[str, str]:
    """The path of a disk's file and, where only one node has it, that node; empty where no host of the settings reaches it."""
    spec = persistent.get("spec") or {}
    folder = str((spec.get("local") or spec.get("hostPath") or {}).get("path") or "")
    if not folder or spec.get("volumeMode") == "Block":
        return "", ""
    if settings.mount and _is_below(folder, settings.mount):
        return (os.path.join(folder, DISK_FILE), "") if settings.hosts else ("", "")
    node = next(iter(_nodes_of(spec)), "")
    reached = {host.name for host in settings.hosts}
    return (os.path.join(folder, DISK_FILE), node) if node in reached else ("", "")


def _is_below(folder: str, mount: str) -> bool:
    return os.path.normpath(folder).startswith(os.path.normpath(mount).rstrip("/") + "/")


def _nodes_of(spec: Object) -> Iterator[str]:
    """The nodes that a volume is bound to by their host name, where it is bound to one."""
    required = (spec.get("nodeAffinity") or {}).get("required") or {}
    for term in required.get("nodeSelectorTerms") or []:
        for match in term.get("matchExpressions") or []:
            if match.get("key") == _HOSTNAME and len(match.get("values") or []) == 1:
                yield str(match["values"][0])
