# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The call that does nothing, to servers that serve it, serve another version, are no NFS, or say nothing."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import ask_nfs
import pytest


@contextmanager
def server(answer: Callable[[bytes], bytes | None]) -> Iterator[int]:
    """A port that answers one call so; None keeps silent until the client has gone."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            stream, _peer = listener.accept()
            with stream:
                call = stream.recv(4096)[4:]
                reply = answer(call)
                if reply is None:
                    stream.recv(1)
                    return
                stream.sendall(struct.pack(">I", 0x80000000 | len(reply)) + reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def accepted(call: bytes, state: int, *words: int) -> bytes:
    """Accepted, an empty verifier, then how it went."""
    return call[:4] + struct.pack(f">{5 + len(words)}I", 1, 0, 0, 0, state, *words)


def nfs4(call: bytes) -> bytes:
    """As knfsd: version 4 alone."""
    _number, kind, rpc, program, version, procedure = struct.unpack(">6I", call[:24])
    assert (kind, rpc, program, procedure) == (0, 2, 100003, 0)
    return accepted(call, 0) if version == 4 else accepted(call, 2, 4, 4)


@pytest.mark.parametrize(
    ("answer", "version", "said"),
    [
        (nfs4, "4.1", ""),
        (nfs4, "3", "serves NFS 4 to 4 and not 3; set shared_storage_nfs_version"),
        (lambda call: accepted(call, 1), "4.1", "does not serve NFS (accept state 1)"),
        (lambda call: b"HTTP", "4.1", "does not answer as NFS"),
        (lambda call: call[:4] + struct.pack(">5I", 1, 1, 0, 0, 0), "4.1", "refuses the call"),
        (lambda call: None, "4.1", "does not answer as NFS"),
    ],
    ids=["serves", "another version", "no such program", "no RPC", "denied", "silent"],
)
def test_a_server_is_judged(answer: Callable[[bytes], bytes | None], version: str, said: str) -> None:
    with server(answer) as port:
        found = ask_nfs.why_not("127.0.0.1", version, port, seconds=0.1)
    assert said in found if said else found == ""


def test_a_closed_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "open TCP port" in ask_nfs.why_not("127.0.0.1", "4.1", port, seconds=1)
