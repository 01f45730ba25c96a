# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of inventory and hosts: each is told by name, and what is right is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from balancers import API, HOSTS, INGRESS, VMS, host_faults, inventory_faults

VIPS = [API, INGRESS, VMS]


def vip(**backends: Any) -> dict[str, Any]:
    return {**API, "backends": {**API["backends"], **backends}}  # type: ignore[dict-item]


def test_a_right_inventory_has_no_fault() -> None:
    assert inventory_faults(load_balancer_vips=VIPS) == []
    assert inventory_faults(load_balancer_vips=VIPS, load_balancer_proxy="nginx") == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"load_balancer_proxy": "envoy"}, "load_balancer_proxy: envoy is unknown; allowed are haproxy, nginx"),
        ({"load_balancer_firewall": "ufw"}, "load_balancer_firewall: ufw is unknown; allowed are none, nftables"),
        (
            {"load_balancer_proxy": "nginx", "load_balancer_failure_detection": "fast"},
            "nginx has no active checks of TCP backends and cannot keep load_balancer_failure_detection fast",
        ),
        (
            {"load_balancer_proxy": "nginx", "load_balancer_failure_detection": "fastest"},
            "cannot keep load_balancer_failure_detection fastest",
        ),
        ({"load_balancer_vips": [API, {**INGRESS, "router_id": 51}]}, "ingress: router_id 51 is that of api too"),
        ({"load_balancer_router_id": 255}, "ingress: router_id 256 is no number from 1 to 255"),
        (
            {"load_balancer_vips": [{**INGRESS, "interface": "eth1"}, {**VMS, "interface": "eth2"}]},
            "ingress, vms have one address, 192.0.2.101, and several of interface (eth1, eth2)",
        ),
        (
            {"load_balancer_vips": [{**INGRESS, "router_id": 7}, {**VMS, "router_id": 8}]},
            "ingress, vms have one address, 192.0.2.101, and several of router_id (7, 8)",
        ),
        ({"load_balancer_vips": [INGRESS, {**VMS, "port": 443}]}, "vms: 192.0.2.101:443 is given twice"),
        ({"load_balancer_vips": [API, {**VMS, "name": "api"}]}, "api: the name is given twice"),
        ({"load_balancer_vips": [{**API, "name": "kubernetes api"}]}, "kubernetes api: name may have letters"),
        ({"load_balancer_vips": [{**API, "name": "stats"}]}, "stats: name is one of the role itself"),
        ({"load_balancer_vips": [{**API, "address": HOSTS["n2"]}]}, "192.0.2.12 is the address of a host"),
        ({"load_balancer_vips": [{**API, "backends": {}}]}, "api: backends is missing"),
        ({"load_balancer_vips": [{**API, "backends": {"group": "kvm_nodes"}}]}, "api: backends.port is missing"),
        ({"load_balancer_vips": [vip(group="nobody")]}, "api: group nobody of its backends is empty"),
        ({"load_balancer_vips": [{**API, "port": 6443}]}, "api: port 6443 is that of kubernetes_api_port on the same"),
        ({"load_balancer_vips": [{**API, "port": 8404}]}, "api: port 8404 is that of load_balancer_stats_port on the"),
        ({"load_balancer_vips": [vip(check_kind="icmp")]}, "backends.check_kind icmp is unknown; allowed are https, "),
        ({"load_balancer_vips": [vip(check_kind="tcp")]}, "backends.check_kind tcp asks for no path"),
        ({"load_balancer_vips": [vip(check="readyz")]}, "backends.check 'readyz' is no path as /readyz"),
        ({"load_balancer_vips": [vip(check="/a b")]}, "backends.check '/a b' is no path as /readyz"),
        ({"load_balancer_vips": [vip(check_port=70000)]}, "backends.check_port 70000 is no number from 1 to 65535"),
    ],
)
def test_a_fault_is_told_by_name(given: dict[str, Any], said: str) -> None:
    found = inventory_faults(**{"load_balancer_vips": VIPS, **given})
    assert [fault for fault in found if said in fault], found
    assert len(found) == 1


def test_all_faults_are_told_at_once() -> None:
    found = inventory_faults(
        load_balancer_proxy="envoy",
        load_balancer_firewall="ufw",
        load_balancer_vips=["oops", vip(check_kind="icmp"), {**INGRESS, "router_id": 51}, {**VMS, "port": "x"}],
    )
    told = ("envoy", "ufw", "entry 1: must be", "check_kind icmp", "port x is no number", "router_id 51")
    assert [word for word in told if not any(word in fault for fault in found)] == []
    assert len(found) == len(told)


def answer(**more: Any) -> str:
    links = [
        {"ifname": "lo", "address": "00:00:00:00:00:00", "addr_info": [{"local": "127.0.0.1"}]},
        {
            "ifname": "eth0",
            "address": "02:00:00:00:00:01",
            "addr_info": [{"local": HOSTS["n1"]}, {"local": "10.0.0.1"}],
        },
        {"ifname": "eth1", "address": "02:00:00:00:00:02", "addr_info": []},
    ]
    return json.dumps({"route": [{"dev": "eth0"}], "neighbours": [], "links": links, **more})


def neighbour(address: str) -> dict[str, str]:
    return {"dst": address, "lladdr": "02:00:00:00:00:99"}


def test_a_right_host_has_no_fault() -> None:
    assert host_faults([answer()], load_balancer_vips=[API]) == []
    assert host_faults([answer()], load_balancer_vips=[API], load_balancer_stats_address="10.0.0.1") == []
    # The VIP is here already.
    assert host_faults([answer(route=[{"type": "local", "dev": "lo"}])], load_balancer_vips=[API]) == []


@pytest.mark.parametrize(
    ("said", "more", "given"),
    [
        ("api: 192.0.2.100 is in no subnet of this host", {"route": [{"dev": "eth0", "gateway": "192.0.2.1"}]}, {}),
        ("is in a subnet of eth1 and not of eth0", {"route": [{"dev": "eth1"}]}, {}),
        ("is in use by 02:00:00:00:00:99", {"neighbours": [neighbour(API["address"])]}, {}),
        ("interface eth7 is missing", {}, {"load_balancer_vips": [{**API, "interface": "eth7"}]}),
        ("load_balancer_stats_address 0.0.0.0 is no private address", {}, {"load_balancer_stats_address": "0.0.0.0"}),
        ("load_balancer_stats_address :: is no private address", {}, {"load_balancer_stats_address": "::"}),
        ("load_balancer_stats_address 8.8.8.8 is no private", {}, {"load_balancer_stats_address": "8.8.8.8"}),
        ("load_balancer_stats_address 10.9.9.9 is on no interface", {}, {"load_balancer_stats_address": "10.9.9.9"}),
        (
            "load_balancer_stats_address 10.0.0.100 is a VIP",
            {},
            {"load_balancer_vips": [{**API, "address": "10.0.0.100"}], "load_balancer_stats_address": "10.0.0.100"},
        ),
    ],
)
def test_a_fault_of_a_host_is_told(said: str, more: dict[str, Any], given: dict[str, Any]) -> None:
    found = host_faults([answer(**more)], **{"load_balancer_vips": [API], **given})
    assert [fault for fault in found if fault.startswith("n1: ") and said in fault], found
    assert len(found) == 1


def heard(**more: Any) -> str:
    advert = {"interface": "eth0", "source": "192.0.2.77", "router_id": 51, "addresses": ["192.0.2.70"]}
    return json.dumps([{**advert, **more}])


def test_a_stranger_with_an_id_of_ours_is_a_fault() -> None:
    found = host_faults([answer()], heard(), load_balancer_vips=[API])
    assert len(found) == 1
    assert "api: router id 51 is advertised on eth0 by 192.0.2.77 for 192.0.2.70" in found[0]


@pytest.mark.parametrize("more", [{"source": HOSTS["n2"]}, {"router_id": 99}, {"interface": "eth1"}])
def test_peers_and_other_ids_and_networks_are_none(more: dict[str, Any]) -> None:
    assert host_faults([answer()], heard(**more), load_balancer_vips=[API]) == []


def test_a_host_that_is_about_to_leave_may_still_carry_a_vip() -> None:
    leaving = "192.0.2.77"
    carried = answer(neighbours=[neighbour(API["address"]), neighbour(leaving)])
    given: dict[str, Any] = {"load_balancer_vips": [API], "__load_balancer_leaving_addresses": [leaving]}
    assert host_faults([carried], heard(), **given) == []
    assert len(host_faults([carried], heard(), load_balancer_vips=[API])) == 2
