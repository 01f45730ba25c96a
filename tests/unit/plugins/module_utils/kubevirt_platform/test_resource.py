# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects that are applied: what the settings say, what the source said, and nothing besides."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import kubevirt_deployment
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform import openshift, resource
from made_up_kubevirt import PROFILE, given

BASE = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "KubeVirt",
    "metadata": {"name": "kubevirt", "namespace": "kubevirt"},
    "spec": {"configuration": {"developerConfiguration": {"featureGates": []}}, "imagePullPolicy": "IfNotPresent"},
}
OPERATOR = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "virt-operator", "namespace": "kubevirt", "annotations": {"kept": "1"}},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"kubevirt.io": "virt-operator"}},
        "template": {"spec": {"containers": [{"name": "virt-operator", "resources": {"requests": {"cpu": "10m"}}}]}},
    },
}


def cr(
    overrides: dict[str, Any] | None = None, profile: dict[str, Any] | None = None, **changed: Any
) -> dict[str, Any]:
    chosen = PROFILE if profile is None else profile
    found: dict[str, Any] = resource.kubevirt(BASE, given(**changed), chosen, overrides or {})["spec"]
    return found


def patches(spec: dict[str, Any]) -> dict[str, Any]:
    return {
        each["resourceName"]: json.loads(each["patch"])["spec"]["template"]["spec"]
        for each in spec["customizeComponents"]["patches"]
    }


def test_the_settings_are_in_the_fields_of_the_kubevirt_object() -> None:
    spec = cr(
        infra_node_placement={"nodeSelector": {"role": "infra"}},
        workloads_node_placement={"nodeSelector": {"role": "vms"}},
        migrations_per_cluster="8",
        migration_bandwidth="65536Ki",
        migration_auto_converge="yes",
        migration_network="migration",
        workload_update_methods=["LiveMigrate", "Evict"],
        feature_gates=["HostDisk"],
        disabled_feature_gates=["Snapshot"],
    )
    assert spec["infra"] == {"replicas": 3, "nodePlacement": {"nodeSelector": {"role": "infra"}}}
    assert spec["workloads"] == {"nodePlacement": {"nodeSelector": {"role": "vms"}}}
    assert spec["configuration"]["migrations"] == {
        "parallelMigrationsPerCluster": 8,
        "parallelOutboundMigrationsPerNode": 2,
        "bandwidthPerMigration": "64Mi",
        "completionTimeoutPerGiB": 150,
        "progressTimeout": 150,
        "allowAutoConverge": True,
        "allowPostCopy": False,
        "network": "migration",
    }
    assert spec["configuration"]["developerConfiguration"] == {
        "featureGates": ["HostDisk"],
        "disabledFeatureGates": ["Snapshot"],
    }
    assert spec["workloadUpdateStrategy"] == {
        "workloadUpdateMethods": ["LiveMigrate", "Evict"],
        "batchEvictionSize": 10,
        "batchEvictionInterval": "1m0s",
    }
    assert spec["certificateRotateStrategy"]["selfSigned"]["ca"] == {"duration": "168h0m0s", "renewBefore": "33h36m0s"}
    assert spec["imagePullPolicy"] == "IfNotPresent"


def test_replicated_components_are_spread_and_the_daemon_set_is_not() -> None:
    pods = patches(cr())
    assert list(pods) == ["virt-api", "virt-controller", "virt-exportproxy"]
    (constraint,) = pods["virt-api"]["topologySpreadConstraints"]
    assert constraint["whenUnsatisfiable"] == "DoNotSchedule"
    assert constraint["labelSelector"] == {"matchLabels": {"kubevirt.io": "virt-api"}}
    (constraint,) = patches(cr(infra_spread="preferred"))["virt-controller"]["topologySpreadConstraints"]
    assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"


def test_resources_and_environment_go_to_the_container_by_its_own_name() -> None:
    profile = {"env": [{"name": "A", "value": "1"}], "flags": {"leader-elect-lease-duration": "6s"}}
    asked = {"virt-exportproxy": {"limits": {"cpu": "1"}}, "virt-handler": {"requests": {"memory": "1Gi"}}}
    spec = cr(profile=profile, component_resources=asked)
    pods = patches(spec)
    assert pods["virt-exportproxy"]["containers"] == [{"name": "exportproxy", "resources": {"limits": {"cpu": "1"}}}]
    assert pods["virt-handler"]["containers"][0]["resources"] == {"requests": {"memory": "1Gi"}}
    assert pods["virt-api"]["containers"] == [{"name": "virt-api", "env": profile["env"]}]
    assert spec["customizeComponents"]["flags"] == {"controller": profile["flags"]}


def test_overrides_come_last_and_their_lists_are_appended() -> None:
    patch = {"resourceName": "virt-handler", "resourceType": "DaemonSet", "type": "merge", "patch": "{}"}
    overrides = {
        "spec": {
            "customizeComponents": {"patches": [patch]},
            "configuration": {
                "migrations": {"progressTimeout": 30},
                "developerConfiguration": {"featureGates": ["VSOCK", "HostDisk"]},
            },
        }
    }
    spec = cr(overrides, feature_gates=["HostDisk"])
    assert spec["customizeComponents"]["patches"][-1] == patch
    assert len(spec["customizeComponents"]["patches"]) == 4
    assert spec["configuration"]["developerConfiguration"]["featureGates"] == ["VSOCK", "HostDisk"]
    assert spec["configuration"]["migrations"]["progressTimeout"] == 30


def test_what_is_owned_is_repaired_and_what_is_not_stays() -> None:
    wanted = resource.kubevirt(BASE, given(infra_node_placement={"nodeSelector": {"role": "infra"}}), PROFILE, {})
    there = kubevirt_deployment.wanted_object({}, wanted)
    assert kubevirt_deployment.wanted_object(there, wanted) == there
    drifted = json.loads(json.dumps(there))
    drifted["spec"]["infra"]["nodePlacement"]["nodeSelector"]["more"] = "1"
    drifted["spec"]["infra"]["nodePlacement"]["tolerations"] = [{"operator": "Exists"}]
    drifted["spec"]["workloads"] = {"nodePlacement": {"nodeSelector": {"a": "b"}}}
    drifted["spec"]["configuration"]["migrations"] |= {
        "network": "x",
        "allowPostCopy": True,
        "bandwidthPerMigration": "1",
    }
    drifted["spec"]["certificateRotateStrategy"]["selfSigned"]["caRotateInterval"] = "1h"
    drifted["spec"]["configuration"]["developerConfiguration"] = {"featureGates": ["HostDisk"]}
    drifted["spec"]["customizeComponents"]["patches"].pop()
    drifted["spec"]["monitorAccount"] = "kept"
    repaired = kubevirt_deployment.wanted_object(drifted, wanted)
    assert repaired["spec"].pop("monitorAccount") == "kept"
    assert repaired["spec"].pop("workloads", {}) in ({}, {"nodePlacement": {}})
    assert repaired["spec"]["configuration"]["developerConfiguration"].pop("featureGates") == []
    assert repaired["spec"]["configuration"].pop("developerConfiguration") == {}
    assert repaired == there


def test_the_operator_gets_replicas_spread_and_a_budget_that_lets_one_go() -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kubevirt"}}
    asked = given(operator_replicas=3, component_resources={"virt-operator": {"limits": {"memory": "1Gi"}}})
    objects = resource.operator_objects([namespace, OPERATOR], asked, {"source": "x"})
    deployment, budget = objects[1:]
    assert objects[0] == namespace
    assert deployment["metadata"]["annotations"] == {"kept": "1", "source": "x"}
    assert deployment["spec"]["replicas"] == 3
    pod = deployment["spec"]["template"]["spec"]
    assert pod["topologySpreadConstraints"][0]["labelSelector"] == {"matchLabels": {"kubevirt.io": "virt-operator"}}
    assert pod["containers"][0]["resources"] == {"requests": {"cpu": "10m"}, "limits": {"memory": "1Gi"}}
    assert budget["kind"] == "PodDisruptionBudget"
    assert budget["spec"] == {"minAvailable": 2, "selector": OPERATOR["spec"]["selector"]}
    assert "annotations" in OPERATOR["metadata"] and OPERATOR["spec"]["replicas"] == 2


def test_cdi_gets_replicas_and_the_same_placements() -> None:
    base = {"kind": "CDI", "metadata": {"name": "cdi"}, "spec": {"imagePullPolicy": "IfNotPresent"}}
    found = resource.cdi(base, given(cdi_replicas=3, infra_node_placement={"nodeSelector": {"role": "infra"}}))
    assert found["spec"] == {
        "imagePullPolicy": "IfNotPresent",
        "infra": {
            "deploymentReplicas": 3,
            "apiServerReplicas": 3,
            "uploadProxyReplicas": 3,
            "nodeSelector": {"role": "infra"},
        },
        "workload": {},
    }


def test_hyperconverged_says_the_same_in_its_own_words() -> None:
    asked = given(
        distribution="openshift",
        infra_node_placement={"nodeSelector": {"role": "infra"}},
        migration_bandwidth="64Mi",
        feature_gates=["AlignCPUs"],
        disabled_feature_gates=["declarativehotplugvolumes"],
        hyperconverged_overrides={"spec": {"defaultCPUModel": "Cascadelake"}},
    )
    found = openshift.hyperconverged(asked)
    assert found["metadata"] == {"name": "kubevirt-hyperconverged", "namespace": "kubevirt-hyperconverged"}
    assert found["spec"]["infra"] == {"nodePlacement": {"nodeSelector": {"role": "infra"}}}
    assert found["spec"]["workloads"] == {}
    assert found["spec"]["featureGates"] == {"alignCPUs": True, "declarativeHotplugVolumes": False}
    assert found["spec"]["liveMigrationConfig"]["bandwidthPerMigration"] == "64Mi"
    assert "network" not in found["spec"]["liveMigrationConfig"]
    assert found["spec"]["certConfig"]["server"] == {"duration": "24h0m0s", "renewBefore": "4h48m0s"}
    assert found["spec"]["defaultCPUModel"] == "Cascadelake"


def test_olm_is_asked_for_the_package_and_the_first_version() -> None:
    namespace, group, subscription = openshift.subscription(given(olm_starting_csv="x.v1.18.1", olm_approval="Manual"))
    assert namespace["metadata"]["name"] == group["metadata"]["namespace"] == "kubevirt-hyperconverged"
    assert group["spec"] == {"targetNamespaces": ["kubevirt-hyperconverged"]}
    assert subscription["spec"] == {
        "name": "community-kubevirt-hyperconverged",
        "channel": "stable",
        "source": "community-operators",
        "sourceNamespace": "openshift-marketplace",
        "installPlanApproval": "Manual",
        "startingCSV": "x.v1.18.1",
    }
    assert "startingCSV" not in openshift.subscription(given())[2]["spec"]


def test_what_the_server_dropped_is_named() -> None:
    asked = {"a": {"b": 1, "c": {}}, "list": [{"x": 1}, {"y": {"z": 2}}], "none": None, "gone": {"d": 1}}
    assert list(openshift.dropped(asked, {"a": {"b": 1, "c": {}, "more": 2}, "list": [{"x": 1}, {}]})) == [
        "spec.list[1].y",
        "spec.gone",
    ]
    assert list(openshift.dropped(asked, asked)) == []


def test_hyperconverged_is_waited_for_by_its_conditions() -> None:
    assert len(openshift.waiting_for({})) == 4
    whole = [{"type": kind, "status": status} for kind, status in openshift.CONDITIONS.items()]
    assert openshift.waiting_for({"status": {"conditions": whole}}) == []
    whole[3] = {"type": "Degraded", "status": "True", "reason": "SSPDegraded", "message": "no SSP"}
    assert openshift.waiting_for({"status": {"conditions": whole}}) == [
        "Degraded is True, not False (SSPDegraded: no SSP)"
    ]
