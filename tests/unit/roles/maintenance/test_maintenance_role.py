# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has a turn and why, and every fault by name."""

from __future__ import annotations

from typing import Any

import pytest

from .maintenance_role import GROUPS, HOSTS, all_faults, host_faults, inventory_faults, load, value

SIMULATED = [
    "NOTE: This is only a simulation!",
    "Inst libssl3 [3.0.1] (3.0.2 Debian-Security:12/stable-security [amd64])",
    "Inst nano [7.1] (7.2 Debian:12.5/stable [amd64])",
    "Inst libc6 [2.35-1] (2.35-2 Ubuntu:22.04/jammy-updates, Ubuntu:22.04/jammy-security [amd64])",
    "Inst linux-image-6.1.0-10-amd64 (6.1.38 Debian-Security:12/stable-security [amd64])",
    "Conf nano (7.2 Debian:12.5/stable [amd64])",
]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("none", []),
        ("security", ["libssl3", "libc6", "linux-image-6.1.0-10-amd64"]),
        ("all", ["libssl3", "nano", "libc6", "linux-image-6.1.0-10-amd64"]),
    ],
)
def test_outdated_packages_are_those_of_the_kind_that_is_asked_for(kind: str, names: list[str]) -> None:
    simulated = {"stdout_lines": SIMULATED}
    assert value("__maintenance_outdated", maintenance_packages=kind, __maintenance_simulated=simulated) == names


def test_packages_are_not_outdated_where_apt_was_not_asked() -> None:
    assert value("__maintenance_outdated", __maintenance_simulated={"skipped": True}) == []


@pytest.mark.parametrize(
    ("boot", "wanted"),
    [
        ({}, False),
        ({"newest": ""}, False),
        ({"asked": True}, True),
        ({"newest": "6.1.0-10-amd64"}, True),
        ({"newest": "6.1.0-10-amd64", "container": True}, False),  # the kernel is not this host's
    ],
)
def test_a_host_wants_a_reboot_for_its_flag_and_its_kernel(boot: dict[str, Any], wanted: bool) -> None:
    assert value("__maintenance_wants_reboot", boot=boot) is wanted


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        ({}, []),
        ({"maintenance_reboot": "always"}, ["a reboot is asked for"]),
        ({"maintenance_reboot": "never", "boot": {"asked": True}}, []),
        ({"boot": {"asked": True}}, ["it needs a reboot"]),
        ({"maintenance_commands": [["fwupdmgr", "update"]]}, ["1 commands are asked for"]),
        ({"info": {"notes": {"n2": {}}}}, ["its maintenance was broken off"]),
        ({"info": {"notes": {"n3": {}}}}, []),
    ],
)
def test_a_host_has_a_turn_where_there_is_something_to_do(given: dict[str, Any], reasons: list[str]) -> None:
    given = {"__maintenance_simulated": {"skipped": True}, **given}
    assert value("__maintenance_reasons", **given) == reasons


@pytest.mark.parametrize(
    ("info", "done"),
    [
        ({}, False),
        ({"left": ["n3"]}, True),
        ({"left": ["n2", "n3"]}, False),
        ({"left": ["n3"], "notes": {"n2": {}}}, False),
    ],
)
def test_a_run_that_is_gone_on_with_leaves_out_what_was_done(info: dict[str, Any], done: bool) -> None:
    assert value("__maintenance_was_done", info=info) is done


def test_an_inventory_without_faults_has_none() -> None:
    assert inventory_faults() == []
    assert inventory_faults(maintenance_commands=[["true"]], maintenance_probe_urls={"demo/a": "http://h/"}) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"maintenance_packages": "some"}, "maintenance_packages: some is unknown; allowed are none, security, all"),
        ({"maintenance_reboot": "maybe"}, "maintenance_reboot: maybe is unknown; allowed are needed, always, never"),
        ({"maintenance_non_migratable": "kill"}, "maintenance_non_migratable: kill is unknown; allowed are fail,"),
        ({"maintenance_commands": ["reboot"]}, "must be a list of lists of words"),
        ({"maintenance_commands": "reboot"}, "must be a list of lists of words"),
        ({"maintenance_commands": [[]]}, "must be a list of lists of words"),
        ({"maintenance_reboot_command": "reboot {node}"}, "maintenance_reboot_command: reboot {node} must be a list"),
        ({"maintenance_probe_urls": {"demo/a": "10.0.0.1"}}, "maintenance_probe_urls: "),
        ({"maintenance_probe_urls": ["http://h/"]}, "maintenance_probe_urls: "),
        ({"maintenance_probe_interval": 0}, "maintenance_probe_interval: 0 must be 0.05 seconds or more"),
        ({"maintenance_drain_timeout": 0}, "must be 1 or more"),
        ({"hosts": {"n2": {"ansible_connection": "local"}}}, "n2: is the controller itself"),
        ({"groups": {**GROUPS, "control_plane": HOSTS[:1]}}, "control_plane has 1 hosts; etcd would lose its quorum"),
        (
            {"groups": {**GROUPS, "storage_nodes": HOSTS[:2]}},
            "storage_nodes has 2 hosts; the shared storage would stop",
        ),
        ({"groups": {**GROUPS, "load_balancers": ["n2"]}}, "load_balancers has one host; its VIPs would be gone"),
    ],
)
def test_a_fault_of_the_inventory_is_told_by_name(given: dict[str, Any], said: str) -> None:
    found = inventory_faults(**given)
    assert len(found) == 1, found
    assert said in found[0]


def test_a_group_that_no_host_of_the_run_is_in_is_no_fault() -> None:
    groups = {**GROUPS, "load_balancers": ["lb1"], "storage_nodes": ["s1"]}
    assert inventory_faults(groups=groups) == []


def test_a_host_without_faults_has_none() -> None:
    assert host_faults() == []
    # Packages do not matter where none is asked for.
    assert host_faults({"packages": "12 dpkg", "halfway": "x", "free_mib": 1}) == []


@pytest.mark.parametrize(
    ("said", "given", "fault"),
    [
        ({"kubeadm": "kubevirt-ha-kubeadm@join.service"}, {}, "n2: kubeadm is at work"),
        ({"packages": "12 apt-get"}, {}, "n2: packages are being installed (12 apt-get)"),
        ({"halfway": "The following packages are only half configured"}, {}, "n2: packages are half installed"),
        ({"free_mib": 100}, {}, "n2: /var has 100 MiB free, packages want 1024"),
        ({}, {"__maintenance_lists": {"msg": "Failed to fetch"}}, "n2: apt cannot fetch its lists (Failed to fetch)"),
        (
            {},
            {"__maintenance_simulated": {"rc": 100, "stderr_lines": ["E: unmet"]}},
            "n2: apt cannot say what is outdated (E: unmet)",
        ),
    ],
)
def test_a_fault_of_a_host_is_told(said: dict[str, Any], given: dict[str, Any], fault: str) -> None:
    found = host_faults(said, maintenance_packages="all", **given)
    assert len(found) == 1, found
    assert found[0].startswith(fault)


WHOLE = {name: {"__maintenance_faults": []} for name in HOSTS}
BLOCKED = {"error": {}, "msg": "Node n3: is not drained, nothing was changed"}
FINDING = {"what": "The virtual machines of a node would not all fit on the others", "why": "n1", "fix": "Add a node"}


def test_a_platform_without_faults_has_none() -> None:
    other = {**FINDING, "id": "vm-not-ready"}
    assert all_faults(hosts=WHOLE, __maintenance_ha={"findings": [other]}) == []


def test_all_faults_are_told_at_once() -> None:
    hosts = {
        "n1": {"__maintenance_faults": ["n1: kubeadm is at work"]},
        "n3": {"__maintenance_faults": [], "__kubernetes_drained": BLOCKED},
    }
    found = all_faults(
        hosts=hosts,
        info={"under_way": ["n1: is being upgraded"]},
        __maintenance_inventory_faults=["maintenance_packages: some is unknown"],
        __failover_drill_whole={"faults": ["2 entries of the storage are still to be healed, says n1"]},
        __maintenance_ha={"findings": [{**FINDING, "id": "capacity-node"}]},
    )
    told = (
        "some is unknown",
        "being upgraded",
        "to be healed",
        "capacity-node",
        "kubeadm",
        "n2: does not answer",
        "n3",
    )
    assert [word for word in told if not any(word in fault for fault in found)] == []
    assert len(found) == len(told)


def test_less_room_is_expected_while_a_node_is_out() -> None:
    findings = {"findings": [{**FINDING, "id": "capacity-node"}]}
    assert all_faults(hosts=WHOLE, info={"notes": {"n2": {}}}, __maintenance_ha=findings) == []


def test_every_variable_is_documented() -> None:
    documented = load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert list(load("defaults/main.yml")) == list(documented)
