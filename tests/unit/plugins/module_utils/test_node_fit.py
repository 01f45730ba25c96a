# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node can take a machine."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import node_fit


def node(
    name: str = "n", *, ready: str = "True", memory: str = "4Gi", labels: Any = None, **spec: Any
) -> dict[str, Any]:
    own = {"kubernetes.io/hostname": name, "kubevirt.io/schedulable": "true", "kubernetes.io/arch": "amd64"}
    return {
        "metadata": {"name": name, "labels": {**own, **(labels or {})}},
        "spec": spec,
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "allocatable": {"cpu": "2", "memory": memory},
        },
    }


def affinity(*expressions: dict[str, Any]) -> dict[str, Any]:
    terms = [{"matchExpressions": [expression]} for expression in expressions]
    return {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    }


TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("spec", "where", "obstacle"),
    [
        ({}, node(), ""),
        ({}, node(unschedulable=True), "is cordoned"),
        ({}, node(ready="Unknown"), "is not ready"),
        (
            {},
            node(labels={"kubevirt.io/schedulable": "false"}),
            "takes no machines (label kubevirt.io/schedulable is false)",
        ),
        ({"nodeSelector": {"disk": "fast"}}, node(), "lacks the label disk=fast of the machine's node selector"),
        ({"nodeSelector": {"disk": "fast"}}, node(labels={"disk": "fast"}), ""),
        ({"architecture": "arm64"}, node(), "is no arm64"),
        ({"domain": {"cpu": {"model": "qemu64"}}}, node(), "does not offer the CPU model qemu64"),
        ({"domain": {"cpu": {"model": "host-model"}}}, node(), ""),
        (affinity({"key": "zone", "operator": "In", "values": ["a"]}), node(labels={"zone": "a"}), ""),
        (affinity({"key": "zone", "operator": "NotIn", "values": ["a"]}), node(labels={"zone": "a"}), "affinity"),
        (affinity({"key": "zone", "operator": "Exists"}), node(), "affinity"),
        (affinity({"key": "zone", "operator": "DoesNotExist"}), node(), ""),
        (affinity({"key": "cores", "operator": "Gt", "values": ["8"]}), node(labels={"cores": "16"}), ""),
        (affinity({"key": "cores", "operator": "Lt", "values": ["8"]}), node(labels={"cores": "16"}), "affinity"),
        (affinity({"key": "x", "operator": "Exists"}, {"key": "y", "operator": "DoesNotExist"}), node(), ""),
        ({}, node(taints=[TAINT]), "has the taint gpu=yes:NoSchedule that the machine does not tolerate"),
        ({}, node(taints=[{**TAINT, "effect": "PreferNoSchedule"}]), ""),
        ({"tolerations": [{"key": "gpu", "operator": "Exists"}]}, node(taints=[TAINT]), ""),
        ({"tolerations": [{"key": "gpu", "value": "no"}]}, node(taints=[TAINT]), "taint"),
        ({"tolerations": [{"operator": "Exists"}]}, node(taints=[TAINT]), ""),
        ({"tolerations": [{"key": "gpu", "value": "yes", "effect": "NoExecute"}]}, node(taints=[TAINT]), "taint"),
        # Kubernetes compares a toleration without a key by its value alone.
        ({"tolerations": [{"effect": ""}]}, node(taints=[{"key": "gpu", "effect": "NoSchedule"}]), ""),
        (affinity(), node(), "affinity"),
        # That of a cordon comes and goes with it.
        ({}, node(taints=[{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]), ""),
    ],
)
def test_obstacles(spec: Any, where: Any, obstacle: str) -> None:
    found = node_fit.obstacles(spec, where)
    assert (obstacle in " ".join(found)) if obstacle else not found, found


def test_elsewhere_leaves_out_the_nodes_that_are_left_and_says_why_the_others_do_not_fit() -> None:
    nodes = [node("a"), node("b", unschedulable=True), node("c")]
    fitting, _why = node_fit.elsewhere({}, nodes, {"a"})
    assert [node_fit.name_of(found) for found in fitting] == ["c"]
    assert node_fit.elsewhere({}, nodes, {"a", "c"}) == ([], "b is cordoned")
    assert node_fit.elsewhere({}, nodes, {"a", "b", "c"}) == ([], "there is no other node")


def pod(on: str, memory: str, *, phase: str = "Running", first: str = "0") -> dict[str, Any]:
    return {
        "spec": {
            "nodeName": on,
            "containers": [{"resources": {"requests": {"memory": memory, "cpu": "100m"}}}, {}],
            "initContainers": [{"resources": {"requests": {"memory": first}}}],
        },
        "status": {"phase": phase},
    }


def test_room_is_what_others_have_not_asked_for() -> None:
    others = [pod("n", "1Gi"), pod("n", "1Gi", first="2Gi"), pod("n", "3Gi", phase="Succeeded"), pod("m", "3Gi")]
    assert node_fit.room(node(), others)["memory"] == 1 << 30
    assert node_fit.short_of(pod("", "1Gi"), node(), others) == []
    assert node_fit.short_of(pod("", "1025Mi"), node(), others) == ["memory"]


def test_a_sidecar_takes_room_as_long_as_its_pod_runs() -> None:
    side = pod("n", "1Gi", first="3Gi")
    side["spec"]["initContainers"][0]["restartPolicy"] = "Always"
    before = node_fit.room(node(), [pod("n", "1Gi", first="3Gi")])["memory"]
    assert before - node_fit.room(node(), [side])["memory"] == 1 << 30


def test_a_placeholder_gives_way_and_a_launcher_of_low_priority_does_not() -> None:
    held, launcher = pod("n", "1Gi"), pod("n", "1Gi")
    launcher["metadata"] = {"labels": {"kubevirt.io": "virt-launcher"}}
    for item in (held, launcher):
        item["spec"]["priority"] = -1000
    free = node_fit.room(node(), [])["memory"]
    assert free - node_fit.room(node(), [held, launcher])["memory"] == 1 << 30
