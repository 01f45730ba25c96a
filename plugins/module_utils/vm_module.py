# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of the module `vm`: one machine by `name`, or many by `vms` and `defaults`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec, objects, vm, vm_options
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.cluster_placement import presets
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.items import Items
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VM

# Beside these, the top-level options belong to the short form; for many machines they go into `defaults`.
ITEMS = Items("vms", VM, vm_options.options(), vm_options.faults, exclusive=vm_options.EXCLUSIVE)


def spec() -> argspec.ArgumentSpec:
    """The module's argument spec."""
    own = argspec.ArgumentSpec(
        {
            "unschedulable_grace": {"type": "int", "default": 60},
            "restart": {"type": "bool", "default": False},
            "restart_serial": {"type": "int", "default": 1},
        }
    )
    return ITEMS.spec().merge(own, argspec.connection(), argspec.wait(), argspec.bulk())


def faults(params: Mapping[str, Any]) -> Iterator[str]:
    """All that is wrong with the parameters beyond their types."""
    yield from argspec.too_small(params, unschedulable_grace=0, restart_serial=1)
    yield from ITEMS.check(params)


def run_module(module: Module) -> None:
    """Carries out the module `vm`."""
    params, settings = module.params, objects.Settings.of(module)

    def work(client: Client) -> Mapping[str, Any]:
        outcome = vm.apply(
            client,
            presets.resolve(client, ITEMS.wanted(params)),
            settings,
            unschedulable_grace=params["unschedulable_grace"],
            restarts=vm.Restarts(params["restart_serial"]) if params["restart"] else None,
        )
        return _result(outcome, settings)

    run(module, work)


def _result(outcome: vm.Outcome, settings: objects.Settings) -> dict[str, Any]:
    entries = [vm.result(outcome, one) for one in outcome.done]
    found = objects.report(vm.kind(), "vms", entries, outcome.done, settings)
    found["changed"] = any(entry["changed"] for entry in entries)
    found["restart_required"] = [f"{e['namespace']}/{e['name']}" for e in entries if e["restart_required"]]
    failure = objects.failure_of([outcome.error_of(one) for one in outcome.done])
    return {**found, "failure": failure} if failure else found
