# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is asked for metrics, and where. Pure.

Settings are the role's variables without their prefix `monitoring_`, and beside them `host`, what is planned for; `platform`, the
groups, hosts and shared variables of the inventory; `paths`, where the role writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Settings = Mapping[str, Any]

ETCD_PORT, CONTROLLER_MANAGER_PORT, SCHEDULER_PORT, CEPH_PORT = 2381, 10257, 10259, 9283
# Of a host's variables the first that it has is its address.
_ADDRESSES = ("monitoring_address", "kubernetes_node_address", "ansible_host")


def group(settings: Settings, name: str) -> Sequence[str]:
    """The hosts of a group, none where the inventory has no such group."""
    return settings["platform"]["groups"].get(name) or ()


def addresses(settings: Settings) -> dict[str, str]:
    """Every host of the platform with its address."""
    known: Mapping[str, Mapping[str, Any]] = settings["platform"]["hosts"]
    return {host: next((given[name] for name in _ADDRESSES if name in given), host) for host, given in known.items()}


def within(settings: Settings, name: str) -> dict[str, str]:
    """The hosts of a group with their addresses."""
    members = group(settings, name)
    return {host: address for host, address in addresses(settings).items() if host in members}


def members(settings: Settings) -> dict[str, str]:
    """The monitoring nodes with their addresses."""
    return within(settings, "monitoring_nodes")


def own_ceph(settings: Settings) -> dict[str, str]:
    """The hosts of a Ceph that the role shared_storage lays out, with their addresses."""
    return within(settings, "storage_nodes") if settings["platform"]["own_ceph"] else {}


def haproxy(settings: Settings) -> dict[str, tuple[str, int]]:
    """Where each HAProxy serves its metrics: address and port. nginx has none."""
    found: dict[str, tuple[str, int]] = {}
    for host in group(settings, "load_balancers"):
        given = settings["platform"]["hosts"][host]
        if given.get("load_balancer_proxy", "haproxy") == "haproxy":
            address = str(given.get("load_balancer_stats_address", "127.0.0.1"))
            found[host] = address, int(given.get("load_balancer_stats_port", 8404))
    return found


def haproxy_targets(settings: Settings) -> dict[str, str]:
    """Where Prometheus asks each HAProxy; one that serves on a loopback address is offered at the host's own."""
    at = addresses(settings)
    return {
        host: f"{at[host] if _is_loopback(address) else address}:{port}"
        for host, (address, port) in haproxy(settings).items()
    }


def offered_ports(settings: Settings) -> list[int]:
    """Ports of 127.0.0.1 that this host offers at its address; kubeadm binds those of the control plane to it."""
    host = settings["host"]["name"]
    found: list[int] = []
    if host in group(settings, "control_plane"):
        found += [CONTROLLER_MANAGER_PORT, SCHEDULER_PORT]
        found += [] if settings["platform"]["external_etcd"] else [ETCD_PORT]
    address, port = haproxy(settings).get(host, ("", 0))
    return found + ([port] if _is_loopback(address) else [])


def _is_loopback(address: str) -> bool:
    return address.startswith("127.")
