# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: which member of etcd is meant, whether it may go, and what a cluster lacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd.cluster import Health
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd.gateway import Member


def quorum(voters: int) -> int:
    """How many of that many voting members must agree."""
    return voters // 2 + 1


def find(members: Sequence[Member], *, member_id: str = "", name: str = "", peer_url: str = "") -> Member | None:
    """The member of an ID, else of a name or peer URL; None where there is none, Refused where several answer to it.

    A member that has not started yet has no name, so that only its peer URL tells whose it is.
    """
    if member_id:
        return next((member for member in members if member.id == member_id), None)
    found = [
        member for member in members if (name and member.name == name) or (peer_url and peer_url in member.peer_urls)
    ]
    if len(found) > 1:
        shown = ", ".join(f"{member.id} ({member.name or 'not started'})" for member in found)
        raise Refused(
            "several members of etcd answer to this", where=name or peer_url, why=shown, fix="Give the member_id of one"
        )
    return found[0] if found else None


def removal_faults(health: Health, member: Member, *, only_lost: bool) -> list[str]:
    """Why a member must not be taken out; empty where it may. only_lost: one that still answers is left alone."""
    found = []
    if only_lost and member.id in health.statuses:
        found.append(f"member {health.name_of(member.id)} still answers: it is not lost; power its machine off first")
    rest = [other for other in health.members if other.id != member.id and not other.learner]
    if not rest:
        found.append(f"member {health.name_of(member.id)} is the last voting one")
        return found
    alive = [other for other in rest if _serves(health, other)]
    if len(alive) < quorum(len(rest)):
        silent = ", ".join(health.name_of(other.id) for other in rest if other not in alive)
        found.append(
            f"{len(alive)} of the {len(rest)} voting members that are left would serve, their quorum is "
            f"{quorum(len(rest))}: bring {silent} back first"
        )
    return found


def faults(health: Health, name: str = "") -> Iterator[str]:
    """What a cluster, or its member of a name, lacks: started, voting, serving, without alarm."""
    members = [member for member in health.members if not name or member.name == name]
    if not members:
        yield f"etcd has no started member {name}"
    for member in members:
        shown = member.name or f"{member.id} ({', '.join(member.peer_urls)})"
        if not member.name:
            yield f"member {shown} has not started yet"
        elif member.learner:
            yield f"member {shown} is a learner, which does not vote"
        elif not _serves(health, member):
            yield f"member {shown} does not serve: {health.unreachable.get(member.id) or 'it knows no leader'}"
        for alarm in health.alarms:
            if alarm["member"] == member.id:
                yield f"member {shown} has the alarm {alarm['alarm']}"


def _serves(health: Health, member: Member) -> bool:
    status = health.statuses.get(member.id)
    return bool(status and status.leader)
