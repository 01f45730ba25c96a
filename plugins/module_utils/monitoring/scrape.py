# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus asks and how: its jobs, its configuration, and how many targets there must be. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring import hosts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring.hosts import Settings

Values = dict[str, Any]

# Asked so seldom that a fresh start need not wait for them.
SLOW_JOBS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "cadvisor")
# What the role itself lays out.
OWN_JOBS = ("node", "prometheus", "alertmanager")
_TIMEOUT = 5


@dataclass(frozen=True)
class Job:
    """A job whose targets are hosts: {host: address:port}; `more` is what its configuration says beside them."""

    name: str
    targets: Mapping[str, str]
    more: Mapping[str, Any]


def host_jobs(settings: Settings) -> list[Job]:
    """The jobs of hosts that have any."""
    given = settings["platform"]
    control_plane = hosts.within(settings, "control_plane")
    servers = hosts.members(settings)
    api = {"scheme": "https", "tls_config": _authority(settings), "authorization": _token(settings)}
    slow = _slow(settings)
    jobs = [
        Job("node", _at(hosts.addresses(settings), settings["node_exporter_port"]), {}),
        Job("prometheus", _at(servers, settings["prometheus_port"]), web_client(settings)),
        Job("alertmanager", _at(servers, settings["alertmanager_port"]), web_client(settings)),
        Job("haproxy", hosts.haproxy_targets(settings), {}),
        Job("etcd", {} if given["external_etcd"] else _at(control_plane, hosts.ETCD_PORT), {}),
        Job("kube-apiserver", _at(control_plane, given["api_port"]), {**api, **slow}),
        *(
            Job(name, _at(control_plane, port), {**_unverified(settings), **slow})
            for name, port in (
                ("kube-controller-manager", hosts.CONTROLLER_MANAGER_PORT),
                ("kube-scheduler", hosts.SCHEDULER_PORT),
            )
        ),
        Job("ceph", _at(hosts.own_ceph(settings), hosts.CEPH_PORT), {}),
    ]
    return [job for job in jobs if job.targets]


def own_names(settings: Settings) -> list[str]:
    """The names of the jobs that are the role's own."""
    return [job["job_name"] for job in _scrape_configs({**settings, "dropped_metrics": (), "extra_scrape_configs": ()})]


def expected(settings: Settings) -> dict[str, int]:
    """Targets that there must be at least, by job."""
    machines = hosts.group(settings, "kvm_nodes")
    nodes = len({*machines, *hosts.group(settings, "control_plane")})
    counts = {job.name: len(job.targets) for job in host_jobs(settings)}
    return {**counts, "kubelet": nodes, "cadvisor": nodes, "kubevirt": len(machines)}


def configuration(settings: Settings) -> Values:
    """Prometheus' configuration."""
    servers = _at(hosts.members(settings), settings["alertmanager_port"])
    alertmanagers = {"static_configs": [{"targets": list(servers.values())}], "timeout": f"{_TIMEOUT}s"}
    return {
        "global": {
            "scrape_interval": settings["scrape_interval"],
            "scrape_timeout": _timeout(settings["scrape_interval"]),
            "evaluation_interval": "5s",
        },
        "alerting": {"alertmanagers": [{**alertmanagers, **web_client(settings)}]},
        "rule_files": rule_files(settings),
        "scrape_configs": _scrape_configs(settings),
    }


def rule_files(settings: Settings) -> list[str]:
    """The paths of all rules that are written on a server."""
    names = [*settings["rules"], *(["extra"] if settings["extra_rules"] else [])]
    return [f"{settings['paths']['folder']}/rules-{name}.yml" for name in names]


def web_client(settings: Settings) -> Values:
    """How Prometheus, a client of its own kind, goes to the pages of Prometheus and Alertmanager."""
    folder, host = settings["paths"]["folder"], settings["host"]
    client: Values = {"scheme": host["scheme"]}
    if host["tls"] and settings["tls_ca_file"]:
        client["tls_config"] = {"ca_file": f"{folder}/web-ca.crt"}
    if settings["web_users"]:
        client["basic_auth"] = {"username": settings["web_user"], "password_file": f"{folder}/web-password"}
    return client


def _scrape_configs(settings: Settings) -> list[Values]:
    drop = _drop(settings)  # one for all jobs, which YAML writes once
    jobs = [
        {
            "job_name": job.name,
            "static_configs": [{"targets": [at], "labels": {"host": host}} for host, at in job.targets.items()],
            **job.more,
            **drop,
        }
        for job in host_jobs(settings)
    ]
    etcd = [_external_etcd(settings)] if settings["platform"]["external_etcd"] else []
    return [*jobs, *etcd, *_discovered(settings, drop), *settings["extra_scrape_configs"]]


def _external_etcd(settings: Settings) -> Values:
    folder = settings["paths"]["folder"]
    endpoints = [re.sub(r"^https?://", "", endpoint) for endpoint in settings["platform"]["etcd_endpoints"]]
    return {
        "job_name": "etcd",
        "scheme": "https",
        "static_configs": [{"targets": endpoints}],
        "relabel_configs": [{"source_labels": ["__address__"], "target_label": "host"}],
        "tls_config": {
            "ca_file": f"{folder}/etcd-ca.crt",
            "cert_file": f"{folder}/etcd.crt",
            "key_file": f"{folder}/etcd.key",
        },
    }


def _discovered(settings: Settings, drop: Values) -> list[Values]:
    """Jobs whose targets are what the collector finds in the cluster."""
    slow, cadvisor = _slow(settings), {"metrics_path": "/metrics/cadvisor"}
    jobs = [
        _found(settings, "kubelet", {**_kubelet(settings), **drop}),
        _found(settings, "cadvisor", {**_kubelet(settings), **cadvisor, **drop}, file="kubelet"),
        _found(settings, "kubevirt", {"scheme": "https", "tls_config": {"insecure_skip_verify": True}, **drop}),
    ]
    if settings["platform"]["metrics_server"]:
        jobs.append(_found(settings, "metrics-server", {**_unverified(settings), **slow, **drop}))
    jobs.append(_found(settings, "coredns", {**slow, **drop}))
    return jobs + ([_found(settings, "guests", {})] if settings["guest_namespaces"] else [])


def _kubelet(settings: Settings) -> Values:
    verified = {"tls_config": _authority(settings)} if settings["kubelet_verify_tls"] else {}
    return {**_unverified(settings), **verified, **_slow(settings)}


def _found(settings: Settings, name: str, more: Values, *, file: str = "") -> Values:
    files = [f"{settings['paths']['targets']}/{file or name}.json"]
    return {"job_name": name, "file_sd_configs": [{"files": files}], **more}


def _at(addresses: Mapping[str, str], port: Any) -> dict[str, str]:
    return {host: f"{address}:{port}" for host, address in addresses.items()}


def _authority(settings: Settings) -> Values:
    return {"ca_file": f"{settings['paths']['folder']}/ca.crt"}


def _token(settings: Settings) -> Values:
    return {"credentials_file": f"{settings['paths']['folder']}/token"}


def _unverified(settings: Settings) -> Values:
    """Of components that sign their certificates themselves."""
    return {"scheme": "https", "tls_config": {"insecure_skip_verify": True}, "authorization": _token(settings)}


def _slow(settings: Settings) -> Values:
    return {"scrape_interval": settings["slow_scrape_interval"]}


def _drop(settings: Settings) -> Values:
    names: Sequence[str] = settings["dropped_metrics"]
    rule = {"source_labels": ["__name__"], "regex": "|".join(names), "action": "drop"}
    return {"metric_relabel_configs": [rule]} if names else {}


def _timeout(interval: Any) -> str:
    """No longer than the interval, as Prometheus wants it."""
    whole = re.fullmatch(r"([0-9]+)s", str(interval))
    return str(interval) if whole and int(whole[1]) < _TIMEOUT else f"{_TIMEOUT}s"
