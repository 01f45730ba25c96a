# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host cannot become is told by name, all at once; what it can is not."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import WANTED, Judge

BRIDGE: dict[str, Any] = {"name": "br-vm", "ports": ["eth1"]}
FILTERING: dict[str, Any] = {**BRIDGE, "vlan_filtering": True, "vlans": [100]}
ATTACHMENT: dict[str, Any] = {"name": "vms", "bridge": "br-vm", "vlan": 100}


def test_a_right_host_has_no_fault(ask: Judge) -> None:
    assert ask(**WANTED)["faults"] == []
    assert ask()["faults"] == []
    assert ask()["plan"]["work"] is False


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"bridges": "br0"}, "network_bridges: 'br0' is no list of {name, ports, "),
        ({"bridges": ["br0"]}, "network_bridges[0]: 'br0' must be {name, ports, "),
        ({"bridges": [{"ports": ["eth1"]}]}, "network_bridges[0]: name None must be 1 to 15 letters"),
        ({"bridges": [{**BRIDGE, "name": "a-name-of-16-sign"}]}, "must be 1 to 15 letters"),
        ({"bridges": [{**BRIDGE, "port": "eth1"}]}, "network_bridges[br-vm]: port is unknown; there are name, ports"),
        ({"bridges": [{**BRIDGE, "ports": "eth1"}]}, "network_bridges[br-vm]: ports 'eth1' must be a list"),
        ({"bridges": [{**BRIDGE, "mtu": 100}]}, "mtu 100 must be a number from 1280 to 65535"),
        ({"bridges": [{**BRIDGE, "addresses": ["198.51.100.11"]}]}, "'198.51.100.11' is no address with its prefix"),
        (
            {"bridges": [{**BRIDGE, "addresses": ["198.51.100.11/24"], "gateway": "10.0.0.1"}]},
            "gateway 10.0.0.1 is in no",
        ),
        ({"bridges": [{**BRIDGE, "stp": "yes"}]}, "stp 'yes' must be true or false"),
        ({"bridges": [{**BRIDGE, "vlans": [100]}]}, "vlans want vlan_filtering: true"),
        (
            {"bridges": [{**FILTERING, "vlans": [0, 4095, "20-10", 7]}]},
            "vlans: 0, 4095, '20-10' must be VLANs from 1 to 4094",
        ),
        ({"bridges": [{**FILTERING, "untagged": 5000}]}, "untagged 5000 must be a VLAN from 1 to 4094"),
        (
            {"bridges": [{**BRIDGE, "ports": ["eth9"]}]},
            "network_bridges[br-vm]: port eth9 does not exist; this host has br-old, eth0",
        ),
        ({"bridges": [{**BRIDGE, "ports": ["eth1", "eth1"]}]}, "port eth1 is named twice"),
        (
            {"bridges": [BRIDGE, {**BRIDGE, "name": "br2"}]},
            "network_bridges[br2]: port eth1 is one of br-vm, too; a port has one",
        ),
        (
            {"bridges": [{**BRIDGE, "ports": ["br-old"]}, {"name": "br-old"}]},
            "port br-old is a bridge; a bridge cannot be a port",
        ),
        (
            {"bridges": [{**BRIDGE, "mtu": 9000}]},
            "mtu 9000 is more than 1500, that of eth1; give eth1 an mtu of 9000 in network_interfaces",
        ),
        ({"bridges": [BRIDGE, BRIDGE]}, "br-vm is network_bridges[br-vm], too"),
        (
            {"bridges": [{"name": "eth3"}]},
            "network_bridges[eth3]: there is such a link already, a device and no bridge",
        ),
        (
            {"interfaces": [{"name": "eth1", "mtu": 9700}]},
            "network_interfaces[eth1]: mtu 9700 is more than 9600, the most",
        ),
        ({"interfaces": [{"name": "eth7"}]}, "network_interfaces[eth7]: it does not exist; this host has"),
        (
            {"interfaces": [{"name": "eth1", "addresses": ["198.51.100.11/24"]}], "bridges": [BRIDGE]},
            "network_interfaces[eth1]: addresses: it is a port of br-vm; give the addresses to that",
        ),
        ({"interfaces": [{"name": "eth1", "addresses": ["192.0.2.11/24"]}]}, "192.0.2.11/24: eth0 has it, too"),
        (
            {"interfaces": [{"name": "eth1", "addresses": ["192.0.2.99/25"]}]},
            "eth0 is in that network, too, with 192.0.2.11/24",
        ),
        (
            {
                "interfaces": [
                    {"name": "eth1", "addresses": ["10.9.0.1/24"]},
                    {"name": "eth2", "addresses": ["10.9.0.1/24"]},
                ]
            },
            "network_interfaces[eth2]: addresses: 10.9.0.1/24: eth1 has it, too",
        ),
        ({"bonds": [{"name": "bond0"}]}, "network_bonds[bond0]: ports is missing"),
        (
            {"bonds": [{"name": "bond0", "ports": ["eth1"], "mode": 4}]},
            "mode 4 is unknown; allowed are balance-rr, active-backup",
        ),
        (
            {"bonds": [{"name": "bond0", "ports": ["eth1"], "options": {"lacp": 1}}]},
            "options.lacp is unknown; there are lacp_rate",
        ),
        (
            {"bonds": [{"name": "bond0", "ports": ["eth1"], "options": {"lacp_rate": 1}}]},
            "options.lacp_rate 1 is unknown; allowed are slow",
        ),
        (
            {"bonds": [{"name": "bond0", "ports": ["eth1"], "options": {"primary": "eth2"}}]},
            "options.primary 'eth2' is none of",
        ),
        ({"vlans": [{"id": 5}]}, "network_vlans[0]: parent is missing"),
        ({"vlans": [{"parent": "eth1", "id": 4095}]}, "id 4095 must be a VLAN from 1 to 4094"),
        ({"vlans": [{"parent": "eth1", "id": True}]}, "id True must be a VLAN from 1 to 4094"),
        ({"vlans": [{"parent": "eth8", "id": 5}]}, "network_vlans[eth8.5]: parent eth8 does not exist"),
        ({"vlans": [{"parent": "eth1", "id": 5}, {"name": "v", "parent": "eth1", "id": 5}]}, "VLAN 5 of eth1 is "),
        ({"vlans": [{"name": "v", "parent": "v", "id": 5}]}, "network_vlans[v]: it is a port or parent of itself"),
        ({"vlans": [{"parent": "longname-eth1", "id": 4000}]}, "its name would be longname-eth1.4000"),
        (
            {"backend": "netplan", "bridges": [BRIDGE]},
            "network_backend: 'netplan' is unknown; allowed are auto, nmstate",
        ),
        (
            {"backend": "nmstate", "bridges": [BRIDGE]},
            "network_backend: this host does not run nmstate; it has networkd",
        ),
        (
            {"bridges": [{"name": "br-vm", "ports": ["eth0"]}]},
            "network_allow_management: eth0 would be changed, which carries the default",
        ),
        ({"vlans": [{"parent": "eth0", "id": 5}]}, "network_allow_management: eth0 would be changed"),
    ],
)
def test_a_fault_is_told_by_name(ask: Judge, wanted: dict[str, Any], told: str) -> None:
    found = ask(**wanted)
    assert [fault for fault in found["faults"] if told in fault], found["faults"]
    assert len(found["faults"]) == 1, found["faults"]
    assert found["plan"]["files"] == {}


@pytest.mark.parametrize(
    ("attachment", "told"),
    [
        ({}, ""),
        ({"vlan": None}, ""),
        ({"bridge": "br-old", "vlan": None}, ""),
        ({"type": "macvlan", "bridge": None, "parent": "eth1", "vlan": None}, ""),
        ({"name": "Vms"}, "network_attachments[Vms]: name: 'Vms' must be of lower-case letters"),
        ({"type": "sriov"}, "type 'sriov' is unknown; allowed are bridge, macvlan"),
        ({"bridge": None}, "bridge is missing; name the link of the hosts"),
        ({"bridge": "br9"}, "bridge br9 does not exist on this host; it has br-old, br-vm"),
        ({"vlan": 4095}, "vlan 4095 must be a VLAN from 1 to 4094"),
        ({"vlan": 101}, "vlan 101: bridge br-vm does not carry it"),
        ({"bridge": "br-old"}, "vlan 100: bridge br-old has no VLAN filtering"),
        ({"mtu": 9000}, "mtu 9000 is more than 1500, that of br-vm on this host"),
        ({"mtu": "big"}, "mtu 'big' must be a number"),
        ({"ipam": {"range": "x"}}, "ipam: type is missing"),
        ({"ipam": "dhcp"}, "ipam: 'dhcp' must be a map"),
        ({"type": "macvlan", "parent": "eth1"}, "vlan is for bridges; make a VLAN link of eth1"),
        ({"type": "macvlan", "parent": "eth8", "vlan": None}, "parent eth8 does not exist on this host"),
        ({"network": "x"}, "network is unknown; there are name, namespace"),
    ],
)
def test_an_attachment_is_checked_on_the_host(ask: Judge, attachment: dict[str, Any], told: str) -> None:
    found = ask(bridges=[FILTERING], attachments=[{**ATTACHMENT, **attachment}])["faults"]
    assert len(found) == (1 if told else 0), found
    assert told in "".join(found)


@pytest.mark.parametrize(
    ("attachment", "told"),
    [
        ({"namespace": "kubevirt", "ipam": {"type": "whereabouts"}}, ""),
        (
            {"name": "other", "namespace": "kubevirt"},
            "migrate: it is none of network_attachments; add {name: migrate, namespace: kubevirt}",
        ),
        ({"ipam": {"type": "whereabouts"}}, "migrate: its namespace must be that of KubeVirt"),
        ({"namespace": "kubevirt"}, "migrate has no ipam, and virt-handler needs an address"),
        (
            {"namespace": "kubevirt", "ipam": {"type": "host-local"}},
            "ipam host-local gives out the same addresses on each node",
        ),
    ],
)
def test_the_migration_network_is_kubevirts(ask: Judge, attachment: dict[str, Any], told: str) -> None:
    entry = {"name": "migrate", "bridge": "br-old", **attachment}
    found = ask(attachments=[entry], migration_attachment="migrate")["faults"]
    assert len(found) == (1 if told else 0), found
    assert told in "".join(found)


def test_all_faults_are_told_at_once_and_none_twice(ask: Judge) -> None:
    found = ask(
        backend="netplan",
        bonds=[{"name": "bond0", "ports": ["eth1"], "mode": "fast"}],
        bridges=[
            {"name": "br1", "ports": ["bond0", "eth9"]},
            {"name": "br2", "ports": ["eth2"], "vlan_filtering": True, "vlans": [5000]},
            {"name": "br3", "ports": ["eth3"], "mtu": 9000},
            {"name": "br4", "ports": ["eth3"], "addresses": ["192.0.2.11/24"]},
        ],
        attachments=[{"name": "a", "bridge": "br8"}],
    )["faults"]
    told = (
        "mode 'fast'",
        "'netplan'",
        "port eth9",
        "5000",
        "more than 1500",
        "port eth3 is one of br3",
        "eth0 has it",
        "br8",
    )
    assert [text for text in told if sum(text in fault for fault in found) != 1] == [], found
    assert len(found) == len(told)


def test_a_bridges_own_vlan_is_not_nmstates(facts: dict[str, Any], ask: Judge) -> None:
    wanted = {"bridges": [FILTERING], "vlans": [{"parent": "br-vm", "id": 100}]}
    assert ask(**wanted)["faults"] == []
    facts["backends"]["nmstate"] = True
    told = "network_vlans[br-vm.100]: nmstate puts no bridge into a VLAN; name its port eth1 as parent instead of br-vm"
    assert ask(**wanted)["faults"] == [told]


def test_links_of_pods_are_not_offered(facts: dict[str, Any], ask: Judge) -> None:
    facts["links"]["veth7"] = {**facts["links"]["eth1"], "linkinfo": {"info_kind": "veth"}, "master": "cni0"}
    assert "veth7" not in ask(bridges=[{**BRIDGE, "ports": ["eth9"]}])["faults"][0]


@pytest.mark.parametrize("kind", ["bond", "vlan", "bridge", "vlan_filtering"])
def test_what_the_kernel_cannot_make_is_told(facts: dict[str, Any], ask: Judge, kind: str) -> None:
    facts["kinds"][kind] = False
    found = ask(**WANTED)["faults"]
    assert len(found) == 1
    assert "this host's kernel has " in found[0]


def test_what_carries_the_way_to_the_host_is_known_with_what_is_below(facts: dict[str, Any], ask: Judge) -> None:
    facts["links"]["eth1"]["master"] = "br-mgmt"
    facts["links"]["br-mgmt"] = {**facts["links"]["br-old"], "ifname": "br-mgmt"}
    facts["addresses"]["br-mgmt"] = ["203.0.113.5/24"]
    facts["connected"] = ["203.0.113.5"]
    told = ask(bridges=[BRIDGE])["faults"]
    assert told == [
        "network_allow_management: eth1 would be changed, which carries Ansible's connection; set this to true where you"
        " can reach the host otherwise, or leave the link out"
    ]
    assert ask(bridges=[BRIDGE], allow_management=True)["faults"] == []
