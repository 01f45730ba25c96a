# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of the module `vm_power`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec, objects, power, power_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import Option
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.items import Items
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VM

_OPTIONS: dict[str, Option] = {
    "namespace": {"type": "str"},
    "state": {"type": "str", "choices": power_state.STATES},
    "grace_period": {"type": "int"},
    "force": {"type": "bool"},
}
_GRACEFUL = ("stopped",)
_FORCED = ("stopped", "restarted")


def _faults(options: Mapping[str, Any]) -> Iterator[str]:
    state, grace = options.get("state"), options.get("grace_period")
    if state is None:
        yield f"state: is missing; give one of {', '.join(power_state.STATES)}"
        return
    if grace is not None and state not in _GRACEFUL:
        yield f"grace_period: goes with state stopped, not {state}; KubeVirt takes none there"
    if isinstance(grace, int) and grace < 0:
        yield f"grace_period: {grace} must be 0 or more seconds"
    if options.get("force") and state not in _FORCED:
        yield f"force: goes with state {' or '.join(_FORCED)}, not {state}"
    if options.get("force") and grace:
        yield "force: and grace_period exclude each other; force gives the guest no time"


ITEMS = Items("vms", VM, _OPTIONS, _faults)


def spec() -> argspec.ArgumentSpec:
    """The module's argument spec."""
    own = argspec.ArgumentSpec(
        {"serial": {"type": "int", "default": 0}, "unschedulable_grace": {"type": "int", "default": 60}}
    )
    return ITEMS.spec().merge(own, argspec.connection(), argspec.wait(), argspec.bulk())


def faults(params: Mapping[str, Any]) -> Iterator[str]:
    """All that is wrong with the parameters beyond their types."""
    yield from argspec.too_small(params, serial=0, unschedulable_grace=0)
    if params.get("serial") and params.get("wait") is False:
        yield "serial: needs wait, for the next machines are begun once those before them have arrived"
    yield from ITEMS.check(params)


def run_module(module: Module) -> None:
    """Carries out the module `vm_power`."""
    params, settings = module.params, objects.Settings.of(module)

    def work(client: Client) -> Mapping[str, Any]:
        done = power.apply(
            client,
            ITEMS.wanted(params),
            settings,
            serial=params["serial"],
            unschedulable_grace=params["unschedulable_grace"],
        )
        found: dict[str, Any] = {
            "changed": any(one.changed for one in done),
            "vms": [power.result(one) for one in done],
        }
        if settings.diff:
            found["diff"] = [power.diff(one) for one in done if one.changed]
        failure = objects.failure_of([one.error for one in done])
        return {**found, "failure": failure} if failure else found

    run(module, work)
