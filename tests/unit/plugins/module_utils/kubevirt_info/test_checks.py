# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing is broken in a cluster that is whole, and just its finding appears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import Backup, Unread
from ha_world import NOW, ZONE, World, certificate, conditions, deployment, moment, pod, whole_world

Break = Callable[[World], object]


def test_a_cluster_that_is_whole_has_no_finding() -> None:
    assert whole_world().findings() == []


def facts(**changed: Any) -> Break:
    return lambda world: world.facts.update(changed)


def limits(**changed: Any) -> Break:
    return lambda world: world.set(**changed)


def all_of(*breaks: Break) -> Break:
    def apply(world: World) -> None:
        for one in breaks:
            one(world)

    return apply


def without(source: str, *names: str) -> Break:
    def apply(world: World) -> None:
        for name in names:
            world.remove(source, name)

    return apply


def only_nodes(*names: str) -> Break:
    def apply(world: World) -> None:
        world.objects["nodes"] = [item for item in world.objects["nodes"] if item["metadata"]["name"] in names]

    return apply


def on_node(name: str, **changes: Any) -> Break:
    """Changes labels, annotations, spec or status of a node."""

    def apply(world: World) -> None:
        item = world.get("nodes", name)
        for part, values in changes.items():
            (item["metadata"] if part in ("labels", "annotations") else item)[part].update(values)

    return apply


def not_ready(name: str) -> Break:
    return on_node(name, status={"conditions": conditions(Ready="Unknown")})


def pod_down(name: str) -> Break:
    return lambda world: world.get("pods", name).update(status={"conditions": conditions(Ready="False")})


def replicas(name: str, wanted: int, ready: int) -> Break:
    def apply(world: World) -> None:
        item = world.get("deployments", name)
        item["spec"]["replicas"], item["status"]["readyReplicas"] = wanted, ready

    return apply


def condition(kind: str, state: str) -> Break:
    def apply(world: World) -> None:
        found = world.get("kubevirts", "kubevirt")["status"]["conditions"]
        found[:] = [one for one in found if one["type"] != kind] + conditions(**{kind: state})

    return apply


def move(component: str, *nodes: str) -> Break:
    """Puts the pods of a component onto these nodes."""

    def apply(world: World) -> None:
        pods = [p for p in world.objects["pods"] if p["metadata"]["labels"].get("kubevirt.io") == component]
        for item, name in zip(pods, nodes * len(pods), strict=False):
            item["spec"]["nodeName"] = name

    return apply


def pdb(name: str, allowed: int | None = 1, **rule: Any) -> Break:
    def apply(world: World) -> None:
        item = world.get("budgets", name)
        item["spec"] = {"selector": item["spec"]["selector"], **rule}
        item["status"] = {"disruptionsAllowed": allowed}

    return apply


def stale(name: str, age: float) -> Break:
    def apply(world: World) -> None:
        for source in ("leases", "system_leases"):
            for item in world.objects[source]:
                if item["metadata"]["name"] == name:
                    item["spec"]["renewTime"] = moment(age)

    return apply


def held_by(name: str, holder: str) -> Break:
    def apply(world: World) -> None:
        for source in ("leases", "system_leases"):
            for item in world.objects[source]:
                if item["metadata"]["name"] == name:
                    item["spec"]["holderIdentity"] = holder

    return apply


def etcd(*nodes: str) -> Break:
    """Puts the members of etcd onto these nodes, the first two of which are in one zone, and the next two in another."""

    def apply(world: World) -> None:
        labels = {"component": "etcd", "tier": "control-plane"}
        world.objects["pods"] = [item for item in world.objects["pods"] if item["metadata"]["labels"] != labels]
        world.add("pods", *(pod("kube-system", f"etcd-{name}", name, labels) for name in nodes))

    return apply


CASES: list[tuple[Break, set[str]]] = [
    # The API and its address
    (facts(addresses={"n1.example.com": ("10.0.0.1",)}), {"api-one-address"}),
    (facts(addresses={"10.0.0.3": ("10.0.0.3",)}), {"api-one-address"}),
    (facts(addresses={"all.example.com": ("10.0.0.1", "10.0.0.3", "10.0.0.5")}), set()),
    (facts(addresses={"mixed.example.com": ("10.0.0.1", "10.0.0.100")}), set()),
    (facts(addresses={"localhost": ("127.0.0.1", "::1")}), {"api-address-unclear"}),
    (facts(addresses={"nowhere": ()}), {"api-address-unclear"}),
    (facts(endpoints=["10.0.0.1"]), {"api-server-single"}),
    (facts(endpoints=["10.0.0.1", "10.0.0.3"]), {"api-server-missing"}),
    (facts(endpoints=[]), {"unchecked"}),
    # etcd and its backup
    (etcd("n1"), {"etcd-single"}),
    (etcd("n1", "n3"), {"etcd-even", "etcd-no-spare", "etcd-one-domain"}),
    (etcd("n1", "n2", "n3"), {"etcd-one-domain"}),
    (etcd(), {"etcd-hidden"}),
    (all_of(etcd(), limits(etcd_members=3)), set()),
    (all_of(etcd(), limits(etcd_members=1)), {"etcd-single"}),
    (all_of(etcd(), limits(etcd_members=2)), {"etcd-even", "etcd-no-spare"}),
    (all_of(etcd(), limits(etcd_members=4)), {"etcd-even"}),
    (limits(etcd_members=5), {"etcd-no-spare", "etcd-one-domain"}),
    (pod_down("etcd-n3"), {"etcd-no-spare", "etcd-one-domain"}),
    (all_of(etcd("n1", "n2", "n3", "n4", "n5"), pod_down("etcd-n2")), {"etcd-member-down", "etcd-one-domain"}),
    (facts(backup=None), {"etcd-backup-missing"}),
    (facts(backup=Backup(None, fault="/x is empty")), {"etcd-backup-missing"}),
    (facts(backup=Backup(NOW + 3600, True)), {"etcd-backup-missing"}),
    (facts(backup=Backup(NOW - 25 * 3600, True)), {"etcd-backup-old"}),
    (all_of(facts(backup=Backup(NOW - 25 * 3600, True)), limits(backup_hours=26)), set()),
    (facts(backup=Backup(NOW - 3600, False)), {"etcd-backup-unverified"}),
    # Who recovers lost nodes
    (without("health_checks", "workers"), {"recovery-unknown"}),
    (limits(state_dir="/x"), {"recovery-not-working"}),
    (all_of(limits(state_dir="/x"), facts(watcher={"at": NOW - 1, "automatic": True})), set()),
    (all_of(limits(state_dir="/x"), facts(watcher={"at": NOW - 60})), {"recovery-not-working"}),
    (all_of(limits(state_dir="/x"), facts(watcher={"at": NOW, "stopped": True})), {"recovery-not-working"}),
    # KubeVirt's components
    (without("deployments", "virt-api"), {"component-missing"}),
    (without("deployments", "virt-exportproxy"), set()),
    (without("daemon_sets", "virt-handler"), {"component-missing"}),
    (replicas("virt-operator", 1, 1), {"component-single"}),
    (replicas("virt-exportproxy", 1, 1), {"helper-single"}),
    (lambda world: world.add("deployments", deployment("cdi-operator", 1, labels={})), set()),
    (lambda world: world.add("deployments", deployment("virt-template-apiserver", 1, labels={})), {"helper-single"}),
    (lambda world: world.add("deployments", deployment("synchronization", 1)), {"helper-single"}),
    (replicas("virt-exportproxy", 2, 0), {"helper-single", "kubevirt-available-early"}),
    (replicas("virt-controller", 3, 1), {"component-no-spare", "kubevirt-available-early"}),
    (replicas("virt-controller", 3, 2), {"component-not-ready", "kubevirt-available-early"}),
    (move("virt-api", "n1"), {"component-one-node"}),
    (move("virt-api", "n1", "n2"), {"component-one-domain"}),
    (without("budgets", "virt-api-pdb"), {"component-pdb-missing"}),
    (pdb("virt-api-pdb", minAvailable=0), {"component-pdb-missing"}),
    (pdb("virt-api-pdb", maxUnavailable="100%"), {"component-pdb-missing"}),
    (pdb("virt-api-pdb", minAvailable="51%"), set()),
    (pdb("virt-api-pdb", minAvailable=3), {"component-pdb-blocks"}),
    (pdb("virt-api-pdb", maxUnavailable=0), {"component-pdb-blocks"}),
    (pdb("virt-api-pdb", 0, minAvailable=2), {"component-pdb-blocks"}),
    (pdb("virt-api-pdb", None, minAvailable=2), set()),
    (pod_down("virt-handler-n2"), {"handler-not-ready"}),
    (on_node("n2", annotations={"kubevirt.io/heartbeat": moment(301)}), {"handler-stale"}),
    (on_node("n2", annotations={"kubevirt.io/heartbeat": moment(299)}), set()),
    (on_node("n2", annotations={"kubevirt.io/heartbeat": "never"}), {"handler-stale"}),
    (
        all_of(on_node("n2", annotations={"kubevirt.io/heartbeat": moment(301)}), limits(heartbeat_seconds=600)),
        set(),
    ),
    (without("kubevirts", "kubevirt"), {"kubevirt-missing"}),
    (condition("Available", "False"), {"kubevirt-not-available"}),
    (condition("Degraded", "True"), {"kubevirt-degraded"}),
    (condition("Progressing", "True"), {"kubevirt-updating"}),
    (
        lambda world: world.get("api_services", "v1.subresources.kubevirt.io").update(status={}),
        {"kubevirt-api-unavailable"},
    ),
    # Leaders
    (stale("virt-controller", 46), {"leader-stale"}),
    (stale("virt-controller", 44), set()),
    (all_of(stale("kube-scheduler", 46), limits(lease_factor=4)), set()),
    (held_by("kube-scheduler", ""), {"leader-stale"}),
    (held_by("virt-controller", "virt-controller-gone"), {"leader-lost"}),
    (without("leases", "virt-operator"), {"leader-unknown"}),
    # Certificates
    (facts(certificates=[certificate(-1)]), {"certificate-expired"}),
    (facts(certificates=[certificate(13)]), {"certificate-expires"}),
    (facts(certificates=[certificate(15)]), set()),
    (all_of(facts(certificates=[certificate(15)]), limits(certificate_days=20)), {"certificate-expires"}),
    (facts(certificates=[certificate(0.2, life=1)]), set()),
    (facts(certificates=[certificate(0.09, life=1)]), {"certificate-expires"}),
    (facts(certificates=[certificate(2, life=30, renew_before=3 * 86400)]), set()),
    (facts(certificates=[certificate(fault="there is no PEM certificate")]), {"certificate-unreadable"}),
    # Nodes
    (on_node("n2", spec={"unschedulable": True}), {"node-cordoned"}),
    (on_node("n2", spec={"taints": [{"key": "dedicated", "effect": "NoSchedule"}]}), set()),
    (
        on_node("n2", spec={"taints": [{"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}]}),
        {"node-cordoned"},
    ),
    (not_ready("n6"), {"node-not-ready"}),
    (on_node("n2", labels={"kubevirt.io/schedulable": "false"}), {"node-vm-unschedulable"}),
    (on_node("n2", status={"nodeInfo": {"kubeletVersion": "v1.33.9"}}), {"node-kubelet-skew"}),
    (on_node("n2", status={"nodeInfo": {"kubeletVersion": "v1.34.1"}}), set()),
    (on_node("n2", status={"nodeInfo": {"kernelVersion": "6.1.1"}}), {"node-kernel-skew"}),
    (on_node("n6", labels={ZONE: "zone-2"}), {"domain-one-node"}),
    (limits(domain_label="example.com/rack"), {"domains-unknown"}),
    # Storage
    (without("snapshot_classes", "shared"), {"snapshot-class-missing"}),
    (
        lambda world: world.get("storage_classes", "shared").update(allowVolumeExpansion=False),
        {"storage-class-no-expansion"},
    ),
    (
        lambda world: world.get("profiles", "shared")["status"].update(
            claimPropertySets=[{"accessModes": ["ReadWriteOnce"]}]
        ),
        {"storage-class-no-rwx"},
    ),
    (without("profiles", "shared"), set()),
]


@pytest.mark.parametrize(("broken", "expected"), CASES)
def test_each_fault_of_the_platform_is_found_and_nothing_else(broken: Break, expected: set[str]) -> None:
    world = whole_world()
    broken(world)
    assert world.ids() == expected


@pytest.mark.parametrize(
    ("alive", "expected"),
    [(True, set()), (False, {"leader-lost", "node-not-ready", "etcd-no-spare", "etcd-one-domain"})],
)
def test_a_leader_on_a_lost_node_is_told_until_its_lease_runs_out(alive: bool, expected: set[str]) -> None:
    world = whole_world()
    if not alive:
        not_ready("n1")(world)
    assert world.ids() == expected
    if not alive:
        found = [one for one in world.findings() if one.id == "leader-lost"]
        assert {thing.name for one in found for thing in one.things} == {"virt-controller", "kube-scheduler"}


def test_one_control_plane_node_is_one_finding_not_three() -> None:
    world = whole_world()
    for name in ("n3", "n5"):
        del world.get("nodes", name)["metadata"]["labels"]["node-role.kubernetes.io/control-plane"]
        world.remove("pods", f"etcd-{name}")
    world.facts["endpoints"] = ["10.0.0.1"]
    assert world.ids() == {"control-plane-single", "etcd-single"}
    del world.get("nodes", "n1")["metadata"]["labels"]["node-role.kubernetes.io/control-plane"]
    world.facts["endpoints"] = ["10.0.0.1", "10.0.0.2"]
    assert "control-plane-hidden" in world.ids()


def test_a_cluster_with_one_node_for_machines_is_one_finding_and_not_one_a_machine() -> None:
    world = whole_world()
    for name in ("n2", "n3", "n4", "n5", "n6"):
        del world.get("nodes", name)["metadata"]["labels"]["kubevirt.io/schedulable"]
    assert world.ids() == {"vm-nodes-single"}


def test_control_planes_with_a_taint_do_not_count_as_nodes_for_machines() -> None:
    world = whole_world()
    taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    for name in ("n1", "n2", "n3", "n5", "n6"):
        world.get("nodes", name)["spec"]["taints"] = [taint]
    # The machines are on n1 and n2 still, from before the taint; new ones have only n4.
    assert world.ids() == {"vm-nodes-single"}
    world.change_spec("web-1", tolerations=[{"operator": "Exists"}])
    world.change_spec("web-2", tolerations=[{"operator": "Exists"}], nodeSelector={"kubernetes.io/hostname": "n4"})
    assert world.ids() == {"vm-nodes-single", "vm-one-node"}


def test_a_node_that_never_had_a_handler_is_told_by_the_daemon_set() -> None:
    world = whole_world()
    world.get("daemon_sets", "virt-handler")["status"]["desiredNumberScheduled"] = 7
    assert world.one("handler-not-ready").things[0].detail == "6 of 7 pods are ready"
    # A node that is lost explains it.
    not_ready("n6")(world)
    assert world.ids() == {"node-not-ready"}


def test_the_member_of_etcd_that_is_down_is_named() -> None:
    world = whole_world()
    pod_down("etcd-n3")(world)
    assert [thing.name for thing in world.one("etcd-no-spare").things] == ["etcd-n3"]
    world = whole_world()
    not_ready("n5")(world)
    # What its pod says is of the past.
    assert [thing.name for thing in world.one("etcd-no-spare").things] == ["etcd-n5"]


def test_etcd_members_outside_are_counted_beside_those_that_are_seen() -> None:
    world = whole_world()
    world.set(etcd_members=5)
    assert "3 of 5 members are ready, the quorum is 3" in world.one("etcd-no-spare").why


@pytest.mark.parametrize(
    ("source", "identifier", "silent"),
    [
        ("nodes", "unchecked-essential", {"control-plane-hidden", "domains-unknown"}),
        ("secrets", "unchecked", set()),
        ("deployments", "unchecked", {"component-missing"}),
        ("leases", "unchecked", {"leader-unknown"}),
        ("health_checks", "unchecked", {"recovery-unknown"}),
        ("kubevirts", "unchecked-essential", {"kubevirt-missing"}),
        ("snapshot_classes", "unchecked", {"snapshot-class-missing"}),
        ("etcd_backup", "unchecked", {"etcd-backup-missing"}),
    ],
)
def test_what_could_not_be_read_is_told_and_not_judged(source: str, identifier: str, silent: set[str]) -> None:
    world = whole_world()
    world.objects.pop(source, None)
    world.facts["unread"] = {source: Unread(source, "", "not permitted", "no")}
    if source == "etcd_backup":
        world.facts["backup"] = None
    found = world.ids()
    assert identifier in found and not found & silent
    assert world.one(identifier).things[0].name == source


def test_what_no_check_judges_by_is_no_warning_where_it_could_not_be_read() -> None:
    world = whole_world()
    world.facts["unread"] = {name: Unread(name, "", "not permitted", "no") for name in ("cdis", "networks")}
    assert world.ids() == set()


def test_kinds_that_are_not_installed_are_told_unless_their_absence_says_it() -> None:
    world = whole_world()
    world.facts["absent"] = {"profiles": "storageprofiles.cdi.kubevirt.io", "health_checks": "nodehealthchecks"}
    assert [thing.name for thing in world.one("kind-missing").things] == ["storageprofiles.cdi.kubevirt.io"]


def test_a_namespace_that_could_not_be_read_is_named() -> None:
    world = whole_world()
    world.facts["partly"] = {"vms": [Unread("virtualmachines.kubevirt.io", "secret", "not permitted", "no")]}
    assert world.one("unchecked-essential").things[0].namespace == "secret"
