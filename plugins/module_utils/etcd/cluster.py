# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health of an etcd cluster, and which of its members to ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import bulk
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ConnectionFailed, HaError, Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd.gateway import Gateway, Member, Status

# A follower this many entries of the log behind the others is a worse choice than the leader.
_LAGGING = 1000
_WORKERS = 16

Open = Callable[[str], Gateway]
Alarm = Mapping[str, str]


@dataclass
class Health:
    """What was found of a cluster.

    candidates: members of the given endpoints that can give a snapshot, the best first; reasons: why other endpoints
    cannot; statuses: of every member that answered, by its ID; unreachable: why a member did not, by its ID.
    """

    candidates: list[Status]
    reasons: list[HaError]
    members: list[Member] = field(default_factory=list)
    alarms: list[dict[str, str]] = field(default_factory=list)
    statuses: dict[str, Status] = field(default_factory=dict)
    unreachable: dict[str, str] = field(default_factory=dict)

    def name_of(self, member: str) -> str:
        """A member's name; its ID where it has none."""
        return next((found.name for found in self.members if found.id == member and found.name), member)

    def as_dict(self) -> dict[str, Any]:
        """The cluster in a module's result."""
        known = [self._entry(member) for member in self.members]
        leader = next((status.leader for status in self.candidates), "")
        return {
            "id": next((status.cluster for status in self.candidates), None),
            "leader": self.name_of(leader) if leader else None,
            "members": known,
            "healthy": not self.unreachable and not self.alarms and not any(entry["errors"] for entry in known),
            "alarms": [{**alarm, "member": self.name_of(alarm["member"])} for alarm in self.alarms],
        }

    def warnings(self) -> Iterable[str]:
        """What a person should know, though the snapshot is sound."""
        for alarm in self.alarms:
            yield f"etcd has the alarm {alarm['alarm']} for member {self.name_of(alarm['member'])}"
        for member, why in self.unreachable.items():
            yield f"etcd's member {self.name_of(member)} does not answer: {why}"

    def _entry(self, member: Member) -> dict[str, Any]:
        status = self.statuses.get(member.id)
        return {
            "id": member.id,
            "name": member.name,
            "client_urls": list(member.client_urls),
            "peer_urls": list(member.peer_urls),
            "reachable": status is not None,
            "leader": status.leads if status else None,
            "learner": member.learner,
            "version": status.version if status else None,
            "revision": status.revision if status else None,
            "db_size": status.db_size if status else None,
            "db_size_in_use": status.db_size_in_use if status else None,
            "db_size_quota": (status.quota or None) if status else None,
            "errors": [*status.errors] if status else [self.unreachable.get(member.id, "")],
        }


def survey(endpoints: Sequence[str], open_gateway: Open) -> Health:
    """Asks all endpoints; raises where no member of them can give a snapshot, with the reason of each."""
    answers = bulk.each(endpoints, lambda endpoint: open_gateway(endpoint).status(), _WORKERS)
    statuses = [answer for answer in answers if isinstance(answer, Status)]
    reasons: list[HaError] = [answer for answer in answers if isinstance(answer, HaError)]
    if not statuses:
        raise all_failed(ConnectionFailed, "etcd cannot be reached", reasons)
    refused = [fault for fault in map(why_not, statuses) if fault]
    health = Health([status for status in statuses if not why_not(status)], [*reasons, *refused])
    for status in [*health.candidates]:
        try:
            health.members = open_gateway(status.endpoint).members()
            health.alarms = open_gateway(status.endpoint).alarms()
            break
        except HaError as error:
            health.candidates.remove(status)
            health.reasons.append(_without_quorum(status, error))
    else:
        raise all_failed(Refused, "no member of etcd can give a snapshot", health.reasons)
    _ask_the_others(health, {status.member: status for status in statuses}, open_gateway)
    health.candidates = best_first(health.candidates, health.alarms)
    return health


def why_not(status: Status) -> Refused | None:
    """Why a member must not give a snapshot, None where it may."""
    if status.learner:
        return Refused("the member is a learner, which serves no snapshot", where=status.endpoint, fix="Ask a voter")
    if not status.leader:
        return Refused(
            "the member knows no leader, so its data may be old",
            where=status.endpoint,
            why="; ".join(status.errors),
            fix="Bring a majority of etcd's members back, or ask another endpoint",
        )
    return None


def best_first(statuses: Sequence[Status], alarms: Sequence[Alarm]) -> list[Status]:
    """Members in the order to ask them: sound before corrupt, up to date before lagging, followers before the leader."""
    corrupt = {alarm["member"] for alarm in alarms if alarm["alarm"] == "CORRUPT"}
    newest = max((status.applied for status in statuses), default=0)
    return sorted(statuses, key=lambda found: (found.member in corrupt, newest - found.applied > _LAGGING, found.leads))


def _ask_the_others(health: Health, known: Mapping[str, Status], open_gateway: Open) -> None:
    """Fills in the status of every member, those beyond the given endpoints by their own URLs."""

    def ask(member: Member) -> Status:
        if member.id in known:
            return known[member.id]
        errors: list[HaError] = []
        for url in member.client_urls:
            try:
                return open_gateway(url).status()
            except HaError as error:
                errors.append(error)
        raise errors[0] if errors else HaError("it has not started yet")

    for member, answer in zip(health.members, bulk.each(health.members, ask, _WORKERS)):
        if isinstance(answer, Status):
            health.statuses[member.id] = answer
        else:
            health.unreachable[member.id] = answer.why or answer.what


def _without_quorum(status: Status, error: HaError) -> Refused:
    return Refused(
        "etcd gives no answer that a majority of its members agrees on",
        where=status.endpoint,
        why=error.why or error.what,
        fix="Bring a majority of etcd's members back",
    )


def all_failed(kind: type[HaError], what: str, reasons: Sequence[HaError]) -> HaError:
    """One error for all endpoints; that of the only one as it is."""
    if len(reasons) == 1:
        return reasons[0]
    return kind(what, why="; ".join(str(reason).rstrip(".") for reason in reasons))
