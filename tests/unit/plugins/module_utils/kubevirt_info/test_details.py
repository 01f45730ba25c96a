# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is, one by one: nodes, machines with what they could bear, and what each StorageClass survives."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info import checks, details
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import Unread
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.registry import RULES
from ha_world import GIB, NODES, World, conditions, pod, volume, whole_world


def told(world: World) -> dict[str, Any]:
    view = world.view()
    return details.overview(view, checks.run(view))


def machine(world: World, name: str) -> dict[str, Any]:
    return next(each for each in told(world)["machines"] if each["name"] == name)


def test_the_findings_that_hinder_a_machine_are_findings_that_there_are() -> None:
    assert RULES.keys() >= details.STAYS_LOST
    assert RULES.keys() >= details.CANNOT_MOVE
    assert not details.STAYS_LOST & details.CANNOT_MOVE


def test_of_a_whole_cluster_every_machine_could_go_elsewhere() -> None:
    found = told(whole_world())
    assert [node["name"] for node in found["nodes"]] == list(NODES)
    assert found["nodes"][0]["roles"] == ["control-plane"]
    assert [(each["name"], each["node"]) for each in found["machines"]] == [("web-1", "n1"), ("web-2", "n2")]
    assert all(each["fails_over"] and each["migrates"] and each["ready"] for each in found["machines"])
    assert found["etcd_backup"] == {"age_seconds": 3600, "location": "s3://backups/1", "verified": True}
    assert len(found["api_servers"]) == 3


def test_a_node_says_what_presses_it() -> None:
    world = whole_world()
    world.get("nodes", "n2")["status"]["conditions"] += [
        {"type": "DiskPressure", "status": "True"},
        {"type": "PIDPressure", "status": "False"},
    ]
    assert {node["name"]: node["pressures"] for node in told(world)["nodes"] if node["pressures"]} == {
        "n2": ["DiskPressure"]
    }


def test_a_machine_with_a_local_disk_says_why_it_is_lost_with_its_node() -> None:
    world = whole_world()
    world.remove("volumes", "pv-shop-web-1-root")
    world.add("volumes", volume("shop", "web-1-root", "ReadWriteOnce", on="n1"))
    found = machine(world, "web-1")
    assert found["fails_over"] is False
    assert found["fails_over_not"] == ["no other node reaches it (claim web-1-root)"]
    assert machine(world, "web-2")["fails_over"] is True


def test_a_machine_that_cannot_migrate_says_why_and_fails_over_all_the_same() -> None:
    world = whole_world()
    world.refuse("web-1", "LiveMigratable", "DisksNotLiveMigratable", "the disk is not shared")
    found = machine(world, "web-1")
    assert (found["fails_over"], found["migrates"]) == (True, False)
    assert "the disk is not shared" in found["migrates_not"][0]


@pytest.mark.parametrize(
    ("modes", "on", "source", "survives"),
    [
        (["ReadWriteMany"], "", {}, "shared"),
        (["ReadWriteOnce"], "", {}, "follows"),
        (["ReadWriteOnce"], "n1", {}, "local"),
        (["ReadWriteMany"], "n1", {}, "local"),
        (["ReadWriteOnce"], "", {"hostPath": {"path": "/a"}}, "local"),
    ],
)
def test_what_a_class_survives_is_what_its_volumes_do(
    modes: list[str], on: str, source: dict[str, Any], survives: str
) -> None:
    world = whole_world()
    made = volume("shop", "other", *modes, on=on, **source)
    made["spec"]["storageClassName"] = "shared"
    made["status"] = {"phase": "Bound"}
    world.add("volumes", made)
    (found,) = told(world)["storage_classes"]
    assert found["survives"] == survives
    assert (found["volumes"], found["bound"]) == (1, 1)
    assert set(modes) <= set(found["access_modes"])


def test_a_class_tells_of_its_locks_by_its_annotation() -> None:
    world = whole_world()
    assert told(world)["storage_classes"][0]["locks_survive_restarts"] == "unknown"
    marks = {"kubevirt-ha.virtops/locks-survive-restarts": "false"}
    world.get("storage_classes", "shared")["metadata"]["annotations"] = marks
    assert told(world)["storage_classes"][0]["locks_survive_restarts"] == "false"


def test_the_worst_volume_of_a_class_counts_and_without_one_nothing_is_known() -> None:
    world = whole_world()
    assert told(world)["storage_classes"][0]["survives"] == "unknown"
    for name, on in (("a", ""), ("b", "n2")):
        made = volume("shop", name, "ReadWriteMany", on=on)
        made["spec"]["storageClassName"] = "shared"
        world.add("volumes", made)
    assert told(world)["storage_classes"][0]["survives"] == "local"


def test_the_classes_that_machines_name_are_counted_the_highest_first() -> None:
    world = whole_world()
    world.add("priority_classes", {"metadata": {"name": "usual"}, "value": 5, "globalDefault": True})
    world.machine("web-3", "n3")
    world.machine("web-4", "n3")
    world.change_spec("web-3", priorityClassName="")
    world.change_spec("web-4", priorityClassName="gold")
    assert told(world)["priority_classes"] == [
        {"name": "important", "value": 1000, "machines": 2},
        {"name": "", "value": 5, "machines": 1},
        {"name": "gold", "value": None, "machines": 1},
    ]


def test_the_reserve_says_what_each_node_holds_and_what_it_should() -> None:
    world = whole_world()
    assert told(world)["reserve"] is None
    labels = {"app.kubernetes.io/name": "kubevirt-ha-reserve"}
    for name in (*NODES[1:], ""):
        placeholder = pod("kubevirt-ha-placement", f"r-{name}", name, labels, cpu="1500m", memory="11Gi")
        placeholder["spec"]["priority"] = -1000
        world.add("pods", placeholder)
    found = told(world)["reserve"]
    assert (found["placeholders"], found["waiting"]) == (6, 1)
    assert found["wanted"] == {"cpu": 2.667, "memory": -(-64 * 1024 // 6) * 2**20}
    assert found["nodes"][:2] == [
        {"name": "n1", "held": {"cpu": 0.0, "memory": 0}},
        {"name": "n2", "held": {"cpu": 1.5, "memory": 11 * GIB}},
    ]


def test_quotas_networks_and_the_api_of_metrics_are_told() -> None:
    world = whole_world()
    world.add(
        "quotas",
        {
            "metadata": {"namespace": "shop", "name": "q"},
            "status": {"hard": {"requests.cpu": "4", "pods": "10"}, "used": {"requests.cpu": "1500m", "pods": "3"}},
        },
    )
    world.add("networks", *({"metadata": {"namespace": "shop", "name": name}} for name in ("storage", "front")))
    found = told(world)
    assert found["quotas"] == [
        {
            "namespace": "shop",
            "name": "q",
            "hard": {"pods": 10, "requests.cpu": 4.0},
            "used": {"pods": 3, "requests.cpu": 1.5},
        }
    ]
    assert found["networks"] == {"installed": True, "namespaces": {"shop": ["front", "storage"]}}
    assert found["metrics_server"] == {"installed": False, "available": False, "why": ""}
    service = {"metadata": {"name": "v1beta1.metrics.k8s.io"}, "spec": {"group": "metrics.k8s.io"}}
    world.add("api_services", {**service, "status": {"conditions": conditions(Available="True")}})
    assert told(world)["metrics_server"] == {"installed": True, "available": True, "why": ""}
    world.get("api_services", "v1beta1.metrics.k8s.io")["status"] = {}
    assert told(world)["metrics_server"]["why"] == "it has no condition Available"
    world.facts["unread"] = {name: Unread(name, "", "not permitted", "") for name in ("networks", "api_services")}
    found = told(world)
    assert (found["networks"]["installed"], found["metrics_server"]["installed"]) == (None, None)


@pytest.mark.parametrize(
    ("source", "unknown"),
    [
        ("priority_classes", {"priority_classes"}),
        ("vms", {"priority_classes"}),
        ("vmis", {"priority_classes"}),
        ("pods", {"reserve"}),
        ("all_pods", {"reserve"}),
        ("nodes", {"reserve"}),
        ("quotas", {"quotas"}),
        ("secrets", set()),
    ],
)
def test_what_could_not_be_read_is_not_said_to_be_absent(source: str, unknown: set[str]) -> None:
    world = whole_world()
    world.objects.pop(source, None)
    world.facts["unread"] = {source: Unread(source, "", "not permitted", "")}
    found = told(world)
    assert {name for name in ("priority_classes", "quotas") if found[name] is None} == unknown - {"reserve"}
    nothing = {"wanted": {}, "nodes": [], "placeholders": None, "waiting": None}
    assert found["reserve"] == (nothing if "reserve" in unknown else None)
