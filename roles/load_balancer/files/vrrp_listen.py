# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints as JSON which VRRP adverts an interface hears: [{interface, source, router_id, addresses}].

`python3 vrrp_listen.py SECONDS INTERFACE...`. Heard is what reaches this host: multicast adverts and those sent to it.
Unicast adverts between others cannot be seen. Listens below the firewall, so that a rule against strangers hides none.
"""

from __future__ import annotations

import ctypes
import json
import select
import socket
import struct
import sys
import time

VRRP = 112  # the IP protocol, RFC 5798, section 5.1.1.4; CARP has it too
ETH_P_IP = 0x0800
SO_ATTACH_FILTER = 26
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_MULTICAST = 263, 1, 0  # linux/if_packet.h
VRRP_MAC = bytes.fromhex("01005e000012")  # of 224.0.0.18
# Classic BPF: load the protocol's byte of the IP header; if it is VRRP's return the packet, else nothing.
FILTER = ((0x30, 0, 0, 9), (0x15, 0, 1, VRRP), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0))


def parse(packet: bytes) -> dict[str, object] | None:
    """What an IPv4 packet advertises; None where it is no VRRP advert."""
    if len(packet) < 28 or packet[9] != VRRP:
        return None
    body = packet[(packet[0] & 0xF) * 4 :]
    # Version and type, router id, priority, number of addresses: the same in versions 2 and 3.
    if len(body) < 8 or body[0] & 0xF != 1:
        return None
    ends = range(12, min(len(body), 8 + 4 * body[3]) + 1, 4)
    addresses = [socket.inet_ntoa(body[end - 4 : end]) for end in ends]
    return {"source": socket.inet_ntoa(packet[12:16]), "router_id": body[1], "addresses": addresses}


def ear(interface: str) -> socket.socket:
    """A socket that hears VRRP on the interface. Raises OSError where there is none such."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in FILTER))
    program = struct.pack("HL", len(FILTER), ctypes.addressof(code))
    opened.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    member = struct.pack("iHH8s", socket.if_nametoindex(interface), PACKET_MR_MULTICAST, len(VRRP_MAC), VRRP_MAC)
    opened.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, member)
    opened.bind((interface, ETH_P_IP))
    return opened


def listen(interfaces: list[str], seconds: float) -> list[dict[str, object]]:
    """Each advert heard within the time, once."""
    ears = {ear(interface): interface for interface in interfaces}
    heard: list[dict[str, object]] = []
    over = time.monotonic() + seconds
    while (left := over - time.monotonic()) > 0:
        for ready in select.select(list(ears), [], [], left)[0]:
            advert = parse(ready.recv(2048))
            if advert and (found := {"interface": ears[ready], **advert}) not in heard:
                heard.append(found)
    return heard


if __name__ == "__main__":
    print(json.dumps(listen(sys.argv[2:], float(sys.argv[1]))))
