# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the role as its filters are given them."""

from __future__ import annotations

from typing import Any

SERVERS = ["n1", "n2"]
HASH = "$2y$10$" + "a" * 53
_SETTINGS: dict[str, Any] = {
    "form": "hosts",
    "kubeconfig": "/root/admin.conf",
    "prometheus_port": 9090,
    "alertmanager_port": 9093,
    "alertmanager_cluster_port": 9094,
    "node_exporter_port": "9100",
    "scrape_interval": "10s",
    "slow_scrape_interval": "1m",
    "retention": "15d",
    "retention_size": "",
    "collector_interval": "15s",
    "dropped_metrics": ["a.*", "b"],
    "certificate_days": "30",
    "etcd_backup_hours": 26,
    "kubevirt_namespace": "kubevirt",
    "guest_namespaces": [],
    "kubelet_verify_tls": False,
    "extra_rules": [],
    "extra_scrape_configs": [],
    "alertmanager_receivers": [],
    "alertmanager_route": {},
    "secret_files": {},
    "tls_cert_file": "",
    "tls_key_file": "",
    "tls_ca_file": "",
    "web_users": {},
    "web_user": "",
    "web_password_file": "",
    "grafana": False,
    "grafana_packages": ["grafana"],
    "operator_namespace": "monitoring",
    "operator_labels": {},
    "rules": ["nodes"],
    "dashboards": ["platform"],
    "mark": "# mark\n",
}
_HOST = {
    "name": "n1",
    "address": "192.0.2.11",
    "member": True,
    "server": True,
    "leaves": False,
    "tls": False,
    "scheme": "http",
    "url": "http://192.0.2.11",
}
_PLATFORM: dict[str, Any] = {
    "groups": {
        "monitoring_nodes": SERVERS,
        "control_plane": SERVERS,
        "kvm_nodes": ["n1", "w1"],
        "load_balancers": ["n1"],
        "storage_nodes": SERVERS,
    },
    "hosts": {
        "n1": {"ansible_host": "192.0.2.11"},
        "n2": {"ansible_host": "192.0.2.12", "kubernetes_node_address": "10.0.0.2"},
        "w1": {},
    },
    "endpoint": "192.0.2.100:8443",
    "api_port": 6443,
    "metrics_server": True,
    "external_etcd": False,
    "etcd_endpoints": [],
    "etcd_files": [],
    "vips": [{"name": "api", "address": "192.0.2.100", "port": "8443"}, {"name": "none", "address": "192.0.2.101"}],
    "stats_port": 8404,
    "storage_backend": "glusterfs",
    "storage_volume": "shared",
    "storage_brick": "/brick",
    "storage_mount": "/mount",
    "own_ceph": False,
}
_NAMES = ("folder", "secrets", "code", "collector", "config", "textfiles", "units", "targets", "dashboards")
_PATHS = {name: f"/{name}" for name in _NAMES}


def settings(*, host: Any = None, platform: Any = None, **given: Any) -> dict[str, Any]:
    """Those of a server that is everything, with others over them."""
    parts = {"host": {**_HOST, **(host or {})}, "platform": {**_PLATFORM, **(platform or {})}, "paths": _PATHS}
    return {**_SETTINGS, **parts, **given}
