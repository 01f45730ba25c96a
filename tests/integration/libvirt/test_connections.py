# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets, SSH and TLS with a password, each good and wrong; what hangs ends, and every failure says the way out."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import keys
from .conftest import TLS_PORT, Host
from .machine import LIBRARY, PYTHON, wait_until

TLS = f"qemu+tls://127.0.0.1:{TLS_PORT}/system"
PASSWORD = {"username": keys.SASL_USER, "password": keys.SASL_PASSWORD}


def fails(host: Host, **arguments: Any) -> str:
    """The message of a run that must fail to connect."""
    result = host.module(timeout=8, **arguments)
    assert result["failed"] and not result["changed"]
    assert result["error"]["what"] == "libvirt was not reached"
    assert result["error"]["where"] == arguments["uri"].partition("?")[0]
    assert result["error"]["why"] and result["error"]["fix"]
    return str(result["msg"])


def names(facts: dict[str, Any]) -> list[str]:
    return [domain["name"] for domain in facts["domains"]]


def test_ssh_with_a_key_and_known_hosts(host: Host, ssh: dict[str, str]) -> None:
    facts = host.facts(uri=ssh["uri"], keyfile=ssh["good"], known_hosts=ssh["known"], virttype="qemu")
    assert facts["errors"] == [] and facts["remote"] is True
    assert facts["uri"] == ssh["uri"]
    assert names(facts) == ["alpha", "beta", "gamma"]
    # This machine's kernel tells nothing of another host.
    assert facts["iommu"]["groups"] is None and facts["virtualization"]["nested"] is None
    assert facts["virtualization"]["kvm_device"] is None and facts["security"]["kernel"] is None


def test_ssh_with_a_wrong_key(host: Host, ssh: dict[str, str]) -> None:
    said = fails(host, uri=ssh["uri"], keyfile=ssh["stranger"], known_hosts=ssh["known"])
    assert "Permission denied (publickey" in said and "keyfile" in said


def test_ssh_to_a_host_with_another_key(host: Host, ssh: dict[str, str]) -> None:
    said = fails(host, uri=ssh["uri"], keyfile=ssh["good"], known_hosts=ssh["other"])
    assert "Host key verification failed" in said and "known_hosts" in said


def test_ssh_to_an_unknown_host_asks_nobody(host: Host, ssh: dict[str, str]) -> None:
    assert "Host key verification failed" in fails(host, uri=ssh["uri"], keyfile=ssh["good"])


def test_ssh_unverified_leaves_no_trace(host: Host, ssh: dict[str, str]) -> None:
    facts = host.facts(uri=ssh["uri"], keyfile=ssh["good"], no_verify=True, gather=["domains"])
    assert names(facts) == ["alpha", "beta", "gamma"]
    assert sorted(path.name for path in (host.machine.home / ".ssh").iterdir()) == ["authorized_keys"]


def test_ssh_on_a_port_where_nobody_listens(host: Host, ssh: dict[str, str]) -> None:
    said = fails(host, uri="qemu+ssh://root@127.0.0.1:9/system", keyfile=ssh["good"], known_hosts=ssh["known"])
    assert "Connection refused" in said


def test_ssh_to_a_dead_socket(host: Host, ssh: dict[str, str]) -> None:
    given = {"keyfile": ssh["good"], "known_hosts": ssh["known"], "proxy": "netcat", "socket": "/run/nothing"}
    fails(host, uri=ssh["uri"], netcat="/bin/false", **given)


def test_ssh_by_another_program(host: Host, ssh: dict[str, str]) -> None:
    trace = host.machine.folder / "trace"
    program = host.machine.folder / "our ssh"
    program.write_text(f'#!/bin/sh\necho "$@" >>"{trace}"\nexec ssh "$@"\n')
    program.chmod(0o755)
    given = {"keyfile": ssh["good"], "known_hosts": ssh["known"], "command": str(program)}
    host.facts(uri=ssh["uri"], gather=["host"], **given)
    said = trace.read_text()
    assert "BatchMode=yes" in said and "ConnectTimeout=30" in said


def test_tls_with_certificates_and_a_password(host: Host, certificates: dict[str, Path]) -> None:
    facts = host.facts(uri=TLS, pkipath=str(certificates["good"]), virttype="qemu", **PASSWORD)
    assert facts["errors"] == [] and facts["remote"] is True
    assert names(facts) == ["alpha", "beta", "gamma"]


def test_tls_with_a_certificate_of_another_authority(host: Host, certificates: dict[str, Path]) -> None:
    fails(host, uri=TLS, pkipath=str(certificates["unknown"]), **PASSWORD)


def test_tls_to_a_server_of_another_authority(host: Host, certificates: dict[str, Path]) -> None:
    said = fails(host, uri=TLS, pkipath=str(certificates["distrustful"]), **PASSWORD)
    assert "certificate" in said and "pkipath" in said


def test_tls_to_a_server_of_another_name(host: Host, certificates: dict[str, Path]) -> None:
    uri = f"qemu+tls://localhost:{TLS_PORT}/system"
    given = {"pkipath": str(certificates["good"]), **PASSWORD}
    assert "the host's name in the server's" in fails(host, uri=uri, **given)
    assert names(host.facts(uri=uri, no_verify=True, gather=["domains"], **given)) == ["alpha", "beta", "gamma"]


def test_tls_with_a_wrong_password(host: Host, certificates: dict[str, Path]) -> None:
    given = {"username": keys.SASL_USER, "password": "another"}
    said = fails(host, uri=TLS, pkipath=str(certificates["good"]), **given)
    assert "authentication failed" in said and "password" in said


def test_tls_without_a_password(host: Host, certificates: dict[str, Path]) -> None:
    said = fails(host, uri=TLS, pkipath=str(certificates["good"]))
    assert "username and password" in said


def test_a_session_of_a_user_who_is_nobody(host: Host) -> None:
    host.machine.run("install", "-d", "-o", "nobody", "-m", "700", "/run/someone")
    facts = host.facts(uri="qemu:///session", user="nobody", gather=["host", "domains", "pools"])
    assert facts["errors"] == [] and facts["domains"] == []


def test_a_socket_that_is_not_there(host: Host) -> None:
    said = fails(host, uri="qemu:///system", socket="/run/nowhere/socket")
    assert "/run/nowhere/socket" in said and "libvirtd" in said


@pytest.fixture
def dead_socket(host: Host) -> Iterator[Path]:
    """A socket whose daemon has ended."""
    path = host.machine.folder / "dead"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    yield path
    path.unlink()


def test_a_socket_whose_daemon_has_ended(host: Host, dead_socket: Path) -> None:
    said = fails(host, uri="qemu:///system", socket=str(dead_socket))
    assert "Connection refused" in said and "libvirtd" in said


def test_a_read_only_socket_does_for_what_is_read_only(host: Host) -> None:
    facts = host.facts(socket="/run/libvirt/libvirt-sock-ro", wanted_cpu="kvm64")
    assert {error["part"] for error in facts["errors"]} == {"domain_capabilities", "security", "cpu"}
    assert all("read only access" in error["reason"] for error in facts["errors"])
    assert facts["comparison"]["this_host"]["method"] == "host"


@pytest.fixture
def stopped(host: Host) -> Iterator[None]:
    """libvirtd hangs."""
    pid = host.machine.run("cat", "/run/libvirtd.pid").stdout.strip()
    host.machine.run("kill", "-STOP", pid)
    yield
    host.machine.run("kill", "-CONT", pid)
    wait_until(lambda: host.machine.run("virsh", "list", check=False).returncode == 0, "libvirtd to answer again")


@pytest.mark.usefixtures("stopped")
def test_a_daemon_that_hangs_at_the_beginning(host: Host) -> None:
    assert "timed out after 8 seconds" in fails(host, uri="qemu:///system")


HANGS_LATER = f"""
import os, signal, sys
sys.path.insert(0, {LIBRARY!r})
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host import collector, look, session, uri
target = uri.target(dict.fromkeys(("keyfile", "socket"), None) | {{"uri": "qemu:///system"}})
interval, timeout = int(sys.argv[1]), float(sys.argv[2])
found = session.Session(target, session.Access(timeout=timeout, keepalive_interval=interval, keepalive_count=2))
pid = int(open("/run/libvirtd.pid").read())
os.kill(pid, signal.SIGSTOP)
try:
    collector.collect(found, look.Wanted(parts=("host", "numa", "domains"), stats=("state",)))
except Exception as error:
    print(error)
finally:
    os.kill(pid, signal.SIGCONT)
"""


@pytest.mark.parametrize(("interval", "timeout", "why"), [(1, 60, "keepalive"), (0, 3, "timed out after 3 seconds")])
def test_a_daemon_that_hangs_later(host: Host, interval: int, timeout: int, why: str) -> None:
    said = host.machine.run(PYTHON, "-c", HANGS_LATER, str(interval), str(timeout)).stdout
    assert "no part of the facts could be read" in said and why in said
    assert names(host.facts(gather=["domains"])) == ["alpha", "beta", "gamma"]
