# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of the module `node_drain`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec, drain, drain_plan, objects
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drain_node import Limits
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drain_plan import Wishes
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import name_fault

_STATES = ["drained", "cordoned", "uncordoned"]


def spec() -> argspec.ArgumentSpec:
    """The module's argument spec."""
    own = argspec.ArgumentSpec(
        {
            "nodes": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": _STATES, "default": "drained"},
            "serial": {"type": "int", "default": 1},
            "non_migratable": {"type": "str", "choices": drain_plan.NON_MIGRATABLE, "default": "fail"},
            "delete_emptydir_data": {"type": "bool", "default": False},
            "force": {"type": "bool", "default": False},
            "grace_period": {"type": "int"},
            "pod_selector": {"type": "str"},
            "timeout": {"type": "int", "default": 900},
            "unschedulable_grace": {"type": "int", "default": 60},
            "migration_attempts": {"type": "int", "default": 3},
            "on_failure": {"type": "str", "choices": ["leave", "uncordon"], "default": "leave"},
            "cancel_evacuations": {"type": "bool", "default": False},
            "progress_path": {"type": "path"},
        }
    )
    return own.merge(argspec.connection(), argspec.bulk())


def faults(params: Mapping[str, Any]) -> Iterator[str]:
    """All that is wrong with the parameters beyond their types."""
    yield from argspec.too_small(
        params, serial=1, grace_period=0, timeout=1, unschedulable_grace=0, migration_attempts=1
    )
    nodes = params.get("nodes") or []
    if not nodes:
        yield "nodes: is empty; name at least one"
    for name in nodes:
        wrong = name_fault(name, subdomain=True)
        if wrong:
            yield f"nodes: {wrong}"
    for name in sorted({name for name in nodes if nodes.count(name) > 1}):
        yield f"nodes: {name} is there more than once"


def run_module(module: Module) -> None:
    """Carries out the module `node_drain`."""
    params = module.params
    settings = drain.Settings(
        state=params["state"],
        wishes=Wishes(
            params["non_migratable"], params["delete_emptydir_data"], params["force"], params["grace_period"]
        ),
        limits=Limits(
            params["timeout"], params["migration_attempts"], params["unschedulable_grace"], params["workers"]
        ),
        check=module.check_mode,
        serial=params["serial"],
        pod_selector=params["pod_selector"],
        on_failure=params["on_failure"],
        cancel_evacuations=params["cancel_evacuations"],
        progress_path=params["progress_path"],
    )

    def work(client: Client) -> Mapping[str, Any]:
        done = drain.Service(client, settings, params["nodes"]).carry_out()
        found: dict[str, Any] = {
            "changed": any(one.changed for one in done),
            "nodes": [drain.result(one) for one in done],
        }
        if module._diff:  # pylint: disable=protected-access
            found["diff"] = [drain.diff(one) for one in done if one.changed]
        failure = objects.failure_of([one.error for one in done])
        return {**found, "failure": failure} if failure else found

    run(module, work)
