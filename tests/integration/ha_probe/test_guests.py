# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ha_probe and guests: the API and its objects are real, guests are simulated by the stand-in and have no agent.

What listens at a simulated guest's address is a server of the test.
"""

from __future__ import annotations

import contextlib
import http.server
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def guest(module: Run, namespace: str) -> str:
    """A running machine."""
    disks = [{"name": "root", "container_disk": "registry.example.com/guest:1"}]
    made = module("vm", name="web-1", namespace=namespace, memory="64Mi", run_strategy="Always", disks=disks)
    assert made["changed"], made
    return "web-1"


@pytest.fixture
def address(client: Any, namespace: str, guest: str) -> Iterator[str]:
    """The guest's address, which this machine takes on."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VMI

    ip = client.get(VMI, guest, namespace)["status"]["interfaces"][0]["ipAddress"]
    added = subprocess.run(["ip", "addr", "add", f"{ip}/32", "dev", "lo"], capture_output=True, check=False)
    if added.returncode or os.geteuid() != 0:
        pytest.skip(f"this machine cannot take on the guest's address: {added.stderr.decode().strip()}")
    try:
        yield str(ip)
    finally:
        subprocess.run(["ip", "addr", "del", f"{ip}/32", "dev", "lo"], check=False)


@contextlib.contextmanager
def serving(address: str) -> Iterator[int]:
    """Serves HTTP at an address; its port."""
    server = http.server.ThreadingHTTPServer((address, 0), http.server.SimpleHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_guest_is_asked_at_the_address_its_instance_has(
    module: Run, namespace: str, guest: str, address: str
) -> None:
    with serving(address) as port:
        target = {"namespace": namespace, "name": guest, "port": port}
        result = module(
            "ha_probe",
            defaults={"count": 5, "interval": 0.05, "guest": target},
            probes=[
                {"name": "http", "guest": {"path": "/"}, "body_contains": "Directory listing"},
                {"name": "tcp"},
                {"name": "not found", "guest": {"path": "/nothing"}},
            ],
        )
    assert result["failed_probes"] == ["not found"], result
    http_entry, tcp_entry, missing = result["probes"]
    assert http_entry["address"] == tcp_entry["address"] == address
    assert http_entry["kind"] == "guest" and http_entry["samples"] == 5
    assert missing["errors"] == {"http 404": 5}
    # Once for each, and again after a failure that was known before the next question.
    assert 3 <= result["requests"].pop("reads") <= 7 and result["requests"] == {"writes": 0, "watches": 0}


def test_a_guest_without_an_agent_and_one_without_an_instance(module: Run, namespace: str, guest: str) -> None:
    result = module(
        "ha_probe",
        probes=[
            {"guest": {"namespace": namespace, "name": guest}},
            {"guest": {"namespace": namespace, "name": "nobody"}},
        ],
    )
    assert [entry["last_error"]["kind"] for entry in result["probes"]] == ["no agent", "no instance"]
    assert f"guest {namespace}/nobody is down, expected up" in result["msg"]
    gone = module("ha_probe", guest={"namespace": namespace, "name": "nobody", "port": 80}, expect="down")
    assert not gone.get("failed") and gone["probes"][0]["errors"] == {"no instance": 1}


def test_a_stopped_guest_is_down(module: Run, namespace: str, guest: str) -> None:
    assert module("vm_power", name=guest, namespace=namespace, state="stopped")["changed"]
    target = {"namespace": namespace, "name": guest, "port": 22}
    result = module("ha_probe", guest=target, wait_timeout=30, expect="down", fall=2, interval=0.2)
    assert not result["up"] and set(result["probes"][0]["errors"]) <= {"no instance", "not running"}


@pytest.mark.parametrize("expect", ["up", "down"])
def test_an_api_that_is_away_shows_nothing(module: Run, tmp_path: Path, expect: str) -> None:
    result = module(
        "ha_probe",
        kubeconfig=None,
        host="https://127.0.0.1:9",
        guest={"namespace": "shop", "name": "web-1", "port": 80},
        expect=expect,
    )
    assert result["failed"] and result["probes"][0]["errors"] == {"api": 1}
    if expect == "down":
        assert "could not be asked, which shows nothing" in result["msg"]
