# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on a host. Pure."""

from __future__ import annotations

from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring import hosts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring.hosts import Settings

Entry = dict[str, Any]


def services(settings: Settings) -> list[Entry]:
    """What is started, and started anew where it reads at its start what was written; and what is stopped."""
    host, units = settings["host"], settings["paths"]["units"]
    timer = f"{units}/kubevirt-ha-collector@.timer"
    found = [
        _runs("prometheus-node-exporter", "/etc/default/prometheus-node-exporter"),
        _runs("kubevirt-ha-collector@host.timer", timer),
    ]
    for port in hosts.offered_ports(settings):
        found.append(_runs(f"kubevirt-ha-metrics@{port}.socket", f"{units}/kubevirt-ha-metrics@.socket"))
    cluster = "kubevirt-ha-collector@cluster.timer"
    found.append(_runs(cluster, timer) if host["member"] else _stopped(cluster))
    if host["server"]:
        found += [_runs(name, f"/etc/default/{name}") for name in ("prometheus-alertmanager", "prometheus")]
    if host["leaves"]:
        found += [_stopped(name) for name in ("prometheus", "prometheus-alertmanager")]
    if host["server"] and settings["grafana"] and settings["grafana_packages"]:
        found.append(_runs("grafana-server", "/etc/grafana/provisioning/datasources/kubevirt-ha.yml"))
    return found


def reloads(settings: Settings) -> list[Entry]:
    """What reads again, while it runs, what was written."""
    if not settings["host"]["server"]:
        return []
    rules = f"{settings['paths']['folder']}/rules-*.yml"
    return [
        _reloads("prometheus-alertmanager", "/etc/prometheus/alertmanager.yml"),
        _reloads("prometheus", "/etc/prometheus/prometheus.yml", rules),
    ]


def _runs(name: str, reads: str) -> Entry:
    return {"name": name, "state": "started", "enabled": True, "reads": [reads]}


def _stopped(name: str) -> Entry:
    return {"name": name, "state": "stopped", "enabled": False}


def _reloads(name: str, *reads: str) -> Entry:
    return {"name": name, "apply": "reload", "reads": list(reads)}
