# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of scheduling, requests of pods, and what else is read of an object."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import placement, pod_requests
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info import read
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.placement import Taint
from ha_world import REQUIRED

LABELS = {"zone": "a", "cores": "8"}


def affinity(*terms: Any) -> dict[str, Any]:
    return {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": list(terms)}}}}


def rule(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        (rule("zone", "In", "a", "b"), True),
        (rule("zone", "In", "b"), False),
        (rule("rack", "In", "b"), False),
        (rule("zone", "NotIn", "a"), False),
        (rule("rack", "NotIn", "a"), True),
        (rule("zone", "Exists"), True),
        (rule("rack", "Exists"), False),
        (rule("rack", "DoesNotExist"), True),
        (rule("zone", "DoesNotExist"), False),
        (rule("cores", "Gt", "7"), True),
        (rule("cores", "Gt", "8"), False),
        (rule("cores", "Lt", "9"), True),
        (rule("cores", "Lt", "8"), False),
        (rule("zone", "Gt", "7"), False),
        (rule("rack", "Lt", "9"), False),
    ],
)
def test_each_operator(expression: dict[str, Any], holds: bool) -> None:
    found = placement.parse(affinity({"matchExpressions": [expression]}))
    assert found.allows("n1", LABELS) == holds


@pytest.mark.parametrize(
    ("spec", "allowed"),
    [
        ({}, True),
        ({"nodeSelector": {"zone": "a"}}, True),
        ({"nodeSelector": {"zone": "a", "rack": "1"}}, False),
        (
            affinity({"matchExpressions": [rule("zone", "In", "b")]}, {"matchExpressions": [rule("cores", "Exists")]}),
            True,
        ),
        (affinity({"matchExpressions": [rule("zone", "In", "a"), rule("rack", "Exists")]}), False),
        (affinity({"matchFields": [rule("metadata.name", "In", "n1")]}), True),
        (affinity({"matchFields": [rule("metadata.name", "In", "n2")]}), False),
        (affinity({}), False),
        ({"nodeSelector": {"zone": "b"}, **affinity({"matchExpressions": [rule("cores", "Exists")]})}, False),
    ],
)
def test_selectors_and_terms_together(spec: dict[str, Any], allowed: bool) -> None:
    assert placement.parse(spec).allows("n1", LABELS) == allowed


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        ({"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}, True),
        ({"key": "gpu", "value": "no"}, False),
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
def test_taints_and_tolerations(toleration: dict[str, Any], tolerated: bool) -> None:
    found = placement.parse({"tolerations": [toleration]})
    assert found.tolerates([Taint("gpu", "yes", "NoSchedule")]) == tolerated
    assert found.tolerates([Taint("gpu", "yes", "PreferNoSchedule")])


def test_taints_of_a_nodes_state_pass() -> None:
    found = placement.parse({})
    taints = [Taint("node.kubernetes.io/unreachable", "", "NoExecute")]
    assert not found.tolerates(taints) and found.tolerates(taints, lasting_only=True)


def test_terms_about_pods_mean_the_own_namespace_unless_they_name_others() -> None:
    selector = {"matchLabels": {"app": "db"}}
    terms = [
        {"topologyKey": "h", "labelSelector": selector},
        {"topologyKey": "h", "labelSelector": selector, "namespaces": ["b"]},
        {"topologyKey": "h", "labelSelector": selector, "namespaceSelector": {}},
        {"topologyKey": "h"},
    ]
    found = placement.parse({"affinity": {"podAntiAffinity": {REQUIRED: terms}}}).apart
    assert [term.means("a", "a", {"app": "db"}) for term in found] == [True, False, True, False]
    assert [term.means("a", "b", {"app": "db"}) for term in found] == [False, True, True, False]
    assert not any(term.means("a", "b", {"app": "web"}) for term in found)


def container(restart: str | None = None, **requests: str) -> dict[str, Any]:
    return {"resources": {"requests": requests}, **({"restartPolicy": restart} if restart else {})}


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [container(cpu="1"), container(cpu="500m")]}, 1500),
        ({"containers": [container(cpu="1")], "initContainers": [container(cpu="2")]}, 2000),
        ({"containers": [container(cpu="1")], "initContainers": [container(cpu="200m")]}, 1000),
        # A sidecar runs beside the containers, and beside the init containers after it.
        ({"containers": [container(cpu="1")], "initContainers": [container("Always", cpu="500m")]}, 1500),
        (
            {
                "containers": [container(cpu="1")],
                "initContainers": [container("Always", cpu="500m"), container(cpu="2")],
            },
            2500,
        ),
        ({"containers": [container(cpu="1")], "overhead": {"cpu": "250m"}}, 1250),
        ({"containers": [container(cpu="1")], "resources": {"requests": {"cpu": "3"}}}, 3000),
        ({"containers": [container()]}, 0),
    ],
)
def test_requests_are_counted_as_the_scheduler_does(spec: dict[str, Any], cpu: int) -> None:
    found = pod_requests.requests(spec)
    assert found.get("cpu", 0) == cpu and found["pods"] == 1


@pytest.mark.parametrize(
    ("resource", "text", "value"),
    [
        ("memory", "1Gi", 2**30),
        ("memory", "128974848", 128974848),
        ("cpu", "0.1", 100),
        ("cpu", "100u", 1),
        ("requests.cpu", "2", 2000),
        ("example.com/gpu", "1k", 1000),
        ("memory", "1GB", 0),
    ],
)
def test_amounts(resource: str, text: str, value: int) -> None:
    assert pod_requests.amount(resource, text) == value


def test_an_instance_that_has_ended_is_none() -> None:
    item = {"metadata": {"name": "a", "namespace": "b"}, "status": {"phase": "Succeeded"}}
    assert read.vmi(item) is None
    assert read.vmi({**item, "status": {"phase": "Running"}}) is not None


def test_objects_without_status_are_read() -> None:
    item = {"metadata": {"name": "a", "namespace": "b"}}
    assert not read.node(item).ready and read.node(item).heartbeat is None
    assert read.vm(item).strategy == "Halted" and read.claim(item).modes == () and read.quota(item).room == {}
    assert read.pod(item).requests == {"pods": 1} and read.budget(item).selector is None
    assert read.volume(item).terms is None and read.endpoints(item) == []


def test_endpoints_that_are_not_ready_do_not_serve() -> None:
    item = {
        "endpoints": [
            {"addresses": ["1"], "conditions": {"ready": True}},
            {"addresses": ["2"], "conditions": {"ready": False}},
            {"addresses": ["3"]},
        ]
    }
    assert read.endpoints(item) == ["1", "3"]
