# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role asks between which hosts, and the faults of an inventory."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.preflight import faults, plan

ROLES = Path(__file__).resolve().parents[4] / "roles"
ROLE = ROLES / "preflight"
HOSTS = {
    "n1": {"ansible_host": "192.0.2.11", "load_balancer_address": "203.0.113.1"},
    "n2": {"ansible_host": "192.0.2.12", "kubernetes_node_address": "198.51.100.2"},
    "n3": {"shared_storage_address": ""},
}


@functools.cache
def _load(name: str) -> Any:
    return DataLoader().load_from_file(str(ROLE / name), trusted_as_template=True)


def templar(**given: Any) -> Templar:
    groups = {"control_plane": ["n1", "n2"], "kvm_nodes": ["n1", "n2", "n3"], "storage_nodes": ["n3"]}
    own = {"ansible_play_hosts": list(HOSTS), "hostvars": HOSTS, "groups": groups}
    return Templar(DataLoader(), variables={**_load("defaults/main.yml"), **_load("vars/main.yml"), **own, **given})


def value(name: str, **given: Any) -> Any:
    return templar(**given).template(trust_as_template("{{ " + name + " }}"))


def inventory_faults(**given: Any) -> list[str]:
    task = next(task for task in _load("tasks/inventory.yml") if task["name"] == "Find faults of the inventory")
    text = task["ansible.builtin.set_fact"]["__preflight_inventory_faults"]
    return list(templar(**{"__preflight_cluster": {}, **task["vars"], **given}).template(text))


def test_each_host_has_its_groups_and_an_address_a_network() -> None:
    nodes = {node["name"]: node for node in value("__preflight_nodes")}
    assert nodes["n1"] == {
        "name": "n1",
        "groups": ["control_plane", "kvm_nodes"],
        "held": [],
        "address": "192.0.2.11",
        "storage_address": "192.0.2.11",
        "balancer_address": "203.0.113.1",
    }
    assert nodes["n2"]["address"] == "198.51.100.2"
    assert (nodes["n3"]["address"], nodes["n3"]["storage_address"]) == ("n3", "n3")
    assert [plan.Node.of(node).name for node in nodes.values()] == list(HOSTS)


def test_a_host_that_does_not_answer_takes_no_part() -> None:
    assert [node["name"] for node in value("__preflight_nodes", ansible_play_hosts=["n2"])] == ["n2"]


def test_the_role_knows_the_checks_and_groups_of_the_module() -> None:
    assert tuple(value("__preflight_network_checks")) == faults.CHECKS
    assert value("__preflight_checks") == [*faults.CHECKS, "storage_classes"]
    served = {group for service in plan.SERVICES for group in (*service.served_by, *service.used_by)}
    assert served <= set(value("__preflight_groups"))


def test_an_inventory_in_order_has_no_fault() -> None:
    assert inventory_faults() == []
    assert inventory_faults(preflight_skip=["mtu", "vrrp"], preflight_clock_skew_seconds="0.1") == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"preflight_skip": ["mtu", "dns"]}, "preflight_skip: dns is unknown; allowed is a list of ports, vrrp"),
        ({"preflight_skip": "mtu"}, "preflight_skip: mtu is unknown; allowed is a list of"),
        ({"preflight_clock_skew_seconds": 0}, "preflight_clock_skew_seconds: 0 must be a number above 0"),
        ({"preflight_clock_skew_seconds": "soon"}, "preflight_clock_skew_seconds: soon must be"),
    ],
)
def test_a_wrong_value_is_told_with_what_is_allowed(given: dict[str, Any], told: str) -> None:
    (fault,) = inventory_faults(**given)
    assert fault.startswith(told)


def test_a_storage_class_that_a_given_cluster_lacks_is_told_by_its_variables() -> None:
    cluster = {"details": {"storage_classes": [{"name": "ceph"}, {"name": "nfs"}]}}
    overrides = {"spec": {"configuration": {"vmStateStorageClass": "cefs"}}}
    (fault,) = inventory_faults(__preflight_cluster=cluster, kubevirt_cr_overrides=overrides)
    assert "vmStateStorageClass: there is no StorageClass cefs in the cluster; it has ceph, nfs, and" in fault
    assert fault.endswith(
        "shared_storage_classes makes shared; name one of these, or put storage_classes into preflight_skip"
    )
    assert inventory_faults(__preflight_cluster=cluster, preflight_storage_classes=["ceph"]) == []
    skipped = {"preflight_storage_classes": ["cefs"], "preflight_skip": ["storage_classes"]}
    assert inventory_faults(__preflight_cluster=cluster, **skipped) == []
    # The role shared_storage makes its own.
    assert inventory_faults(__preflight_cluster=cluster, preflight_storage_classes=["shared"]) == []


NO_CLUSTER = {"kubernetes_kubeconfig": "/nonexistent"}


def test_of_a_cluster_that_is_to_be_formed_a_storage_class_that_nothing_makes_is_told() -> None:
    overrides = {"spec": {"configuration": {"vmStateStorageClass": "cefs"}}}
    (fault,) = inventory_faults(**NO_CLUSTER, kubevirt_cr_overrides=overrides)
    assert "vmStateStorageClass: nothing makes the StorageClass cefs in the cluster that is to be formed" in fault
    assert (
        "; shared_storage_classes makes shared; give it a provisioner in shared_storage_classes, bring it by" in fault
    )
    assert fault.endswith("of a cluster that runs, or put storage_classes into preflight_skip")
    skipped = {"kubevirt_cr_overrides": overrides, "preflight_skip": ["storage_classes"]}
    assert inventory_faults(**NO_CLUSTER, **skipped) == []
    assert len(inventory_faults(**NO_CLUSTER, kubevirt_cr_overrides=overrides, shared_storage_csi_manifests=None)) == 1
    # What given manifests bring is not known, nor what a cluster has that does not answer.
    manifests = {"shared_storage_backend": "csi", "shared_storage_csi_manifests": ["driver.yaml"]}
    assert inventory_faults(**NO_CLUSTER, **manifests, kubevirt_cr_overrides=overrides) == []
    assert inventory_faults(kubernetes_kubeconfig=__file__, kubevirt_cr_overrides=overrides) == []


@pytest.mark.parametrize("cluster", [{}, {"details": {"storage_classes": [{"name": "other"}]}}])
def test_every_class_of_the_inventory_is_taken_for_made_but_those_that_must_be_there(cluster: dict[str, Any]) -> None:
    classes = [
        {"name": "shared"},
        {"name": "disk", "backend": "local-only"},
        {"name": "driver", "backend": "csi", "provisioner": "a.example"},
        {"name": "given", "backend": "csi"},
    ]
    given = {**NO_CLUSTER, "__preflight_cluster": cluster, "shared_storage_classes": classes}
    assert inventory_faults(**given, preflight_storage_classes=["shared", "disk", "driver"]) == []
    (fault,) = inventory_faults(**given, preflight_storage_classes=["disk", "given"])
    assert "StorageClass given in the cluster" in fault
    assert "shared_storage_classes makes shared, disk, driver;" in fault
    wrong = {**given, "shared_storage_classes": ["shared"]}
    assert len(inventory_faults(**wrong, preflight_storage_classes=["shared"])) == 1


@pytest.mark.parametrize("role", ["preflight", "status", "kubernetes"])
def test_defaults_and_argument_specs_name_the_same_in_the_same_order(role: str) -> None:
    defaults = yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text())
    specs = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text())
    assert list(defaults) == list(specs["argument_specs"]["main"]["options"])
