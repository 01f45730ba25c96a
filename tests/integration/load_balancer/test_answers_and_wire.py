# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keepalived asks of the proxy before a VIP may stay, and what preflight hears on the wire."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import time

import balancers
import pytest
from stage import CLIENT, SWITCH, VIP, Node, Stage, run, wait_until

ADVERT = struct.pack("!BBBBHH4s", 0x31, 51, 100, 1, 100, 0, bytes([192, 0, 2, 100]))
SEND = f"""
import socket, sys, time
sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("{CLIENT}"))
while True:
    for target in ("224.0.0.18", sys.argv[1]):
        sender.sendto(bytes.fromhex("{ADVERT.hex()}"), (target, 0))
    time.sleep(0.1)
"""


def answers(node: Node) -> bool:
    """Whether the script that keepalived runs is content with the node's proxy."""
    backends = [f"{address}:{VIP['backends']['port']}" for address in balancers.HOSTS.values()]
    script = ("/usr/local/sbin/kubevirt-ha-proxy-answers", "http", "/readyz", "127.0.0.1:8405", *backends)
    return subprocess.run(node.inside(*script), check=False).returncode == 0


def sick(nodes: list[Node], wanted: bool) -> None:
    for node in nodes:
        (node.folder / "sick").touch() if wanted else (node.folder / "sick").unlink(missing_ok=True)


def test_a_proxy_answers_as_long_as_it_reaches_a_healthy_backend(haproxy: Stage) -> None:
    node = haproxy.nodes[0]
    try:
        sick(haproxy.nodes[:2], True)
        wait_until(lambda: all(answers(node) for _turn in range(10)), "the proxy leaves the sick backends out")
    finally:
        sick(haproxy.nodes, False)


def test_a_vip_stays_where_no_backend_is_healthy(haproxy: Stage) -> None:
    """Another balancer could do no better, and other VIPs may share the address."""
    try:
        sick(haproxy.nodes, True)
        time.sleep(3)
        assert all(answers(node) for node in haproxy.nodes)
        haproxy.one_holder()
    finally:
        sick(haproxy.nodes, False)


def test_a_proxy_that_hands_nothing_on_gives_no_answer(haproxy: Stage) -> None:
    node = haproxy.nodes[0]
    wait_until(lambda: answers(node), "the proxy answers")
    node.signal("haproxy", "STOP")
    try:
        assert not answers(node)
    finally:
        node.signal("haproxy", "CONT")


def heard(node: Node, seconds: float) -> list[dict[str, object]]:
    program = str(balancers.ROLE / "files" / "vrrp_listen.py")
    return list(json.loads(run("ip", "netns", "exec", node.netns, sys.executable, program, str(seconds), "eth0")))


def strangers(found: list[dict[str, object]]) -> list[dict[str, object]]:
    return [advert for advert in found if advert["source"] not in balancers.HOSTS.values()]


@pytest.mark.parametrize("firewall", [False, True], ids=["no firewall", "firewall"])
def test_a_stranger_that_advertises_is_heard(haproxy: Stage, firewall: bool) -> None:
    node = next(node for node in haproxy.nodes if node is not haproxy.one_holder())
    assert strangers(heard(node, 0.5)) == []
    if firewall:
        (node.folder / "vrrp.nft").write_text(balancers.render("vrrp.nft.j2", node.name))
        run(*node.inside("nft", "--check", "--file", "/srv/vrrp.nft"))
        run(*node.inside("nft", "--file", "/srv/vrrp.nft"))
        run(*node.inside("nft", "--file", "/srv/vrrp.nft"))
    stranger = subprocess.Popen(("ip", "netns", "exec", SWITCH, sys.executable, "-c", SEND, balancers.HOSTS[node.name]))
    try:
        found = heard(node, 1)
        if firewall:
            rules = run(*node.inside("nft", "list", "table", "inet", "kubevirt_ha_vrrp"))
            assert "counter packets 0 " not in rules, "the firewall dropped nothing"
    finally:
        stranger.kill()
        stranger.wait()
        if firewall:
            run(*node.inside("nft", "delete", "table", "inet", "kubevirt_ha_vrrp"))
    expected = {"interface": "eth0", "source": CLIENT, "router_id": 51, "addresses": ["192.0.2.100"]}
    assert strangers(found) == [expected]
    # The holder's adverts get through the firewall and move nothing.
    assert any(advert["source"] in balancers.HOSTS.values() for advert in found)
    assert len(haproxy.holders()) == 1
