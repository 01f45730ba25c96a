# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node may be fenced and recovered: pure, from facts; every reason against it is named."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.model import recognise


@dataclass(frozen=True)
class NodeFacts:
    """What is known of one node; times are seconds.

    lease_silent: since the node's lease was last renewed, None where it has no lease; lease_duration: as the lease
    says; zone: its failure domain, empty where it is labelled with none; maintenance: why people or machines hold it
    back, empty where nobody does; out_of_service: whether the taint of a fenced node is on it.
    """

    name: str
    ready: bool = True
    lease_silent: float | None = 0.0
    lease_duration: float = 40.0
    zone: str = ""
    maintenance: str = ""
    schedulable: bool = True
    control_plane: bool = False
    out_of_service: bool = False
    system_uuid: str = ""
    boot_id: str = ""

    @property
    def lease_is_dead(self) -> bool:
        """Whether the lease was not renewed for longer than it lasts; a missing lease says nothing."""
        return self.lease_silent is not None and self.lease_silent > self.lease_duration

    @property
    def looks_dead(self) -> bool:
        return not self.ready or self.lease_is_dead

    @property
    def is_whole(self) -> bool:
        """Whether it is alive and was, after a recovery, re-admitted."""
        return not self.looks_dead and not self.out_of_service


@dataclass(frozen=True)
class EtcdMember:
    """A member of etcd, seen as a static pod."""

    node: str
    ready: bool


@dataclass(frozen=True)
class Etcd:
    """What is known of etcd: its members as pods, or counts that were given.

    given_members and given_healthy: of an etcd whose pods the API does not show; healthy counts the members that are
    not on the node in question.
    """

    members: tuple[EtcdMember, ...] = ()
    given_members: int | None = None
    given_healthy: int | None = None


@dataclass(frozen=True)
class Facts:
    """All that a decision rests on.

    path_answers: whether the node answers on the direct path, None where that was not tried; remediators: others that
    are at work or in charge; lock_holder: who else holds the lock; stopped: whether the stop switch is set.
    """

    node: str
    nodes: tuple[NodeFacts, ...]
    etcd: Etcd = Etcd()
    storage_hosts: tuple[str, ...] = ()
    path_answers: bool | None = None
    remediators: tuple[str, ...] = ()
    lock_holder: str = ""
    stopped: bool = False
    enrolled_uuid: str = ""

    @property
    def target(self) -> NodeFacts | None:
        return next((node for node in self.nodes if node.name == self.node), None)


@dataclass(frozen=True)
class Limits:
    """max_dead_share: the share of a failure domain's nodes, and of all nodes, that may look dead (one always may)."""

    max_dead_share: float = 0.4


def refusals(facts: Facts, limits: Limits, *, proven_off: bool = False) -> list[str]:
    """Every reason not to recover the node, each with its way out; an empty list allows it.

    proven_off: the power was read as off, so that signs of life need not be weighed any more.
    """
    target = facts.target
    if target is None:
        known = ", ".join(node.name for node in facts.nodes) or "none"
        return [f"the cluster has no node {facts.node} (it has {known}): check the name", *_stops(facts)]
    found = list(_stops(facts))
    if not proven_off:
        found += _signs_of_life(target, facts)
    found += _held_back(target, facts)
    found += _too_many_dead(facts, limits)
    found += _no_room(facts)
    found += _etcd(facts, target)
    found += _storage(facts)
    return found


def _stops(facts: Facts) -> Iterator[str]:
    if facts.stopped:
        yield "the stop switch is set: remove the file stop from the state directory when recovery is wanted again"
    if facts.lock_holder:
        yield f"another recovery holds the lock ({facts.lock_holder}): one fencing at a time, run again when it is over"
    for remediator in facts.remediators:
        yield f"another remediator is in charge ({remediator}): pause it, or leave the node to it"


def _signs_of_life(target: NodeFacts, facts: Facts) -> Iterator[str]:
    if target.lease_silent is None:
        yield f"node {target.name} has no lease, so its silence cannot be measured: fence it by hand with node_fence first"
    elif not target.lease_is_dead:
        yield (
            f"node {target.name} renewed its lease {target.lease_silent:.1f} s ago (it lasts {target.lease_duration:.0f} s): "
            "it is alive; drain it, or fence it by hand with node_fence first"
        )
    if facts.path_answers:
        yield f"node {target.name} still answers on the direct path: it runs; look at its kubelet, or fence it by hand first"


def _held_back(target: NodeFacts, facts: Facts) -> Iterator[str]:
    if target.maintenance:
        yield f"node {target.name} is in maintenance ({target.maintenance}): end the maintenance, or recover its VMs by hand"
    if facts.enrolled_uuid and target.system_uuid and not recognise(facts.enrolled_uuid, [target.system_uuid]):
        yield (
            f"node {target.name} is not the machine that was enrolled (enrolled {facts.enrolled_uuid}, "
            f"now {target.system_uuid}): enrol it anew"
        )


def _too_many_dead(facts: Facts, limits: Limits) -> Iterator[str]:
    zones = sorted({node.zone for node in facts.nodes if node.zone})
    scopes: list[tuple[str, Sequence[NodeFacts]]] = [("the cluster", facts.nodes)]
    scopes += [(f"failure domain {zone}", [node for node in facts.nodes if node.zone == zone]) for zone in zones]
    for scope, nodes in scopes:
        dead = [node.name for node in nodes if node.looks_dead or node.name == facts.node]
        allowed = max(1, math.floor(len(nodes) * limits.max_dead_share))
        if facts.node in dead and len(dead) > allowed:
            yield (
                f"{len(dead)} of {len(nodes)} nodes of {scope} look dead ({', '.join(dead)}), at most {allowed} may: "
                "this looks like a network or power fault; look at that first"
            )


def _no_room(facts: Facts) -> Iterator[str]:
    if not any(node.schedulable and node.is_whole for node in _others(facts)):
        yield "no other node is alive and schedulable: the virtual machines would have no place to go"


def _etcd(facts: Facts, target: NodeFacts) -> Iterator[str]:
    counted = _count_etcd(facts)
    if counted is None:
        if target.control_plane:
            yield (
                f"node {target.name} is a control plane but no etcd member is known: "
                "give etcd_members and etcd_healthy_elsewhere"
            )
        return
    members, healthy = counted
    quorum = members // 2 + 1
    if healthy < quorum:
        yield (
            f"etcd would have {healthy} healthy of {members} members without node {target.name}, its quorum is {quorum}: "
            "bring the other members back first"
        )


def _count_etcd(facts: Facts) -> tuple[int, int] | None:
    etcd = facts.etcd
    if etcd.given_members is not None:
        return etcd.given_members, etcd.given_healthy or 0
    if not etcd.members:
        return None
    alive = {node.name for node in _others(facts) if not node.looks_dead}
    return len(etcd.members), sum(member.ready and member.node in alive for member in etcd.members)


def _storage(facts: Facts) -> Iterator[str]:
    hosts = set(facts.storage_hosts)
    if not hosts:
        return
    nodes = {node.name: node for node in facts.nodes}
    # Of a host that is no node of the cluster the API knows nothing; what it serves is asked of the storage, where it is asked.
    alive = sum(host not in nodes or nodes[host].is_whole for host in hosts - {facts.node})
    quorum = len(hosts) // 2 + 1
    if alive < quorum:
        yield (
            f"the shared storage would have {alive} of {len(hosts)} hosts without node {facts.node}, its quorum is {quorum}: "
            "bring the other storage hosts back first"
        )


def _others(facts: Facts) -> list[NodeFacts]:
    return [node for node in facts.nodes if node.name != facts.node]


@dataclass(frozen=True)
class Return:
    """What is known of a node that came back; None means that nobody looked.

    boot_id_at_recovery: the boot that was fenced, empty where none was recorded; qemu_left_over: process ids of QEMU
    on the node that belong to no pod of it; storage_pending: objects that its storage has still to heal;
    etcd_caught_up: True also where the node has no member.
    """

    node: NodeFacts
    boot_id_at_recovery: str = ""
    qemu_left_over: tuple[int, ...] | None = None
    storage_pending: int | None = None
    etcd_caught_up: bool | None = None


def readmission_refusals(facts: Return) -> list[str]:
    """Every reason not to let virtual machines onto the node again."""
    return [*_not_itself(facts), *_not_clean(facts)]


def _not_itself(facts: Return) -> Iterator[str]:
    node = facts.node
    if not node.ready or node.lease_is_dead:
        yield f"node {node.name} is not Ready: wait for its kubelet"
    if not facts.boot_id_at_recovery:
        yield (
            f"node {node.name} carries no record of the boot that was fenced: "
            "check by hand that it was restarted, then take the taint away with kubectl"
        )
    elif node.boot_id == facts.boot_id_at_recovery:
        yield f"node {node.name} still has the boot that was fenced ({node.boot_id}): restart it, what ran there may run still"


def _not_clean(facts: Return) -> Iterator[str]:
    name = facts.node.name
    if facts.qemu_left_over is None:
        yield f"nobody looked for QEMU processes on node {name}: give qemu_left_over"
    elif facts.qemu_left_over:
        shown = ", ".join(map(str, facts.qemu_left_over))
        yield f"QEMU still runs on node {name} (process {shown}): its machines may run elsewhere, end it first"
    if facts.storage_pending is None:
        yield f"nobody looked whether the storage of node {name} is healed: give storage_pending"
    elif facts.storage_pending:
        yield f"the storage has {facts.storage_pending} objects to heal: wait until it is done"
    if facts.etcd_caught_up is None:
        yield f"it is not known whether etcd on node {name} has caught up: give etcd_caught_up"
    elif not facts.etcd_caught_up:
        yield f"etcd's member on node {name} is not healthy: wait until it has caught up"
