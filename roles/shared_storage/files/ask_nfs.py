# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks an NFS server whether it serves a version, by the call that does nothing (RFC 5531, RFC 7530): `ask_nfs.py SERVER VERSION [PORT]`.

Ends with 0 where it does, else with 1 and one sentence. Needs no NFS client.
"""

from __future__ import annotations

import socket
import struct
import sys

PROGRAM = 100003  # NFS
SECONDS = 5.0
_ID = 0x6B766861
_ACCEPTED, _SUCCESS, _MISMATCH = 0, 0, 2


def why_not(server: str, version: str, port: int = 2049, seconds: float = SECONDS) -> str:
    """What is wrong with the server, empty where it serves the version."""
    major = int(version.split(".")[0])
    # Call, RPC 2, program, version, procedure NULL, no credentials and no verifier.
    call = struct.pack(">10I", _ID, 0, 2, PROGRAM, major, 0, 0, 0, 0, 0)
    try:
        with socket.create_connection((server, port), seconds) as stream:
            stream.settimeout(seconds)
            stream.sendall(struct.pack(">I", 0x80000000 | len(call)) + call)
            size = struct.unpack(">I", _read(stream, 4))[0] & 0x7FFFFFFF
            return _judge(_read(stream, min(size, 1024)), f"{server}:{port}", major)
    except (OSError, EOFError, struct.error) as error:
        return (
            f"{server}:{port} does not answer as NFS ({error}); start the server, open TCP port {port}, or name another"
        )


def _judge(reply: bytes, where: str, major: int) -> str:
    number, kind, stat, _flavour, length = struct.unpack(">5I", reply[:20])
    rest = reply[20 + length :]
    if (number, kind) != (_ID, 1) or stat != _ACCEPTED:
        return f"{where} refuses the call (reply {kind}, status {stat})"
    state = struct.unpack(">I", rest[:4])[0]
    if state == _MISMATCH:
        low, high = struct.unpack(">2I", rest[4:12])
        return f"{where} serves NFS {low} to {high} and not {major}; set shared_storage_nfs_version"
    return "" if state == _SUCCESS else f"{where} does not serve NFS (accept state {state})"


def _read(stream: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            raise EOFError("it closed the connection")
        data += more
    return data


if __name__ == "__main__":
    said = why_not(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:4]))
    print(said, end="")
    sys.exit(1 if said else 0)
