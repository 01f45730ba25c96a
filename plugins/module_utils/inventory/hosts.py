# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: from what was read to hosts with their variables and groups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory import records, selector, services
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory.options import ALL, Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory.reach import reach
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory.services import Key, Lead

Record = dict[str, Any]

_UNSAFE = re.compile(r"[^A-Za-z0-9_]")
_STATUS = {
    "Pending": "Starting",
    "Scheduling": "Starting",
    "Scheduled": "Starting",
    "Running": "Running",
    "Succeeded": "Stopped",
    "Failed": "Stopped",
}
# Ansible takes them for the controller.
_CONTROLLER = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass
class Content:
    """What was read: trimmed machines, instances and Services, and what could not be read, a sentence each."""

    vms: list[Record] = field(default_factory=list)
    vmis: list[Record] = field(default_factory=list)
    services: list[Record] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


class Host(NamedTuple):
    """A host of the inventory."""

    name: str
    variables: Mapping[str, Any]
    groups: tuple[str, ...]


class Machine(NamedTuple):
    """A VirtualMachine and its instance, or one of them; key: namespace and name."""

    key: Key
    vm: Record | None
    vmi: Record | None
    labels: Mapping[str, str]
    leads: Sequence[Lead]


class Early:
    """The hosts of instances, worked out as they come in; what else was read may make another host of some."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._found: dict[Key, tuple[Machine, Host]] = {}

    def see(self, vmi: Record) -> None:
        """Works out the host of an instance that stands alone."""
        machine = Machine((vmi["namespace"], vmi["name"]), None, vmi, vmi["labels"], ())
        self._found[machine.key] = machine, _host(machine, self._settings)

    def host(self, machine: Machine) -> Host:
        """The host of a machine, now or before."""
        seen, host = self._found.get(machine.key, (None, None))
        return host if host and seen == machine else _host(machine, self._settings)


def arrange(
    content: Content,
    settings: Settings,
    existing: frozenset[str] = frozenset({"all", "ungrouped"}),
    early: Early | None = None,
) -> tuple[list[Host], list[str]]:
    """The hosts in the order of their namespaces and names, and a sentence for each machine that cannot be one.

    existing: the groups that the inventory has already; Ansible would take a host of such a name for the group; early:
    hosts that are worked out already.
    """
    early = early or Early(settings)
    named: dict[str, list[Host]] = {}
    for machine in machines(content, settings):
        host = early.host(machine)
        named.setdefault(host.name, []).append(host)
    hosts = [found[0] for found in named.values() if len(found) == 1]
    groups = {settings.parent_group, *(group for host in hosts for group in host.groups)}
    reserved = _CONTROLLER | groups | existing
    faults = [*_ambiguous(named), *_reserved(hosts, reserved)]
    return [host for host in hosts if host.name not in reserved], faults


def machines(content: Content, settings: Settings) -> Iterator[Machine]:
    """The machines that the options ask for."""
    matches = selector.matcher(settings.label_selectors)
    vms = {(vm["namespace"], vm["name"]): vm for vm in content.vms}
    vmis = {(vmi["namespace"], vmi["name"]): vmi for vmi in content.vmis}
    alive = [vmi for vmi in content.vmis if vmi["phase"] not in conditions.FINAL_PHASES]
    leads = services.leads(content.services, alive) if content.services else {}
    for key in sorted(vms.keys() | vmis.keys()):
        vm, vmi = vms.get(key), vmis.get(key)
        labels = _labels(vm, vmi)
        if (settings.machines == ALL or _runs(vmi)) and matches(labels):
            yield Machine(key, vm, vmi, labels, leads.get(key, ()))


def status(vm: Mapping[str, Any] | None, vmi: Mapping[str, Any] | None) -> str:
    """The machine's status in KubeVirt's words; by its instance where the VirtualMachine was not read."""
    if vm is not None:
        return str(vm["status"] or "Stopped")
    if vmi is None:
        return "Stopped"
    if vmi["deleting"] and vmi["phase"] not in conditions.FINAL_PHASES:
        return "Stopping"
    return "Paused" if vmi["paused"] else _STATUS.get(vmi["phase"], "Unknown")


@lru_cache(maxsize=4096)
def group_name(kind: str, *parts: str) -> str:
    """A group's name; what Ansible does not allow in one becomes an underscore."""
    return _UNSAFE.sub("_", "_".join((kind, *parts)))


def _labels(vm: Record | None, vmi: Record | None) -> Mapping[str, str]:
    """The labels of machine and instance; of one that does not run those that its instance will have."""
    if vm is None:
        return vmi["labels"] if vmi else {}
    return {**vm["labels"], **(vmi["labels"] if vmi else vm["template_labels"])}


def _runs(vmi: Mapping[str, Any] | None) -> bool:
    return vmi is not None and vmi["phase"] == "Running" and not vmi["deleting"]


def _host(machine: Machine, settings: Settings) -> Host:
    vm, vmi = machine.vm, machine.vmi
    namespace, own = machine.key
    name = settings.host_format.format(namespace=namespace, name=own, uid=(vm or vmi or {}).get("uid"))
    state, system = status(vm, vmi), records.os_name(vm, vmi)
    found: dict[str, Any] = {}
    if vmi is not None and vmi["phase"] not in conditions.FINAL_PHASES:
        found, unreachable = reach(vmi, machine.leads, system, settings)
    else:
        unreachable = f"the machine does not run, it is {state}"
    variables = {
        "vmi_namespace": namespace,
        "vmi_name": own,
        "vmi_status": state,
        "vmi_os": system,
        "vmi_unreachable": unreachable,
        **(vmi["variables"] if vmi else {}),
        **(vm["variables"] if vm else {}),
        **found,
    }
    if settings.reads_services:
        variables["vmi_services"] = [services.describe(lead) for lead in machine.leads]
    return Host(name, variables, tuple(_groups(machine, state, system, settings)))


def _groups(machine: Machine, state: str, system: str | None, settings: Settings) -> Iterator[str]:
    node = machine.vmi["node"] if machine.vmi else None
    single = {"namespace": machine.key[0], "node": node, "os": system, "status": state.lower()}
    for kind in settings.group_by:
        if kind == "label":
            for pair in _telling_labels(machine, node).items():
                yield group_name(kind, *pair)
        elif single[kind]:
            yield group_name(kind, single[kind])


def _telling_labels(machine: Machine, node: str | None) -> Mapping[str, str]:
    if machine.vm is None and machine.vmi:
        found: Mapping[str, str] = machine.vmi["variables"]["vmi_labels"]
        return found
    return records.telling(machine.labels, machine.key[1], node)


def _ambiguous(named: Mapping[str, Sequence[Host]]) -> Iterator[str]:
    for name, found in named.items():
        if len(found) > 1:
            shown = " and ".join(_shown(host) for host in found)
            yield f"{shown} would both be host {name} and are left out; tell them apart by host_format, as {{namespace}}_{{name}}"


def _reserved(hosts: Iterable[Host], reserved: frozenset[str]) -> Iterator[str]:
    for host in hosts:
        if host.name in reserved:
            yield f"{_shown(host)} would be host {host.name}, which is a group's or the controller's name, and is left out; change host_format"


def _shown(host: Host) -> str:
    return f"{host.variables['vmi_namespace']}/{host.variables['vmi_name']}"
