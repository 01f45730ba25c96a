# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes in network namespaces, without and with one thing wrong: each fault is told, by the node that it hinders, and no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from nets import bridge, run

PREFIX, CLIENT = "kvhapf", "198.51.100.1"
HOSTS = {"n1": "198.51.100.11", "n2": "198.51.100.12", "n3": "198.51.100.13"}
GROUPS = ["control_plane", "kvm_nodes", "load_balancers", "storage_nodes"]
NODES = [{"name": name, "address": address, "groups": GROUPS} for name, address in HOSTS.items()]
PROGRAM = str(Path(__file__).resolve().parent / "node.py")
# How long the three steps may take on three nodes.
LIMIT_SECONDS = 15
ALL_PORTS = [6443, 2379, 2380, 10250, 24007, 49152, 3300, 6800]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: nodes are network namespaces")


@pytest.fixture
def network() -> Iterator[None]:
    with ExitStack() as done:
        bridge(done, PREFIX, HOSTS, CLIENT)
        yield


def step(state: str, ahead: dict[str, float], **more: Any) -> dict[str, dict[str, Any]]:
    """One step on all nodes at once."""

    def one(name: str) -> dict[str, Any]:
        given = json.dumps({"state": state, "name": name, "nodes": NODES, "seconds": 20, "timeout": 1.5, **more})
        inside = ("ip", "netns", "exec", f"{PREFIX}-{name}")
        done = subprocess.run(
            (*inside, sys.executable, PROGRAM, given, str(ahead.get(name, 0.0))),
            capture_output=True,
            text=True,
            check=False,
            timeout=40,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return dict(json.loads(done.stdout))

    with ThreadPoolExecutor(len(HOSTS)) as pool:
        return dict(zip(HOSTS, pool.map(one, HOSTS), strict=True))


def faults(ahead: dict[str, float] | None = None, **more: Any) -> list[str]:
    """All that three steps tell."""
    clocks = ahead or {}
    listening = step("listen", clocks, **more)
    asked = step("ask", clocks, **more)
    heard = step("stop", clocks, **more)
    return [fault for answers in (listening, asked, heard) for each in answers.values() for fault in each["faults"]]


def drop(host: str, *what: str) -> None:
    """Lets a host's kernel throw away what comes in; a rule before that of local addresses, so no firewall is needed."""
    inside = ("ip", "-netns", f"{PREFIX}-{host}", "rule")
    run(*inside, "add", "pref", "10", "lookup", "local")
    run(*inside, "del", "pref", "0")
    run(*inside, "add", "pref", "5", "iif", "eth0", *what, "blackhole")


@pytest.mark.usefixtures("network")
def test_a_network_in_order_has_no_fault_and_nothing_is_left() -> None:
    begin = time.monotonic()
    opened = step("listen", {})
    assert all(each["opened"] == ALL_PORTS and not each["busy"] for each in opened.values())
    again = step("listen", {})
    assert all(each["opened"] == ALL_PORTS for each in again.values()), "an earlier listener is in the way"
    asked = step("ask", {})
    assert [fault for each in asked.values() for fault in each["faults"]] == []
    assert asked["n1"]["asked"] == 2 * len(ALL_PORTS)
    assert set(asked["n1"]["clocks"]) == {"n2", "n3"}
    assert asked["n1"]["mtu_unknown"] == []
    heard = step("stop", {})
    assert heard["n1"]["heard"] == {"vrrp": [HOSTS["n2"], HOSTS["n3"]]}
    assert [fault for each in heard.values() for fault in each["faults"]] == []
    assert time.monotonic() - begin < LIMIT_SECONDS
    assert step("stop", {})["n1"]["heard"] is None
    assert run("ip", "netns", "exec", f"{PREFIX}-n1", "ss", "-Hlntx").strip() == ""


@pytest.mark.usefixtures("network")
def test_a_listener_ends_by_itself() -> None:
    step("listen", {}, seconds=0.2)
    time.sleep(0.5)
    assert step("stop", {})["n2"]["heard"] is None


@pytest.mark.usefixtures("network")
def test_a_port_that_is_in_use_is_answered_by_its_service() -> None:
    inside = ("ip", "netns", "exec", f"{PREFIX}-n2")
    serve = "import socket; s = socket.create_server(('0.0.0.0', 2379)); print(flush=True); s.accept(); input()"
    service = subprocess.Popen((*inside, sys.executable, "-c", serve), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert service.stdout is not None
        service.stdout.readline()
        assert step("listen", {})["n2"]["busy"] == [2379]
        assert step("ask", {})["n1"]["faults"] == []
        step("stop", {})
    finally:
        service.kill()
        service.wait()


@pytest.mark.usefixtures("network")
def test_a_dropped_port_is_told_by_every_node_that_needs_it() -> None:
    drop("n3", "ipproto", "tcp", "dport", "2380")
    found = faults()
    assert [fault.split(":")[0] for fault in found] == ["n1", "n2"]
    assert all(
        "does not reach n3 (198.51.100.13) on port 2380 (etcd for peers): no answer in 1.5 s" in f for f in found
    )
    assert all("or add ports to preflight_skip" in fault for fault in found)
    assert faults(skip=["ports"]) == []


@pytest.mark.usefixtures("network")
def test_vrrp_that_is_dropped_is_told_by_the_one_that_does_not_hear_it() -> None:
    drop("n2", "ipproto", "112")
    found = faults()
    assert [fault.split(" of ")[0] for fault in found] == ["n2: VRRP (IP protocol 112)"] * 2
    assert faults(skip=["vrrp"]) == []


@pytest.mark.usefixtures("network")
def test_a_way_that_carries_less_than_the_link_is_told_by_both_ends() -> None:
    run("ip", "-netns", f"{PREFIX}-net", "link", "set", "n2", "mtu", "1400")
    found = faults()
    ends = {tuple(sorted((fault.split(":")[0], fault.split(" at ")[1][:2]))) for fault in found}
    assert ends == {("n1", "n2"), ("n2", "n3")}
    assert all("a packet of 1500 bytes, the MTU of eth0, does not arrive at" in fault for fault in found)
    assert faults(skip=["mtu"]) == []


@pytest.mark.usefixtures("network")
def test_a_clock_that_is_off_is_told_by_the_others_and_within_the_limit_it_is_not() -> None:
    found = faults({"n2": 4.0})
    assert sorted(fault.split(";")[0] for fault in found) == [
        "n1: the clock of n2 is 4.0 s ahead of the one here",
        "n2: the clock of n1 is 4.0 s behind the one here",
        "n2: the clock of n3 is 4.0 s behind the one here",
        "n3: the clock of n2 is 4.0 s ahead of the one here",
    ]
    assert all("preflight_clock_skew_seconds allows 0.5" in fault for fault in found)
    assert faults({"n2": 4.0}, clock_skew_seconds=5) == []


@pytest.mark.usefixtures("network")
def test_all_that_is_wrong_is_told_at_once_and_in_time() -> None:
    begin = time.monotonic()
    drop("n3", "ipproto", "tcp", "dport", "6443")
    run("ip", "-netns", f"{PREFIX}-net", "link", "set", "n1", "mtu", "1400")
    found = " ".join(faults({"n2": 4.0}, endpoint="api.nowhere.invalid"))
    told = (
        "port 6443",
        "a packet of 1500 bytes",
        "clock of n2",
        "kubernetes_api_endpoint api.nowhere.invalid cannot be",
    )
    assert [text for text in told if text not in found] == []
    assert time.monotonic() - begin < LIMIT_SECONDS
