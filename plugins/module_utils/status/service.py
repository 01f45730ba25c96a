# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of `status_report`: facts in, files and a table out."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import reports
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info import findings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.registry import RULES as CLUSTER_RULES
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.service import NEVER
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, end
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.build import as_json, build
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.model import Facts, Limits
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.page import page
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.rules import RULES
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.table import table

_FACTS = ("hosts", "cluster", "probes", "vips", "redundancy", "watcher", "storage", "monitoring", "api_endpoint")


def spec() -> ArgumentSpec:
    """The module's argument spec."""
    own = Limits()
    return ArgumentSpec(
        {
            "facts": {"type": "dict", "required": True},
            "folder": {"type": "path", "required": True},
            "drill_report": {"type": "path"},
            "fail_on": {"type": "str", "choices": ["critical", "warning", NEVER], "default": NEVER},
            "ignore": {"type": "list", "elements": "str", "default": []},
            "certificate_days": {"type": "float", "default": own.certificate_days},
            "drill_days": {"type": "float", "default": own.drill_days},
            "etcd_fsync_ms": {"type": "float", "default": own.etcd_fsync_ms},
            "backup_hours": {"type": "float", "default": own.backup_hours},
        }
    )


def faults(params: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the parameters beyond their types."""
    known = {*RULES, *CLUSTER_RULES}
    unknown = sorted(set(params.get("ignore") or []) - known)
    if unknown:
        yield f"ignore: no finding is called {', '.join(unknown)}; there are {', '.join(sorted(known))}"
    strange = sorted(set(params.get("facts") or {}) - set(_FACTS))
    if strange:
        yield f"facts: there is no part {', '.join(strange)}; there are {', '.join(_FACTS)}"


def run_module(module: Module) -> NoReturn:
    """Writes the report and ends the module; where the gate is closed, with a failure after the files are there."""
    given = module.params
    status = build(facts_of(given), given["ignore"])
    place = os.path.join(os.path.abspath(given["folder"]), "index.html")
    text = table(status, "" if module.check_mode else place)
    content = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(status.facts.now)), **as_json(status)}
    try:
        if not module.check_mode:
            reports.write_text(place, page(status))
            reports.write_text(os.path.join(os.path.dirname(place), "status.txt"), text)
            reports.write_json(os.path.join(os.path.dirname(place), "status.json"), content)
    except OSError as error:
        module.fail_with(HaError("the report cannot be written", where=place, why=str(error), fix="Set folder"))
    result: dict[str, Any] = {
        "changed": not module.check_mode,
        "page": place,
        "table": text,
        **{key: content[key] for key in ("whole", "summary", "findings")},
    }
    failure = findings.gate(status.entries, given["fail_on"])
    end(module, {**result, "failure": failure} if failure else result)


def facts_of(given: Mapping[str, Any]) -> Facts:
    """The facts of a module's parameters; what is missing is empty."""
    told = {key: value for key, value in given["facts"].items() if value}
    place = given["drill_report"] or ""
    limits = Limits(
        certificate_days=given["certificate_days"],
        drill_days=given["drill_days"],
        etcd_fsync_ms=given["etcd_fsync_ms"],
        backup_hours=given["backup_hours"],
    )
    return Facts(**told, drill=_drill(place), drill_place=place, now=time.time(), limits=limits)


def _drill(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            return dict(json.load(file))
    except (OSError, ValueError, TypeError):
        return {}
