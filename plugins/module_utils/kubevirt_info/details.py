# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: nodes, machines, storage classes and certificates one by one, for those who want to see more than findings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info import systems
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import LOCKS, Node, Volume
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.view import View

_DAY = 86400.0
_ROLE = "node-role.kubernetes.io/"
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
# Findings of one machine that keep it from coming back after the loss of its node, and from moving while it runs.
STAYS_LOST = frozenset(
    {
        "vm-cpu-model",
        "vm-dedicated-cpus",
        "vm-host-device-one-node",
        "vm-local-disk",
        "vm-no-node",
        "vm-one-node",
        "vm-priority-class-unknown",
        "vm-run-strategy",
        "vm-standalone",
    }
)
CANNOT_MOVE = frozenset(
    {
        "vm-host-cpu",
        "vm-host-device",
        "vm-not-migratable",
        "vm-quota",
        "vm-rwo-claim",
        "vm-state-not-shared",
    }
)
# What a StorageClass's disks survive.
SHARED, FOLLOWS, LOCAL, UNKNOWN = "shared", "follows", "local", "unknown"


def overview(view: View, found: Iterable[Finding]) -> dict[str, Any]:
    """The result's `details`."""
    listed = list(found)
    return {
        "nodes": [_node(view, node) for node in sorted(view.cluster.nodes, key=lambda node: node.name)],
        "machines": _machines(view, listed),
        "storage_classes": [_storage_class(view, name) for name in sorted(view.cluster.storage_classes)],
        "certificates": _certificates(view),
        "etcd_backup": _backup(view),
        "backups": view.cluster.backups,
        "api_servers": sorted(set(view.cluster.endpoints)),
        "priority_classes": systems.priority_classes(view),
        "reserve": systems.reserve(view),
        "quotas": systems.quotas(view),
        "networks": systems.networks(view),
        "metrics_server": systems.metrics_server(view),
    }


def _node(view: View, node: Node) -> dict[str, Any]:
    roles = sorted(label[len(_ROLE) :] for label in node.labels if label.startswith(_ROLE) and label != _ROLE)
    return {
        "name": node.name,
        "ready": node.ready,
        "cordoned": node.cordoned,
        "pressures": list(node.pressures),
        "taints": sorted({taint.key for taint in node.taints}),
        "roles": roles,
        "runs_machines": node.runs_machines,
        "addresses": list(node.addresses),
        "failure_domain": view.domain(node.name),
        "kubelet": str(node.info.get("kubeletVersion") or ""),
        "container_runtime": str(node.info.get("containerRuntimeVersion") or ""),
        "kernel": str(node.info.get("kernelVersion") or ""),
    }


def _machines(view: View, found: Iterable[Finding]) -> list[dict[str, Any]]:
    why: dict[tuple[Key, bool], list[str]] = {}
    for finding in found:
        if finding.id in STAYS_LOST or finding.id in CANNOT_MOVE:
            for thing in finding.things:
                key = ((thing.namespace, thing.name), finding.id in STAYS_LOST)
                why.setdefault(key, []).append(finding.why + (f" ({thing.detail})" if thing.detail else ""))
    alone = ["one node only can run machines"] if len(view.hosts) < 2 else []
    shown = []
    for machine in view.machines:
        lost, fixed = why.get((machine.key, True), []) + alone, why.get((machine.key, False), []) + alone
        shown.append(
            {
                "namespace": machine.key[0],
                "name": machine.key[1],
                "node": machine.node,
                "runs": machine.vmi is not None,
                "ready": machine.vm.ready if machine.vm else bool(machine.vmi and machine.vmi.ready),
                "state": machine.vm.description if machine.vm else "an instance without a VirtualMachine",
                "fails_over": not lost,
                "fails_over_not": lost,
                "migrates": not fixed,
                "migrates_not": fixed,
            }
        )
    return shown


def _storage_class(view: View, name: str) -> dict[str, Any]:
    item = view.cluster.storage_classes[name]
    volumes = [volume for volume in view.cluster.volumes.values() if volume.storage_class == name]
    profile = ((view.cluster.profiles.get(name) or {}).get("status") or {}).get("claimPropertySets") or []
    offered = {str(mode) for one in profile for mode in one.get("accessModes") or []}
    offered |= {mode for volume in volumes for mode in volume.modes}
    annotations = item["metadata"].get("annotations") or {}
    return {
        "name": name,
        "provisioner": str(item.get("provisioner") or ""),
        "default": annotations.get(_DEFAULT_CLASS) == "true",
        "access_modes": sorted(offered),
        "volumes": len(volumes),
        "bound": sum(volume.phase == "Bound" for volume in volumes),
        "survives": _survives(view, volumes),
        "locks_survive_restarts": str(annotations.get(LOCKS) or "unknown"),
    }


def _survives(view: View, volumes: Iterable[Volume]) -> str:
    """The worst of its volumes; without any, nothing is known."""
    kinds = {_kind(view, volume) for volume in volumes}
    return next((kind for kind in (LOCAL, FOLLOWS, SHARED) if kind in kinds), UNKNOWN)


def _kind(view: View, volume: Volume) -> str:
    if view.is_of_one_node(volume):
        return LOCAL
    return SHARED if volume.shared else FOLLOWS


def _certificates(view: View) -> list[dict[str, Any]]:
    """Those whose end is known, the next one to end first."""
    known = sorted((each for each in view.cluster.certificates if not each.fault), key=lambda each: each.not_after)
    return [
        {
            "kind": each.kind,
            "namespace": each.namespace,
            "name": each.name,
            "field": each.field,
            "days_left": round((each.not_after - view.cluster.now) / _DAY, 2),
        }
        for each in known
    ]


def _backup(view: View) -> dict[str, Any] | None:
    backup = view.cluster.backup
    if backup is None or backup.taken_at is None:
        return None
    age = round(view.cluster.now - backup.taken_at)
    return {"age_seconds": age, "location": backup.where, "verified": backup.verified}
