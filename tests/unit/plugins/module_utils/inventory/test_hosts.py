# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts, their groups and their variables, from objects as the API server gives them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory.hosts import Early, arrange
from made_up_cluster import content, hosts, interface, service, settings, variables, vm, vmi

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
FEDORA = {"id": "fedora", "name": "Fedora Linux", "prettyName": "Fedora Linux 42", "versionId": "42"}


def test_every_variable_of_a_running_machine() -> None:
    machine = vmi(
        labels={"app": "web", "kubevirt.io/domain": "web-1", "kubevirt.io/nodeName": "n1", "kubevirt.io/size": "small"},
        annotations={"kubevirt.io/vm-generation": "3", "owner": "ops"},
        conditions=["Ready", "LiveMigratable"],
        guestOSInfo=FEDORA,
    )
    assert variables(machine) == {
        "ansible_host": "10.244.1.7",
        "vmi_namespace": "shop",
        "vmi_name": "web-1",
        "vmi_uid": "uid-web-1",
        "vmi_status": "Running",
        "vmi_ready": True,
        "vmi_migratable": True,
        "vmi_node_name": "n1",
        "vmi_os": "fedora",
        "vmi_guest_os": "Fedora Linux 42",
        "vmi_addresses": {"default": ["10.244.1.7"]},
        "vmi_labels": {"app": "web", "kubevirt.io/size": "small"},
        "vmi_annotations": {"owner": "ops"},
        "vmi_unreachable": None,
    }


def test_every_group_of_a_machine() -> None:
    machine = vmi(labels={"app": "web", "example.com/tier": "a.b", "kubevirt.io/domain": "web-1"}, guestOSInfo=FEDORA)
    (host,) = hosts(content(machine)).values()
    assert host.groups == (
        "namespace_shop", "node_n1", "label_app_web", "label_example_com_tier_a_b", "os_fedora", "status_running",
    )  # fmt: skip


@pytest.mark.parametrize("kinds", [["node"], ["status", "namespace"], []])
def test_groups_are_chosen(kinds: list[str]) -> None:
    (host,) = hosts(content(vmi()), group_by=kinds).values()
    assert [group.split("_")[0] for group in host.groups] == kinds


@pytest.mark.parametrize(
    ("found", "system"),
    [
        ({"guestOSInfo": {"id": "mswindows"}}, "windows"),
        ({"guestOSInfo": {"id": "opensuse-leap"}}, "opensuse-leap"),
        ({"guestOSInfo": {"id": "debian"}, "annotations": {"vm.kubevirt.io/os": "rhel9"}}, "debian"),
        ({"annotations": {"kubevirt.io/cluster-preference-name": "windows.11.virtio"}}, "windows"),
        ({"annotations": {"kubevirt.io/preference-name": "rhel.9.desktop"}}, "rhel"),
        ({"annotations": {"vm.kubevirt.io/os": "windows2k22"}}, "windows"),
        ({"annotations": {"vm.kubevirt.io/os": "rhel9"}}, "rhel"),
        ({"annotations": {"vm.kubevirt.io/os": "Fedora"}}, "fedora"),
        ({"guestOSInfo": {}}, None),
    ],
)
def test_the_system_of_a_guest(found: dict[str, Any], system: str | None) -> None:
    (host,) = hosts(content(vmi(**found))).values()
    assert host.variables["vmi_os"] == system
    named = [group for group in host.groups if group.startswith("os_")]
    assert named == ([f"os_{system.replace('-', '_')}"] if system else [])


def test_the_system_of_a_machine_that_does_not_run_is_that_of_its_preference() -> None:
    found = hosts(
        content(vms=(vm(preference="ubuntu"), vm("b", template_annotations={"vm.kubevirt.io/os": "win"}))),
        machines="all",
    )
    assert found["shop-web-1"].variables["vmi_os"] == "ubuntu"
    assert "os_ubuntu" in found["shop-web-1"].groups


@pytest.mark.parametrize(
    ("instance", "status"),
    [
        ({"phase": "Running"}, "Running"),
        ({"phase": "Running", "conditions": ["Paused"]}, "Paused"),
        ({"phase": "Running", "deleting": True}, "Stopping"),
        ({"phase": "Scheduling"}, "Starting"),
        ({"phase": "Succeeded"}, "Stopped"),
        ({"phase": "Failed", "deleting": True}, "Stopped"),
        ({"phase": "Unknown"}, "Unknown"),
    ],
)
def test_the_status_of_an_instance(instance: dict[str, Any], status: str) -> None:
    (host,) = hosts(content(vmi(**instance)), machines="all").values()
    assert host.variables["vmi_status"] == status
    assert f"status_{status.lower()}" in host.groups


def test_running_are_the_instances_that_run_and_are_not_about_to_end() -> None:
    found = content(
        vmi("a"),
        vmi("b", conditions=["Paused"]),
        vmi("c", deleting=True),
        vmi("d", phase="Scheduled"),
        vmi("e", phase="Failed"),
    )
    assert list(hosts(found)) == ["shop-a", "shop-b"]
    assert list(hosts(found, machines="all")) == ["shop-a", "shop-b", "shop-c", "shop-d", "shop-e"]


def test_all_machines_are_those_with_and_without_an_instance_and_instances_alone() -> None:
    found = hosts(
        content(
            vmi("a"),
            vmi("lonely"),
            vms=(
                vm("a", printableStatus="Migrating", labels={"app": "web"}),
                vm("b", printableStatus="ErrorUnschedulable"),
                vm("c"),
            ),
        ),
        machines="all",
    )
    assert {name: host.variables["vmi_status"] for name, host in found.items()} == {
        "shop-a": "Migrating", "shop-b": "ErrorUnschedulable", "shop-c": "Stopped", "shop-lonely": "Running",
    }  # fmt: skip
    assert found["shop-a"].variables["vm_labels"] == {"app": "web"}
    assert found["shop-a"].variables["vmi_uid"] == "uid-a"
    assert found["shop-b"].variables["vm_run_strategy"] == "Always"
    assert "status_errorunschedulable" in found["shop-b"].groups
    assert "vmi_uid" not in found["shop-b"].variables
    assert "vm_uid" not in found["shop-lonely"].variables


def test_selectors_find_a_machine_by_its_own_labels_its_instance_s_and_its_template_s() -> None:
    found = content(
        vmi("a", labels={"app": "web"}),
        vmi("b"),
        vms=(vm("b", labels={"app": "web"}), vm("c", template_labels={"app": "web"}), vm("d", labels={"app": "db"})),
    )
    chosen = hosts(found, machines="all", label_selectors=["app in (web)"])
    assert list(chosen) == ["shop-a", "shop-b", "shop-c"]
    assert "label_app_web" in chosen["shop-c"].groups
    assert list(hosts(found, label_selectors=["app=web"])) == ["shop-a", "shop-b"]


def test_a_service_that_also_leads_to_a_machine_outside_of_the_selectors_is_shared() -> None:
    both = service(selector={"app": "web"})
    found = content(vmi("a", labels={"app": "web", "tier": "gold"}), vmi("b", labels={"app": "web"}), services=(both,))
    (host,) = hosts(found, connect_by="service", label_selectors=["tier=gold"]).values()
    assert "ansible_host" not in host.variables
    assert host.variables["vmi_services"][0]["shared"] is True
    ended = content(
        vmi("a", labels={"app": "web"}), vmi("b", labels={"app": "web"}, phase="Succeeded"), services=(both,)
    )
    assert hosts(ended, connect_by="service")["shop-a"].variables["ansible_host"] == "10.96.0.9"


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("{name}", "web-1"),
        ("{namespace}_{name}", "shop_web-1"),
        ("vm.{uid}", "vm.uid-web-1"),
        ("{name}.{namespace}.vm", "web-1.shop.vm"),
    ],
)
def test_names_of_hosts(pattern: str, name: str) -> None:
    assert list(hosts(content(vmi()), host_format=pattern)) == [name]


def test_two_machines_of_one_name_are_both_left_out() -> None:
    found = content(vmi("b-c", "a"), vmi("c", "a-b"), vmi("other", "a"))
    made, faults = arrange(found, settings())
    assert [host.name for host in made] == ["a-other"]
    assert faults == [
        "a/b-c and a-b/c would both be host a-b-c and are left out; tell them apart by host_format, as {namespace}_{name}"
    ]
    made, faults = arrange(found, settings(host_format="{namespace}_{name}"))
    assert (len(made), faults) == (3, [])


@pytest.mark.parametrize("name", ["localhost", "all", "kubevirt", "taken"])
def test_a_name_that_means_something_else_to_ansible_is_no_host(name: str) -> None:
    made, faults = arrange(content(vmi(name)), settings(host_format="{name}"), frozenset({"all", "ungrouped", "taken"}))
    assert made == []
    assert faults == [
        f"shop/{name} would be host {name}, which is a group's or the controller's name, and is left out; change host_format"
    ]


def test_cloud_init_is_in_no_variable_and_not_in_what_is_cached() -> None:
    manifest = {LAST_APPLIED: json.dumps({"userData": "password: s3cret"})}
    found = content(vmi(annotations=manifest), vms=(vm(annotations=manifest),))
    (host,) = hosts(found, machines="all").values()
    assert "s3cret" not in repr(host)
    assert "s3cret" not in repr(found)
    assert host.variables["vmi_annotations"] == {}


def test_what_is_cached_is_plain_data() -> None:
    found = content(vmi(interfaces=[interface("10.0.0.1")]), vms=(vm(),), services=(service(),))
    assert json.loads(json.dumps(vars(found))) == vars(found)


def test_objects_without_anything_but_a_name() -> None:
    bare = {"metadata": {"name": "a", "namespace": "n"}}
    found = hosts(content(bare, vms=(bare,)), machines="all", connect_by=["network", "service", "virtctl"])
    assert found["n-a"].variables["vmi_status"] == "Stopped"


def test_what_was_worked_out_early_is_the_host_unless_the_machine_tells_more() -> None:
    alone = content(vmi("a"), vmi("b"))
    owned = content(vmi("a"), vmi("b"), vms=(vm("b", labels={"tier": "db"}),))
    for found, same in ((alone, [True, True]), (owned, [True, False])):
        early = Early(settings())
        for record in found.vmis:
            early.see(record)
        made, _faults = arrange(found, settings(), early=early)
        assert made == arrange(found, settings())[0]
        known = [host for _machine, host in early._found.values()]
        assert [any(host is one for one in known) for host in made] == same


def test_an_instance_that_was_read_again_is_worked_out_again() -> None:
    early = Early(settings())
    early.see(content(vmi("a", interfaces=[interface("10.0.0.1")])).vmis[0])
    made, _faults = arrange(content(vmi("a", interfaces=[interface("10.0.0.2")])), settings(), early=early)
    assert [host.variables["ansible_host"] for host in made] == ["10.0.0.2"]
