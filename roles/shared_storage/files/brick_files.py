# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files are open on this host's brick of a GlusterFS volume, and whether they are locked there: `brick_files.py VOLUME`.

Prints a JSON list of {"gfid", "path", "open": how many have it open, "locks": how many locks of theirs the brick knows}. The source is the
state dump that the brick's process writes at SIGUSR1. A client opens its files again on a brick that was restarted, and does not lock
them again: such a file is open and has no locks.
"""

from __future__ import annotations

import glob
import json
import os
import re
import signal
import sys
import time
from dataclasses import asdict, dataclass

RUN = "/var/run/gluster"
END = "DUMP-END-TIME"
REGULAR = "1"  # ia_type of a regular file (IA_IFREG)
# An inode with its fields, and next what the brick's lock translator knows of it.
_INODE = re.compile(
    r"^\[conn[.]\d+[.]bound_xl[.][^\n]*[.]active[.]\d+\]\n(?P<fields>(?:[^\n\[][^\n]*\n)*)\n*"
    r"(?:\[xlator[.]features[.]locks[.][^\n]*\]\n(?P<locks>(?:[^\n\[][^\n]*\n)*))?",
    re.MULTILINE,
)


@dataclass(frozen=True)
class OpenFile:
    """A regular file of a brick; gfid: the same on every brick; path: within the volume, empty where the brick was never told."""

    gfid: str
    path: str
    open: int
    locks: int


def parse(dump: str) -> list[OpenFile]:
    """The open regular files of a state dump, but those that GlusterFS keeps for itself."""
    found = []
    for match in _INODE.finditer(dump):
        fields = _fields(match["fields"])
        locks = _fields(match["locks"] or "")
        path = locks.get("path", "")
        count = int(fields.get("active-fd-count", fields.get("fd-count", "0")))
        if fields.get("ia_type") == REGULAR and count > 0 and not path.startswith(("/.shard/", "/.glusterfs/")):
            named = "" if path.startswith("<gfid:") else path
            found.append(OpenFile(fields.get("gfid", ""), named, count, int(locks.get("posixlk-count", "0"))))
    return sorted(found, key=lambda file: (file.path, file.gfid))


def _fields(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def dump(volume: str, patience: float = 20.0) -> str:
    """Lets the brick of this host write its state, and returns it. The file is removed again."""
    pids = glob.glob(f"{RUN}/vols/{volume}/*.pid")
    if len(pids) != 1:
        raise SystemExit(f"volume {volume} has {len(pids)} bricks with a process on this host; there must be one")
    with open(pids[0], encoding="utf-8") as file:
        pid = int(file.read())
    before = set(glob.glob(f"{RUN}/*.{pid}.dump.*"))
    os.kill(pid, signal.SIGUSR1)
    until = time.monotonic() + patience
    while time.monotonic() < until:
        for path in set(glob.glob(f"{RUN}/*.{pid}.dump.*")) - before:
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read()
            if END in text:
                os.unlink(path)
                return text
        time.sleep(0.1)
    raise SystemExit(f"the brick of volume {volume}, process {pid}, wrote no state to {RUN} within {patience:.0f} s")


if __name__ == "__main__":
    print(json.dumps([asdict(file) for file in parse(dump(sys.argv[1]))]))
