# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""node_drain on a real kube-apiserver: each fate of a machine, pods and their budgets, what blocks, what is put back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import resources
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    DISRUPTION_BUDGET,
    MIGRATION,
    POD,
    VM,
    VMI,
    Resource,
)

from .world import World, is_ready, until

Run = Callable[..., dict[str, Any]]
REPLICA_SET = Resource("apps/v1", "replicasets", "ReplicaSet")
DAEMON_SET = Resource("apps/v1", "daemonsets", "DaemonSet")
FAILS = {"kubevirt.io/func-test-force-launcher-migration-failure": ""}
BRIDGE = {"devices": {"interfaces": [{"name": "default", "bridge": {}, "masquerade": None}]}}
NO_WRITES = {"writes": 0, "watches": 0}


@pytest.fixture
def drain(module: Run, world: World) -> Run:
    """Drains nodes of this test's own machines and pods."""

    def run(*nodes: str, **options: Any) -> dict[str, Any]:
        return module("node_drain", nodes=list(nodes), pod_selector=f"test={world.namespace}", **options)

    return run


class Pods:
    """Pods as they would be on a node, without a kubelet to end them: their grace period is none."""

    def __init__(self, client: Any, world: World) -> None:
        self.client, self.world = client, world

    def make(self, name: str, node: str, *, owner: Any = None, **spec: Any) -> dict[str, Any]:
        """A ready pod that is bound to a node."""
        meta = {"name": name, "labels": {"test": self.world.namespace, "app": name}}
        if owner is not None:
            same = {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], "controller": True}
            meta["ownerReferences"] = [{"apiVersion": owner["apiVersion"], "kind": owner["kind"], **same}]
        wanted = {
            "nodeName": node,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "c", "image": "registry.invalid/c"}],
            **spec,
        }
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": wanted}
        self.client.create(POD, body, self.world.namespace)
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        return dict(self.client.patch(POD, name, {"status": status}, self.world.namespace, subresource="status"))

    def owner(self, kind: Resource = REPLICA_SET, name: str = "owner") -> dict[str, Any]:
        labels = {"matchLabels": {"app": "nothing"}}
        template = {
            "metadata": {"labels": {"app": "nothing"}},
            "spec": {"containers": [{"name": "c", "image": "registry.invalid/c"}]},
        }
        spec: dict[str, Any] = {"selector": labels, "template": template}
        if kind is REPLICA_SET:
            spec["replicas"] = 0
        body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}, "spec": spec}
        return dict(self.client.create(kind, body, self.world.namespace))

    def budget(self, name: str, app: str) -> None:
        """A PodDisruptionBudget that allows nothing."""
        spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": app}}}
        body = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec}
        self.client.create(DISRUPTION_BUDGET, body, self.world.namespace)
        until(
            "the budget's status",
            lambda: (
                (self.client.get(DISRUPTION_BUDGET, name, self.world.namespace).get("status") or {}).get(
                    "currentHealthy"
                )
                == 1
            ),
        )


@pytest.fixture
def pods(client: Any, world: World, simulated: None) -> Pods:
    return Pods(client, world)


def fates(done: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["fate"] for node in done["nodes"] for entry in node["vms"]}


def all_on(world: World, node: str, *makes: Callable[[], Any]) -> None:
    """Makes machines on one node."""
    others = [name for name in world.nodes() if name != node]
    world.cordon(*others)
    try:
        for make in makes:
            make()
    finally:
        world.cordon(*others, cordoned=False)


def test_a_live_migrate_machine_is_migrated_and_a_second_run_does_nothing(world: World, drain: Run) -> None:
    world.make(evictionStrategy="LiveMigrate")
    before, node = world.vmi(), world.node()
    done = drain(node)
    assert not done.get("failed") and done["changed"], done
    (entry,) = done["nodes"][0]["vms"]
    assert (entry["fate"], entry["from"], entry["to"]) == ("migrated", node, world.node()), entry
    assert entry["migration"] == world.migrations()[0]["metadata"]["name"] and entry["seconds"] is not None
    assert world.vmi()["metadata"]["uid"] == before["metadata"]["uid"] and world.node() != node
    assert world.is_cordoned(node) and done["nodes"][0]["cordoned"] and done["nodes"][0]["blocked_by"] == []
    assert done["requests"]["writes"] == 2, done["requests"]  # the cordon and one eviction
    again = drain(node)
    assert not again.get("failed") and not again["changed"], again
    assert again["requests"] == {"reads": 2, "writes": 0, "watches": 0}


def test_the_peer_module_stops_at_the_refused_eviction(cluster: Path, world: World, drain: Run) -> None:
    world.make(evictionStrategy="LiveMigrate")
    node = world.node()
    options = {
        "name": node,
        "state": "drain",
        "kubeconfig": str(cluster),
        "pod_selectors": [f"test={world.namespace}"],
        "delete_options": {"force": True, "ignore_daemonsets": True, "delete_emptydir_data": True},
    }
    command = [str(Path(sys.prefix) / "bin" / "ansible"), "localhost", "--module-name", "kubernetes.core.k8s_drain"]
    command += ["--args", json.dumps(options)]
    environment = {**os.environ, "ANSIBLE_PYTHON_INTERPRETER": sys.executable, "ANSIBLE_LOCALHOST_WARNING": "false"}
    peer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)
    assert peer.returncode != 0 and "triggered evacuation" in peer.stdout, peer.stdout + peer.stderr
    until("the evacuation that it began, and did not wait for", lambda: world.node() != node)
    until("ready", lambda: is_ready(world.vmi()))
    world.cordon(node, cordoned=False)
    done = drain(world.node())
    assert not done.get("failed") and fates(done) == {"v": "migrated"}, done


def test_a_machine_of_strategy_none_is_started_anew_elsewhere(world: World, drain: Run) -> None:
    world.make(evictionStrategy="None")
    before, node = world.vmi(), world.node()
    done = drain(node)
    assert not done.get("failed"), done["msg"]
    (entry,) = done["nodes"][0]["vms"]
    assert (entry["fate"], entry["to"]) == ("restarted", world.node()), entry
    assert world.vmi()["metadata"]["uid"] != before["metadata"]["uid"] and world.node() != node
    assert entry["run_strategy"] == entry["run_strategy_before"] == "Always" and entry["reason"]


@pytest.mark.parametrize("strategy", ["Manual", "RerunOnFailure"])
def test_one_that_would_not_come_back_blocks_and_is_restarted_or_shut_down_only_if_told_to(
    client: Any, world: World, drain: Run, strategy: str
) -> None:
    world.make(strategy=strategy, evictionStrategy="None")
    before, node = world.vmi(), world.node()
    refused = drain(node)
    assert refused["failed"] and f"run strategy {strategy} does not start it anew" in refused["msg"], refused
    assert refused["requests"]["writes"] == 0 and not world.is_cordoned(node)
    done = drain(node, non_migratable="restart")
    assert not done.get("failed") and fates(done) == {"v": "restarted"}, done
    assert world.vmi()["metadata"]["uid"] != before["metadata"]["uid"] and world.node() != node
    world.cordon(node, cordoned=False)
    stopped = drain(world.node(), non_migratable="shutdown")
    assert not stopped.get("failed") and fates(stopped) == {"v": "shut_down"}, stopped
    # The drain is over with the pod; the instance follows.
    until("no instance", lambda: client.find(VMI, "v", world.namespace) is None)
    assert stopped["nodes"][0]["vms"][0]["run_strategy"] == strategy


def test_all_that_blocks_is_named_before_anything_is_changed(world: World, drain: Run, pods: Pods) -> None:
    node = world.nodes()[0]
    all_on(
        world,
        node,
        lambda: world.make("stuck", evictionStrategy="LiveMigrate", domain=BRIDGE),
        lambda: world.make("once", "Once", evictionStrategy="None"),
        lambda: world.make("here", evictionStrategy="LiveMigrate", nodeSelector={"kubernetes.io/hostname": node}),
        lambda: world.make("fine", evictionStrategy="LiveMigrate"),
    )
    pods.make("alone", node)
    pods.make("data", node, owner=pods.owner(), volumes=[{"name": "scratch", "emptyDir": {}}])
    for check in (True, False):
        refused = drain(node, check=check)
        assert refused["failed"] and not refused["changed"] and refused["requests"]["writes"] == 0
        blocked = {found["name"]: found["why"] for found in refused["nodes"][0]["blocked_by"]}
        assert blocked.keys() == {"stuck", "once", "here", "alone", "data"}, blocked
        assert "InterfaceNotLiveMigratable" in blocked["stuck"] and "run strategy Once" in blocked["once"]
        assert f"lacks the label kubernetes.io/hostname={node}" in blocked["here"]
        assert "no controller" in blocked["alone"] and "scratch" in blocked["data"]
        assert all(found["fix"] for found in refused["nodes"][0]["blocked_by"])
    assert not world.is_cordoned(node) and world.migrations("fine") == []
    other = next(name for name in world.nodes() if name != node)
    both = drain(other, node)
    assert f"Node {other}: was left alone: {node} cannot be drained" in both["msg"], both["msg"]
    assert both["requests"]["writes"] == 0 and not world.is_cordoned(other)
    restart = drain(node, non_migratable="restart", force=True, delete_emptydir_data=True)
    left = {found["name"]: found["why"] for found in restart["nodes"][0]["blocked_by"]}
    assert left.keys() == {"once", "here"}, left
    assert "restarts no machine with run strategy Once" in left["once"]
    assert "cannot be restarted elsewhere" in left["here"] and restart["requests"]["writes"] == 0


@pytest.mark.usefixtures("simulated")
def test_what_cannot_be_migrated_is_shut_down_and_its_run_strategy_told(client: Any, world: World, drain: Run) -> None:
    world.make(evictionStrategy="LiveMigrate", domain=BRIDGE)
    node = world.node()
    foreseen = drain(node, check=True, non_migratable="shutdown")
    assert fates(foreseen) == {"v": "shut_down"} and foreseen["requests"]["writes"] == 0
    done = drain(node, non_migratable="shutdown")
    assert not done.get("failed"), done["msg"]
    (entry,) = done["nodes"][0]["vms"]
    assert entry["fate"] == "shut_down" and "InterfaceNotLiveMigratable" in entry["reason"]
    assert (entry["run_strategy_before"], entry["run_strategy"]) == ("Always", "Halted")
    assert client.find(VMI, "v", world.namespace) is None


@pytest.mark.usefixtures("simulated")
def test_one_that_has_no_room_elsewhere_is_not_ended(world: World, drain: Run) -> None:
    large = {"memory": {"guest": "40Gi"}}
    names = [world.make(f"v{number}", evictionStrategy="None", domain=large) for number in range(len(world.nodes()))]
    assert len({world.node(name) for name in names}) == len(names)
    refused = drain(world.node("v0"))
    assert refused["failed"] and "has not enough memory" in refused["msg"], refused
    assert is_ready(world.vmi("v0")) and refused["requests"]["writes"] == 0


def test_external_is_left_to_somebody_else(client: Any, world: World, drain: Run) -> None:
    world.make(evictionStrategy="External")
    node = world.node()
    late = drain(node, timeout=6)
    assert late["failed"] and "was not drained within 6 s" in late["msg"], late
    assert "External leaves it to somebody else" in late["msg"] and "stays cordoned" in late["msg"]
    assert fates(late) == {"v": "waiting"} and world.vmi()["status"]["evacuationNodeName"] == node

    def move() -> None:
        time.sleep(3)
        body = {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachineInstanceMigration",
            "metadata": {"name": "by-hand"},
            "spec": {"vmiName": "v"},
        }
        client.create(MIGRATION, body, world.namespace)

    threading.Thread(target=move).start()
    done = drain(node)
    assert not done.get("failed") and fates(done) == {"v": "migrated"}, done
    assert done["requests"]["writes"] == 0  # cordoned and asked for already


def test_one_whose_migrations_fail_blocks_and_all_is_put_back(client: Any, world: World, drain: Run) -> None:
    world.make(evictionStrategy="LiveMigrate", annotations=FAILS)
    node = world.node()
    failed = drain(node, migration_attempts=1, cancel_evacuations=True, on_failure="uncordon")
    assert failed["failed"] and "its migration failed 1 times" in failed["msg"], failed
    assert "Failed migration to satisfy functional test condition" in failed["msg"]
    assert "1 evacuations were cancelled" in failed["msg"] and "uncordoned again" in failed["msg"]
    assert fates(failed) == {"v": "blocked"} and failed["changed"] and not failed["nodes"][0]["cordoned"]
    assert not world.is_cordoned(node) and is_ready(world.vmi()) and world.node() == node
    until("the evacuation is over", lambda: not world.vmi()["status"].get("evacuationNodeName"))
    pending = [found for found in world.migrations() if (found.get("status") or {}).get("phase") != "Failed"]
    until(
        "no migration",
        lambda: all(client.find(MIGRATION, m["metadata"]["name"], world.namespace) is None for m in pending),
    )


def test_where_no_other_node_takes_machines_nothing_is_begun(world: World, drain: Run) -> None:
    world.make(evictionStrategy="LiveMigrate")
    node = world.node()
    others = [name for name in world.nodes() if name != node]
    world.cordon(*others)
    refused = drain(node)
    assert refused["failed"] and "no other node takes it" in refused["msg"], refused
    assert all(f"{name} is cordoned" in refused["msg"] for name in others)
    assert refused["requests"]["writes"] == 0 and not world.is_cordoned(node)


def test_pods_leave_but_for_those_that_belong_to_the_node(client: Any, world: World, drain: Run, pods: Pods) -> None:
    node, owner = world.nodes()[0], pods.owner()
    pods.make("web", node, owner=owner, volumes=[{"name": "scratch", "emptyDir": {}}])
    pods.make("alone", node)
    pods.make("agent", node, owner=pods.owner(DAEMON_SET))
    pods.make("done", node)
    client.patch(POD, "done", {"status": {"phase": "Succeeded"}}, world.namespace, subresource="status")
    done = drain(node, force=True, delete_emptydir_data=True)
    assert not done.get("failed"), done["msg"]
    counts = {name: number for name, number in done["nodes"][0]["pods"].items() if number}
    assert counts == {"evicted": 2, "daemon_set": 1, "finished": 1}, counts
    left = {pod["metadata"]["name"] for pod in client.list(POD, world.namespace).items}
    assert left == {"agent", "done"}
    again = drain(node, force=True, delete_emptydir_data=True)
    assert not again["changed"] and again["requests"]["writes"] == 0


def test_a_budget_is_honoured_and_named_with_what_it_holds(client: Any, world: World, drain: Run, pods: Pods) -> None:
    node = world.nodes()[0]
    pods.make("web", node, owner=pods.owner())
    pods.budget("web-budget", "web")
    foreseen = drain(node, check=True)
    assert not foreseen.get("failed") and "web-budget" in json.dumps(foreseen["nodes"][0]["blocked_by"]), foreseen
    late = drain(node, timeout=5)
    assert late["failed"] and "was not drained within 5 s" in late["msg"], late
    assert "PodDisruptionBudget web-budget allows 0 disruptions: 1 of 1 pods are healthy, 1 must be" in late["msg"]
    assert late["nodes"][0]["pods"]["left"] == 1 and client.find(POD, "web", world.namespace)

    def give_way() -> None:
        time.sleep(3)
        client.delete(DISRUPTION_BUDGET, "web-budget", world.namespace)

    threading.Thread(target=give_way).start()
    done = drain(node)
    assert not done.get("failed") and done["nodes"][0]["pods"]["evicted"] == 1, done
    assert client.find(POD, "web", world.namespace) is None


def test_check_mode_says_what_the_run_does(world: World, drain: Run) -> None:
    node = world.nodes()[0]
    all_on(
        world,
        node,
        lambda: world.make("moves", evictionStrategy="LiveMigrate"),
        lambda: world.make("ends", evictionStrategy="None"),
        lambda: world.make("stops", "Manual", evictionStrategy="None"),
    )
    foreseen = drain(node, check=True, diff=True, non_migratable="shutdown")
    assert foreseen["changed"] and foreseen["requests"]["writes"] == 0, foreseen
    assert fates(foreseen) == {"moves": "migrated", "ends": "restarted", "stops": "shut_down"}
    assert foreseen["diff"][0]["before"]["cordoned"] is False and foreseen["diff"][0]["after"]["cordoned"] is True
    assert not world.is_cordoned(node) and {world.node(name) for name in ("moves", "ends", "stops")} == {node}
    done = drain(node, non_migratable="shutdown")
    assert not done.get("failed") and fates(done) == fates(foreseen), done


@pytest.mark.usefixtures("simulated")
def test_an_interrupted_drain_goes_on_when_it_is_run_again(
    cluster: Path, world: World, drain: Run, tmp_path: Path
) -> None:
    slow = {"firmware": {"kernelBoot": {"kernelArgs": "console=ttyS0 migration=6"}}}
    world.make(evictionStrategy="LiveMigrate", domain=slow)
    node = world.node()
    arguments = {"nodes": [node], "pod_selector": f"test={world.namespace}", "kubeconfig": str(cluster)}
    path = tmp_path / "arguments.json"
    path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
    module = "ansible_collections.virtops.kubevirt_ha.plugins.modules.node_drain"
    environment = {**os.environ, "PYTHONPATH": str(Path(resources.__file__).parents[5])}
    process = subprocess.Popen([sys.executable, "-m", module, str(path)], stdout=subprocess.DEVNULL, env=environment)
    until("a migration", world.migrations)
    process.kill()
    process.wait()
    done = drain(node)
    assert not done.get("failed") and fates(done) == {"v": "migrated"}, done
    assert len(world.migrations()) == 1 and done["requests"]["writes"] == 0


@pytest.mark.usefixtures("simulated")
def test_two_nodes_one_after_the_other(world: World, drain: Run) -> None:
    first, second, third = world.nodes()[:3]
    all_on(world, first, lambda: world.make("v0", evictionStrategy="LiveMigrate"))
    all_on(world, second, lambda: world.make("v1", evictionStrategy="LiveMigrate"))
    assert [world.node("v0"), world.node("v1")] == [first, second]
    done = drain(first, second)
    assert not done.get("failed"), done["msg"]
    assert {world.node("v0"), world.node("v1")} == {third}
    assert [node["name"] for node in done["nodes"]] == [first, second]
    assert world.is_cordoned(first) and world.is_cordoned(second)


def test_after_a_failure_the_next_node_is_left_alone(world: World, drain: Run) -> None:
    world.make(evictionStrategy="External")
    node, other = world.node(), world.other()
    failed = drain(node, other, timeout=3)
    assert failed["failed"] and f"Node {other}: was left alone: {node} was not drained" in failed["msg"], failed["msg"]
    assert not world.is_cordoned(other) and not failed["nodes"][1]["changed"]


def test_cordoned_and_uncordoned_and_each_again(world: World, drain: Run) -> None:
    node = world.nodes()[0]
    for state, cordoned in (("cordoned", True), ("uncordoned", False)):
        foreseen = drain(node, state=state, check=True)
        assert foreseen["changed"] and foreseen["requests"]["writes"] == 0
        done = drain(node, state=state)
        assert done["changed"] and done["requests"] == {"reads": 1, "writes": 1, "watches": 0}
        assert world.is_cordoned(node) is cordoned
        again = drain(node, state=state)
        assert not again["changed"] and again["requests"] == {"reads": 1, **NO_WRITES}


def test_what_happens_is_told_as_it_happens(world: World, drain: Run, tmp_path: Path) -> None:
    world.make(evictionStrategy="LiveMigrate")
    refused = drain(world.node(), progress_path=str(tmp_path / "no-such-folder" / "progress.jsonl"))
    assert "progress_path; nothing was changed" in refused["msg"] and refused["requests"]["writes"] == 0, refused
    path = tmp_path / "progress.jsonl"
    assert not drain(world.node(), progress_path=str(path)).get("failed")
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event["event"] for event in events] == ["cordoned", "machine_leaves", "eviction", "machine", "drained"]
    assert events[2]["answer"] == "evacuating" and events[3]["fate"] == "migrated"


def test_faults_and_missing_nodes(world: World, drain: Run, module: Run) -> None:
    failed = module("node_drain", nodes=["a b", "n", "n"], serial=0, timeout=0)
    for part in ("nodes: 'a b'", "nodes: n is there more than once", "serial: 0", "timeout: 0"):
        assert part in failed["msg"], failed["msg"]
    missing = drain(world.nodes()[0], "no-such-node")
    assert missing["failed"] and "Node no-such-node: does not exist" in missing["msg"], missing
    assert missing["requests"]["writes"] == 0


def test_a_standalone_instance_is_evicted_only_by_force(client: Any, world: World, drain: Run) -> None:
    from kubevirt_contract.manifests import instance

    body = instance("v", {"spec": {"evictionStrategy": "None"}})
    body["metadata"]["labels"] = {"test": world.namespace}
    client.create(VMI, body, world.namespace)
    until("ready", lambda: is_ready(client.find(VMI, "v", world.namespace)))
    node = world.node()
    refused = drain(node)
    assert refused["failed"] and "no machine would start it anew" in refused["msg"], refused
    done = drain(node, force=True)
    assert not done.get("failed") and fates(done) == {"v": "shut_down"}, done
    assert client.find(VM, "v", world.namespace) is None
