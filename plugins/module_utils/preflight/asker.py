# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the other nodes: connections, their clocks, packets as large as the link takes, VRRP, names. All at once, bounded in time."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.preflight.listener import GREETING, VRRP, VRRP_TOKEN
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.preflight.plan import Question

# linux/in.h: the don't-fragment bit is set, and what the kernel learned of a path's MTU before is not asked.
_IP_MTU_DISCOVER, _IP_PMTUDISC_PROBE = 10, 3
_ECHO_REQUEST, _ECHO_REPLY = 8, 0
_IP_HEADER, _ICMP_HEADER = 20, 8
_SMALL = 56
_ROUNDS, _ROUND_SECONDS = 3, 0.5
_GREETING_SECONDS = 0.7
_NAME_SECONDS = 5.0


@dataclass(frozen=True)
class Answer:
    """What came of a connection. why: why there was none, empty where there was; ahead: seconds that the node's clock is
    before this one's, None where a service of its own answered; unsure: by how much that may be wrong."""

    question: Question
    why: str = ""
    ahead: float | None = None
    unsure: float = 0.0


@dataclass(frozen=True)
class Echo:
    """Whether a node answers small packets and those as large as the link takes. link: the interface; mtu: in bytes."""

    small: bool
    large: bool
    mtu: int
    link: str


def connect_all(asked: Sequence[Question], seconds: float) -> list[Answer]:
    """Tries all connections at once, each for at most `seconds`."""

    async def everything() -> list[Answer]:
        return list(await asyncio.gather(*(_connect(question, seconds) for question in asked)))

    return asyncio.run(everything())


async def _connect(question: Question, seconds: float) -> Answer:
    begin = time.time()
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(question.address, question.port), seconds)
    except asyncio.TimeoutError:
        return Answer(question, f"no answer in {seconds:g} s")
    except OSError as error:
        return Answer(question, _reason(error))
    try:
        said = await asyncio.wait_for(reader.readline(), _GREETING_SECONDS)
    except (asyncio.TimeoutError, OSError, ValueError):
        said = b""
    end = time.time()
    writer.close()
    if not said.startswith(GREETING):
        return Answer(question)
    return Answer(question, "", float(said[len(GREETING) :]) - (begin + end) / 2, (end - begin) / 2)


def _reason(error: OSError) -> str:
    """Of several addresses asyncio tells all reasons in one text."""
    return os.strerror(error.errno).lower() if error.errno else str(error)


def echoes(peers: Mapping[str, tuple[str, str, int]]) -> dict[str, Echo]:
    """Pings by name: `peers` is name → (IPv4 address, link, MTU). OSError without the right to raw sockets."""
    ident = os.getpid() & 0xFFFF
    waiting = {(index, large): name for index, name in enumerate(peers) for large in (False, True)}
    seen: set[tuple[str, bool]] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as ear:
        ear.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_PROBE)
        for _round in range(_ROUNDS):
            left = {key: name for key, name in waiting.items() if (name, key[1]) not in seen}
            if not left:
                break
            for (index, large), name in left.items():
                address, _link, mtu = peers[name]
                size = mtu - _IP_HEADER - _ICMP_HEADER if large else _SMALL
                _send(ear, address, _request(ident, 2 * index + large, size))
            _listen(ear, ident, waiting, seen)
    return {
        name: Echo((name, False) in seen, (name, True) in seen, mtu, link)
        for name, (_address, link, mtu) in peers.items()
    }


def _send(ear: socket.socket, address: str, packet: bytes) -> None:
    try:
        ear.sendto(packet, (address, 0))
    except OSError:
        return  # Larger than the link takes, or no route: there will be no answer.


def _listen(
    ear: socket.socket, ident: int, waiting: Mapping[tuple[int, bool], str], seen: set[tuple[str, bool]]
) -> None:
    until = time.monotonic() + _ROUND_SECONDS
    while (left := until - time.monotonic()) > 0 and len(seen) < len(waiting):
        ear.settimeout(left)
        try:
            packet = ear.recv(65536)
        except OSError:
            return
        body = packet[(packet[0] & 0xF) * 4 :]
        if len(body) < _ICMP_HEADER or body[0] != _ECHO_REPLY:
            continue
        of, sequence = struct.unpack("!HH", body[4:8])
        key = (sequence // 2, bool(sequence % 2))
        if of == ident and key in waiting:
            seen.add((waiting[key], key[1]))


def _request(ident: int, sequence: int, size: int) -> bytes:
    payload = bytes(size)
    head = struct.pack("!BBHHH", _ECHO_REQUEST, 0, 0, ident, sequence)
    return struct.pack("!BBHHH", _ECHO_REQUEST, 0, checksum(head + payload), ident, sequence) + payload


def checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def send_vrrp(addresses: Iterable[str]) -> None:
    """Sends each address a few packets of VRRP's protocol that mean nothing. OSError without the right to."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, VRRP) as mouth:
        for _time in range(3):
            for address in addresses:
                _send(mouth, address, VRRP_TOKEN)
            time.sleep(0.05)


def resolve_all(names: Iterable[str]) -> dict[str, list[str] | str]:
    """The addresses of each name, or why there are none."""
    found: dict[str, list[str] | str] = {}
    threads = []
    for name in dict.fromkeys(names):
        found[name] = f"no answer in {_NAME_SECONDS:g} s"
        # A resolver cannot be told to give up: its thread is left behind, and ends with this process.
        threads.append(threading.Thread(target=_resolve, args=(name, found), daemon=True))
        threads[-1].start()
    until = time.monotonic() + _NAME_SECONDS
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return dict(found)


def _resolve(name: str, found: dict[str, list[str] | str]) -> None:
    try:
        told = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        found[name] = sorted({str(entry[4][0]) for entry in told})
    except (OSError, UnicodeError) as error:
        found[name] = getattr(error, "strerror", None) or str(error)
