# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""URIs from plain parameters, their faults, the program in ssh's place, and the way out of a failure."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host import session, uri


@pytest.mark.parametrize(
    ("given", "more", "expected"),
    [
        ("qemu:///system", {}, "qemu:///system"),
        ("qemu:///system", {"socket": "/run/a b&c"}, "qemu:///system?socket=/run/a%20b%26c"),
        ("qemu+tls://h/system", {"pkipath": "/pki"}, "qemu+tls://h/system?pkipath=/pki"),
        ("qemu://h/system", {"no_verify": True}, "qemu://h/system?no_verify=1"),
        ("qemu+ssh://u@h/system", {"keyfile": "/k"}, "qemu+ssh://u@h/system?keyfile=/k&no_tty=1"),
        ("qemu+ssh://h/system?mode=direct", {}, "qemu+ssh://h/system?mode=direct&no_tty=1"),
        ("qemu+ssh://h/system?no_tty=0", {}, "qemu+ssh://h/system?no_tty=0"),
        ("qemu+libssh2://h/system", {"known_hosts": "/kh"}, "qemu+libssh2://h/system?known_hosts=/kh"),
        # ssh itself does not know of known_hosts: the program in its place does.
        ("qemu+ssh://h/system", {"known_hosts": "/kh"}, "qemu+ssh://h/system?no_tty=1"),
    ],
)
def test_parameters_become_the_uris(given: str, more: dict[str, Any], expected: str) -> None:
    assert uri.target({"uri": given, **more}).uri == expected


def test_a_program_in_sshs_place() -> None:
    target = uri.target({"uri": "qemu+ssh://h/system", "command": "/own"}, "/tmp/x/ssh")
    assert target.uri == "qemu+ssh://h/system?command=/tmp/x/ssh&no_tty=1"


@pytest.mark.parametrize(
    ("given", "remote", "this_machine", "by_ssh"),
    [
        ("qemu:///system", False, True, False),
        ("qemu+unix:///system", False, True, False),
        ("qemu:///session", False, True, False),
        ("test:///default", False, False, False),
        ("qemu+ssh://h/system", True, False, True),
        ("qemu+libssh://h/system", True, False, False),
        ("qemu://h/system", True, False, False),
        ("qemu+tcp://[::1]:16509/system", True, False, False),
    ],
)
def test_whose_machine_it_is(given: str, remote: bool, this_machine: bool, by_ssh: bool) -> None:
    target = uri.target({"uri": given})
    assert (target.remote, target.this_machine, target.by_ssh) == (remote, this_machine, by_ssh)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"uri": ""}, "must be driver[+transport]://"),
        ({"uri": "system"}, "must be driver[+transport]://"),
        ({"uri": "qemu:"}, "must be driver[+transport]://"),
        ({"uri": "qemu+ssh://h:99999/system"}, "is no URI"),
        ({"uri": "qemu+carrier-pigeon://h/system"}, "must be driver"),
        ({"uri": "qemu+pigeon://h/system"}, "'pigeon' is no transport of libvirt"),
        ({"uri": "qemu+ssh://u:secret@h/system"}, "uri: holds a password"),
        ({"uri": "qemu:///system", "keyfile": __file__}, "keyfile: is for libssh, libssh2, ssh URIs"),
        ({"uri": "qemu+ssh://h/system", "keyfile": "/none"}, "keyfile: /none is no file"),
        ({"uri": "qemu+ssh://h/system?keyfile=/a", "keyfile": __file__}, "keyfile: stands in uri, too"),
        (
            {"uri": "qemu+ssh://h/system?command=/a", "known_hosts": __file__},
            "known_hosts: cannot be used with a command",
        ),
        ({"uri": "qemu:///system", "no_verify": True}, "no_verify: is for"),
        ({"uri": "qemu+tls://h/system", "pkipath": "/none"}, "pkipath: /none lacks cacert.pem"),
    ],
)
def test_faults(given: dict[str, Any], told: str) -> None:
    found = "\n".join(uri.faults(given))
    assert told in found and "secret" not in found


def test_half_a_clients_certificate(tmp_path: Path) -> None:
    (tmp_path / "cacert.pem").touch()
    given = {"uri": "qemu+tls://h/system", "pkipath": str(tmp_path)}
    assert list(uri.faults(given)) == []
    (tmp_path / "clientkey.pem").touch()
    assert list(uri.faults(given)) == [f"pkipath: {tmp_path} lacks clientcert.pem"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, ["-o", "ConnectTimeout=7"]),
        ({"no_verify": True}, ["-o", "ConnectTimeout=7", "-o", "UserKnownHostsFile=/dev/null"]),
        (
            {"known_hosts": "/a b/50% $(x)"},
            [
                *("-o", "ConnectTimeout=7", "-o", 'UserKnownHostsFile="/a b/50%% $(x)"'),
                *("-o", "GlobalKnownHostsFile=/dev/null"),
            ],
        ),
    ],
)
def test_the_program_says_to_ssh_what_a_uri_cannot(tmp_path: Path, more: dict[str, Any], expected: list[str]) -> None:
    shows = tmp_path / "shows its words"
    shows.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    shows.chmod(0o700)
    program = session.write_ssh(str(tmp_path), {"timeout": 7.5, "command": str(shows), **more})
    assert Path(program).stat().st_mode & 0o077 == 0
    done = subprocess.run([program, "-p", "22", "a b"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [*expected, "-p", "22", "a b"]


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("Cannot recv data: Host key verification failed.: Connection reset by peer", "known_hosts"),
        ("Cannot recv data: u@h: Permission denied (publickey).: Connection reset", "keyfile"),
        ("Failed to connect socket to '/run/libvirt-sock': Permission denied", "group libvirt"),
        ("Failed to connect socket to '/run/libvirt-sock': No such file or directory", "libvirtd or virtqemud"),
        ("authentication failed: Failed to verify peer's certificate", "pkipath"),
        ("authentication failed: authentication failed", "username and password"),
        ("authentication unavailable: no polkit agent available", "group libvirt"),
        ("no connection driver available for x:///", "driver in uri"),
        ("timed out after 30 seconds", "libvirtd or virtqemud"),
        ("something new", "virsh -c"),
    ],
)
def test_the_way_out(message: str, advice: str) -> None:
    assert advice in uri.way_out(message)
