# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: findings of the checks, put together so that a thousand objects with one cause are one entry."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.registry import RULES, SEVERITIES, Rule

Entry = dict[str, Any]
_NAMED_IN_MESSAGE = 5


@dataclass(frozen=True)
class Thing:
    """What a finding is about; `detail` says what it is with just this one."""

    kind: str
    name: str
    namespace: str = ""
    detail: str = ""

    def as_dict(self) -> dict[str, str]:
        parts = {"kind": self.kind, "namespace": self.namespace, "name": self.name, "detail": self.detail}
        return {key: value for key, value in parts.items() if value}


@dataclass(frozen=True)
class Finding:
    """What a check found; those with one identifier and one reason become one entry of the result."""

    id: str
    why: str
    things: tuple[Thing, ...] = ()


class GateClosed(HaError):
    """There are findings of the severity that a task was told to fail on."""

    def __init__(self, entries: Sequence[Entry], severity: str) -> None:
        self.entries = list(entries)
        count = "1 finding" if len(self.entries) == 1 else f"{len(self.entries)} findings"
        super().__init__(
            f"{count} of severity {severity} or worse"
            if severity != SEVERITIES[0]
            else f"{count} of severity critical",
            why="; ".join(sentence(entry) for entry in self.entries),
        )

    def as_dict(self) -> dict[str, Any]:
        return {"what": self.what, "findings": [entry["id"] for entry in self.entries]}


def entries(
    found: Iterable[Finding], *, ignore: Collection[str] = (), most: int = 0, rules: Mapping[str, Rule] = RULES
) -> list[Entry]:
    """The result's findings, the most severe first; `most` objects are named in each, all where it is 0."""
    groups: dict[tuple[str, str], list[Thing]] = {}
    for finding in found:
        if finding.id not in ignore:
            groups.setdefault((finding.id, finding.why), []).extend(finding.things)
    return in_order(_entry(rules[identifier], why, things, most) for (identifier, why), things in groups.items())


def in_order(found: Iterable[Entry]) -> list[Entry]:
    """The most severe first."""
    return sorted(found, key=lambda entry: (SEVERITIES.index(entry["severity"]), entry["id"], entry["why"]))


def _entry(rule: Rule, why: str, things: Iterable[Thing], most: int) -> Entry:
    objects = [thing.as_dict() for thing in sorted(set(things), key=lambda thing: (thing.namespace, thing.name))]
    return {
        "id": rule.id,
        "severity": rule.severity,
        "what": rule.what,
        "why": why,
        "fix": rule.fix,
        "objects": objects[:most] if most else objects,
        "count": len(objects),
    }


def summary(found: Iterable[Entry]) -> dict[str, int]:
    """How many findings there are of each severity."""
    counts = dict.fromkeys(SEVERITIES, 0)
    for entry in found:
        counts[entry["severity"]] += 1
    return counts


def gate(found: Sequence[Entry], fail_on: str) -> GateClosed | None:
    """The error of a task that fails on a severity, None where nothing is that severe; `never` never fails."""
    if fail_on not in SEVERITIES:
        return None
    severe = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    bad = [entry for entry in found if entry["severity"] in severe]
    return GateClosed(bad, fail_on) if bad else None


def sentence(entry: Mapping[str, Any]) -> str:
    """One finding for a message: its identifier, what, why, and the first few objects."""
    names = [
        "/".join(filter(None, (one.get("namespace"), one["name"]))) for one in entry["objects"][:_NAMED_IN_MESSAGE]
    ]
    more = entry["count"] - len(names)
    named = ", ".join(names) + (f" and {more} more" if more > 0 and names else "")
    text = f"{entry['severity']} {entry['id']}: {entry['what']}"
    parts = [text, entry["why"].rstrip("."), f"({named})" if named else ""]
    return ": ".join(parts[:2]) + (f" {parts[2]}" if parts[2] else "") + f" - {entry['fix'].rstrip('.')}"
