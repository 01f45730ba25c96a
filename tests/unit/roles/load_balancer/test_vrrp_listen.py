# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VRRP adverts as bytes."""

from __future__ import annotations

import socket
import struct

import pytest
import vrrp_listen


def packet(body: bytes, protocol: int = 112, options: bytes = b"") -> bytes:
    header = struct.pack(
        "!BBHHHBBH4s4s",
        0x45 + len(options) // 4,
        0xC0,
        20 + len(options) + len(body),
        0,
        0,
        255,
        protocol,
        0,
        socket.inet_aton("192.0.2.7"),
        socket.inet_aton("224.0.0.18"),
    )
    return header + options + body


def advert(first: int, *addresses: str) -> bytes:
    head = struct.pack("!BBBBHH", first, 51, 100, len(addresses), 100, 0)
    return head + b"".join(socket.inet_aton(address) for address in addresses)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("options", [b"", b"\x94\x04\0\0"], ids=["plain", "router alert"])
def test_an_advert_of_either_version_is_read(version: int, options: bytes) -> None:
    found = vrrp_listen.parse(packet(advert(version << 4 | 1, "192.0.2.50", "192.0.2.51"), options=options))
    assert found == {"source": "192.0.2.7", "router_id": 51, "addresses": ["192.0.2.50", "192.0.2.51"]}


def test_authentication_of_version_2_is_no_address() -> None:
    found = vrrp_listen.parse(packet(advert(0x21, "192.0.2.50") + b"password"))
    assert found is not None
    assert found["addresses"] == ["192.0.2.50"]


def test_an_advert_that_was_cut_off_gives_the_addresses_that_are_whole() -> None:
    found = vrrp_listen.parse(packet(advert(0x31, "192.0.2.50", "192.0.2.51")[:-2]))
    assert found is not None
    assert found["addresses"] == ["192.0.2.50"]


@pytest.mark.parametrize(
    "other",
    [b"", packet(advert(0x31, "192.0.2.50"), protocol=6), packet(advert(0x32, "192.0.2.50")), packet(b"\x31\x33")],
    ids=["nothing", "tcp", "another type", "too short"],
)
def test_what_is_no_advert_is_left_out(other: bytes) -> None:
    assert vrrp_listen.parse(other) is None
