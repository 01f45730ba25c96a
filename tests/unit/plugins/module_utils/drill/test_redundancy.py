# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.redundancy import (
    Expected,
    Seen,
    faults,
    heartbeat_faults,
    storage_faults,
)
from ceph_answers import ceph

NOW = 1_790_000_000.0
EXPECTED = Expected(nodes=("n1", "n2", "n3"), etcd_members=3, ignored_taints=("node-role.kubernetes.io/control-plane",))
PEERS = """Number of Peers: 2

Hostname: 10.77.0.12
Uuid: 15eee413-35de-47e5-b9b1-bf35804c8cf9
State: Peer in Cluster (Connected)

Hostname: 10.77.0.13
Uuid: 025eccba-b56c-45c9-b226-beb5ebbe9aa2
Other names:
n3
State: Peer in Cluster (Connected)
"""
HEAL = """Brick 10.77.0.11:/brick
Status: Connected
Number of entries: 0

Brick 10.77.0.12:/brick
Status: Connected
Number of entries: 0

"""


def item(name: str, *, ready: str = "True", condition: str = "Ready", **more: Any) -> dict[str, Any]:
    status = {"conditions": [{"type": condition, "status": ready}], **more.pop("status", {})}
    return {"metadata": {"name": name}, "status": status, **more}


def deployment(name: str, ready: int = 3, wanted: int = 3) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"replicas": wanted}, "status": {"readyReplicas": ready}}


def handlers(ready: int, wanted: int) -> dict[str, Any]:
    return {"metadata": {"name": "virt-handler"}, "status": {"numberReady": ready, "desiredNumberScheduled": wanted}}


def seen(**changed: Any) -> Seen:
    whole: dict[str, Any] = {
        "nodes": [item(name) for name in ("n1", "n2", "n3")],
        "etcd_pods": [item(f"etcd-{name}") for name in ("n1", "n2", "n3")],
        "api_servers": {"n1": "", "n2": "", "n3": ""},
        "kubevirt": item("kubevirt", condition="Available"),
        "deployments": [deployment("virt-api"), deployment("virt-controller"), deployment("virt-operator", 2, 2)],
        "daemon_sets": [handlers(3, 3)],
        "machines": {"demo-1": item("demo-1", status={"phase": "Running"})},
        "guests": {"demo-1": ""},
        "storage": [
            {"host": "n1", "kind": "gluster_peers", "text": PEERS},
            {"host": "n1", "kind": "gluster_heal", "text": HEAL},
        ],
        "heartbeat": {"at": NOW - 1, "automatic": True, "api": "known", "nodes": {"n1": {"suspected": False}}},
        "now": NOW,
    }
    return Seen(**{**whole, **changed})


def test_nothing_is_missing_where_all_is_there() -> None:
    assert faults(EXPECTED, seen()) == []


def node_with(**spec: Any) -> list[dict[str, Any]]:
    return [item("n1"), item("n2"), item("n3", spec=spec)]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"nodes": [item("n1"), item("n2")]}, "node n3 is not in the cluster"),
        ({"nodes": [item("n1"), item("n2"), item("n3", ready="Unknown")]}, "node n3 is not Ready (Ready is Unknown)"),
        (
            {"nodes": node_with(taints=[{"key": "node.kubernetes.io/out-of-service"}])},
            "node n3 is tainted with node.kubernetes.io/out-of-service",
        ),
        ({"nodes": node_with(unschedulable=True)}, "node n3 is cordoned"),
        ({"etcd_pods": [item("etcd-n1"), item("etcd-n2")]}, "etcd has 2 of its 3 members"),
        (
            {"etcd_pods": [item("etcd-n1"), item("etcd-n2"), item("etcd-n3", ready="False")]},
            "etcd member etcd-n3 is not ready",
        ),
        ({"api_servers": {"n1": "", "n2": "HTTP 500", "n3": ""}}, "API server of n2: HTTP 500"),
        ({"kubevirt": None}, "KubeVirt is not installed"),
        ({"kubevirt": item("kubevirt")}, "KubeVirt does not say that it is Available"),
        (
            {"deployments": [deployment("virt-api"), deployment("virt-operator")]},
            "Deployment virt-controller is missing",
        ),
        ({"deployments": [deployment("virt-api", ready=2)]}, "Deployment virt-api has 2 of 3 replicas ready"),
        ({"deployments": [deployment("virt-api", 1, 1)]}, "there is no second one to take over"),
        ({"daemon_sets": []}, "DaemonSet virt-handler is ready on 0 of 0 nodes"),
        ({"daemon_sets": [handlers(2, 3)]}, "DaemonSet virt-handler is ready on 2 of 3 nodes"),
        ({"machines": {"demo-1": None}}, "VM demo-1 has no VMI"),
        ({"machines": {"demo-1": item("demo-1", status={"phase": "Scheduling"})}}, "not ready (phase Scheduling)"),
        ({"guests": {"demo-1": "no answer in 3 s"}}, "guest of VM demo-1 does not serve: no answer in 3 s"),
        ({"heartbeat": None}, "the watcher has no heartbeat"),
    ],
)
def test_each_missing_part_is_named(changed: dict[str, Any], words: str) -> None:
    assert words in "; ".join(faults(EXPECTED, seen(**changed)))


def test_all_faults_are_named_at_once() -> None:
    found = faults(EXPECTED, seen(nodes=[item("n1")], kubevirt=None, heartbeat=None))
    assert len(found) == 4


def test_dedicated_control_planes_are_no_fault() -> None:
    tainted = node_with(taints=[{"key": "node-role.kubernetes.io/control-plane"}])
    # virt-handler bears no such taint, and so runs on the others alone.
    assert faults(EXPECTED, seen(nodes=tainted, daemon_sets=[handlers(2, 2)])) == []


CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("taints", "words"),
    [
        ([CORDON], []),
        ([CORDON, {"key": "disk"}], ["node n3 is tainted with disk"]),
    ],
)
def test_the_cordon_of_a_node_under_maintenance_is_no_fault(taints: list[dict[str, str]], words: list[str]) -> None:
    expected = Expected(nodes=EXPECTED.nodes, etcd_members=3, cordoned=("n3",))
    assert faults(expected, seen(nodes=node_with(unschedulable=True, taints=taints))) == words
    other = Expected(nodes=EXPECTED.nodes, etcd_members=3, cordoned=("n1",))
    assert len(faults(other, seen(nodes=node_with(unschedulable=True, taints=taints)))) == 1


def test_an_external_etcd_and_a_drill_without_watcher_are_not_asked_for() -> None:
    expected = Expected(nodes=EXPECTED.nodes, etcd_members=0, watcher=False)
    assert faults(expected, seen(etcd_pods=[], heartbeat=None)) == []


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (
            "gluster_peers",
            PEERS.replace("(Connected)", "(Disconnected)", 1),
            "storage peer 10.77.0.12 of n1 is Peer in",
        ),
        ("gluster_peers", "", "n1 tells of no storage peers"),
        (
            "gluster_heal",
            HEAL.replace("entries: 0", "entries: 4", 1),
            "4 entries of the storage are still to be healed",
        ),
        (
            "gluster_heal",
            HEAL.replace(
                "Status: Connected\nNumber of entries: 0",
                "Status: Transport endpoint is not connected\nNumber of entries: -",
                1,
            ),
            "a brick is not connected",
        ),
        ("gluster_heal", "", "does not tell whether the storage is healed"),
        ("gluster_heal", "Status: Connected\nNumber of entries: -\n", "does not tell whether the storage is healed"),
        ("ceph_health", ceph("HEALTH_WARN", OSD_DOWN="1 osds down"), "Ceph, says n1: OSD_DOWN: 1 osds down"),
        (
            "ceph_health",
            ceph("HEALTH_WARN", POOL_NEARFULL="1 pool"),
            "1 pool; mend it, or, if the site lives with it: ceph health mute POOL_NEARFULL --sticky (on n1)",
        ),
        ("ceph_health", ceph("HEALTH_ERR", RECENT_CRASH="1 daemon"), "RECENT_CRASH"),
        ("ceph_health", ceph("HEALTH_WARN"), "HEALTH_WARN: it does not say why"),
        ("ceph_health", "", "n1 does not tell Ceph's health"),
        ("ceph_health", "[]", "n1 does not tell Ceph's health"),
        ("ceph_health", "{}", "n1 does not tell Ceph's health"),
        ("ceph_health", '{"status": "HEALTH_WARN", "checks": {"A": 1}}', "n1 does not tell Ceph's health"),
        ("ceph", "", "is not known"),
    ],
)
def test_what_storage_hosts_say(kind: str, text: str, words: str) -> None:
    assert words in "; ".join(storage_faults({"host": "n1", "kind": kind, "text": text}))


@pytest.mark.parametrize(
    "text",
    [
        ceph("HEALTH_OK"),
        ceph("HEALTH_WARN", RECENT_CRASH="1 daemon", MON_DISK_LOW="mon n1 is low on space"),
        ceph("HEALTH_WARN", PG_NOT_SCRUBBED="3 pgs", PG_NOT_DEEP_SCRUBBED="3 pgs", LARGE_OMAP_OBJECTS="1 object"),
        ceph("HEALTH_WARN", MGR_MODULE_DEPENDENCY="1 module", OSD_UPGRADE_FINISHED="all OSDs run reef"),
        ceph("HEALTH_OK", muted=True, POOL_NEARFULL="1 pool"),
    ],
)
def test_a_whole_ceph_may_have_advice_and_what_is_muted(text: str) -> None:
    assert storage_faults({"host": "n1", "kind": "ceph_health", "text": text}) == []


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("gluster_peers", "n1 tells of no storage peers"),
        ("gluster_heal", "n1 does not tell whether the storage is healed"),
        ("ceph_health", "n1 does not tell Ceph's health"),
    ],
)
def test_a_host_that_says_nothing_has_its_reason_where_one_is_known(kind: str, words: str) -> None:
    entry = {"host": "n1", "kind": kind, "text": ""}
    assert storage_faults(entry) == [words]
    assert storage_faults({**entry, "why": "timed out"}) == [f"{words}: timed out"]


def test_neither_missing_copies_nor_what_is_not_named_is_to_be_muted() -> None:
    for text in (ceph("HEALTH_WARN"), ceph("HEALTH_ERR", A="a"), ceph("HEALTH_WARN", PG_DEGRADED="b", MON_DOWN="c")):
        assert "mute" not in "".join(storage_faults({"host": "n1", "kind": "ceph_health", "text": text}))


def test_every_complaint_of_ceph_is_a_fault_of_the_platform() -> None:
    text = ceph("HEALTH_WARN", MON_DOWN="1/3 mons down", PG_DEGRADED="9 objects degraded", RECENT_CRASH="1 daemon")
    found = faults(EXPECTED, seen(storage=[{"host": "n1", "kind": "ceph_health", "text": text}]))
    assert found == ["Ceph, says n1: MON_DOWN: 1/3 mons down", "Ceph, says n1: PG_DEGRADED: 9 objects degraded"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"at": NOW - 60}, "60 s old"),
        ({"automatic": False}, "automatic recovery is off"),
        ({"stopped": True}, "stop switch is set"),
        ({"recovering": True}, "is recovering a node"),
        ({"nodes": {"n2": {"suspected": True}}}, "suspects n2"),
        ({"api": "unknown: timed out"}, "does not know the nodes' leases"),
    ],
)
def test_a_watcher_that_would_not_act_is_a_fault(changed: dict[str, Any], words: str) -> None:
    heartbeat = {"at": NOW, "automatic": True, **changed}
    assert words in "; ".join(heartbeat_faults(heartbeat, NOW, 5.0))
