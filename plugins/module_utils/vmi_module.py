# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of the module `vmi`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import (
    argspec,
    objects,
    priority_class,
    vm_options,
    vmi,
    vmi_state,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import Option
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.items import Items
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VMI

# A machine's alone: an instance has no run strategy, and nothing fills in an instance type or a volume for it.
_OF_MACHINES = frozenset(
    {"preset", "run_strategy", "instancetype", "preference", "template_labels", "template_annotations"}
)


def _options() -> dict[str, Option]:
    shared = {key: option for key, option in vm_options.options().items() if key not in _OF_MACHINES}
    disk = {key: option for key, option in shared["disks"]["options"].items() if key != "data_volume_template"}
    shared["disks"] = {**shared["disks"], "options": disk}
    return {
        **shared,
        "state": {"type": "str", "choices": ["present", "absent", *vmi.FREEZE]},
        "unfreeze_timeout": {"type": "int"},
    }


def _faults(options: Mapping[str, Any]) -> Iterator[str]:
    state = options.get("state")
    if state in vmi.FREEZE:
        known = {"name", "namespace", "state", "unfreeze_timeout"}
        stray = sorted(key for key in options if key not in known)
        if stray:
            yield f"{', '.join(stray)}: cannot be given with state {state}, which changes nothing else"
    elif options.get("unfreeze_timeout") is not None:
        yield "unfreeze_timeout: goes with state frozen only"
    yield from argspec.too_small(options, unfreeze_timeout=1)
    yield from vm_options.faults(options)


ITEMS = Items("items", VMI, _options(), _faults, exclusive=vm_options.EXCLUSIVE)


def spec() -> argspec.ArgumentSpec:
    """The module's argument spec."""
    own = argspec.ArgumentSpec({"unschedulable_grace": {"type": "int", "default": 60}})
    return ITEMS.spec().merge(own, argspec.connection(), argspec.wait(), argspec.bulk())


def faults(params: Mapping[str, Any]) -> Iterator[str]:
    """All that is wrong with the parameters beyond their types."""
    yield from argspec.too_small(params, unschedulable_grace=0)
    yield from ITEMS.check(params)
    if params.get("items") is not None or params.get("name"):
        states = {options.get("state") for options in ITEMS.wanted(params)}
        if states & set(vmi.FREEZE) and not states <= set(vmi.FREEZE):
            yield f"state: {' and '.join(sorted(vmi.FREEZE))} cannot stand beside others in one task"


def run_module(module: Module) -> None:
    """Carries out the module `vmi`."""
    params, settings = module.params, objects.Settings.of(module)
    wanted = ITEMS.wanted(params)

    def work(client: Client) -> Mapping[str, Any]:
        if any(options.get("state") in vmi.FREEZE for options in wanted):
            return _frozen(vmi.freeze(client, wanted, settings), settings)
        kind = priority_class.checked(vmi.kind(params["unschedulable_grace"]), client)
        done, _found = objects.apply(client, kind, wanted, settings)
        entries = [{**objects.result(one), "instance": _instance(one.current)} for one in done]
        return objects.report(kind, "items", entries, done, settings)

    run(module, work)


def _instance(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return vmi_state.summary(found) if found else None


def _frozen(found: list[vmi.Frozen], settings: objects.Settings) -> dict[str, Any]:
    entries = []
    for one in found:
        action = vmi.FREEZE[str(one.options["state"])] if one.sent else "failed" if one.error else "unchanged"
        entry = {
            "name": one.key[1],
            "namespace": one.key[0],
            "changed": one.sent,
            "action": action,
            "instance": _instance(one.vmi),
        }
        entries.append({**entry, "error": one.error.as_dict()} if one.error else entry)
    result: dict[str, Any] = {"changed": any(one.sent for one in found), "items": entries}
    if settings.diff:
        result["diff"] = [_diff(one) for one in found if one.sent]
    failure = objects.failure_of([one.error for one in found])
    return {**result, "failure": failure} if failure else result


def _diff(one: vmi.Frozen) -> dict[str, Any]:
    where, frozen = VMI.describe(*one.key), one.options["state"] == "frozen"
    return {
        "before_header": where,
        "after_header": where,
        "before": {"frozen": not frozen},
        "after": {"frozen": frozen},
    }
