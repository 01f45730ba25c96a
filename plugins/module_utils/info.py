# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of the `_info` modules of machines and instances, and what they read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec, bulk, redaction, vm_state, vmi_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key, Snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, ManyFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.items import name_fault
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run
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


def faults(params: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the parameters beyond their types."""
    namespaces = params.get("namespaces") or []
    for key, name in [("name", params.get("name")), *(("namespaces", namespace) for namespace in namespaces)]:
        wrong = name_fault(name)
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
        machines = _read(client, VM, params)
        instances = Snapshot()
        if any(vm_state.is_created(item) for item in machines.objects.values()):
            instances = _read(client, VMI, {**params, "label_selectors": []}, machines.objects.__contains__)

        def show(key: Key, item: Object) -> Object:
            return machine(item, instances.objects.get(key), full=params["full"])

        return _result("vms", show, machines, instances)

    run(module, work)


def run_vmi_info(module: Module) -> None:
    """Carries out `vmi_info`."""
    params = module.params

    def work(client: Client) -> Object:
        found = _read(client, VMI, params)
        told = _ask_agents(client, found, params["workers"]) if params["guest_agent"] else {}

        def show(key: Key, item: Object) -> Object:
            more = {"guest": told.get(key)} if params["guest_agent"] else {}
            return {**instance(item, full=params["full"]), **more}

        return _result("vmis", show, found)

    run(module, work)


def _ask_agents(client: Client, found: Snapshot, workers: int) -> dict[Key, Object]:
    """What each guest's agent tells; an agent that does not answer says why as `error`."""

    def ask(key: Key) -> Object:
        return client.get(VMI_ACTION, key[1], key[0], "guestosinfo")

    keys = [key for key, item in found.objects.items() if vmi_state.condition(item, "AgentConnected") == "True"]
    return {
        key: {"error": outcome.as_dict()} if isinstance(outcome, HaError) else outcome
        for key, outcome in zip(keys, bulk.each(keys, ask, workers))
    }


def machine(vm: Object, vmi: Object | None, *, full: bool) -> Object:
    """A machine's entry in the result, with its instance where it has one."""
    status = vm_state.status(vm)
    return {
        **_identity(vm, full),
        "run_strategy": vm_state.run_strategy(vm),
        "status": status.get("printableStatus"),
        "reason": vm_state.describe(vm),
        "created": vm_state.is_created(vm),
        "ready": vm_state.is_ready(vm),
        "restart_required": vm_state.holds(vm, "RestartRequired"),
        "instance": vmi_state.summary(vmi) if vmi else None,
    }


def instance(vmi: Object, *, full: bool) -> Object:
    """An instance's entry in the result."""
    return {**_identity(vmi, full), **vmi_state.summary(vmi), "vm": vmi_state.owner(vmi)}


def _identity(item: Object, full: bool) -> Object:
    meta = item["metadata"]
    shown = {
        "name": meta["name"],
        "namespace": meta["namespace"],
        "uid": meta.get("uid"),
        "created_at": meta.get("creationTimestamp"),
        "labels": meta.get("labels") or {},
        "annotations": redaction.hide_secrets(meta.get("annotations") or {}),
    }
    if full:
        trimmed = {**item, "metadata": {key: value for key, value in meta.items() if key != "managedFields"}}
        shown["object"] = redaction.hide_secrets(trimmed)
    return shown


def _read(
    client: Client, resource: Resource, params: Mapping[str, Any], keep: Callable[[Key], bool] = lambda _key: True
) -> Snapshot:
    namespaces = params["namespaces"]
    if params["name"]:
        return bulk.fetch(client, resource, [(namespaces[0], params["name"])])
    selector = ",".join(params["label_selectors"]) or None
    return bulk.read(client, resource, namespaces, keep=keep, label_selector=selector, workers=params["workers"])


def _result(key: str, show: Callable[[Key, Object], Object], found: Snapshot, *more: Snapshot) -> Object:
    unreadable: dict[str, HaError] = {}
    for snapshot in (*more, found):
        unreadable.update(snapshot.unreadable)
    result: Object = {"changed": False, key: [show(name, item) for name, item in sorted(found.objects.items())]}
    errors = list(unreadable.values())
    if errors:
        result["failure"] = errors[0] if len(errors) == 1 else ManyFailed(errors, len(found.scopes) + len(errors))
    return result
