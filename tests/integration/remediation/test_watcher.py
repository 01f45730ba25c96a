# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher as a process, the recovery it starts as a real playbook: a node falls silent, its machines come back."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation import names
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import NODE

from .conftest import COLLECTIONS, NODES, Bmc, Cluster, free_port
from .world import World

MODULE = "ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.watcher"


class PaperNode:
    """A node's signals: it renews its lease each second and accepts TLS connections, until it falls silent."""

    def __init__(self, world: World, name: str, address: str, port: int, tls: ssl.SSLContext) -> None:
        self._world, self._name, self._address, self._port, self._tls = world, name, address, port, tls
        self._alive = threading.Event()
        self._fillers: list[socket.socket] = []
        self._server = socket.create_server((address, port), backlog=64)
        self._server.settimeout(0.2)
        self._alive.set()
        self.handshakes = 0
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._renew, self._serve)]
        for thread in self._threads:
            thread.start()

    def _renew(self) -> None:
        while self._alive.is_set():
            self._world.lease(names.NODE_LEASES, self._name, self._name, lasts=4)
            time.sleep(1)

    def _serve(self) -> None:
        while self._alive.is_set():
            with contextlib.suppress(OSError):
                connection, _peer = self._server.accept()
                with contextlib.suppress(OSError), self._tls.wrap_socket(connection, server_side=True):
                    self.handshakes += 1

    def fall_silent(self) -> None:
        """A full queue of connections drops all that come, as a cut link does; a closed port would answer."""
        self._alive.clear()
        for thread in self._threads:
            thread.join()
        self._server.listen(0)
        for _try in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex((self._address, self._port))
            self._fillers.append(filler)

    def close(self) -> None:
        self._alive.clear()
        for thread in self._threads:
            thread.join()
        for one in (*self._fillers, self._server):
            one.close()


@pytest.fixture
def world(api_server: Cluster) -> World:
    world = World(api_server.client)
    world.build()
    return world


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def paper(world: World, bmc: Bmc, port: int) -> Iterator[dict[str, PaperNode]]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(bmc.certificate, f"{bmc.certificate}.key")
    nodes = {}
    for number, name in enumerate(NODES, 1):
        address = f"127.0.0.{10 + number}"
        addresses = [{"type": "InternalIP", "address": address}]
        world.client.patch(NODE, name, {"status": {"addresses": addresses}}, subresource="status")
        nodes[name] = PaperNode(world, name, address, port, tls)
    yield nodes
    for node in nodes.values():
        node.close()


@pytest.fixture
def watch(api_server: Cluster, bmc: Bmc, port: int, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(**options: Any) -> subprocess.Popen[bytes]:
        path = tmp_path / "watcher.json"
        path.write_text(json.dumps(_config(api_server, bmc, port, tmp_path, options)))
        env = {**os.environ, "PYTHONPATH": COLLECTIONS}
        with open(tmp_path / "watcher.log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", MODULE, "--config", path], stdout=log, stderr=log, env=env
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.wait(60)


def _config(api_server: Cluster, bmc: Bmc, port: int, folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    inventory = folder / "inventory.json"
    shared = {
        "node_remediation_kubeconfig": str(api_server.kubeconfig),
        "node_remediation_state_dir": str(folder),
        "node_remediation_path_ports": [port],
        "node_remediation_wait_timeout": 20,
    }
    hosts = {name: {"node_remediation_bmc": bmc.of(name)} for name in NODES}
    groups = {group: {"hosts": dict.fromkeys(NODES, {})} for group in ("kvm_nodes", "storage_nodes")}
    inventory.write_text(json.dumps({"all": {"vars": shared, "hosts": hosts, "children": groups}}))
    playbook = Path(sys.executable).parent / "ansible-playbook"
    return {
        "kubeconfig": str(api_server.kubeconfig),
        "state_dir": str(folder),
        "nodes": {name: f"127.0.0.{10 + number}" for number, name in enumerate(NODES, 1)},
        "profile": "fastest",
        "ports": [port],
        "automatic": True,
        "retry_seconds": 2,
        "recover_command": [
            str(playbook),
            "-i",
            str(inventory),
            "virtops.kubevirt_ha.recover_node",
            "-e",
            "recover_node={node}",
        ],
        "environment": {"ANSIBLE_COLLECTIONS_PATH": COLLECTIONS, "ANSIBLE_PIPELINING": "1"},
        **options,
    }


def _events(folder: Path) -> list[dict[str, Any]]:
    path = folder / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _wait_for(folder: Path, event: str, seconds: float) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for entry in _events(folder):
            if entry["event"] == event:
                return entry
        time.sleep(0.05)
    logs = "".join(path.read_text() for path in folder.glob("*.log"))
    raise AssertionError(f"no {event} in {seconds} s; events: {_events(folder)}; logs: {logs}")


def _heartbeat(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "heartbeat.json").read_text()))


def test_silent_node_is_recovered_by_the_playbook(
    world: World, paper: dict[str, PaperNode], watch: Callable[..., Any], bmc: Bmc, tmp_path: Path
) -> None:
    watch()
    time.sleep(5)
    assert not _events(tmp_path)
    beat = _heartbeat(tmp_path)
    assert beat["api"] == "known", beat
    assert time.time() - beat["at"] < 2.5
    assert {node["path"] for node in beat["nodes"].values()} == {"alive"}
    assert paper["n1"].handshakes > 3

    paper["n2"].fall_silent()
    bmc.power["n2"] = "On"
    cut = time.time()
    suspected = _wait_for(tmp_path, "suspected", 15)
    assert suspected["node"] == "n2"
    assert 2.9 < suspected["at"] - cut < 7
    deleted = _wait_for(tmp_path, "pods_deleted", 30)
    world.vmi("web", "n3", "Running")
    recovered = _wait_for(tmp_path, "recovered", 20)
    assert recovered["virtual_machines"] == 1
    assert bmc.power == {"n1": "On", "n2": "Off", "n3": "On"}
    for entry in _events(tmp_path):
        print(f"{entry['at'] - cut:6.2f} {entry['event']}")
    assert deleted["at"] - suspected["at"] < 15
    time.sleep(3)
    assert [entry["event"] for entry in _events(tmp_path)].count("recovery_started") == 1


def test_bmc_without_proof_leaves_everything_alone(
    world: World, paper: dict[str, PaperNode], watch: Callable[..., Any], bmc: Bmc, tmp_path: Path
) -> None:
    bmc.power = dict.fromkeys(NODES, "On")
    bmc.password_file.chmod(0o644)  # the module refuses a password that everyone can read
    before = world.pods()
    try:
        watch(max_attempts=2)
        time.sleep(4)
        paper["n2"].fall_silent()
        failed = _wait_for(tmp_path, "failed", 30)
        assert "0644" in failed["reason"]
        time.sleep(8)
    finally:
        bmc.password_file.chmod(0o600)
    assert world.pods() == before
    assert not {key for key, _effect in world.taints("n2")} & {names.TAINT_KEY}
    assert [entry["event"] for entry in _events(tmp_path)].count("failed") == 2


def test_too_many_silent_nodes_and_the_stop_switch_hold_it_back(
    world: World, paper: dict[str, PaperNode], watch: Callable[..., Any], bmc: Bmc, tmp_path: Path
) -> None:
    (tmp_path / "stop").touch()
    watch()
    time.sleep(4)
    paper["n2"].fall_silent()
    refused = _wait_for(tmp_path, "refused", 15)
    assert "stop switch" in refused["reason"]
    paper["n3"].fall_silent()
    time.sleep(8)
    held = [entry for entry in _events(tmp_path) if entry["node"] == "n3"]
    assert [entry["event"] for entry in held] == ["refused"]
    assert "2 of 3 nodes do not answer" in held[0]["reason"]
    assert set(bmc.power.values()) == {"On"}


def test_api_that_is_away_makes_nobody_suspect(
    world: World, paper: dict[str, PaperNode], watch: Callable[..., Any], tmp_path: Path
) -> None:
    kubeconfig = tmp_path / "elsewhere"
    content = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"https://127.0.0.1:{free_port()}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    kubeconfig.write_text(json.dumps(content))
    watch(kubeconfig=str(kubeconfig))
    time.sleep(2)
    paper["n2"].fall_silent()
    time.sleep(8)
    beat = _heartbeat(tmp_path)
    assert beat["api"].startswith("unknown")
    assert beat["nodes"]["n2"]["path"] == "dead"
    assert not _events(tmp_path)


def test_second_watcher_and_a_faulty_configuration_are_told(
    world: World, paper: dict[str, PaperNode], watch: Callable[..., Any], tmp_path: Path
) -> None:
    first = watch()
    time.sleep(2)
    assert watch().wait(20) == 1
    assert "another watcher runs" in (tmp_path / "watcher.log").read_text()
    first.send_signal(signal.SIGTERM)
    assert first.wait(20) == 0
    broken = watch(profile="instant", max_attempts=0, colour="red")
    assert broken.wait(20) == 1
    told = (tmp_path / "watcher.log").read_text()
    assert all(word in told for word in ("colour is unknown", "'instant'", "max_attempts"))
