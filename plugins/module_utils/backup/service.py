# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of backups: their parameters, and what each one does."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, NoReturn

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec, reports
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import (
    restore,
    run_result,
    settings,
    signals,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.hold import connect
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import PARTS
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restore_plan import Wanted
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.runner import Run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, InputError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, end
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure

_LIMITED = ("name", "value", "unit", "limit", "samples", "why", "at_least", "more")


def _with_settings(options: Mapping[str, Any]) -> ArgumentSpec:
    return ArgumentSpec({"settings": {"type": "dict", "required": True}, **options})


def settings_faults(params: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the settings, and with what stands beside them."""
    try:
        settings.of(params.get("settings"))
    except InputError as error:
        yield from error.faults
    wrong = settings.subset_fault(params["subset"]) if params.get("subset") else ""
    if wrong:
        yield f"subset: {wrong}"


def take_spec() -> ArgumentSpec:
    """Of the module `backup`."""
    part = {"type": "list", "elements": "str", "choices": list(PARTS), "default": list(PARTS)}
    return _with_settings({"parts": part, "missing": {"type": "str", "choices": ["fail", "warn"], "default": "fail"}})


def repository_spec() -> ArgumentSpec:
    """Of the module `backup_repository`."""
    return _with_settings({})


def verify_spec() -> ArgumentSpec:
    """Of the module `backup_verify`."""
    return _with_settings({"subset": {"type": "str"}})


def restore_spec() -> ArgumentSpec:
    """Of the module `backup_restore`."""
    return _with_settings(
        {
            "vm": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "name": {"type": "str"},
            "target_namespace": {"type": "str"},
            "snapshot": {"type": "str", "default": "latest"},
            "replace": {"type": "bool", "default": False},
            "keep_labels": {"type": "bool"},
            "keep_networks": {"type": "bool"},
            "probe": {"type": "dict", "options": {"port": {"type": "int"}, "path": {"type": "str", "default": "/"}}},
            "timeout": {"type": "int", "default": 300},
            "remove": {"type": "bool", "default": False},
        }
    )


def report_spec() -> ArgumentSpec:
    """Of the module `backup_report`."""
    return ArgumentSpec({"figures": {"type": "list", "elements": "dict", "required": True}}).merge(argspec.report())


def take(module: Module) -> NoReturn:
    """Backs up."""
    signals.end_gently()
    given = settings.of(module.params["settings"])
    try:
        lenient = module.params["missing"] == "warn"
        result = Run(given).take(module.params["parts"], check=module.check_mode, lenient=lenient)
    except HaError as error:
        module.fail_with(error, changed=False)
    for warning in result.warnings:
        module.warn(warning)
    measured = [] if module.check_mode else run_result.figures(result, given.max_frozen_seconds)
    told = {"changed": True, **result.as_dict(), "figures": [_figure(one) for one in measured]}
    end(module, {**told, "failure": result.failure} if result.failure else told)


def prepare(module: Module) -> NoReturn:
    """Makes the repository where there has never been one."""
    try:
        made, settled = Run(settings.of(module.params["settings"])).prepare(check=module.check_mode)
    except HaError as error:
        module.fail_with(error, changed=False)
    module.exit_json(changed=made, settled=settled)


def verify(module: Module) -> NoReturn:
    """Looks at the repository."""
    run = Run(settings.of(module.params["settings"]))
    try:
        run.usable()
        if module.check_mode:
            module.exit_json(changed=False, verified=None, figures=[])
        checked = run.verify(module.params["subset"] or "")
    except HaError as error:
        module.fail_with(error, changed=False)
    told = {"changed": False, "verified": checked.as_dict(), "figures": [_figure(run_result.figure_of_check(checked))]}
    failure = checked.failure(run.restic.where)
    end(module, {**told, "failure": failure} if failure else told)


def bring_back(module: Module) -> NoReturn:
    """Restores a machine."""
    signals.end_gently()
    params = module.params
    given = settings.of(params["settings"])
    name, target = params["name"] or params["vm"], params["target_namespace"] or params["namespace"]
    wanted = Wanted(
        namespace=params["namespace"],
        vm=params["vm"],
        name=name,
        target=target,
        snapshot=params["snapshot"],
        replace=params["replace"],
        keep_labels=params["keep_labels"],
        keep_networks=params["keep_networks"],
        probe=settings.probe_of(params["probe"]),
        timeout=float(params["timeout"]),
        remove=params["remove"],
    )
    try:
        work = restore.Restore(given, wanted)
        done = work.prepare(connect(given.kubeconfig)) if module.check_mode else work.run()
    except HaError as error:
        module.fail_with(error, changed=False)
    for warning in done.warnings:
        module.warn(warning)
    measured = [] if module.check_mode else done.figures()
    told = {"changed": True, **done.as_dict(), "figures": [_figure(one) for one in measured]}
    end(module, {**told, "failure": done.error} if done.error else told)


def report(module: Module) -> NoReturn:
    """Writes figures."""
    params = module.params
    found = [Figure(**{key: one[key] for key in _LIMITED if key in one}) for one in params["figures"]]
    origin = reports.Origin(params["command"], params["commit"], params["kubevirt_source"])
    try:
        if not module.check_mode and found:
            reports.add_figures(os.path.abspath(params["path"]), found, origin)
    except (OSError, ValueError) as error:
        module.fail_with(HaError("the report cannot be written", where=params["path"], why=str(error)))
    faults = [one.fault() for one in found if not one.passed]
    module.exit_json(changed=bool(found), figures=reports.as_entries(found, origin), faults=faults)


def _figure(figure: Figure) -> dict[str, Any]:
    return {**asdict(figure), "more": dict(figure.more)}
