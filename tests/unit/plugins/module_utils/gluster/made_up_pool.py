# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pool of three hosts with one volume, in the XML that GlusterFS 10.3 prints."""

from __future__ import annotations

from collections.abc import Sequence

PATH = "/var/lib/kubevirt-ha/brick"
HOSTS = ("192.0.2.11", "192.0.2.12", "192.0.2.13")
BUSY = "Another transaction is in progress for shared. Please try again after some time."


def document(body: str, *, code: int = 0, why: str = "") -> str:
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    tail = f"<opRet>{code}</opRet><opErrno>0</opErrno><opErrstr>{why}</opErrstr>"
    return f"{head}\n<cliOutput>{tail}{body}</cliOutput>"


class Pool:
    """Answers commands as the first host does. down: hosts that are lost; pending: entries to heal of the first brick."""

    def __init__(self) -> None:
        self.bricks = [f"{host}:{PATH}" for host in HOSTS]
        self.members = list(HOSTS)
        self.down: set[str] = set()
        self.dead_bricks: set[str] = set()
        self.pending = 0
        self.split = 0
        self.started = True
        self.replicas = 3
        self.busy = 0
        self.commands: list[str] = []

    def __call__(self, command: Sequence[str]) -> tuple[int, str, str]:
        said = " ".join(command[2:]).replace(" --xml", "")
        self.commands.append(said)
        if self.busy:
            self.busy -= 1
            return 1, document("", code=-1, why=BUSY), ""
        if "reset-brick" in said and said.endswith("force"):
            self.dead_bricks.clear()
        if "replace-brick" in said:
            old, new = command[5], command[6]
            self.bricks[self.bricks.index(old)] = new
        if said.endswith("heal shared full"):
            self.pending = 0
            return 0, "Launching heal operation to perform full self heal on volume shared has been successful\n", ""
        shown = {
            "volume info": self.info,
            "volume status shared": self.status,
            "pool list": self.pool,
            "volume heal shared info summary": self.heal,
        }
        return 0, document(shown[said]() if said in shown else ""), ""

    def serves(self, brick: str) -> bool:
        return brick.split(":")[0] not in self.down and brick not in self.dead_bricks

    def info(self) -> str:
        bricks = "".join(f"<brick uuid='u'>{b}<name>{b}</name><hostUuid>u</hostUuid></brick>" for b in self.bricks)
        status = 1 if self.started else 2
        inner = f"<name>shared</name><status>{status}</status><replicaCount>{self.replicas}</replicaCount>"
        return f"<volInfo><volumes><volume>{inner}<bricks>{bricks}</bricks></volume></volumes></volInfo>"

    def status(self) -> str:
        nodes = "<node><hostname>Self-heal Daemon</hostname><path>localhost</path><status>1</status></node>"
        for brick in self.bricks:
            host, path = brick.split(":")
            if host not in self.down:
                on = int(self.serves(brick))
                nodes += f"<node><hostname>{host}</hostname><path>{path}</path><status>{on}</status></node>"
        return f"<volStatus><volumes><volume><volName>shared</volName>{nodes}</volume></volumes></volStatus>"

    def pool(self) -> str:
        peers = ""
        for host in self.members[1:]:
            on = int(host not in self.down)
            names = f"<hostname>{host}</hostname><hostnames><hostname>{host}</hostname></hostnames>"
            peers += f"<peer><uuid>u-{host}</uuid>{names}<connected>{on}</connected><state>3</state></peer>"
        peers += f"<peer><uuid>u-{self.members[0]}</uuid><hostname>localhost</hostname><connected>1</connected></peer>"
        return f"<peerStatus>{peers}</peerStatus>"

    def heal(self) -> str:
        bricks = ""
        for index, brick in enumerate(self.bricks):
            if self.serves(brick):
                counts = (self.pending, self.split) if index == 0 else (0, 0)
                tail = "<totalNumberOfEntries>{}</totalNumberOfEntries><numberOfEntriesInSplitBrain>{}</numberOfEntriesInSplitBrain>"
                bricks += f"<brick><name>{brick}</name><status>Connected</status>{tail.format(*counts)}</brick>"
            else:
                why = "Failed to process entries completely. (Transport endpoint is not connected)totalNumberOfEntries0"
                bricks += f"<brick hostUuid='-'><name>{brick}</name><status>{why}</status></brick>"
        return f"<healInfo><bricks>{bricks}</bricks></healInfo>"
