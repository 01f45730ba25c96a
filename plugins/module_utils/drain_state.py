# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what an answer to an eviction means, and what has become of a machine that leaves its node."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions, migration_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drain_plan import Departure
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ApiError, Conflict, NotFound
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.migration_state import Progress

Object = Mapping[str, Any]

_BUDGET = re.compile(r"disruption budget (\S+)")
# What KubeVirt's admission says where it refuses the eviction of a launcher pod.
_TEXTS = (
    ("triggered evacuation", "evacuating"),
    ("not live-migratable", "stuck"),
    ("Eviction request for target Pod", "later"),
    ("cannot evict hotplug pod", "later"),
)
# Seconds after which a machine that nobody starts anew counts as ended.
_NOBODY_STARTS_IT = 10.0
_FIX_ROOM = "Free capacity or uncordon a node, then run again"


@dataclass(frozen=True)
class Reply:
    """What an eviction came to.

    kind: `granted`, `gone`, `evacuating` (it is refused, and the machine will be migrated), `budget` (a
    PodDisruptionBudget does not allow it now), `stuck` (the machine cannot be migrated), `later` or `refused`; budget:
    the name of the PodDisruptionBudget.
    """

    kind: str
    why: str = ""
    budget: str = ""


def read_reply(error: ApiError | None) -> Reply:
    """The meaning of the API's answer to an eviction, None for a success."""
    if error is None:
        return Reply("granted")
    if isinstance(error, NotFound):
        return Reply("gone")
    if isinstance(error, Conflict):
        return Reply("later", error.why)
    if error.status != 429:
        return Reply("refused", error.why)
    for text, kind in _TEXTS:
        if text in error.why:
            return Reply(kind, error.why)
    causes = [cause["message"] for cause in error.causes if cause["message"]]
    told = "; ".join(causes) or error.why
    match = _BUDGET.search(told)
    if match or "disruption budget" in error.why:
        return Reply("budget", told, match.group(1) if match else "")
    return Reply("later", error.why)


def describe_budget(name: str, budget: Object | None) -> str:
    """What a PodDisruptionBudget holds on to."""
    if budget is None:
        return f"PodDisruptionBudget {name}"
    status = budget.get("status") or {}
    return (
        f"PodDisruptionBudget {name} allows {status.get('disruptionsAllowed', 0)} disruptions: "
        f"{status.get('currentHealthy', 0)} of {status.get('expectedPods', 0)} pods are healthy, "
        f"{status.get('desiredHealthy', 0)} must be"
    )


@dataclass(frozen=True)
class Seen:
    """What is known of a machine now.

    vmi: its instance; pod: its launcher pod on the node, None once that is gone or has finished; migrations: all of the
    machine; old: the UIDs of those that had ended before the drain; target: the pod that its migration goes to; reply:
    the last answer to its eviction.
    """

    vmi: Object | None
    pod: Object | None
    migrations: Sequence[Object] = ()
    old: frozenset[str] = frozenset()
    target: Object | None = None
    reply: Reply | None = None


def fate(departure: Departure, node: str, seen: Seen, *, attempts: int, grace: float) -> Progress:
    """What has become of a machine: `migrated`, `restarted`, `shut_down`, `blocked`, or nothing yet.

    attempts: how many of its migrations may fail; grace: seconds that no node may take it.
    """
    vmi = seen.vmi
    if vmi is None:
        return _without_instance(departure, seen)
    if vmi["metadata"].get("uid") != departure.uid:
        return _new_instance(node, vmi, grace)
    runs_on = migration_state.node_of(vmi)
    if runs_on and runs_on != node:
        return (
            Progress("migrated") if seen.pod is None else Progress(why=f"it runs on {runs_on}, its old pod still ends")
        )
    if ((vmi.get("status") or {}).get("phase")) in conditions.FINAL_PHASES:
        return _ended(departure, seen)
    return _still_here(departure, vmi, seen, attempts, grace)


def _without_instance(departure: Departure, seen: Seen) -> Progress:
    if seen.pod is not None:
        return Progress(why="its pod still ends")
    if departure.fate == "restarted":
        return Progress(why="its new instance is not there yet")
    return Progress("shut_down", after=0.0 if departure.fate == "shut_down" else _NOBODY_STARTS_IT)


def _ended(departure: Departure, seen: Seen) -> Progress:
    """A guest that has ended leaves its instance behind, for a moment or for good."""
    if seen.pod is not None:
        return Progress(why="its guest has ended, its pod still does")
    if departure.fate == "restarted":
        return Progress(why="its guest has ended and is not started anew yet")
    return Progress("shut_down", after=0.0 if departure.fate == "shut_down" else _NOBODY_STARTS_IT)


def _new_instance(node: str, vmi: Object, grace: float) -> Progress:
    runs_on = migration_state.node_of(vmi)
    if runs_on and runs_on != node and ((vmi.get("status") or {}).get("phase")) == "Running":
        return Progress("restarted")
    found = conditions.find(vmi, "PodScheduled")
    if found.get("status") == "False" and found.get("reason") == "Unschedulable":
        why = f"it has ended, and no node takes its new instance: {found.get('message') or 'Unschedulable'}"
        return Progress("blocked", why, _FIX_ROOM, grace)
    found_phase = (vmi.get("status") or {}).get("phase") or "new"
    return Progress(why=f"its new instance is {found_phase}{f' on {runs_on}' if runs_on else ''}")


def _still_here(departure: Departure, vmi: Object, seen: Seen, attempts: int, grace: float) -> Progress:
    failed = [
        found
        for found in seen.migrations
        if migration_state.phase(found) == "Failed" and found["metadata"].get("uid") not in seen.old
    ]
    if len(failed) >= attempts:
        why = f"its migration failed {len(failed)} times: {_reason(vmi, failed)}"
        return Progress("blocked", why, "Look at the migrations' events, or choose non_migratable: shutdown or restart")
    unplaced = migration_state.unschedulable(seen.target)
    if unplaced:
        return Progress("blocked", f"no node takes its target pod: {unplaced}", _FIX_ROOM, grace)
    if seen.reply is not None and seen.reply.kind == "stuck":
        return Progress("blocked", seen.reply.why, "Choose non_migratable: shutdown or restart", grace)
    if seen.reply is not None and seen.reply.kind == "refused":
        return Progress("blocked", seen.reply.why, "Mend what the reason names, then run again")
    return Progress(why=_waits_for(departure, seen, failed))


def _reason(vmi: Object, failed: Sequence[Object]) -> str:
    newest = max(failed, key=lambda found: str(found["metadata"].get("creationTimestamp")))
    state = migration_state.state_of(vmi, newest)
    return str(state.get("failureReason") or f"KubeVirt gave no reason for {newest['metadata'].get('name')}")


def _waits_for(departure: Departure, seen: Seen, failed: Sequence[Object]) -> str:
    current = migration_state.in_flight(seen.migrations)
    again = f", after {len(failed)} that failed" if failed else ""
    if current is not None:
        name, phase = current["metadata"].get("name"), migration_state.phase(current) or "not taken up yet"
        return f"its migration {name} is {phase}{again}"
    if departure.way == "external":
        return "its eviction strategy External leaves it to somebody else, who has not moved it"
    if seen.reply is not None and seen.reply.kind == "budget":
        return seen.reply.why
    if seen.reply is not None and seen.reply.kind == "evacuating":
        return f"KubeVirt has taken up its evacuation and not begun a migration{again}"
    if departure.way in ("shutdown", "restart") or (seen.reply is not None and seen.reply.kind == "granted"):
        return "its guest still shuts down"
    return seen.reply.why if seen.reply is not None and seen.reply.why else "its eviction is not taken up yet"
