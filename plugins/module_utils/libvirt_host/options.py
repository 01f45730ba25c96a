# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's parameters: their spec, their faults, and what they ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host import cpu, uri
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.look import Wanted
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.parts import PARTS
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.session import Access
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.statistics import DEFAULT_GROUPS, GROUPS

_INCLUDES = ["volumes", "dhcp_leases", "node_devices"]
_PROXIES = ["auto", "native", "netcat"]


def spec() -> ArgumentSpec:
    """How libvirt is reached, and what of it is read."""
    return ArgumentSpec(
        {
            "uri": {"type": "str", "default": "qemu:///system"},
            "keyfile": {"type": "path", "no_log": False},
            "known_hosts": {"type": "path"},
            "no_verify": {"type": "bool", "default": False},
            "command": {"type": "path"},
            "netcat": {"type": "str"},
            "proxy": {"type": "str", "choices": _PROXIES},
            "socket": {"type": "str"},
            "pkipath": {"type": "path"},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "read_write": {"type": "bool", "default": True},
            "timeout": {"type": "float", "default": 30},
            "keepalive_interval": {"type": "int", "default": 5},
            "keepalive_count": {"type": "int", "default": 5},
            "gather": {"type": "list", "elements": "str", "default": ["all"], "choices": ["all", *PARTS]},
            "include": {"type": "list", "elements": "str", "default": [], "choices": _INCLUDES},
            "emulator": {"type": "str"},
            "arch": {"type": "str"},
            "machine": {"type": "str"},
            "virttype": {"type": "str"},
            "host_cpus": {"type": "list", "elements": "dict", "default": []},
            "wanted_cpu": {"type": "str"},
            "migratable": {"type": "bool", "default": True},
            "expand_features": {"type": "bool", "default": False},
            "stats": {"type": "list", "elements": "str", "default": DEFAULT_GROUPS, "choices": list(GROUPS)},
            "active_only": {"type": "bool", "default": False},
            "wait_for_busy_domains": {"type": "bool", "default": False},
            "xml": {"type": "bool", "default": False},
        },
        required_together=[("username", "password")],
    )


def faults(params: Mapping[str, Any]) -> Iterator[str]:
    """What the spec cannot express."""
    yield from uri.faults(params)
    if params["timeout"] <= 0:
        yield f"timeout: {params['timeout']:g} must be more than 0 seconds"
    for name in ("keepalive_interval", "keepalive_count"):
        if params[name] < 0:
            yield f"{name}: {params[name]} must be 0 or more"
    if not params["gather"] and not (params["include"] or params["host_cpus"] or params["wanted_cpu"]):
        yield "gather: nothing is asked for"
    yield from _include_faults(params)
    yield from cpu.host_cpus(params["host_cpus"])[1]
    if params["wanted_cpu"] is not None:
        try:
            if not cpu.wanted(params["wanted_cpu"]).model:
                yield "wanted_cpu: must be the name of a CPU model or a <cpu>"
        except HaError as error:
            yield str(error).rstrip(".")


def _include_faults(params: Mapping[str, Any]) -> Iterator[str]:
    gathered = parts_of(params["gather"])
    for name, part in (("volumes", "pools"), ("dhcp_leases", "networks")):
        if name in params["include"] and part not in gathered:
            yield f"include: {name} is part of {part}, which gather leaves out"


def parts_of(gather: list[str]) -> tuple[str, ...]:
    """The parts, in the order of the facts and each once."""
    return tuple(name for name in PARTS if "all" in gather or name in gather)


def wanted(params: Mapping[str, Any]) -> Wanted:
    """What parameters without faults ask for."""
    return Wanted(
        parts=parts_of(params["gather"]),
        include=frozenset(params["include"]),
        emulator=params["emulator"],
        arch=params["arch"],
        machine=params["machine"],
        virttype=params["virttype"],
        host_cpus=tuple(cpu.host_cpus(params["host_cpus"])[0]),
        wanted_cpu=cpu.wanted(params["wanted_cpu"]) if params["wanted_cpu"] is not None else None,
        migratable=params["migratable"],
        expand_features=params["expand_features"],
        stats=tuple(params["stats"]),
        active_only=params["active_only"],
        wait_for_busy_domains=params["wait_for_busy_domains"],
        xml=params["xml"],
    )


def access(params: Mapping[str, Any]) -> Access:
    """How parameters without faults say a connection is opened."""
    return Access(
        timeout=params["timeout"],
        keepalive_interval=params["keepalive_interval"],
        keepalive_count=params["keepalive_count"],
        username=params["username"],
        password=params["password"],
        read_write=params["read_write"],
    )
