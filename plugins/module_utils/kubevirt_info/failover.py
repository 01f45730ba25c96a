# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: machines that would not come back after the loss of their node, and why."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding, Thing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import CPU_MANAGER, CPU_MODEL
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.view import HOST_CPU, Machine, View
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.names import HOSTNAME

_NOT_RESTARTED = ("Halted", "Manual", "Once")
_CPU_MANAGERS = (CPU_MANAGER, f"kubevirt.io/{CPU_MANAGER}")


def where_it_may_run(view: View) -> Iterator[Finding]:
    """Machines that fewer than two nodes can run, a finding a cause; where no cause alone does it, all its rules together.

    On a cluster with one node for machines that is the finding, not each machine.
    """
    if len(view.hosts) < 2:
        return
    alone = len(view.everywhere) == 1
    for machine in view.machines:
        causes = [*_local_disk(view, machine), *_cpu(view, machine), *_devices(view, machine)]
        own = view.reach(machine.guest.placement)
        if alone and own == view.everywhere and not machine.guest.placement.narrows:
            yield from causes
            continue
        causes += _narrow(machine, "vm-one-node", "its node selector, affinity and tolerations leave it {} node", own)
        left = view.reach(machine.placement) & view.volume_reach(machine)
        for device in machine.guest.devices:
            left &= view.offers(device)
        if not causes:
            causes += _narrow(machine, "vm-one-node", "all its rules together leave it {} node", left)
        yield from causes


def _narrow(machine: Machine, identifier: str, rule: str, nodes: frozenset[str]) -> Iterator[Finding]:
    """A finding where a rule leaves one node or none; `rule` is a sentence with a place for "one" and "no"."""
    if len(nodes) == 1:
        yield Finding(identifier, rule.format("one"), (machine.thing(f"only {min(nodes)}"),))
    elif not nodes:
        yield Finding("vm-no-node", rule.format("no"), (machine.thing(),))


def _local_disk(view: View, machine: Machine) -> Iterator[Finding]:
    local = [f"host disk {disk.name}" for disk in machine.guest.disks if disk.source == "host"]
    local += [f"claim {claim.key[1]}" for _disk, claim in view.claims(machine) if view.is_local(claim)]
    local += [f"claim {claim.key[1]} of its state" for claim in view.states(machine) if view.is_local(claim)]
    if local:
        yield Finding("vm-local-disk", "no other node reaches it", (machine.thing(", ".join(local)),))


def _cpu(view: View, machine: Machine) -> Iterator[Finding]:
    model = machine.guest.cpu_model
    if model and model not in HOST_CPU:
        nodes = view.labelled(CPU_MODEL + model)
        yield from _narrow(machine, "vm-cpu-model", f"{{}} node offers CPU model {model}", nodes)
    if machine.guest.dedicated:
        nodes = view.labelled(*_CPU_MANAGERS)
        yield from _narrow(machine, "vm-dedicated-cpus", "{} node manages CPUs statically", nodes)


def _devices(view: View, machine: Machine) -> Iterator[Finding]:
    for device in sorted(set(machine.guest.devices)):
        yield from _narrow(machine, "vm-host-device-one-node", f"{{}} node offers device {device}", view.offers(device))


def restarts(view: View) -> Iterator[Finding]:
    """Machines that nothing starts again."""
    for machine in view.machines:
        if machine.vm is None:
            if machine.vmi and not machine.vmi.owner:
                yield Finding("vm-standalone", "it belongs to no VirtualMachine", (machine.thing(),))
        elif machine.vmi and machine.vm.strategy in _NOT_RESTARTED:
            why = f"run strategy {machine.vm.strategy} starts nothing by itself"
            yield Finding("vm-run-strategy", why, (machine.thing(),))


def stopped_reruns(view: View) -> Iterator[Finding]:
    """Machines of which one may think that they run: RerunOnFailure does not start what was stopped."""
    running = {machine.key for machine in view.machines}
    for key, vm in sorted(view.cluster.vms.items()):
        if vm.strategy == "RerunOnFailure" and vm.stopped and key not in running:
            yield Finding("vm-stopped-rerun", "only a failure starts it", (Thing("VirtualMachine", key[1], key[0]),))


def readiness(view: View) -> Iterator[Finding]:
    """Machines that should run and do not."""
    for machine in view.machines:
        ready = machine.vm.ready if machine.vm else bool(machine.vmi and machine.vmi.ready)
        if not ready:
            detail = machine.vm.description if machine.vm else "the instance is not Ready"
            yield Finding("vm-not-ready", "it does not serve now", (machine.thing(detail),))


def priorities(view: View) -> Iterator[Finding]:
    """PriorityClasses that are not there, or not named."""
    known = view.cluster.priority_classes
    for machine in view.machines:
        name = machine.guest.priority_class
        if name and name not in known:
            yield Finding(
                "vm-priority-class-unknown", "its next pod would be refused", (machine.thing(f"names {name}"),)
            )
        elif not name and not any(each.default for each in known.values()):
            why = "neither does it name one, nor is there a default one"
            yield Finding("vm-priority-class-unset", why, (machine.thing(),))


def full_groups(view: View) -> Iterator[Finding]:
    """Groups of which one per node must run, and that have no node left."""
    everyone = (*view.machines, *view.strangers)
    counts = view.groups.count(machine.pod for machine in everyone if machine.pod)
    for machine in view.machines:
        mine = view.groups.about(machine.pod) if machine.pod else []
        for term in machine.placement.apart:
            group = (machine.key[0], term)
            if term.topology != HOSTNAME or group not in mine:
                continue
            members, nodes = sum(counts.get(group, {}).values()), len(view.reach(machine.placement))
            if 1 < nodes <= members:
                yield Finding("vm-group-fills-nodes", f"{members} machines, {nodes} nodes for them", (machine.thing(),))
