# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evicts the clients of a node that is off from a CephFS, so that others may open what they had open:
`evict_clients.py FILESYSTEM SECONDS ADDRESS`.

Ceph would wait for them for half a minute. Evicted, they are on the blocklist of the OSDs: none of theirs is written any more.
Asks again while the active MDS is away; ends with 0 when no client of that address is left, else with 1 and one sentence.
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


def evict(filesystem: str, seconds: float, address: str) -> str:
    """What stood against it when the time was over; empty when none is left."""
    end = time.monotonic() + seconds
    while True:
        try:
            addresses = {str(found[4][0]) for found in socket.getaddrinfo(address, None)}
            left = clients_of(json.loads(tell(filesystem, "ls", "--format", "json")), addresses)
            if not left:
                return ""
            for client in left:
                tell(filesystem, "evict", f"id={client}")
                print(f"evicted client {client} of {address}", flush=True)
            reason = f"clients {left} were evicted and are not gone yet"
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            reason = f"the clients of {address} are not known: {error}"
        if time.monotonic() > end:
            return f"{filesystem}: {reason}"
        time.sleep(PAUSE_SECONDS)


def main(filesystem: str, seconds: str, address: str) -> int:
    said = evict(filesystem, float(seconds), address)
    if said:
        print(said, file=sys.stderr)
    return 1 if said else 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
