# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that opens a node's free ports for a short while, tells whoever connects the time, and hears VRRP.

It keeps no file: it is found by a socket in the abstract namespace (unix(7)), and ends when it is told to or its time is over.
"""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

DOOR = "\0virtops-kubevirt-ha-preflight"
GREETING = b"kubevirt-ha "
VRRP = 112  # the IP protocol, RFC 5798, section 5.1.1.4
# Version 3 and a type and router that no VRRP has: whoever speaks VRRP throws it away (RFC 5798, section 7.1).
VRRP_TOKEN = b"\x3f\x00\x00\x00kubevirt-ha"
_BACKLOG = 128
_PATIENCE = 3.0


@dataclass(frozen=True)
class Opened:
    """What came of opening ports.

    ears: listening sockets of what was free; busy: ports with a service that is asked in its place; held: ports that a
    connection of the host's own goes out from, so that nobody can listen there now; refused: port → why it cannot be opened.
    """

    ears: list[socket.socket] = field(default_factory=list)
    busy: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)


def open_ports(wanted: Iterable[tuple[str, int]]) -> Opened:
    """Opens the ports of addresses of this host."""
    result = Opened()
    for address, port in wanted:
        opened = None
        try:
            family, kind, protocol, _name, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
            opened = socket.socket(family, kind, protocol)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(place)
            opened.listen(_BACKLOG)
            opened.setblocking(False)
            result.ears.append(opened)
        except OSError as error:
            if opened:
                opened.close()
            if error.errno == errno.EADDRINUSE:
                (result.busy if _answers(address, port) else result.held).append(port)
            elif error.errno != errno.EADDRNOTAVAIL:  # an address that is not here is told by the role that it is for
                result.refused[port] = error.strerror or str(error)
    return result


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=_PATIENCE).close()
    except OSError:
        return False
    return True


def vrrp_ear() -> socket.socket:
    """A socket that gets what the host's firewall lets through of VRRP. OSError without the right to one."""
    ear = socket.socket(socket.AF_INET, socket.SOCK_RAW, VRRP)
    ear.setblocking(False)
    return ear


def stop() -> dict[str, Any] | None:
    """Ends the listener of this host and returns what it heard; None where there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.settimeout(_PATIENCE)
        try:
            door.connect(DOOR)
            pieces = []
            while piece := door.recv(65536):
                pieces.append(piece)
        except OSError:
            return None
    try:
        return dict(json.loads(b"".join(pieces)))
    except ValueError:
        return None


def start(ears: list[socket.socket], vrrp: socket.socket | None, seconds: float) -> None:
    """Leaves a process behind that serves the sockets for `seconds`; this one goes on without them."""
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    _bind(door)
    door.listen(4)
    if os.fork() == 0:
        try:
            _leave_the_session()
            _serve(ears, vrrp, door, time.monotonic() + seconds)
        finally:
            os._exit(0)
    for each in [*ears, *([vrrp] if vrrp else []), door]:
        each.close()


def _bind(door: socket.socket) -> None:
    """Takes the name; one that just ended may hold it for a moment."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            door.bind(DOOR)
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def _leave_the_session() -> None:
    """Ansible waits until nobody holds its pipes."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)


def _serve(ears: list[socket.socket], vrrp: socket.socket | None, door: socket.socket, until: float) -> None:
    heard: set[str] = set()
    watched = [*ears, door, *([vrrp] if vrrp else [])]
    while (left := until - time.monotonic()) > 0:
        for ready in select.select(watched, [], [], left)[0]:
            if ready is vrrp:
                heard |= _hear(ready)
            elif ready is door:
                caller, _address = door.accept()
                for each in watched:
                    each.close()  # before the answer: whoever has it may open the ports again
                caller.sendall(json.dumps({"vrrp": sorted(heard)}).encode())
                caller.close()
                return
            else:
                _greet(ready)


def _greet(ear: socket.socket) -> None:
    try:
        caller, _address = ear.accept()
        with caller:
            caller.sendall(GREETING + f"{time.time():.6f}\n".encode())
    except OSError:
        return


def _hear(ear: socket.socket) -> set[str]:
    """The source of a token of ours."""
    try:
        packet, (source, _port) = ear.recvfrom(2048)
    except OSError:
        return set()
    return {source} if packet[(packet[0] & 0xF) * 4 :].startswith(VRRP_TOKEN) else set()
