# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: which brick is replaced by which, how, and what stands against it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.gluster.model import Brick, Heal, Peer, Volume

# What is done to the brick: nothing, made anew in its place, or another in its stead.
NONE, RESET, REPLACE = "none", "reset", "replace"


@dataclass(frozen=True)
class State:
    """What was read of a volume and its pool, on a host of the pool that is alive."""

    volume: Volume | None
    online: frozenset[Brick]
    peers: tuple[Peer, ...]
    heals: tuple[Heal, ...] = ()

    def peer(self, host: str) -> Peer | None:
        return next((peer for peer in self.peers if host in peer.hosts), None)


@dataclass(frozen=True)
class Wish:
    """The address of the lost host, that of the new one (the same where it takes its place), and the new brick's folder."""

    volume: str
    lost: str
    new: str
    path: str


@dataclass(frozen=True)
class Plan:
    """`uuid`: the pool's member that the lost host was, empty where it is none any more; `others`: the pool without it."""

    action: str
    faults: tuple[str, ...] = ()
    old: Brick | None = None
    new: Brick | None = None
    uuid: str = ""
    others: tuple[Peer, ...] = ()


def plan(state: State, wish: Wish) -> Plan:
    """What is to be done now; nothing where the new brick is in the volume and serves."""
    if state.volume is None:
        return Plan(NONE, (f"volume {wish.volume} does not exist: there is no brick to replace",))
    volume, new = state.volume, Brick(wish.new, wish.path)
    old = next((brick for brick in volume.bricks if brick.host == wish.lost), None)
    peer = state.peer(wish.lost)
    uuid = peer.uuid if peer else ""
    if wish.lost != wish.new and old is None:
        there = new in volume.bricks
        against = () if there else (f"volume {wish.volume} has no brick of {wish.lost} and none at {new}",)
        return Plan(NONE, against, None, new, uuid)
    if old is None:
        return Plan(NONE, (f"volume {wish.volume} has no brick of {wish.lost}: add one by hand",), None, new, uuid)
    if wish.lost == wish.new and old in state.online:
        return Plan(NONE, (), old, old, uuid)
    action = RESET if wish.lost == wish.new else REPLACE
    others = tuple(other for other in state.peers if other is not peer)
    return Plan(action, tuple(_against(state, volume, old, new, action)), old, new, uuid, others)


def _against(state: State, volume: Volume, old: Brick, new: Brick, action: str) -> Iterator[str]:
    if not volume.started:
        yield f"volume {volume.name} is not started"
    if volume.replicas < 2:
        yield f"volume {volume.name} has no replicas: what lay on {old} is lost, restore it from a backup"
        return
    if action == REPLACE and old in state.online:
        yield f"brick {old} still serves: its host is not lost; power it off first"
    if action == RESET and new.path != old.path:
        yield f"brick {old} has its folder at {old.path}, shared_storage_brick is {new.path}: give the same"
    rest = [brick for brick in volume.replica_set(old) if brick != old]
    silent = [str(brick) for brick in rest if brick not in state.online]
    if silent:
        yield f"brick {', '.join(silent)} of volume {volume.name} is down, too: its data would have one copy; bring it back first"
    torn = [heal.brick for heal in state.heals if heal.split_brain]
    if torn:
        yield f"files of volume {volume.name} are in split brain on {', '.join(torn)}: decide which copy counts first"


def left_to_heal(state: State) -> list[str]:
    """What keeps the volume from being whole; empty where every brick serves and has given all to the others."""
    if state.volume is None:
        return ["there is no such volume"]
    found = [f"brick {brick} is down" for brick in state.volume.bricks if brick not in state.online]
    found += [f"peer {peer.hosts[0]} is not connected" for peer in state.peers if not (peer.connected and peer.joined)]
    for heal in state.heals:
        if heal.pending is None:
            found.append(f"brick {heal.brick} does not tell what it has to heal")
        elif heal.pending:
            found.append(f"brick {heal.brick} has {heal.pending} entries to heal")
    return found
