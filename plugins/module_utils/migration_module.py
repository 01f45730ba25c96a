# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of the module `vm_migration`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec, migration, migration_state, objects
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import Option
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.items import Items
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import name_fault
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VM

_OPTIONS: dict[str, Option] = {
    "namespace": {"type": "str"},
    "state": {"type": "str", "choices": migration_state.STATES},
    "node": {"type": "str"},
}
# A migration may take minutes for each GiB.
_TIMEOUT = 600


def _faults(options: Mapping[str, Any]) -> Iterator[str]:
    node = options.get("node")
    if node is None:
        return
    if options.get("state") == "cancelled":
        yield "node: goes with state migrated, not cancelled"
    wrong = name_fault(node, subdomain=True)
    if wrong:
        yield f"node: {wrong}"


ITEMS = Items("vms", VM, _OPTIONS, _faults, shared=("namespace", "state", "node"))


def spec() -> argspec.ArgumentSpec:
    """The module's argument spec."""
    own = argspec.ArgumentSpec(
        {
            "parallel": {"type": "int"},
            "unschedulable_grace": {"type": "int", "default": 60},
            "on_timeout": {"type": "str", "choices": ["cancel", "leave"], "default": "cancel"},
        }
    )
    return ITEMS.spec().merge(own, argspec.connection(), argspec.wait(timeout=_TIMEOUT), argspec.bulk())


def faults(params: Mapping[str, Any]) -> Iterator[str]:
    """All that is wrong with the parameters beyond their types."""
    yield from argspec.too_small(params, parallel=1, unschedulable_grace=0)
    if params.get("parallel") is not None and params.get("wait") is False:
        yield "parallel: needs wait, for nothing is followed without; KubeVirt itself lets migrations queue"
    yield from ITEMS.check(params)


def run_module(module: Module) -> None:
    """Carries out the module `vm_migration`."""
    params, settings = module.params, objects.Settings.of(module)
    how = migration.How(params["parallel"], params["unschedulable_grace"], params["on_timeout"])

    def work(client: Client) -> Mapping[str, Any]:
        tasks = migration.apply(client, ITEMS.wanted(params), settings, how)
        found: dict[str, Any] = {
            "changed": any(task.changed for task in tasks),
            "vms": [migration.result(task) for task in tasks],
        }
        if settings.diff:
            found["diff"] = [migration.diff(task) for task in tasks if task.changed]
        failure = objects.failure_of([task.error for task in tasks])
        return {**found, "failure": failure} if failure else found

    run(module, work)
