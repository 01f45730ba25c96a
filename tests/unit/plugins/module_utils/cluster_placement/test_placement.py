# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written for what is declared, and what is left alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.cluster_placement import changes, manifests
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, InputError
from cluster import OWNED, Cluster, node

HIGH = {"name": "high", "value": 1000}
LOW = {"name": "low", "value": 10}
SHOP = {"name": "shop", "quotas": [{"name": "all", "hard": {"requests.memory": "1024Mi", "pods": 10}}]}
TAINT = {"key": "example.com/dedicated", "value": "vms", "effect": "NoSchedule"}
RESERVE = {"image": "pause"}


def faults(error: pytest.ExceptionInfo[InputError]) -> str:
    return "\n".join(error.value.faults)


def test_everything_is_made_by_one_request_each_and_a_second_run_writes_nothing() -> None:
    cluster = Cluster()
    declared: dict[str, Any] = {
        "priority_classes": [HIGH, LOW],
        "node_labels": {"n1": {"rack": 7}},
        "node_taints": {"n2": [TAINT]},
        "instancetypes": [{"name": "one", "cpu": 1, "memory": "2Gi", "overcommit_percent": 50}],
        "presets": {"web": {"priority_class": "high", "requests": {"cpu": "100m"}}},
        "namespaces": [{**SHOP, "limits": {"max": {"cpu": "2"}}}],
        "reserve": RESERVE,
    }
    predicted = cluster.apply(check=True, diff=True, **declared)
    assert all(write.startswith("dry ") for write in cluster.writes)
    result = cluster.apply(diff=True, **declared)
    assert len(cluster.writes) == len(set(cluster.writes)) == result["counts"]["created"] + result["counts"]["changed"]
    assert predicted["counts"] == result["counts"] and predicted["diff"] == result["diff"]
    assert cluster.writes.index("POST Namespace shop") < cluster.writes.index("POST ResourceQuota shop/all")
    cluster.add("ConfigMap", {"metadata": {"name": "theirs", "namespace": "default"}})
    again = cluster.apply(**declared)
    assert (again["changed"], cluster.writes) == (False, [])
    assert ("ConfigMap", "theirs") not in cluster.seen, "the server leaves out what is not owned"
    assert len(cluster.lists) == len(set(cluster.lists)) == 13


def test_what_is_declared_no_more_goes_and_what_is_not_owned_stays() -> None:
    cluster = Cluster()
    cluster.add("PriorityClass", {"metadata": {"name": "theirs"}, "value": 5})
    cluster.apply(priority_classes=[HIGH, LOW], namespaces=[SHOP], node_labels={"n1": {"rack": "r1"}})
    cluster.of("Node", "n1")["metadata"]["labels"]["other"] = "kept"
    result = cluster.apply(priority_classes=[HIGH])
    assert result["counts"]["deleted"] == 2
    assert cluster.names("PriorityClass") == {"high", "theirs", "system-cluster-critical"}
    assert "shop" in cluster.names("Namespace") and not cluster.names("ResourceQuota")
    meta = cluster.of("Node", "n1")["metadata"]
    assert "rack" not in meta["labels"] and meta["labels"]["other"] == "kept" and not meta["annotations"]


def test_drift_is_repaired_and_additions_of_others_are_kept() -> None:
    cluster = Cluster()
    declared: dict[str, Any] = {"priority_classes": [HIGH], "namespaces": [SHOP], "node_labels": {"n1": {"rack": "r1"}}}
    cluster.apply(**declared)
    cluster.of("PriorityClass", "high")["description"] = "by somebody else"
    cluster.of("ResourceQuota", "all", "shop")["spec"]["hard"] = {
        "pods": "3",
        "requests.memory": "1Gi",
        "services": "1",
    }
    cluster.of("Node", "n1")["metadata"]["labels"]["rack"] = "moved"
    cluster.apply(**declared)
    assert cluster.of("ResourceQuota", "all", "shop")["spec"]["hard"] == {
        "pods": "10",
        "requests.memory": "1Gi",
        "services": "1",
    }
    assert cluster.of("PriorityClass", "high")["description"] == "by somebody else"
    assert cluster.of("Node", "n1")["metadata"]["labels"]["rack"] == "r1"


def test_a_field_that_is_declared_no_more_goes() -> None:
    cluster = Cluster()
    cluster.apply(priority_classes=[{**HIGH, "description": "first", "global_default": True}], namespaces=[SHOP])
    cluster.apply(
        priority_classes=[HIGH], namespaces=[{"name": "shop", "quotas": [{"name": "all", "hard": {"pods": 10}}]}]
    )
    assert "description" not in cluster.of("PriorityClass", "high") and "globalDefault" not in cluster.of(
        "PriorityClass", "high"
    )
    assert cluster.of("ResourceQuota", "all", "shop")["spec"]["hard"] == {"pods": "10"}


def test_what_the_server_adds_to_a_limit_range_is_no_drift() -> None:
    cluster = Cluster()
    declared = {"namespaces": [{"name": "default", "limits": {"max": {"memory": "2048Mi"}}}]}
    cluster.apply(**declared)
    (limits,) = cluster.of("LimitRange", "kubevirt-ha-placement", "default")["spec"]["limits"]
    assert limits["max"] == {"memory": "2Gi"}
    limits.update(default={"memory": "2Gi"}, defaultRequest={"memory": "2Gi"})
    assert cluster.apply(**declared)["changed"] is False


def test_a_changed_value_makes_the_class_anew() -> None:
    cluster = Cluster()
    cluster.apply(priority_classes=[HIGH])
    assert cluster.apply(priority_classes=[{**HIGH, "value": 2000}])["counts"] == {"replaced": 1}
    assert cluster.of("PriorityClass", "high")["value"] == 2000
    assert cluster.writes == ["DELETE PriorityClass high", "POST PriorityClass high"]


def test_a_class_that_is_used_does_not_go() -> None:
    cluster = Cluster()
    cluster.apply(priority_classes=[HIGH, LOW])
    machine = {"spec": {"template": {"spec": {"priorityClassName": "low"}}}}
    cluster.add("VirtualMachine", {"metadata": {"namespace": "shop", "name": "web"}, **machine})
    cluster.add("Pod", {"metadata": {"namespace": "shop", "name": "cache"}, "spec": {"priorityClassName": "high"}})
    with pytest.raises(InputError) as error:
        cluster.apply(state="absent")
    assert "PriorityClass low: is used by VirtualMachine shop/web; give" in faults(error)
    assert "PriorityClass high: is used by Pod shop/cache" in faults(error)
    assert not cluster.writes
    assert cluster.apply(state="absent", force=True, check=True)["counts"] == {"deleted": 2}
    cluster.objects.pop(("VirtualMachine", "shop", "web"))
    cluster.objects.pop(("Pod", "shop", "cache"))
    cluster.apply(state="absent")
    assert cluster.names("PriorityClass") == {"system-cluster-critical"}


def test_all_that_stands_against_it_in_the_cluster_is_told_at_once_and_nothing_is_written() -> None:
    cluster = Cluster()
    cluster.unknown.add("VirtualMachineClusterInstancetype")
    cluster.add(
        "PriorityClass",
        {"metadata": {"name": "theirs"}, "value": 5},
        {"metadata": {"name": "usual"}, "value": 6, "globalDefault": True},
    )
    for name in ("n2", "n3"):
        cluster.objects.pop(("Node", "", name))
    with pytest.raises(InputError) as error:
        cluster.apply(
            priority_classes=[{"name": "theirs", "value": 1}, {**HIGH, "global_default": True}],
            presets={"web": {"priority_class": "gold"}},
            node_labels={"n9": {"rack": "r1"}},
            node_taints={"n8": [TAINT]},
            reserve=RESERVE,
        )
    for told in (
        "priority_classes[theirs]: is there and not this role's",
        "priority_classes[high].global_default: usual is the default already",
        "presets[web].priority_class: PriorityClass gold is not there",
        "node_labels: node n9 does not exist; there are n1",
        "node_taints: node n8 does not exist",
        "reserve: needs two nodes or more",
    ):
        assert told in faults(error)
    assert not cluster.writes
    with pytest.raises(InputError, match="install KubeVirt first"):
        cluster.apply(instancetypes=[{"name": "one", "cpu": 1, "memory": "1Gi"}])


def test_a_name_that_somebody_else_has_is_refused() -> None:
    cluster = Cluster()
    cluster.add("ResourceQuota", {"metadata": {"namespace": "default", "name": "all"}, "spec": {"hard": {"pods": "1"}}})
    with pytest.raises(HaError, match="is there and not this role's"):
        cluster.apply(namespaces=[{**SHOP, "name": "default"}])
    assert cluster.of("ResourceQuota", "all", "default")["spec"]["hard"] == {"pods": "1"}


def test_a_quota_below_what_runs_is_a_warning() -> None:
    cluster = Cluster()
    containers = [{"resources": {"requests": {"memory": "2Gi", "cpu": "1"}}}]
    for name, phase in (("a", "Running"), ("b", "Running"), ("done", "Succeeded")):
        meta = {"namespace": "default", "name": name}
        cluster.add("Pod", {"metadata": meta, "spec": {"containers": containers}, "status": {"phase": phase}})
    hard = {"requests.memory": "3Gi", "requests.cpu": "2", "pods": 1}
    quotas = [{"name": "all", "hard": hard}, {"name": "first", "hard": {"pods": 0}, "priority_classes": ["high"]}]
    result = cluster.apply(priority_classes=[HIGH], namespaces=[{"name": "default", "quotas": quotas}])
    told = "\n".join(result["warnings"])
    assert len(result["warnings"]) == 2 and "all: pods 1 is less" in told
    assert "ResourceQuota default/all: requests.memory 3Gi is less than what runs there asks for, 4294967296" in told
    scope = cluster.of("ResourceQuota", "first", "default")["spec"]["scopeSelector"]["matchExpressions"]
    assert scope == [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]


# Nodes


def test_taints_of_others_stay_and_a_lost_race_is_won_with_them() -> None:
    cluster = Cluster()
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    cluster.lost_races = 1
    cluster.apply(node_taints={"n1": [TAINT]})
    assert cluster.of("Node", "n1")["spec"]["taints"] == [cordon, TAINT]
    cluster.of("Node", "n1")["spec"]["taints"] = [{**TAINT, "value": "drifted"}, cordon]
    cluster.apply(node_taints={"n1": [TAINT]})
    assert cluster.of("Node", "n1")["spec"]["taints"] == [cordon, TAINT]
    cluster.apply(node_taints={"n1": []})
    assert cluster.of("Node", "n1")["spec"]["taints"] == [cordon]


def test_the_time_of_a_taint_and_its_place_are_no_drift() -> None:
    timed = {**TAINT, "timeAdded": "2026-01-01T00:00:00Z"}
    other = {"key": "x", "effect": "NoSchedule"}
    item = node("n1", annotations={changes.NODE_NOTE: json.dumps({"labels": [], "taints": [changes.name_of(TAINT)]})})
    item["spec"]["taints"] = [timed, other]
    assert changes.node_change(item, {}, [TAINT]).action == "unchanged"


def test_null_takes_a_label_of_somebody_else_away() -> None:
    cluster = Cluster()
    cluster.of("Node", "n1")["metadata"]["labels"]["old"] = "x"
    cluster.apply(node_labels={"n1": {"old": None, "rack": True}})
    labels = cluster.of("Node", "n1")["metadata"]["labels"]
    assert "old" not in labels and labels["rack"] == "true"
    assert cluster.apply(node_labels={"n1": {"old": None, "rack": True}})["changed"] is False


# The reserve


@pytest.mark.parametrize("sizes", [("16Gi", "16Gi", "16Gi"), ("32Gi", "16Gi", "16Gi"), ("16Gi", "16Gi")])
def test_what_is_kept_free_on_the_others_holds_all_that_a_lost_node_can_have_run(sizes: tuple[str, ...]) -> None:
    nodes = [node(f"n{number}", memory=size) for number, size in enumerate(sizes)]
    kept = manifests.share(nodes, ["memory"])["memory"]
    largest = int(sizes[0][:-2]) * 2**30
    assert (len(nodes) - 1) * kept >= largest - kept
    assert (len(nodes) - 1) * (kept - 2**21) < largest - (kept - 2**21), "no more is kept than is needed"


def test_placeholders_are_below_every_machine_and_spread_over_the_nodes_that_run_machines() -> None:
    cluster = Cluster()
    cluster.of("Node", "n3")["metadata"]["labels"].pop("kubevirt.io/schedulable")
    result = cluster.apply(reserve={**RESERVE, "pieces": 2, "resources": ["memory"]})
    assert result["reserve"] == {"cpu": None, "memory": 8 * 2**30, "wanted": 4, "held": 0}
    spec = cluster.of("Deployment", "kubevirt-ha-reserve", "kubevirt-ha-placement")["spec"]
    assert spec["replicas"] == 4
    pod = spec["template"]["spec"]
    assert pod["containers"][0]["resources"] == {"requests": {"memory": "4096Mi"}}
    assert cluster.of("PriorityClass", pod["priorityClassName"])["value"] == -1000
    assert pod["terminationGracePeriodSeconds"] == 0 and pod["topologySpreadConstraints"][0]["maxSkew"] == 1
    meta = {"namespace": "kubevirt-ha-placement", "name": "p", "labels": spec["template"]["metadata"]["labels"]}
    cluster.add("Pod", {"metadata": meta, "spec": pod})
    cluster.apply()
    assert not cluster.names("Deployment"), "its own placeholders are no users of the class"
    assert "kubevirt-ha-placement" not in cluster.names("Namespace")


def test_placeholders_without_room_are_a_warning_once_they_were_there() -> None:
    cluster = Cluster()
    assert "warnings" not in cluster.apply(reserve=RESERVE)
    deployment = cluster.of("Deployment", "kubevirt-ha-reserve", "kubevirt-ha-placement")
    deployment["status"] = {"readyReplicas": 11}
    result = cluster.apply(reserve=RESERVE)
    assert result["changed"] is False and result["warnings"][0].startswith(
        "reserve: 11 of 12 placeholders have their room"
    )
    deployment["status"] = {"readyReplicas": 12}
    assert "warnings" not in cluster.apply(reserve=RESERVE)


def test_every_object_is_marked_as_owned() -> None:
    built = manifests.build(
        {
            "priority_classes": [HIGH],
            "presets": {"a": {}},
            "namespaces": [SHOP],
            "objects": [{"metadata": {"name": "x"}}],
        },
        [],
    )
    assert len(built) == 6
    assert all(item["metadata"]["labels"] == OWNED for item in built)
