# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what results tell of an object."""

from __future__ import annotations

from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions, redaction, vm_state, vmi_state

Object = dict[str, Any]


def machine(vm: Object, vmi: Object | None, *, full: bool) -> Object:
    """A machine's entry in the result, with its instance where it has one."""
    status = vm_state.status(vm)
    return {
        **identity(vm, full),
        "run_strategy": vm_state.run_strategy(vm),
        "status": status.get("printableStatus"),
        "reason": vm_state.describe(vm),
        "created": vm_state.is_created(vm),
        "ready": vm_state.is_ready(vm),
        "restart_required": conditions.holds(vm, "RestartRequired"),
        "instance": vmi_state.summary(vmi) if vmi else None,
    }


def instance(vmi: Object, *, full: bool) -> Object:
    """An instance's entry in the result."""
    return {**identity(vmi, full), **vmi_state.summary(vmi), "vm": vmi_state.owner(vmi)}


def identity(item: Object, full: bool) -> Object:
    """What the result's entry of any object holds; with `full` the object itself, without secrets."""
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
