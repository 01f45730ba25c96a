# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of the module `vm`: one machine by `name`, or many by `vms` and `defaults`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec, bulk, vm, vm_options
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, ManyFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run, without_nulls
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VM
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.vm_options import Options

# Beside these, the top-level options belong to the short form; for many machines they go into `defaults`.
_SHARED = ("namespace", "state")


def spec() -> argspec.ArgumentSpec:
    """The module's argument spec."""
    own = argspec.ArgumentSpec(
        {
            "name": {"type": "str"},
            **vm_options.options(),
            "vms": {"type": "list", "elements": "dict", "options": vm_options.named_options()},
            "defaults": {"type": "dict", "options": vm_options.options()},
            "unschedulable_grace": {"type": "int", "default": 60},
        },
        required_one_of=[("name", "vms")],
        mutually_exclusive=[("name", "vms"), ("name", "defaults")],
    )
    return own.merge(argspec.connection(), argspec.wait(), argspec.bulk())


def wanted(params: Mapping[str, Any]) -> list[Options]:
    """The options of every machine, the layers put together: the task's, `defaults`, the entry's own."""
    options = vm_options.options()
    if params.get("vms") is None:
        given = {key: params[key] for key in options if params.get(key) is not None}
        return [{"name": params["name"], **without_nulls(given, options)}]
    shared = {key: params[key] for key in _SHARED if params.get(key) is not None}
    base = vm_options.layer(shared, without_nulls(params.get("defaults") or {}, options))
    named = vm_options.named_options()
    return [vm_options.layer(base, without_nulls(entry, named)) for entry in params["vms"]]


def faults(params: Mapping[str, Any]) -> Iterator[str]:
    """All that is wrong with the parameters beyond their types."""
    if params.get("vms") is not None:
        stray = [key for key in vm_options.options() if key not in _SHARED and params.get(key) is not None]
        if stray:
            yield f"{', '.join(stray)}: beside vms, put it into defaults"
    elif not params.get("name"):
        return
    grace = params.get("unschedulable_grace")
    if isinstance(grace, int) and grace < 0:
        yield f"unschedulable_grace: {grace} must be 0 or more seconds"
    seen: set[bulk.Key] = set()
    for options in wanted(params):
        key = (str(options.get("namespace")), str(options.get("name")))
        where = VM.describe(options.get("namespace"), options.get("name"))
        yield from (f"{where}: {fault}" for fault in vm_options.faults(options))
        if key in seen:
            yield f"{where}: is there more than once in vms"
        seen.add(key)


def run_module(module: Module) -> None:
    """Carries out the module `vm`."""
    params = module.params
    settings = vm.Settings(
        check=module.check_mode,
        diff=module._diff,  # pylint: disable=protected-access
        wait=params["wait"],
        wait_timeout=params["wait_timeout"],
        unschedulable_grace=params["unschedulable_grace"],
        workers=params["workers"],
    )

    def work(client: Client) -> Mapping[str, Any]:
        return _result(vm.apply(client, wanted(params), settings), settings)

    run(module, work)


def _result(done: list[vm.Done], settings: vm.Settings) -> dict[str, Any]:
    entries = [vm.result(one) for one in done]
    result: dict[str, Any] = {
        "changed": any(one.written for one in done),
        "vms": entries,
        "restart_required": [f"{e['namespace']}/{e['name']}" for e in entries if e["restart_required"]],
    }
    if settings.diff:
        result["diff"] = [vm.diff(one) for one in done if one.written]
    errors: list[HaError] = [one.error for one in done if one.error is not None]
    if errors:
        result["failure"] = errors[0] if len(done) == 1 else ManyFailed(errors, len(done))
    return result
