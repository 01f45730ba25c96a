# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role writes. Whether the real programs take it is asked in tests/integration/load_balancer."""

from __future__ import annotations

import re
from typing import Any

import pytest
from balancers import API, HOSTS, INGRESS, VMS, render, value

VIPS = [API, INGRESS, VMS]


def block(text: str, head: str) -> str:
    """The lines from `head` to the next that begins at the margin."""
    found = re.search(rf"^{re.escape(head)}\n((?:[ }}].*\n|\n)*)", text, re.MULTILINE)
    assert found, f"no {head} in:\n{text}"
    return found[1]


def test_haproxy_checks_each_backend_as_its_vip_says() -> None:
    text = render("haproxy.cfg.j2", load_balancer_vips=VIPS, load_balancer_failure_detection="fast")
    api, ingress, vms = (block(text, f"backend {vip['name']}") for vip in VIPS)
    assert "uri /readyz" in api and "default-server check check-ssl verify none inter 500ms fall 2" in api
    assert "uri /healthz" in ingress and "default-server check port 10254 inter" in ingress
    assert "httpchk" not in vms and "default-server check inter" in vms
    assert re.findall(r"  server (\S+) (\S+)", api) == [(name, f"{address}:6443") for name, address in HOSTS.items()]


@pytest.mark.parametrize("template", ["haproxy.cfg.j2", "nginx.conf.j2"])
def test_a_proxy_listens_at_the_vips_and_privately_and_nowhere_else(template: str) -> None:
    text = render(template, load_balancer_vips=VIPS)
    found = sorted(re.findall(r"^\s+(?:bind|listen) ([0-9.:*\[\]]+)", text, re.MULTILINE))
    vips = [f"{vip['address']}:{vip['port']}" for vip in VIPS]
    assert found == sorted(["127.0.0.1:8404", "127.0.0.1:8405", *vips])


def test_a_path_on_the_backends_own_port_is_asked_through_the_proxy() -> None:
    """The ingress's path is on another port than its sessions go to, and the third VIP has none."""
    text = render("keepalived.conf.j2", load_balancer_vips=VIPS)
    assert re.findall(r"^vrrp_script (\S+)", text, re.MULTILINE) == ["proxy", "answer-api"]
    backends = " ".join(f"{address}:6443" for address in HOSTS.values())
    assert f"kubevirt-ha-proxy-answers https /readyz 127.0.0.1:8405 {backends}" in text
    assert "answer-api" in block(text, "vrrp_instance api {")
    assert "answer-" not in block(text, "vrrp_instance ingress {")


def test_vips_of_one_address_are_one_instance() -> None:
    text = render("keepalived.conf.j2", load_balancer_vips=VIPS)
    assert re.findall(r"^vrrp_instance (\S+)", text, re.MULTILINE) == ["api", "ingress"]
    assert re.findall(r"virtual_router_id (\d+)", text) == ["51", "52"]
    assert re.findall(r"([0-9.]+)/32", text) == ["192.0.2.100", "192.0.2.101"]


# keepalived heeds nopreempt only where each instance begins as BACKUP.
def test_a_vip_stays_where_it_went() -> None:
    text = render("keepalived.conf.j2", load_balancer_vips=VIPS)
    for name in ("api", "ingress"):
        instance = block(text, f"vrrp_instance {name} {{")
        assert "nopreempt\n" in instance
        assert "state BACKUP\n" in instance


def test_ids_and_interfaces_are_those_of_any_vip_of_the_address() -> None:
    text = render("keepalived.conf.j2", load_balancer_vips=[API, INGRESS, {**VMS, "router_id": 9, "interface": "eth1"}])
    assert "virtual_router_id 9\n" in block(text, "vrrp_instance ingress {")
    assert "interface eth1\n" in block(text, "vrrp_instance ingress {")
    assert "interface eth0\n" in block(text, "vrrp_instance api {")


@pytest.mark.parametrize("host", HOSTS)
def test_a_balancer_speaks_to_its_peers_alone(host: str) -> None:
    api = block(render("keepalived.conf.j2", host, load_balancer_vips=VIPS), "vrrp_instance api {")
    peers = re.findall(r"^    ([0-9.]+)$", api, re.MULTILINE)
    assert peers == [address for name, address in HOSTS.items() if name != host]
    assert f"unicast_src_ip {HOSTS[host]}\n" in api


def test_priorities_differ() -> None:
    said = [render("keepalived.conf.j2", host, load_balancer_vips=[API]) for host in HOSTS]
    found = [re.search(r"^  priority (\d+)", text, re.MULTILINE)[1] for text in said]  # type: ignore[index]
    assert len(set(found)) == len(HOSTS)


@pytest.mark.parametrize(("profile", "advert"), [("standard", "1"), ("fast", "0.2"), ("fastest", "0.2")])
def test_adverts_are_quick_only_where_asked(profile: str, advert: str) -> None:
    text = render("keepalived.conf.j2", load_balancer_vips=[API], load_balancer_failure_detection=profile)
    assert re.findall(r"advert_int (\S+)", text) == [advert]


def test_the_firewall_lets_in_the_members_alone() -> None:
    text = render("vrrp.nft.j2", load_balancer_vips=[API])
    assert f"elements = {{ {', '.join(HOSTS.values())} }}" in text
    assert "ip protocol 112 ip saddr != @peers counter drop" in text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ["curl", "haproxy", "keepalived"]),
        ({"load_balancer_proxy": "nginx"}, ["curl", "keepalived", "libnginx-mod-stream", "nginx"]),
        ({"load_balancer_firewall": "nftables"}, ["curl", "haproxy", "keepalived", "nftables"]),
    ],
)
def test_only_what_is_needed_is_installed(given: dict[str, Any], expected: list[str]) -> None:
    assert sorted(value("__load_balancer_wanted", **given)) == expected
