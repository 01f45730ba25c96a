# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a rollout is, which budgets stand against a drain, and which versions may follow one another."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform import rollout
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform.rollout import Wanted
from made_up_kubevirt import kubevirt, platform, workload

WANTED = Wanted("1.9.0", 3, 2)


def waits(cr: dict[str, Any], workloads: list[dict[str, Any]], wanted: Wanted = WANTED) -> list[str]:
    return rollout.waiting_for(cr, workloads, wanted)


def replaced(*changed: dict[str, Any]) -> list[dict[str, Any]]:
    names = {each["metadata"]["name"] for each in changed}
    return [*(each for each in platform() if each["metadata"]["name"] not in names), *changed]


def budget(name: str, **spec: Any) -> dict[str, Any]:
    selector = {"selector": {"matchLabels": {"kubevirt.io": name}}}
    return {"metadata": {"name": f"{name}-pdb"}, "spec": {**selector, **spec}}


def test_a_whole_rollout_waits_for_nothing() -> None:
    assert waits(kubevirt(), platform()) == []
    assert waits(kubevirt(), platform(), Wanted()) == []


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"observedKubeVirtVersion": "v1.8.4"}, "KubeVirt is v1.8.4, not 1.9.0"),
        ({"phase": "Deploying"}, "KubeVirt's phase is Deploying"),
        ({"observedGeneration": 6}, "the operator has not seen the newest KubeVirt object"),
    ],
)
def test_the_kubevirt_object_tells_what_is_to_come(status: dict[str, Any], expected: str) -> None:
    assert waits(kubevirt(**status), platform()) == [expected]


def test_a_version_on_its_way_is_waited_for_without_one_asked_for() -> None:
    found = waits(kubevirt(targetKubeVirtVersion="v1.9.1"), platform(), Wanted())
    assert found == ["KubeVirt goes from v1.9.0 to v1.9.1"]


def test_conditions_are_told_with_their_reason() -> None:
    conditions = [
        {"type": "Available", "status": "False", "reason": "R"},
        {"type": "Degraded", "status": "True", "message": "M"},
    ]
    assert waits(kubevirt(conditions=conditions), platform()) == ["Available is False (R)", "Degraded is True (M)"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (workload("virt-api", observedGeneration=3), "virt-api has not been looked at since its change"),
        (workload("virt-api", updatedReplicas=1), "virt-api has 1 of 3 replicas of its newest revision"),
        (workload("virt-controller", readyReplicas=2), "virt-controller has 2 of 3 replicas ready"),
        (workload("virt-handler", kind="DaemonSet", numberReady=0), "virt-handler has 0 of 3 replicas ready"),
        (workload("virt-exportproxy", 2), "virt-exportproxy asks for 2 replicas, not 3"),
        (workload("virt-operator", 1), "virt-operator asks for 1 replicas, not 2"),
        (workload("virt-template-apiserver", 1, readyReplicas=0), "virt-template-apiserver has 0 of 1 replicas ready"),
    ],
)
def test_each_component_is_waited_for(changed: dict[str, Any], expected: str) -> None:
    assert waits(kubevirt(), replaced(changed)) == [expected]


def test_a_component_that_is_missing_or_of_the_old_image_is_waited_for() -> None:
    assert waits(kubevirt(), platform()[:-1]) == ["virt-handler is not there"]
    old = workload("virt-api")
    old["spec"]["template"]["spec"]["containers"][0]["image"] = "quay.io/kubevirt/virt-api:v1.8.4"
    assert waits(kubevirt(), replaced(old)) == ["virt-api is of v1.8.4, the operator of v1.9.0"]
    assert waits({**kubevirt(), "spec": {"imageTag": "other"}}, replaced(old)) == []
    old["spec"]["template"]["spec"]["containers"][0]["image"] = "quay.io/kubevirt/virt-api@sha256:1"
    assert waits(kubevirt(), replaced(old)) == []


def test_workloads_of_others_in_the_namespace_are_left_out() -> None:
    other = workload("debug", readyReplicas=0)
    other["metadata"]["labels"] = {"app": "debug"}
    assert waits(kubevirt(), [*platform(), other]) == []


def test_budgets_let_one_replica_go_and_keep_one() -> None:
    names = ("virt-api", "virt-controller", "virt-exportproxy")
    right = [*(budget(name, minAvailable=2) for name in names), budget("virt-operator", minAvailable=1)]
    assert list(rollout.budget_faults(platform(), right)) == []
    assert list(rollout.budget_faults(platform(), right[1:])) == [
        "virt-api has no PodDisruptionBudget: a drain may end all its 3 replicas at once"
    ]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"minAvailable": 3},
            "PodDisruptionBudget virt-api-pdb keeps all 3 replicas of virt-api: no node that runs one can be drained",
        ),
        (
            {"minAvailable": "90%"},
            "PodDisruptionBudget virt-api-pdb keeps all 3 replicas of virt-api: no node that runs one can be drained",
        ),
        (
            {"maxUnavailable": 0},
            "PodDisruptionBudget virt-api-pdb keeps all 3 replicas of virt-api: no node that runs one can be drained",
        ),
        ({"maxUnavailable": 3}, "PodDisruptionBudget virt-api-pdb keeps no replica of virt-api"),
        ({"minAvailable": "50%"}, ""),
        ({"maxUnavailable": 1}, ""),
    ],
)
def test_budgets_are_counted_as_kubernetes_does(spec: dict[str, Any], expected: str) -> None:
    found = list(rollout.budget_faults([workload("virt-api")], [budget("virt-api", **spec)]))
    assert found == ([expected] if expected else [])


def test_one_replica_needs_no_budget() -> None:
    assert list(rollout.budget_faults([workload("virt-api", 1)], [])) == []


def node(name: str, *labels: str, taints: tuple[dict[str, str], ...] = ()) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": dict.fromkeys(labels, "")}, "spec": {"taints": list(taints)}}


def test_components_run_on_the_control_plane_unless_they_are_placed() -> None:
    control = "node-role.kubernetes.io/control-plane"
    own = {"key": control, "effect": "NoSchedule"}
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    gpu = {"key": "gpu", "effect": "NoSchedule"}
    nodes = [
        node("c1", control, taints=(own,)),
        node("c2", control, taints=(cordon,)),
        node("w1", "infra"),
        node("w2", "infra", taints=(gpu,)),
        node("w3"),
    ]
    assert rollout.nodes_for_components(nodes, {}) == ["c1", "c2"]
    assert rollout.nodes_for_components(nodes, {"nodeSelector": {"infra": ""}}) == ["w1"]
    tolerant = {"nodeSelector": {"infra": ""}, "tolerations": [{"key": "gpu", "operator": "Exists"}]}
    assert rollout.nodes_for_components(nodes, tolerant) == ["w1", "w2"]


def test_machines_that_cannot_be_migrated_are_told_with_the_reason() -> None:
    def machine(name: str, phase: str, migratable: str) -> dict[str, Any]:
        condition = {"type": "LiveMigratable", "status": migratable, "reason": "DisksNotLiveMigratable"}
        return {"metadata": {"namespace": "shop", "name": name}, "status": {"phase": phase, "conditions": [condition]}}

    found = rollout.machines(
        [machine("b", "Running", "False"), machine("a", "Running", "True"), machine("c", "Failed", "False")]
    )
    assert found == {
        "running": 2,
        "not_migratable": [{"namespace": "shop", "name": "b", "reason": "DisksNotLiveMigratable"}],
    }


@pytest.mark.parametrize(
    ("installed", "target", "word"),
    [
        ("v1.9.0", "1.9.0", ""),
        ("v1.8.4", "v1.9.0", ""),
        ("v1.8.4", "v1.8.5", ""),
        ("", "v1.9.0", ""),
        ("v1.9.0", "v1.8.4", "older than KubeVirt v1.9.0, which runs"),
        ("v1.9.1", "v1.9.0", "older than KubeVirt v1.9.1, which runs"),
        ("v1.7.4", "v1.9.0", "go to 1.8 first"),
        ("v1.9.0-standin", "v1.9.0-standin", ""),
    ],
)
def test_versions_go_up_by_one_minor_at_most(installed: str, target: str, word: str) -> None:
    found = list(rollout.upgrade_faults(installed, target, "kubevirt_version"))
    assert bool(found) == bool(word)
    assert all(word in fault and fault.startswith("kubevirt_version: ") for fault in found)
