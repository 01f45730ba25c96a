# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings that cannot be: each is refused by name with what is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import kubevirt_deployment
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform import settings
from made_up_kubevirt import given


def faults(nodes: int | None = None, **changed: Any) -> list[str]:
    return list(settings.faults(given(**changed), "1.9.0", nodes))


def test_the_defaults_have_no_fault() -> None:
    assert faults() == []
    assert faults(nodes=3) == []


def test_replicas_above_the_nodes_are_refused_with_what_is_allowed() -> None:
    (fault,) = faults(nodes=3, infra_replicas=5)
    assert fault.startswith("kubevirt_infra_replicas: 5 replicas cannot run on as many nodes")
    assert "allowed are 1 to 3" in fault
    assert [fault.split(":")[0] for fault in faults(nodes=1)] == [
        "kubevirt_infra_replicas",
        "kubevirt_operator_replicas",
    ]
    assert faults(nodes=None, infra_replicas=5) == []
    assert "allowed are 1 to 3" in faults(nodes=3, infra_replicas="5")[0]


def test_replicas_are_those_of_the_object_with_its_overrides() -> None:
    def overridden(replicas: Any, **changed: Any) -> list[str]:
        return faults(nodes=3, cr_overrides={"spec": {"infra": {"replicas": replicas}}}, **changed)

    (fault,) = overridden(5)
    assert fault.startswith("kubevirt_cr_overrides: spec.infra.replicas: 5 replicas cannot run on as many nodes")
    assert "allowed are 1 to 3" in fault
    assert overridden(2, infra_replicas=5) == []
    assert overridden(None) == []
    assert overridden("many") == [
        "kubevirt_cr_overrides: spec.infra.replicas: 'many' must be a whole number from 1 to 255"
    ]
    assert faults(cr_overrides={"spec": {"infra": {"replicas": 0}}}) == [
        "kubevirt_cr_overrides: spec.infra.replicas: 0 must be a whole number from 1 to 255"
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("infra_replicas", 0),
        ("infra_replicas", 256),
        ("operator_replicas", -1),
        ("migrations_per_cluster", -2),
        ("migrations_per_node", "many"),
        ("migration_completion_timeout", 0),
        ("migration_progress_timeout", 1.5),
        ("workload_update_batch_size", True),
        ("cdi_replicas", 0),
        ("timeout", -5),
        ("timeout", "5\u00b2"),
        ("timeout", "--5"),
    ],
)
def test_numbers_that_cannot_be_are_refused_by_name(name: str, value: Any) -> None:
    (fault,) = [each for each in faults(**{name: value}) if f"kubevirt_{name}: {value!r}" in each]
    assert "must be a whole number from" in fault


@pytest.mark.parametrize("name", ["cr_overrides", "hyperconverged_overrides"])
def test_overrides_are_maps(name: str) -> None:
    (fault,) = faults(**{name: ["spec"]})
    assert fault == f"kubevirt_{name}: ['spec'] must be a map, {{}} for none"


def test_the_modules_refuse_what_is_no_object_and_no_placement() -> None:
    (fault,) = kubevirt_deployment.faults({"definition": {"kind": "KubeVirt", "metadata": "kubevirt"}})
    assert fault.startswith("definition: must be an object of kind KubeVirt")
    (fault,) = kubevirt_deployment.info_faults({"infra_node_placement": {"nodeSelector": "a"}})
    assert fault == "infra_node_placement.nodeSelector: must be a map of labels and their values, both text"
    assert kubevirt_deployment.info_faults({"infra_node_placement": {}}) == []


def test_more_migrations_of_a_node_than_of_the_cluster_are_refused() -> None:
    assert faults(migrations_per_cluster=2, migrations_per_node=3) == [
        "kubevirt_migrations_per_node: 3 is above kubevirt_migrations_per_cluster, 2; allowed are 1 to 2"
    ]


@pytest.mark.parametrize(("value", "word"), [("64MB", "64M"), ("-1Mi", "more than 0"), ("fast", "quantity")])
def test_bandwidths_that_are_no_quantity_are_refused(value: str, word: str) -> None:
    (fault,) = faults(migration_bandwidth=value)
    assert fault.startswith("kubevirt_migration_bandwidth: ")
    assert word in fault


@pytest.mark.parametrize("value", ["a day", "24", 24, "1d", "", None])
def test_malformed_durations_are_refused(value: Any) -> None:
    (fault,) = faults(certificate_server_duration=value)
    assert fault.startswith("kubevirt_certificate_server_duration: ")
    assert "write 90s, 10m or 1h30m" in fault


def test_durations_must_fit_one_another() -> None:
    assert "must be longer than nothing" in faults(workload_update_batch_interval="-1m")[0]
    assert "must be longer than nothing" in faults(workload_update_batch_interval="0s")[0]
    assert "must be whole seconds" in faults(workload_update_batch_interval="1500ms")[0]
    assert faults(certificate_ca_renew_before="168h") == [
        "kubevirt_certificate_ca_renew_before: 168h must be shorter than kubevirt_certificate_ca_duration, 168h"
    ]
    (fault,) = faults(certificate_server_duration="200h")
    assert (
        "kubevirt_certificate_server_duration: 200h must not be longer than kubevirt_certificate_ca_duration" in fault
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["n1"], "kubevirt_infra_node_placement: must be a map of nodeSelector, affinity, tolerations"),
        ({"nodeselector": {}}, "kubevirt_infra_node_placement: nodeselector is unknown; did you mean nodeSelector?"),
        ({"nodeSelector": {"a": 1}}, "kubevirt_infra_node_placement.nodeSelector: must be a map of labels"),
        ({"nodeSelector": ["a"]}, "kubevirt_infra_node_placement.nodeSelector: must be a map of labels"),
        ({"affinity": []}, "kubevirt_infra_node_placement.affinity: must be a map of nodeAffinity"),
        ({"affinity": {"nodeAffinity": 1}}, "kubevirt_infra_node_placement.affinity.nodeAffinity: must be a map"),
        ({"tolerations": {"key": "a"}}, "kubevirt_infra_node_placement.tolerations: must be a list of"),
        ({"tolerations": ["a"]}, "kubevirt_infra_node_placement.tolerations[0]: must be a map of key"),
        ({"tolerations": [{"operator": "Is"}]}, "tolerations[0].operator: Is is unknown; allowed are Exists, Equal"),
        ({"tolerations": [{"effect": "Never"}]}, "tolerations[0].effect: Never is unknown; allowed are NoSchedule"),
    ],
)
def test_node_placements_of_a_wrong_shape_are_refused(value: Any, expected: str) -> None:
    (fault,) = faults(infra_node_placement=value)
    assert expected in fault


def test_a_whole_node_placement_is_taken() -> None:
    terms = [{"matchExpressions": [{"key": "role", "operator": "In", "values": ["infra"]}]}]
    whole = {
        "nodeSelector": {"role": "infra"},
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}},
        "tolerations": [{"key": "infra", "operator": "Exists", "effect": "NoSchedule"}],
    }
    assert faults(infra_node_placement=whole, workloads_node_placement=whole) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], "kubevirt_component_resources: must be a map of components"),
        ({"virt-apis": {}}, "kubevirt_component_resources: virt-apis is unknown; did you mean virt-api?"),
        (
            {"virt-api": {"request": {}}},
            "kubevirt_component_resources.virt-api: request is unknown; did you mean requests?",
        ),
        ({"virt-api": {"requests": "1"}}, "kubevirt_component_resources.virt-api: must be {requests"),
        ({"virt-api": {"requests": {"cpu": "lots"}}}, "kubevirt_component_resources.virt-api.requests.cpu: 'lots'"),
        (
            {"virt-api": {"requests": {"cpu": 2}, "limits": {"cpu": 1}}},
            "kubevirt_component_resources.virt-api.requests.cpu: 2 is above its limit, 1",
        ),
    ],
)
def test_resources_that_cannot_be_are_refused(value: Any, expected: str) -> None:
    (fault,) = faults(component_resources=value)
    assert expected in fault


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("distribution", "kubernetes, openshift"),
        ("infra_spread", "required, preferred"),
        ("eviction_strategy", "None, LiveMigrate, LiveMigrateIfPossible, External"),
        ("olm_approval", "Automatic, Manual"),
    ],
)
def test_unknown_choices_are_refused_with_those_that_are(name: str, allowed: str) -> None:
    assert faults(**{name: "whatever"}) == [f"kubevirt_{name}: whatever is unknown; allowed are {allowed}"]


def test_unknown_ways_of_a_workload_update_are_refused() -> None:
    assert "Restart is unknown; allowed are LiveMigrate, Evict" in faults(workload_update_methods=["Restart"])[0]
    assert "must be a list" in faults(workload_update_methods="LiveMigrate")[0]
    assert faults(workload_update_methods=[]) == []


def test_gates_of_the_overrides_are_held_against_the_version_too() -> None:
    overrides = {"spec": {"configuration": {"developerConfiguration": {"featureGates": ["HostDisc"]}}}}
    (fault,) = faults(cr_overrides=overrides)
    assert fault.startswith("kubevirt_cr_overrides: featureGates: HostDisc is no feature gate of KubeVirt 1.9")


def test_faults_are_told_all_at_once() -> None:
    found = faults(nodes=3, infra_replicas=5, feature_gates=["X"], migration_bandwidth="x", distribution="k3s")
    assert len(found) == 4


def test_what_the_hyperconverged_operator_decides_is_refused_on_openshift() -> None:
    found = faults(
        distribution="openshift",
        cr_overrides={"spec": {}},
        olm_channel="",
        feature_gates=["aligncpus", "AlignCPU", "nonRoot"],
    )
    assert [fault.split(":")[0] for fault in found] == [
        "kubevirt_cr_overrides",
        "kubevirt_olm_channel",
        "kubevirt_feature_gates",
        "kubevirt_feature_gates",
    ]
    assert "did you mean alignCPUs?" in found[2]
    assert "ignored by the HyperConverged operator" in found[3]
