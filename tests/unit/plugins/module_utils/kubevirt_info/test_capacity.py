# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""N+1: what fits where, and what is short."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info import capacity, checks
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.capacity import Loss
from ha_world import GIB, HOST, REQUIRED, ZONE, World, node, volume, whole_world

ROLE = {"kubevirt-ha.virtops/one-per-node": "db"}


def small_world(*memory: str, cpu: str = "16") -> World:
    """Nodes of these sizes, each in a zone of its own, without machines."""
    world = World()
    nodes = [node(f"n{number}", memory=size, cpu=cpu) for number, size in enumerate(memory, 1)]
    for number, item in enumerate(nodes, 1):
        item["metadata"]["labels"][ZONE] = f"zone-{number}"
    world.add("nodes", *nodes)
    return world


def lose(world: World, name: str) -> Loss:
    return next(loss for loss in checks.losses(world.view()).nodes if loss.name == name)


def names(loss: Loss) -> set[str]:
    return {key[1] for key in loss.lacks}


def test_machines_that_fit_are_no_finding() -> None:
    world = small_world("16Gi", "16Gi", "16Gi")
    for number in range(3):
        world.machine(f"m{number}", f"n{number + 1}", memory="8Gi")
    loss = lose(world, "n1")
    assert loss.machines == 1 and not loss.lacks
    assert not {"capacity-node", "capacity-domain"} & world.ids()


def test_what_does_not_fit_is_named_with_what_is_short() -> None:
    world = small_world("16Gi", "16Gi", "16Gi")
    world.machine("big", "n1", memory="10Gi")
    world.machine("small", "n1", memory="2Gi")
    world.machine("other-1", "n2", memory="9Gi")
    world.machine("other-2", "n3", memory="8Gi")
    loss = lose(world, "n1")
    assert loss.lacks == {("shop", "big"): {"memory": 2 * GIB}}
    assert {"capacity-node", "capacity-domain"} <= world.ids()
    thing = world.one("capacity-node").things[0]
    detail = "1 of its 2 machines without room elsewhere, 2 GiB memory are missing (shop/big)"
    assert (thing.kind, thing.name, thing.detail) == ("Node", "n1", detail)


def test_losses_that_cannot_be_borne_are_one_finding_which_tells_of_the_worst() -> None:
    world = small_world("32Gi", "32Gi", "32Gi")
    for number in range(21):
        world.machine(f"m{number:02}", f"n{min(number // 6, 2) + 1}", memory="3Gi")
    found = world.one("capacity-node")
    assert [thing.name for thing in found.things] == ["n1", "n2", "n3"]
    assert found.why.startswith("the worst loss is that of n3: 1 of its 9 machines without room elsewhere")
    world.get("nodes", "n1")["spec"]["unschedulable"] = True
    why = world.one("capacity-node").why
    assert "the worst loss is that of n3: 5 of its 9 machines" in why and "13 GiB memory are missing" in why
    assert why.endswith("(shop/m16, shop/m17, shop/m18, shop/m19, shop/m20)")
    world.get("nodes", "n2")["spec"]["unschedulable"] = True
    assert "no node that they may run on takes machines now" in world.one("capacity-node").why
    assert "(shop/m12, shop/m13, shop/m14, shop/m15, shop/m16 and 4 more)" in world.one("capacity-node").why


def test_what_is_short_counts_every_machine_once() -> None:
    world = small_world("32Gi", "16Gi")
    world.machine("a", "n1", memory="8Gi")
    world.machine("b", "n1", memory="8Gi")
    world.machine("there", "n2", memory="11Gi")
    assert lose(world, "n1").short == {"memory": 11 * GIB}


def test_the_largest_machine_comes_first() -> None:
    """In the order of their names the two small ones would take the room that only the large one needs whole."""
    world = small_world("64Gi", "10Gi", "6Gi")
    for name, memory in (("a", "3Gi"), ("b", "3Gi"), ("z", "10Gi")):
        world.machine(name, "n1", memory=memory)
    assert not lose(world, "n1").lacks


@pytest.mark.parametrize(
    ("resource", "lack"), [("cpu", {"cpu": 1000}), ("pods", {"pods": 1}), ("example.com/gpu", {"example.com/gpu": 1})]
)
def test_each_resource_is_counted(resource: str, lack: dict[str, int]) -> None:
    world = small_world("16Gi", "16Gi")
    world.machine("a", "n1", memory="1Gi")
    if resource == "example.com/gpu":
        world.get("pods", "virt-launcher-a")["spec"]["containers"][0]["resources"]["requests"][resource] = "1"
    world.get("nodes", "n2")["status"]["allocatable"][resource] = "0"
    assert lose(world, "n1").lacks == {("shop", "a"): lack}


def test_a_resource_that_its_own_node_does_not_offer_is_not_counted() -> None:
    world = small_world("16Gi", "16Gi")
    world.machine("a", "n1", memory="1Gi")
    world.get("pods", "virt-launcher-a")["spec"]["containers"][0]["resources"]["requests"]["ephemeral-storage"] = "50M"
    assert not lose(world, "n1").lacks


def test_other_pods_take_room_too() -> None:
    world = small_world("16Gi", "16Gi")
    world.machine("a", "n1", memory="8Gi")
    world.add(
        "pods",
        {
            "metadata": {"namespace": "x", "name": "cache"},
            "spec": {"nodeName": "n2", "containers": [{"resources": {"requests": {"memory": "12Gi"}}}]},
        },
    )
    assert lose(world, "n1").lacks == {("shop", "a"): {"memory": 4 * GIB}}


@pytest.mark.parametrize("others", [("16Gi", "4Gi"), ("16Gi",)])
@pytest.mark.parametrize("state", ["unschedulable", "taint", "label", "ready"])
def test_nodes_that_take_no_machines_now_do_not_count(state: str, others: tuple[str, ...]) -> None:
    world = small_world("16Gi", *others)
    world.machine("a", "n1", memory="8Gi")
    item = world.get("nodes", "n2")
    if state == "unschedulable":
        item["spec"]["unschedulable"] = True
    elif state == "taint":
        item["spec"]["taints"] = [{"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}]
    elif state == "label":
        item["metadata"]["labels"]["kubevirt.io/schedulable"] = "false"
    else:
        item["status"]["conditions"][0]["status"] = "False"
    loss = lose(world, "n1")
    assert names(loss) == {"a"} and loss.short == ({"memory": 4 * GIB} if len(others) == 2 else {})
    assert "capacity-node" in world.ids() and "vm-one-node" not in world.ids()


def test_machines_bound_to_the_lost_node_are_not_said_to_lack_room() -> None:
    world = small_world("16Gi", "16Gi")
    world.machine("selector", "n1")
    world.change_spec("selector", nodeSelector={HOST: "n1"})
    world.machine("disk", "n1")
    world.remove("volumes", "pv-shop-disk-root")
    world.add("volumes", volume("shop", "disk-root", "ReadWriteOnce", on="n1"))
    loss = lose(world, "n1")
    assert not loss.lacks and {key[1] for key in loss.pinned} == {"selector", "disk"}


def test_a_group_of_one_per_node_is_kept_apart() -> None:
    term = {"labelSelector": {"matchLabels": ROLE}, "topologyKey": HOST}
    world = small_world("16Gi", "16Gi", "16Gi", "16Gi")
    for number in (1, 2, 3):
        world.machine(f"db-{number}", f"n{number}", labels=ROLE)
        world.change_spec(f"db-{number}", affinity={"podAntiAffinity": {REQUIRED: [term]}})
    loss = lose(world, "n1")
    assert not loss.lacks and not loss.apart
    world.remove("nodes", "n4")
    assert {key[1] for key in lose(world, "n1").apart} == {"db-1"}
    # Two of the group are lost at once, and one node is left for both.
    world = small_world("16Gi", "16Gi", "16Gi")
    for number in (1, 2):
        world.machine(f"db-{number}", f"n{number}", labels=ROLE)
        world.change_spec(f"db-{number}", affinity={"podAntiAffinity": {REQUIRED: [term]}})
        world.get("nodes", f"n{number}")["metadata"]["labels"][ZONE] = "zone-1"
    zone = next(loss for loss in checks.losses(world.view()).domains if loss.name == "zone-1")
    assert len(zone.apart) == 1 and zone.machines == 2


def test_machines_that_others_keep_away_do_not_go_there() -> None:
    """The one that moves has no rule of its own."""
    term = {"labelSelector": {"matchLabels": {"tier": "noisy"}}, "topologyKey": HOST}
    world = small_world("16Gi", "16Gi")
    world.machine("noisy", "n1", labels={"tier": "noisy"})
    world.machine("quiet", "n2")
    world.change_spec("quiet", affinity={"podAntiAffinity": {REQUIRED: [term]}})
    assert [key[1] for key in lose(world, "n1").apart] == ["noisy"]


@pytest.mark.parametrize(("partner", "apart"), [("n2", False), ("n1", False), ("", False)])
def test_machines_that_belong_together_follow_each_other(partner: str, apart: bool) -> None:
    group = {"kubevirt-ha.virtops/keep-together": "pair"}
    term = {"labelSelector": {"matchLabels": group}, "topologyKey": HOST}
    world = small_world("16Gi", "16Gi", "16Gi")
    world.machine("a", "n1", labels=group)
    world.change_spec("a", affinity={"podAffinity": {REQUIRED: [term]}})
    if partner:
        world.machine("b", partner, labels=group)
        world.change_spec("b", affinity={"podAffinity": {REQUIRED: [term]}})
    loss = lose(world, "n1")
    assert bool(loss.apart) == apart and not loss.lacks


def test_a_group_that_must_be_together_finds_no_room_together() -> None:
    group = {"kubevirt-ha.virtops/keep-together": "pair"}
    term = {"labelSelector": {"matchLabels": group}, "topologyKey": HOST}
    world = small_world("16Gi", "6Gi", "6Gi")
    for name in ("a", "b"):
        world.machine(name, "n1", labels=group)
        world.change_spec(name, affinity={"podAffinity": {REQUIRED: [term]}})
    assert names(lose(world, "n1")) == {"b"}


def test_machines_of_namespaces_that_were_not_looked_at_need_room_all_the_same() -> None:
    world = small_world("16Gi", "4Gi")
    world.machine("theirs", "n1", namespace="other", memory="8Gi")
    world.objects["vms"], world.objects["vmis"] = [], []
    assert names(lose(world, "n1")) == {"theirs"}


def test_the_target_of_a_migration_takes_room_but_is_not_moved_again() -> None:
    world = small_world("16Gi", "16Gi", "16Gi")
    world.machine("a", "n1")
    target: dict[str, Any] = {**world.get("pods", "virt-launcher-a")}
    target["metadata"] = {**target["metadata"], "name": "virt-launcher-a-target"}
    target["metadata"]["labels"] = {**target["metadata"]["labels"], "kubevirt.io/migrationJobUID": "x"}
    target["spec"] = {**target["spec"], "nodeName": "n2"}
    world.add("pods", target)
    assert (lose(world, "n1").machines, lose(world, "n2").machines) == (1, 0)


def test_the_overview_shows_the_worst_loss_and_what_is_free() -> None:
    world = small_world("16Gi", "32Gi", "16Gi")
    world.machine("a", "n1", memory="8Gi")
    world.machine("b", "n2", memory="17Gi")
    view = world.view()
    shown = capacity.overview(view, checks.losses(view), 100)
    assert shown["resources"]["memory"] == {"allocatable": 64 * GIB, "requested": 25 * GIB, "free": 39 * GIB}
    assert shown["resources"]["cpu"] == {"allocatable": 48, "requested": 2, "free": 46}
    worst = shown["node"]
    assert (worst["name"], worst["fits"], worst["unplaced_count"]) == ("n2", False, 1)
    assert worst["unplaced"] == [{"namespace": "shop", "name": "b", "lacks": {"memory": GIB}}]
    assert worst["requests"] == {"cpu": 1.0, "memory": 17 * GIB, "pods": 1} and worst["short"] == {"memory": GIB}
    assert shown["failure_domain"]["name"] == "zone-2"


def test_without_failure_domains_only_nodes_are_lost() -> None:
    world = whole_world()
    world.set(domain_label="example.com/rack")
    found = checks.losses(world.view())
    assert len(found.nodes) == 6 and not found.domains


@pytest.mark.parametrize(
    ("amounts", "text"),
    [
        ({"memory": 3 * GIB, "cpu": 1500}, "1.5 cpu, 3 GiB memory"),
        ({"memory": 1023}, "1023 B memory"),
        ({"memory": 1000 * GIB}, "1000 GiB memory"),
        ({"example.com/gpu": 2}, "2 example.com/gpu"),
        ({}, "nothing"),
    ],
)
def test_amounts_for_people(amounts: dict[str, int], text: str) -> None:
    assert capacity.text(amounts) == text


def test_placeholders_give_way() -> None:
    world = small_world("16Gi", "16Gi")
    world.machine("a", "n1", memory="8Gi")
    placeholder = {
        "metadata": {"namespace": "x", "name": "placeholder"},
        "spec": {"nodeName": "n2", "priority": -1000, "containers": [{"resources": {"requests": {"memory": "12Gi"}}}]},
    }
    world.add("pods", placeholder)
    view = world.view()
    assert not lose(world, "n1").lacks
    shown = capacity.overview(view, checks.losses(view), 10)["resources"]["memory"]
    assert shown["free"] == 24 * GIB
    world.get("pods", "placeholder")["spec"]["priority"] = 0
    assert lose(world, "n1").lacks == {("shop", "a"): {"memory": 4 * GIB}}


@pytest.mark.parametrize("strategy", ["Always", "RerunOnFailure", "Manual", "Once"])
def test_a_machine_that_nothing_starts_again_needs_no_room(strategy: str) -> None:
    world = small_world("16Gi", "4Gi")
    world.machine("a", "n1", memory="8Gi")
    world.get("vms", "a")["spec"]["runStrategy"] = strategy
    assert lose(world, "n1").machines == (strategy in ("Always", "RerunOnFailure"))
