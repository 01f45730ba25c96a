# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: a pool and a volume out of what `gluster ... --xml` prints (cli/src/cli-xml-output.c, GlusterFS 10)."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError

_IN_CLUSTER = "3"  # glusterd's friend state "Peer in Cluster"


@dataclass(frozen=True)
class Brick:
    """A brick: the address and folder that the volume knows it by."""

    host: str
    path: str

    @classmethod
    def parse(cls, name: str) -> Brick:
        """From `address:/folder`; an IPv6 address has colons itself."""
        host, _colon, path = name.rpartition(":/")
        return cls(host, f"/{path}")

    def __str__(self) -> str:
        return f"{self.host}:{self.path}"


@dataclass(frozen=True)
class Volume:
    """A volume; its bricks lie in replica sets of `replicas`, in order."""

    name: str
    started: bool
    replicas: int
    bricks: tuple[Brick, ...]

    def replica_set(self, brick: Brick) -> tuple[Brick, ...]:
        """The bricks that hold the same files as this one, itself included."""
        first = self.bricks.index(brick) // self.replicas * self.replicas
        return self.bricks[first : first + self.replicas]


@dataclass(frozen=True)
class Peer:
    """A member of the pool; `joined`: accepted by the others; the one that was asked calls itself localhost."""

    uuid: str
    hosts: tuple[str, ...]
    connected: bool
    joined: bool


@dataclass(frozen=True)
class Heal:
    """What a brick has still to give to others; None where it does not tell."""

    brick: str
    pending: int | None
    split_brain: int | None


def output(text: str, command: str) -> ElementTree.Element:
    """The root of an answer; HaError with GlusterFS's own words where it is a refusal or no XML."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise HaError("gluster gave no XML", where=command, why=text.strip()[:200] or str(error)) from error
    if root.findtext("opRet") not in (None, "0"):
        why = root.findtext("opErrstr") or root.findtext("opErrno") or "no reason was given"
        raise HaError("gluster refused", where=command, why=why, fix="Look into /var/log/glusterfs")
    return root


def volume(root: ElementTree.Element, name: str) -> Volume | None:
    """From `gluster volume info`; None where there is no such volume."""
    for found in root.iter("volume"):
        if found.findtext("name") == name:
            bricks = tuple(Brick.parse(brick.findtext("name") or "") for brick in found.iter("brick"))
            replicas = max(1, int(found.findtext("replicaCount") or 1))
            return Volume(name, found.findtext("status") == "1", replicas, bricks)
    return None


def online(root: ElementTree.Element) -> frozenset[Brick]:
    """The bricks whose process runs, from `gluster volume status`; those of a lost host are not listed at all."""
    return frozenset(
        Brick(node.findtext("hostname") or "", node.findtext("path") or "")
        for node in root.iter("node")
        if node.findtext("status") == "1"
    )


def peers(root: ElementTree.Element) -> tuple[Peer, ...]:
    """From `gluster pool list`."""
    return tuple(
        Peer(
            uuid=peer.findtext("uuid") or "",
            hosts=tuple(
                dict.fromkeys(
                    text for text in (peer.findtext("hostname"), *(h.text for h in peer.iter("hostname"))) if text
                )
            ),
            connected=peer.findtext("connected") == "1",
            joined=peer.findtext("state") in (None, _IN_CLUSTER),
        )
        for peer in root.iter("peer")
    )


def heals(root: ElementTree.Element) -> tuple[Heal, ...]:
    """From `gluster volume heal VOLUME info summary`."""
    return tuple(
        Heal(
            brick.findtext("name") or "",
            _count(brick.findtext("totalNumberOfEntries")),
            _count(brick.findtext("numberOfEntriesInSplitBrain")),
        )
        for brick in root.iter("brick")
    )


def _count(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
