# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collector of a host is told to look at. Pure."""

from __future__ import annotations

from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring import hosts, scrape
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring.hosts import Settings

_CERTIFICATES = (
    "/etc/kubernetes/*.conf",
    "/etc/kubernetes/pki/*.crt",
    "/etc/kubernetes/pki/etcd/*.crt",
    "/var/lib/kubelet/pki/kubelet-client-current.pem",
)


def configuration(settings: Settings) -> dict[str, Any]:
    """The collector's configuration: `host`, what is on the host, and `cluster`, what a monitoring node asks the API for."""
    host, paths = settings["host"], settings["paths"]
    return {
        "folder": paths["textfiles"],
        "host": {
            "vips": _vips(settings),
            "brick": _brick(settings),
            "mount": _mount(settings),
            "certificates": list(_CERTIFICATES),
            "certificate_days": float(settings["certificate_days"]),
            "expected_targets": scrape.expected(settings) if host["member"] else {},
        },
        "cluster": {
            "url": f"https://{settings['platform']['endpoint']}",
            "ca_file": f"{paths['config']}/ca.crt",
            "token_file": f"{paths['config']}/token",
            "kubevirt_namespace": settings["kubevirt_namespace"],
            "etcd_backup_hours": float(settings["etcd_backup_hours"]),
            "targets_folder": paths["targets"] if host["server"] else "",
            "guest_namespaces": list(settings["guest_namespaces"]),
        },
    }


def _vips(settings: Settings) -> list[dict[str, Any]]:
    if settings["host"]["name"] not in hosts.group(settings, "load_balancers"):
        return []
    found = {vip["name"]: vip["address"] for vip in settings["platform"]["vips"]}
    return [{"name": name, "address": address} for name, address in found.items()]


def _brick(settings: Settings) -> dict[str, Any]:
    given, servers = settings["platform"], hosts.group(settings, "storage_nodes")
    if settings["host"]["name"] not in servers or given["storage_backend"] != "glusterfs":
        return {}
    return {"volume": given["storage_volume"], "path": given["storage_brick"], "wanted": len(servers)}


def _mount(settings: Settings) -> str:
    given = settings["platform"]
    shared = given["storage_backend"] == "glusterfs" or hosts.own_ceph(settings)
    if settings["host"]["name"] not in hosts.group(settings, "kvm_nodes"):
        return ""
    return str(given["storage_mount"]) if hosts.group(settings, "storage_nodes") and shared else ""
