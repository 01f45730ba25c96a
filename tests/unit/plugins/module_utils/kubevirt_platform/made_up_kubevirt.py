# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of the role as its defaults give them, and made-up workloads of a platform."""

from __future__ import annotations

from typing import Any

PROFILE: dict[str, Any] = {"env": [], "flags": {}}
DEFAULTS: dict[str, Any] = {
    "distribution": "kubernetes",
    "infra_replicas": 3,
    "operator_replicas": 2,
    "infra_spread": "required",
    "infra_node_placement": {},
    "workloads_node_placement": {},
    "component_resources": {},
    "eviction_strategy": "LiveMigrate",
    "migration_network": "",
    "migrations_per_cluster": 5,
    "migrations_per_node": 2,
    "migration_bandwidth": "",
    "migration_completion_timeout": 150,
    "migration_progress_timeout": 150,
    "migration_auto_converge": False,
    "migration_post_copy": False,
    "workload_update_methods": ["LiveMigrate"],
    "workload_update_batch_size": 10,
    "workload_update_batch_interval": "1m",
    "workload_update_timeout": 0,
    "certificate_ca_duration": "168h",
    "certificate_ca_renew_before": "33h36m",
    "certificate_server_duration": "24h",
    "certificate_server_renew_before": "4h48m",
    "feature_gates": [],
    "disabled_feature_gates": [],
    "cr_overrides": {},
    "cdi_replicas": 2,
    "olm_namespace": "kubevirt-hyperconverged",
    "olm_package": "community-kubevirt-hyperconverged",
    "olm_channel": "stable",
    "olm_source": "community-operators",
    "olm_source_namespace": "openshift-marketplace",
    "olm_approval": "Automatic",
    "olm_starting_csv": "",
    "hyperconverged_overrides": {},
    "timeout": 600,
}


def given(**changed: Any) -> dict[str, Any]:
    """The defaults with something else."""
    assert changed.keys() <= DEFAULTS.keys()
    return {**DEFAULTS, **changed}


def workload(name: str, replicas: int = 3, kind: str = "Deployment", **status: Any) -> dict[str, Any]:
    """A component that is rolled out whole, but for what `status` says."""
    whole: dict[str, Any] = {"observedGeneration": 4}
    if kind == "DaemonSet":
        whole |= {"desiredNumberScheduled": replicas, "updatedNumberScheduled": replicas, "numberReady": replicas}
    else:
        whole |= {"updatedReplicas": replicas, "readyReplicas": replicas}
    return {
        "kind": kind,
        "metadata": {
            "name": name,
            "generation": 4,
            "labels": {"kubevirt.io": name, "app.kubernetes.io/managed-by": "virt-operator"},
        },
        "spec": {
            "replicas": replicas,
            "template": {
                "metadata": {"labels": {"kubevirt.io": name}},
                "spec": {"containers": [{"name": name, "image": f"quay.io/kubevirt/{name}:v1.9.0"}]},
            },
        },
        "status": {**whole, **status},
    }


def platform() -> list[dict[str, Any]]:
    """All components, rolled out."""
    return [
        workload("virt-operator", 2),
        workload("virt-api"),
        workload("virt-controller"),
        workload("virt-exportproxy"),
        workload("virt-handler", kind="DaemonSet"),
    ]


def kubevirt(**status: Any) -> dict[str, Any]:
    """A KubeVirt object that is deployed, but for what `status` says."""
    return {
        "metadata": {"name": "kubevirt", "namespace": "kubevirt", "generation": 7},
        "spec": {},
        "status": {
            "phase": "Deployed",
            "observedGeneration": 7,
            "observedKubeVirtVersion": "v1.9.0",
            "targetKubeVirtVersion": "v1.9.0",
            "conditions": [{"type": "Available", "status": "True"}, {"type": "Degraded", "status": "False"}],
            **status,
        },
    }
