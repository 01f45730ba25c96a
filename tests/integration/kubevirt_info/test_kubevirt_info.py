# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kubevirt_info on a real kube-apiserver: a fault is made, just its finding appears, and vanishes with the fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    CONFIG_MAP,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    ENDPOINT_SLICE,
    LEASE,
    NAMESPACE,
    NODE,
    POD,
    PRIORITY_CLASS,
    QUOTA,
    SECRET,
    VALIDATING_WEBHOOK,
    VM,
    VMI,
)
from platform_of_standin import (
    CLUSTER_BINDING,
    CLUSTER_ROLE,
    HEARTBEAT,
    NODES,
    READY,
    ROLE_BINDING,
    Platform,
    certificate,
    moment,
)

Fault = Callable[[Platform], AbstractContextManager[None]]
Look = Callable[..., dict[str, Any]]
Found = Callable[..., set[str]]
READS = 27


def annotated(age: float) -> dict[str, Any]:
    return {"metadata": {"annotations": {HEARTBEAT: moment(age)}}}


def room(memory: str) -> dict[str, Any]:
    return {"status": {"allocatable": {"memory": memory}}}


def ready(count: int) -> dict[str, Any]:
    return {"status": {"readyReplicas": count}}


def hook(left: timedelta) -> dict[str, Any]:
    """A webhook for a kind that is not there, so that it is never asked."""
    rule = {
        "apiGroups": ["none.example.com"],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["nothing"],
    }
    config = {"url": "https://127.0.0.1:9/x", "caBundle": certificate(left)}
    base = {"name": "a.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"]}
    return {"webhooks": [{**base, "clientConfig": config, "rules": [rule]}]}


FAULTS: dict[str, tuple[Fault, set[str]]] = {
    "cordon": (
        lambda on: on.changed(NODE, NODES[2], {"spec": {"unschedulable": True}}, {"spec": {"unschedulable": None}}),
        {"node-cordoned"},
    ),
    "handler": (lambda on: on.changed(NODE, NODES[2], annotated(400), annotated(0)), {"handler-stale"}),
    "node": (
        lambda on: on.changed(
            NODE,
            NODES[2],
            {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}},
            {"status": READY},
            sub="status",
        ),
        {"node-not-ready", "etcd-no-spare"},
    ),
    "replicas": (
        lambda on: on.changed(DEPLOYMENT, "virt-controller", ready(1), ready(3), "kubevirt", "status"),
        {"component-no-spare", "kubevirt-available-early"},
    ),
    "operator": (
        lambda on: on.changed(
            DEPLOYMENT, "virt-operator", {"spec": {"replicas": 1}}, {"spec": {"replicas": 2}}, "kubevirt"
        ),
        {"component-single"},
    ),
    "budget": (lambda on: on.gone(DISRUPTION_BUDGET, "virt-api-pdb", "kubevirt"), {"component-pdb-missing"}),
    "lease": (
        lambda on: on.changed(
            LEASE,
            "virt-controller",
            {"spec": {"leaseDurationSeconds": 1, "renewTime": "2026-01-01T00:00:00.000000Z"}},
            {"spec": {"leaseDurationSeconds": 3600, "renewTime": f"{moment()[:-1]}.000000Z"}},
            "kubevirt",
        ),
        {"leader-stale"},
    ),
    "holder": (lambda on: on.gone(POD, f"virt-operator-{NODES[1]}", "kubevirt"), {"leader-lost"}),
    "etcd": (
        lambda on: on.changed(
            POD,
            f"etcd-{NODES[0]}",
            {"status": {"conditions": [{"type": "Ready", "status": "False"}]}},
            {"status": READY},
            "kube-system",
            "status",
        ),
        {"etcd-no-spare"},
    ),
    "backup": (lambda on: on.gone(CONFIG_MAP, "kubevirt-ha-etcd-backup", "kube-system"), {"etcd-backup-missing"}),
    "old-backup": (
        lambda on: on.changed(
            CONFIG_MAP,
            "kubevirt-ha-etcd-backup",
            {"data": {"taken_at": moment(3 * 86400), "hash": ""}},
            {"data": {"taken_at": moment(), "hash": "9c1f"}},
            "kube-system",
        ),
        {"etcd-backup-old", "etcd-backup-unverified"},
    ),
    "endpoints": (
        lambda on: on.changed(
            ENDPOINT_SLICE,
            "kubernetes",
            {"endpoints": [{"addresses": ["10.77.0.11"]}]},
            {"endpoints": [{"addresses": [f"10.77.0.1{n}"]} for n in (1, 2, 3)]},
            "default",
        ),
        {"api-server-single"},
    ),
    "secret": (
        lambda on: on.made(
            SECRET,
            "kubevirt-controller-certs",
            "kubevirt",
            type="kubernetes.io/tls",
            data={"tls.crt": certificate(timedelta(days=5)), "tls.key": ""},
        ),
        {"certificate-expires"},
    ),
    "webhook": (
        lambda on: on.made(VALIDATING_WEBHOOK, "test", **hook(timedelta(hours=-1))),
        {"certificate-expired"},
    ),
    "priority": (lambda on: on.gone(PRIORITY_CLASS, "important"), {"vm-priority-class-unknown"}),
    "strategy": (
        lambda on: on.changed(
            VM, "web", {"spec": {"runStrategy": "Manual"}}, {"spec": {"runStrategy": "Always"}}, "shop"
        ),
        {"vm-run-strategy"},
    ),
    "rwo": (lambda on: on.ran("single", mode="ReadWriteOnce"), {"vm-rwo-claim", "vm-drain-blocked"}),
    "eviction": (lambda on: on.ran("evicted", evictionStrategy="None"), {"vm-eviction-strategy"}),
    "selector": (
        lambda on: on.ran("bound", nodeSelector={"kubernetes.io/hostname": NODES[1]}),
        {"vm-one-node"},
    ),
    "trap": (
        lambda on: on.made(
            DISRUPTION_BUDGET, "web", "shop", spec={"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}
        ),
        {"vm-pdb-blocks"},
    ),
    "quota": (
        lambda on: on.made(
            QUOTA,
            "limits",
            "shop",
            spec={"hard": {"requests.memory": "2Gi"}},
            status={"hard": {"requests.memory": "2Gi"}, "used": {"requests.memory": "1500Mi"}},
        ),
        {"vm-quota"},
    ),
}


def test_the_platform_is_highly_available(look: Look, found: Found) -> None:
    assert found() == set()
    result = look()
    assert result["ha"] and result["summary"] == {"critical": 0, "warning": 0, "info": 3}
    assert result["components"]["virt-api"]["ready"] == 3 and result["components"]["virt-api"]["nodes"] == list(NODES)
    assert result["leaders"]["kube-scheduler"]["holder"] == f"{NODES[0]}_4711"
    assert result["capacity"]["node"]["fits"] and result["capacity"]["node"]["machines"] == 1
    assert result["versions"]["api_server"].startswith("v1.") and result["versions"]["kubevirt"]
    assert not any(word in json.dumps(result) for word in ("hunter-key", "aHVudGVyLWtleQ==", "BEGIN CERTIFICATE"))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_and_vanishes_when_it_is_mended(platform: Platform, found: Found, name: str) -> None:
    fault, expected = FAULTS[name]
    with fault(platform):
        assert found() == expected
    assert found() == set()


def test_machines_that_no_longer_fit_elsewhere(platform: Platform, look: Look, found: Found) -> None:
    home = platform.client.get(VMI, "web", "shop")["status"]["nodeName"]
    others = [name for name in NODES if name != home]
    for name in others:
        platform.client.patch(NODE, name, room("512Mi"), subresource="status")
    try:
        assert found() == {"capacity-node"}
        result = look()
        assert not result["ha"]
        worst = result["capacity"]["node"]
        assert (worst["name"], worst["fits"]) == (home, False)
        (unplaced,) = worst["unplaced"]
        assert (unplaced["name"], set(unplaced["lacks"])) == ("web", {"memory"})
        assert 0 < unplaced["lacks"]["memory"] < 2 * 2**30
    finally:
        for name in others:
            platform.client.patch(NODE, name, room("64Gi"), subresource="status")
    assert found() == set()


def test_parameters_say_what_is_looked_at(look: Look, found: Found) -> None:
    assert found(api_endpoint="10.77.0.12:6443") == {"api-one-address"}
    assert found(api_endpoint="127.0.0.1") == {"api-address-unclear"}
    result = look(failure_domain_label="kubernetes.io/hostname")
    assert entry(result, "domain-one-node")["count"] == 3 and result["capacity"]["failure_domain"]["fits"]
    assert not any(one["id"] == "domains-unknown" for one in result["findings"])


def test_the_gate(platform: Platform, look: Look) -> None:
    assert not look(fail_on="warning").get("failed")
    fault, _expected = FAULTS["operator"]
    with fault(platform), platform.gone(CONFIG_MAP, "kubevirt-ha-etcd-backup", "kube-system"):
        failed = look(fail_on="critical")
        assert failed["failed"] and failed["error"]["findings"] == ["component-single"] and not failed["ha"]
        assert "kubevirt/virt-operator" in failed["msg"] and "spec.infra.replicas" in failed["msg"]
        failed = look(fail_on="warning")
        assert failed["error"]["findings"] == ["component-single", "etcd-backup-missing"]
        passed = look(fail_on="critical", ignore=["component-single"])
        assert not passed.get("failed") and passed["ha"] and passed["ignored"] == ["component-single"]
        assert not look().get("failed") and not look()["ha"]


def test_a_finding_that_is_not_known_is_a_fault_of_the_parameters(look: Look) -> None:
    result = look(ignore=["component-singel"])
    assert result["failed"] and "no finding is called component-singel; there are api-address-unclear" in result["msg"]
    assert "requests" not in result


def test_as_many_reads_for_one_namespace_as_for_many(platform: Platform, look: Look) -> None:
    few = look()["requests"]["reads"]
    names = [f"team-{number}" for number in range(30)]
    for name in names:
        platform.make(NAMESPACE, name)
    assert look()["requests"]["reads"] == few == READS
    assert look(namespaces=[*names, "shop"])["requests"]["reads"] == few
    assert look(namespaces=["shop"])["requests"]["reads"] == few


def test_only_machines_of_the_namespaces_are_looked_at(platform: Platform, found: Found) -> None:
    with platform.ran("elsewhere", "team-1", evictionStrategy="None"):
        assert found() == {"vm-eviction-strategy"}
        assert found(namespaces=["shop"]) == set()
        assert found(namespaces=["team-1"]) == {"vm-eviction-strategy"}


# Rights

_CLUSTER_WIDE = [
    {"apiGroups": [""], "resources": ["nodes", "persistentvolumes"]},
    {"apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"]},
    {"apiGroups": ["scheduling.k8s.io"], "resources": ["priorityclasses"]},
    {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"],
    },
    {"apiGroups": ["apiregistration.k8s.io"], "resources": ["apiservices"]},
    {"apiGroups": ["cdi.kubevirt.io", "snapshot.storage.k8s.io", "remediation.medik8s.io"], "resources": ["*"]},
    {"apiGroups": ["kubevirt.io"], "resources": ["kubevirts"]},
]
_IN_NAMESPACES = [
    {"apiGroups": [""], "resources": ["pods", "persistentvolumeclaims", "resourcequotas", "configmaps"]},
    {"apiGroups": ["kubevirt.io"], "resources": ["virtualmachines", "virtualmachineinstances"]},
    {"apiGroups": ["apps"], "resources": ["deployments", "daemonsets"]},
    {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"]},
]


def may(platform: Platform, name: str, rules: list[dict[str, Any]]) -> None:
    platform.make(CLUSTER_ROLE, name, rules=[{**rule, "verbs": ["get", "list"]} for rule in rules])


def bind(platform: Platform, user: str, role: str, namespace: str | None = None) -> None:
    resource = ROLE_BINDING if namespace else CLUSTER_BINDING
    group = "rbac.authorization.k8s.io"
    platform.make(
        resource,
        f"{user}-{role}",
        namespace,
        roleRef={"apiGroup": group, "kind": "ClusterRole", "name": role},
        subjects=[{"kind": "User", "apiGroup": group, "name": user}],
    )


@pytest.fixture(scope="session")
def roles(platform: Platform) -> None:
    """`viewer` may read all but Secrets; `team` has the namespaces of the platform and `shop`."""
    may(platform, "cluster-wide", _CLUSTER_WIDE)
    may(platform, "namespaced", _IN_NAMESPACES)
    for user in ("viewer", "team"):
        bind(platform, user, "cluster-wide")
    bind(platform, "viewer", "namespaced")
    for namespace in ("shop", "kubevirt", "kube-system", "kube-public", "default"):
        bind(platform, "team", "namespaced", namespace)


def entry(result: dict[str, Any], identifier: str) -> dict[str, Any]:
    return next(one for one in result["findings"] if one["id"] == identifier)


@pytest.mark.usefixtures("roles")
def test_forbidden_secrets_are_a_finding_and_the_rest_is_checked(platform: Platform, look: Look, found: Found) -> None:
    assert found(impersonate_user="viewer") == {"unchecked"}
    with platform.ran("evicted", evictionStrategy="None"):
        result = look(impersonate_user="viewer")
    assert entry(result, "vm-eviction-strategy")["objects"][0]["name"] == "evicted"
    (refused,) = entry(result, "unchecked")["objects"]
    assert (refused["name"], refused["namespace"]) == ("secrets", "kubevirt")
    assert 'cannot list resource "secrets"' in refused["detail"] and result["ha"]


@pytest.mark.usefixtures("roles")
def test_a_forbidden_namespace_is_named_and_the_other_is_checked(platform: Platform, look: Look) -> None:
    platform.make(NAMESPACE, "team-2")
    with platform.ran("evicted", evictionStrategy="None"):
        result = look(impersonate_user="team", namespaces=["shop", "team-2"])
    assert entry(result, "vm-eviction-strategy")["objects"][0]["name"] == "evicted"
    refused = [one for found in result["findings"] if found["id"] == "unchecked-essential" for one in found["objects"]]
    assert {(one["namespace"], one["name"]) for one in refused} == {
        ("team-2", "virtualmachines.kubevirt.io"),
        ("team-2", "virtualmachineinstances.kubevirt.io"),
        ("team-2", "pods"),
    }
    assert not result["ha"] and result["capacity"] is None
    ours = look(impersonate_user="team", namespaces=["shop"])
    assert {one["id"] for one in ours["findings"] if one["severity"] != "info"} == {"unchecked"}
    assert {one["name"] for one in entry(ours, "unchecked")["objects"]} == {"secrets", "pods"} and ours["ha"]


@pytest.mark.usefixtures("roles")
def test_without_rights_on_the_cluster_and_without_namespaces_it_is_not_ha(look: Look) -> None:
    result = look(impersonate_user="team")
    names = {one["name"] for one in entry(result, "unchecked-essential")["objects"]}
    assert names == {"pods", "virtualmachines.kubevirt.io", "virtualmachineinstances.kubevirt.io"}
    assert not result["ha"] and not any(one["id"].startswith("vm-") for one in result["findings"])


@pytest.mark.usefixtures("roles")
def test_what_may_not_be_listed_is_not_known_and_not_absent(platform: Platform, look: Look) -> None:
    found = look(impersonate_user="team", details=True)["details"]
    assert (found["priority_classes"], found["quotas"], found["reserve"]["placeholders"]) == (None, None, None)
    assert found["networks"]["installed"] is None
    groups = {"cdi.kubevirt.io": "storageprofiles", "snapshot.storage.k8s.io": "*", "remediation.medik8s.io": "*"}
    named = [{"apiGroups": [group], "resources": [resource]} for group, resource in groups.items()]
    others = [rule for rule in _CLUSTER_WIDE if not groups.keys() & set(rule["apiGroups"])]
    may(platform, "without-cdis", [*others, *named])
    for role in ("without-cdis", "namespaced"):
        bind(platform, "installer", role)
    result = look(impersonate_user="installer")
    assert result["versions"]["cdi"] is None and result["versions"]["kubevirt"]
    assert {one["name"] for one in entry(result, "unchecked")["objects"]} == {"secrets"}


def test_a_server_that_does_not_know_the_caller_fails_the_module(look: Look) -> None:
    result = look(api_key="wrong")
    assert result["failed"] and result["error"]["status"] == 401 and "wrong" not in result["msg"]


def test_details_tell_what_there_is_and_follow_what_changes(look: Look, platform: Platform) -> None:
    result = look(details=True)
    assert "details" not in look()
    found = result["details"]
    assert [node["name"] for node in found["nodes"]] == sorted(NODES)
    assert all(node["ready"] and not node["cordoned"] for node in found["nodes"])
    assert found["machines"], "the platform has machines"
    assert all(machine["node"] in NODES and machine["fails_over"] for machine in found["machines"])
    assert found["certificates"][0]["days_left"] > 0
    assert found["networks"] == {"installed": False, "namespaces": {}}
    assert sum(each["machines"] for each in found["priority_classes"]) == len(found["machines"])
    cordon = ({"spec": {"unschedulable": True}}, {"spec": {"unschedulable": None}})
    with platform.changed(NODE, NODES[2], *cordon):
        nodes = {node["name"]: node["cordoned"] for node in look(details=True)["details"]["nodes"]}
    assert [name for name, cordoned in nodes.items() if cordoned] == [NODES[2]]
