# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Alertmanagers say of a lost node, as figures of a drill. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure

ALERT = "NodeLost"
_NAMES = ("alert_fired_seconds", "alerts_delivered", "alert_cleared")


@dataclass(frozen=True)
class Fired:
    """The alert as the living Alertmanagers had it: since when, under which fingerprints; `asked`: good answers in all.

    seconds: from the node's loss to the moment it fired; None where no Alertmanager had it.
    """

    seconds: float | None = None
    fingerprints: tuple[str, ...] = ()
    asked: int = 0
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As a module returns it."""
        return asdict(self)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Fired:
        """Out of what a module returned."""
        seconds = given.get("seconds")
        return cls(
            None if seconds is None else float(seconds),
            tuple(given.get("fingerprints") or ()),
            int(given.get("asked") or 0),
            str(given.get("why") or ""),
        )


def of_node(answer: Sequence[Mapping[str, Any]], node: str) -> list[Mapping[str, Any]]:
    """The alerts of an Alertmanager's answer that tell of the node's loss and are not over."""
    return [
        alert
        for alert in answer
        if alert["labels"].get("alertname") == ALERT
        and alert["labels"].get("host") == node
        and moment(alert["endsAt"]) > moment(alert["updatedAt"])
    ]


def fired(answers: Mapping[str, Sequence[Mapping[str, Any]] | None], node: str, t0: float, asked: int) -> Fired:
    """What the Alertmanagers' answers say together; None is one without an answer. t0: seconds since the epoch."""
    found = [alert for answer in answers.values() if answer is not None for alert in of_node(answer, node)]
    # One that began before the loss tells of another.
    fresh = [alert for alert in found if moment(alert["startsAt"]) > t0]
    if not fresh:
        silent = sorted(host for host, answer in answers.items() if answer is None)
        why = f"no Alertmanager told of the loss of {node}" + (f"; no answer of {', '.join(silent)}" if silent else "")
        return Fired(None, (), asked, why)
    begun = min(moment(alert["startsAt"]) for alert in fresh)
    return Fired(round(begun - t0, 3), tuple(sorted({str(alert["fingerprint"]) for alert in fresh})), asked)


def deliveries(lines: Iterable[str], node: str, t0: float) -> int:
    """How many notifications of the node's loss a pager kept since then; lines: {"at", "alerts"} as JSON, one a notification."""
    count = 0
    for line in lines:
        try:
            page = json.loads(line)
            told = page["at"] >= t0 and any(_tells(alert, node) for alert in page["alerts"])
        except (ValueError, KeyError, TypeError):
            continue  # cut short, or none
        count += told
    return count


def _tells(alert: Mapping[str, Any], node: str) -> bool:
    labels = alert["labels"]
    return bool(alert["status"] == "firing" and labels.get("alertname") == ALERT and labels.get("host") == node)


def figures(found: Fired, delivered: int | None, cleared: bool, limit: float) -> list[Figure]:
    """The three figures of a drill.

    delivered: notifications at a pager, which count as once and not never; None where there is no pager: the Alertmanagers then have one
    alert, or as many as they would send.
    """
    seconds, sent, gone = _NAMES
    if delivered is None:
        count, source, why = len(found.fingerprints) or None, "fingerprints", found.why
    else:
        count, source, why = delivered or None, "notifications", "no notification of it came"
    return [
        Figure(seconds, found.seconds, "s", limit, found.asked, found.why),
        Figure(sent, count, "notifications", 1, found.asked, why, more={"counted": source}),
        Figure(
            gone, 1 if cleared else None, "alerts", 1, found.asked, "it went on after the node's return", at_least=True
        ),
    ]


def moment(stamp: str) -> float:
    """Seconds since the epoch of an RFC 3339 time, of which fractions beyond microseconds are cut off."""
    text = stamp.replace("Z", "+00:00")
    head, dot, rest = text.partition(".")
    if dot:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        text = f"{head}.{digits[:6].ljust(6, '0')}{rest[len(digits) :]}"
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()
