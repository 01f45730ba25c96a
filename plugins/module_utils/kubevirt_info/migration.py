# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: machines that cannot be migrated, and drains that would not end or would restart machines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding, Thing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import Budget, Claim, Pod, Quota
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.view import Machine, View
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.placement import matches

_LIVE, _STORAGE = "LiveMigratable", "StorageLiveMigratable"
_DISKS, _DEVICES = "DisksNotLiveMigratable", "HostDeviceNotLiveMigratable"
_HOST_MODEL = "host-model-cpu.node.kubevirt.io/"
_TARGET_MODEL = "cpu-model-migration.node.kubevirt.io/"
_PREFIX = re.compile(r"^(requests|limits)\.")
# Scopes that launcher pods are never in: they have no deadline, and they ask for memory.
_OTHER_SCOPES = frozenset({"Terminating", "BestEffort"})


def configuration(view: View) -> dict[str, Any]:
    """The KubeVirt CR's configuration."""
    return ((view.cluster.kubevirt or {}).get("spec") or {}).get("configuration") or {}


def evictions(view: View) -> Iterator[Finding]:
    """What a drain does to each machine. An instance carries the strategy in force, a stopped machine takes the default."""
    default = str(configuration(view).get("evictionStrategy") or "None")
    for machine in view.machines:
        strategy = machine.guest.eviction or default
        refused = machine.vmi is not None and _LIVE in machine.vmi.refusals
        if strategy == "None" and not refused:
            yield Finding("vm-eviction-strategy", "its eviction strategy is None", (machine.thing(),))
        elif strategy == "LiveMigrate" and refused:
            yield Finding("vm-drain-blocked", "its eviction strategy is LiveMigrate", (machine.thing(),))


def claims(view: View) -> Iterator[Finding]:
    """Claims that one node at a time can use; those of local volumes are named for that already."""
    for machine in view.machines:
        names = [f"{claim.key[1]} ({', '.join(claim.modes)})" for claim in _exclusive(view, machine)]
        if names:
            yield Finding("vm-rwo-claim", "source and target need the disk at once", (machine.thing(", ".join(names)),))


def _exclusive(view: View, machine: Machine) -> Iterator[Claim]:
    for disk, claim in view.claims(machine):
        readable = disk.read_only and "ReadOnlyMany" in claim.modes
        if claim.modes and not claim.shared and not readable and not view.is_local(claim):
            yield claim


def devices(view: View) -> Iterator[Finding]:
    """Devices of the host that a guest holds."""
    for machine in view.machines:
        if machine.guest.devices:
            detail = ", ".join(sorted(set(machine.guest.devices)))
            yield Finding("vm-host-device", "the device stays on its node", (machine.thing(detail),))


def host_cpus(view: View) -> Iterator[Finding]:
    """Guests that see their node's CPU, where no other node has the same or can show it."""
    for machine in view.machines:
        node = view.nodes.get(machine.node)
        if node is None:
            continue
        models = [
            key[len(_HOST_MODEL) :]
            for key, value in node.labels.items()
            if key.startswith(_HOST_MODEL) and value == "true"
        ]
        others = view.reach(machine.guest.placement) - {node.name}
        if machine.guest.cpu_model == "host-passthrough":
            able = [view.labelled(_HOST_MODEL + model) for model in models]
        elif machine.guest.cpu_model == "host-model" and models:
            able = [view.labelled(_HOST_MODEL + model, _TARGET_MODEL + model) for model in models]
        else:
            continue
        if others and not any(nodes & others for nodes in able):
            shown = (
                f"{machine.guest.cpu_model} on {node.name}: {', '.join(models) or 'a CPU that the node does not tell'}"
            )
            yield Finding("vm-host-cpu", "no other node that it may run on tells of this CPU", (machine.thing(shown),))


def refusals(view: View) -> Iterator[Finding]:
    """What KubeVirt says against a migration, where it is not a finding with a cause of its own."""
    for machine in view.machines:
        found = machine.vmi.refusals if machine.vmi else {}
        if _LIVE in found:
            reason, message = found[_LIVE]
            if not _is_explained(view, machine, reason):
                yield Finding("vm-not-migratable", f"reason {reason}", (machine.thing(message),))
        if _STORAGE in found:
            reason, message = found[_STORAGE]
            yield Finding("vm-storage-not-migratable", f"reason {reason}", (machine.thing(message),))


def _is_explained(view: View, machine: Machine, reason: str) -> bool:
    if reason == _DEVICES:
        return bool(machine.guest.devices)
    if reason != _DISKS:
        return False
    local = any(view.is_local(claim) for _disk, claim in view.claims(machine))
    on_host = any(disk.source == "host" for disk in machine.guest.disks)
    return local or on_host or any(_exclusive(view, machine))


def kept_state(view: View) -> Iterator[Finding]:
    """TPM and EFI state that lasts, on claims of its own; local ones are named for that already."""
    default = configuration(view).get("vmStateStorageClass")
    for machine in view.machines:
        what = " and ".join(machine.guest.state)
        states = view.states(machine)
        bad = [claim for claim in states if not claim.shared and not view.is_local(claim)]
        if bad:
            detail = ", ".join(f"{claim.key[1]} ({', '.join(claim.modes)})" for claim in bad)
            yield Finding(
                "vm-state-not-shared", f"the claim of its {what} is not ReadWriteMany", (machine.thing(detail),)
            )
        elif what and not states and not default:
            why = f"the claim of its {what} is not there yet, and no class is set for it"
            yield Finding("vm-state-not-shared", why, (machine.thing(),))


def quotas(view: View) -> Iterator[Finding]:
    """Namespaces in which a second pod of a machine, the target of a migration, would be refused."""
    by_namespace: dict[str, list[Quota]] = {}
    for quota in view.cluster.quotas:
        by_namespace.setdefault(quota.key[0], []).append(quota)
    for machine in view.machines:
        if machine.pod is None:
            continue
        for quota in by_namespace.get(machine.key[0], ()):
            short = sorted(_short(quota, machine, machine.pod))
            if short:
                why = f"ResourceQuota {'/'.join(quota.key)} has no room for one more pod of this size"
                yield Finding("vm-quota", why, (machine.thing(f"short of {', '.join(short)}"),))


def _short(quota: Quota, machine: Machine, pod: Pod) -> Iterator[str]:
    if _OTHER_SCOPES & set(quota.scopes):
        return
    if quota.priority_classes is not None and machine.guest.priority_class not in quota.priority_classes:
        return
    for name, room in quota.room.items():
        # What a pod is limited to is at least what it requests.
        resource = _PREFIX.sub("", name)
        needed = 1 if name in ("pods", "count/pods") else pod.requests.get(resource, 0)
        if needed > max(room, 0):
            yield name


def budgets(view: View) -> Iterator[Finding]:
    """Budgets that forbid every eviction of machines. An instance has no scale to count by, so only a whole minAvailable works."""
    launchers: dict[str, list[Pod]] = {}
    for machine in view.machines:
        if machine.pod is not None:
            launchers.setdefault(machine.pod.namespace, []).append(machine.pod)
    for budget in view.cluster.budgets:
        if budget.of_vmi or budget.selector is None:
            continue
        pods = [pod for pod in launchers.get(budget.key[0], ()) if matches(budget.selector, pod.labels)]
        why = _why_it_blocks(budget, len(pods)) if pods else ""
        if why:
            thing = Thing("PodDisruptionBudget", budget.key[1], budget.key[0], f"of {len(pods)} machines")
            yield Finding("vm-pdb-blocks", why, (thing,))


def _why_it_blocks(budget: Budget, machines: int) -> str:
    if budget.max_unavailable is not None:
        return "maxUnavailable cannot be computed for machines, so it allows nothing"
    if str(budget.min_available).endswith("%"):
        return "a percentage cannot be computed for machines, so it allows nothing"
    return "minAvailable keeps every machine" if int(budget.min_available or 0) >= machines else ""


def lost_disks(view: View) -> Iterator[Finding]:
    """Disks that end with the instance."""
    for machine in view.machines:
        names = [disk.name for disk in machine.guest.disks if disk.source == "lost"]
        if names:
            yield Finding("vm-ephemeral-disk", "it begins anew on another node", (machine.thing(", ".join(names)),))
