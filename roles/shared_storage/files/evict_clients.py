# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evicts the clients of a node that is off from a CephFS, so that others may open what they had open:
`evict_clients.py FILESYSTEM SECONDS ADDRESS...`, every address or name that the node may have mounted from.

Ceph would wait for them until `session_autoclose` is over. Evicted, they are on the blocklist of the OSDs: none of theirs is written any
more. Asks again while the active MDS is away; ends with 0 when none of the clients that it found is left, else with 1 and one sentence.
One that comes later is not evicted: the node may have its power back.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from typing import Any

# An MDS that is being replaced does not answer at all.
ANSWER_SECONDS = 3.0
PAUSE_SECONDS = 0.5


def clients_of(sessions: list[dict[str, Any]], addresses: set[str]) -> list[int]:
    """Their numbers, of what `ceph tell mds.* client ls` says: an address is `10.0.0.1:0`, of IPv6 `[fd00::1]:0`."""
    return [
        int(session["id"])
        for session in sessions
        if str(session["entity"]["addr"]["addr"]).rpartition(":")[0].strip("[]") in addresses
    ]


def tell(filesystem: str, *words: str) -> str:
    """What the active MDS answers; OSError or a SubprocessError where there is none."""
    command = ["ceph", "tell", f"mds.{filesystem}:0", "client", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=ANSWER_SECONDS).stdout


def resolved(addresses: list[str]) -> set[str]:
    """What they stand for; OSError where none of them stands for anything."""
    found: set[str] = set()
    for address in addresses:
        try:
            found |= {str(entry[4][0]) for entry in socket.getaddrinfo(address, None)}
        except OSError:
            if address == addresses[-1] and not found:
                raise
    return found


def evict(filesystem: str, seconds: float, addresses: list[str]) -> str:
    """What stood against it when the time was over; empty when none is left."""
    end, where = time.monotonic() + seconds, ", ".join(addresses)
    lost: list[int] | None = None
    while True:
        try:
            there = json.loads(tell(filesystem, "ls", "--format", "json"))
            found = clients_of(there, resolved(addresses))
            if lost is None:
                lost = found
                print(f"{len(lost)} of {len(there)} clients of {filesystem} are at {where}", flush=True)
            left = [client for client in lost if client in found]
            if not left:
                return ""
            for client in left:
                tell(filesystem, "evict", f"id={client}")
                print(f"evicted client {client} of {where}", flush=True)
            reason = f"clients {left} were evicted and are not gone yet"
        except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
            said = str(getattr(error, "stderr", None) or "").strip()
            reason = f"the clients of {where} are not known: {error}" + (f": {said}" if said else "")
        if time.monotonic() > end:
            return f"{filesystem}: {reason}"
        time.sleep(PAUSE_SECONDS)


def main(filesystem: str, seconds: str, *addresses: str) -> int:
    said = evict(filesystem, float(seconds), list(addresses))
    if said:
        print(said, file=sys.stderr)
    return 1 if said else 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
