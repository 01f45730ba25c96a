# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of the `_info` modules of machines and instances, and what they read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import (
    argspec,
    bulk,
    conditions,
    entries,
    vm_state,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key, Snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, ManyFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import name_fault
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VM, VMI, VMI_ACTION, Resource

Object = dict[str, Any]


def vmi_spec() -> argspec.ArgumentSpec:
    """The argument spec of `vmi_info`."""
    return spec().merge(argspec.ArgumentSpec({"guest_agent": {"type": "bool", "default": False}}))


def spec() -> argspec.ArgumentSpec:
    """The argument spec that both modules have."""
    own = argspec.ArgumentSpec(
        {
            "name": {"type": "str"},
            "namespaces": {"type": "list", "elements": "str", "default": [], "aliases": ["namespace"]},
            "label_selectors": {"type": "list", "elements": "str", "default": []},
            "full": {"type": "bool", "default": False},
        }
    )
    return own.merge(argspec.connection(), argspec.bulk())


def faults(params: Mapping[str, Any], *, subdomain: bool = False) -> Iterator[str]:
    """What is wrong with the parameters beyond their types; subdomain: whether names may be as long as one."""
    namespaces = params.get("namespaces") or []
    for key, name in [("name", params.get("name")), *(("namespaces", namespace) for namespace in namespaces)]:
        wrong = name_fault(name, subdomain=subdomain and key == "name")
        if wrong:
            yield f"{key}: {wrong}"
    if params.get("name") and len(namespaces) != 1:
        yield "name: needs exactly one of namespaces"
    if params.get("name") and params.get("label_selectors"):
        yield "name: and label_selectors exclude each other"


def run_vm_info(module: Module) -> None:
    """Carries out `vm_info`."""
    params = module.params

    def work(client: Client) -> Object:
        machines = read(client, VM, params)
        warn_of_absent(module, client, machines)
        instances = Snapshot()
        if any(vm_state.is_created(item) for item in machines.objects.values()):
            instances = read(client, VMI, {**params, "label_selectors": []}, machines.objects.__contains__)

        def show(key: Key, item: Object) -> Object:
            return entries.machine(item, instances.objects.get(key), full=params["full"])

        return result("vms", show, machines, instances)

    run(module, work)


def run_vmi_info(module: Module) -> None:
    """Carries out `vmi_info`."""
    params = module.params

    def work(client: Client) -> Object:
        found = read(client, VMI, params)
        warn_of_absent(module, client, found)
        told = _ask_agents(client, found, params["workers"]) if params["guest_agent"] else {}

        def show(key: Key, item: Object) -> Object:
            more = {"guest": told.get(key)} if params["guest_agent"] else {}
            return {**entries.instance(item, full=params["full"]), **more}

        return result("vmis", show, found)

    run(module, work)


def _ask_agents(client: Client, found: Snapshot, workers: int) -> dict[Key, Object]:
    """What each guest's agent tells; an agent that does not answer says why as `error`."""

    def ask(key: Key) -> Object:
        return client.get(VMI_ACTION, key[1], key[0], "guestosinfo")

    keys = [key for key, item in found.objects.items() if conditions.holds(item, "AgentConnected")]
    return {
        key: {"error": outcome.as_dict()} if isinstance(outcome, HaError) else outcome
        for key, outcome in zip(keys, bulk.each(keys, ask, workers))
    }


def read(
    client: Client, resource: Resource, params: Mapping[str, Any], keep: Callable[[Key], bool] = lambda _key: True
) -> Snapshot:
    """Reads the objects that the parameters ask for."""
    namespaces = params["namespaces"]
    if params["name"]:
        return bulk.fetch(client, resource, [(namespaces[0], params["name"])])
    selector = ",".join(params["label_selectors"]) or None
    return bulk.read(client, resource, namespaces, keep=keep, label_selector=selector, workers=params["workers"])


def warn_of_absent(module: Module, client: Client, found: Snapshot) -> None:
    """Warns of each namespace that the parameters name and that does not exist."""
    for text in bulk.absent_namespaces(client, module.params["namespaces"], found):
        module.warn(text)


def result(key: str, show: Callable[[Key, Object], Object], found: Snapshot, *more: Snapshot) -> Object:
    """A module's result under `key`: what `show` makes of each object, and the failure where a namespace was unreadable."""
    unreadable: dict[str, HaError] = {}
    for snapshot in (*more, found):
        unreadable.update(snapshot.unreadable)
    result: Object = {"changed": False, key: [show(name, item) for name, item in sorted(found.objects.items())]}
    errors = list(unreadable.values())
    if errors:
        result["failure"] = (
            errors[0]
            if len(errors) == 1
            else ManyFailed(errors, len(found.scopes) + len(errors), of="namespaces", done="read")
        )
    return result
