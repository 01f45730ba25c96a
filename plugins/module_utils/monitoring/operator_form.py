# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the form `operator` gives to the cluster's Prometheus. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring import scrape
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring.hosts import Settings

_GROUP = "monitoring.coreos.com"
# Of them the form `operator` has its own, and those of the control plane need a token that its ScrapeConfigs have not.
_LEFT_OUT = {"prometheus", "alertmanager", *scrape.SLOW_JOBS}


def objects(settings: Settings, groups: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """PrometheusRule, PodMonitor of KubeVirt, and a ScrapeConfig a job of hosts. groups: those of the role's rules."""
    return [
        _object(settings, "v1", "PrometheusRule", "kubevirt-ha", {"groups": [*groups, *settings["extra_rules"]]}),
        _object(settings, "v1", "PodMonitor", "kubevirt-ha", _pods(settings)),
        *(
            _object(settings, "v1alpha1", "ScrapeConfig", f"kubevirt-ha-{job.name}", _hosts(settings, job))
            for job in scrape.host_jobs(settings)
            if job.name not in _LEFT_OUT
        ),
    ]


def _object(settings: Settings, version: str, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    labels, namespace = settings["operator_labels"], settings["operator_namespace"]
    return {
        "apiVersion": f"{_GROUP}/{version}",
        "kind": kind,
        "metadata": {"namespace": namespace, "labels": labels, "name": name},
        "spec": spec,
    }


def _pods(settings: Settings) -> dict[str, Any]:
    return {
        "jobLabel": "kubevirt-ha.virtops/job",
        "namespaceSelector": {"matchNames": [settings["kubevirt_namespace"]]},
        "selector": {"matchLabels": {"prometheus.kubevirt.io": "true"}},
        "podMetricsEndpoints": [
            {
                "port": "metrics",
                "scheme": "https",
                "tlsConfig": {"insecureSkipVerify": True},
                "interval": settings["scrape_interval"],
                "relabelings": [
                    {"targetLabel": "job", "replacement": "kubevirt"},
                    {"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "host"},
                ],
            }
        ],
    }


def _hosts(settings: Settings, job: scrape.Job) -> dict[str, Any]:
    targets = [{"targets": [at], "labels": {"host": host, "job": job.name}} for host, at in job.targets.items()]
    return {"scrapeInterval": settings["scrape_interval"], "staticConfigs": targets}
