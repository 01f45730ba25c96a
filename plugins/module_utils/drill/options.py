# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a drill's modules, beside the documentation fragment `drill`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.redundancy import Expected
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.survey import Platform
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.verdict import Budget

STORAGE_KINDS = ("gluster_peers", "gluster_heal", "ceph_health")


def platform() -> ArgumentSpec:
    """What the platform consists of, and what is no fault of it."""
    return ArgumentSpec(
        {
            "nodes": {"type": "list", "elements": "str", "required": True},
            "etcd_members": {"type": "int", "default": 0},
            "ignored_taints": {"type": "list", "elements": "str", "default": []},
            "cordoned": {"type": "list", "elements": "str", "default": []},
            "api_servers": _dicts(
                name={"type": "str", "required": True},
                address={"type": "str", "required": True},
                port={"type": "int", "default": 6443},
            ),
            "namespace": {"type": "str", "required": True},
            "machines": _dicts(name={"type": "str", "required": True}, url={"type": "str", "required": True}),
            "kubevirt_namespace": {"type": "str", "default": "kubevirt"},
            "storage": _dicts(
                host={"type": "str", "required": True},
                kind={"type": "str", "required": True, "choices": list(STORAGE_KINDS)},
                text={"type": "str", "required": True},
                why={"type": "str", "default": ""},
            ),
            "watcher": {"type": "bool", "default": True},
            "state_dir": {"type": "path"},
            "heartbeat_seconds": {"type": "float", "default": 5.0},
        },
        required_if=[("watcher", True, ("state_dir",))],
    )


def budget() -> ArgumentSpec:
    """The limits of the figures."""
    default = Budget()
    limits = {
        "rto_seconds": {"type": "float", "default": default.rto_seconds},
        "rpo_writes_lost": {"type": "int", "default": default.rpo_writes_lost},
        "writers_at_once": {"type": "int", "default": default.writers_at_once},
        "api_gap_seconds": {"type": "float", "default": default.api_gap_seconds},
        "vip_gap_seconds": {"type": "float", "default": default.vip_gap_seconds},
        "write_stall_seconds": {"type": "float", "default": default.write_stall_seconds},
        "requests_failed_beyond_gap": {"type": "int"},
    }
    return ArgumentSpec({"budget": {"type": "dict", "options": limits, "apply_defaults": True}})


def _dicts(**options: Any) -> dict[str, Any]:
    return {"type": "list", "elements": "dict", "default": [], "options": options}


def platform_of(given: Mapping[str, Any]) -> Platform:
    """The platform of a module's parameters."""
    return Platform(
        namespace=given["namespace"],
        guests={each["name"]: each["url"] for each in given["machines"]},
        api_servers={each["name"]: (each["address"], each["port"]) for each in given["api_servers"]},
        storage=given["storage"],
        state_dir=given["state_dir"] or "",
        kubevirt_namespace=given["kubevirt_namespace"],
    )


def expected_of(given: Mapping[str, Any]) -> Expected:
    """What must be there, of a module's parameters."""
    return Expected(
        nodes=tuple(given["nodes"]),
        etcd_members=given["etcd_members"],
        ignored_taints=tuple(given["ignored_taints"]),
        heartbeat_seconds=given["heartbeat_seconds"],
        watcher=given["watcher"],
        cordoned=tuple(given["cordoned"]),
    )
