# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted of units beside what systemd says of them: faults, actions. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

PROPERTIES = ("Id", "LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload", "StateChangeTimestamp")
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]+")
_RUNS = {"active", "activating", "reloading"}
_STOPPED = {"inactive", "failed"}


@dataclass(frozen=True)
class Unit:
    """What systemd says of a unit. `since` is the moment of its last change of state, seconds since the epoch, 0 for none."""

    name: str
    load: str
    active: str
    file: str
    stale: bool
    since: float

    @property
    def missing(self) -> bool:
        """Whether systemd does not know it."""
        return self.load == "not-found"


@dataclass(frozen=True)
class Action:
    """One call of systemctl and why it is made."""

    unit: str
    verb: str
    why: str

    def __str__(self) -> str:
        return f"{self.verb} {self.unit}: {self.why}"


def full_name(name: str) -> str:
    """A unit's name with its kind, a service where none is given."""
    return name if re.search(r"\.(service|socket|timer|mount|target|path)$", name) else f"{name}.service"


def faults(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """All that is wrong with the option `services`, each by the unit and the key."""
    found: list[str] = []
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        name = entry.get("name") or ""
        where = f"services[{name or index}]"
        if not _UNIT.fullmatch(name):
            found.append(f"{where}.name: must be the name of a unit of systemd, such as haproxy")
        elif full_name(name) in seen:
            found.append(f"{where}.name: is given twice; give each unit once")
        seen.add(full_name(name))
        if entry.get("state") == "stopped" and entry.get("reads"):
            found.append(f"{where}.reads: says nothing of a unit that is stopped; leave it out")
        found += [
            f"{where}.reads: {path} must be an absolute path"
            for path in entry.get("reads") or []
            if not path.startswith("/")
        ]
    return found


def unit(shown: str) -> Unit:
    """A unit, of what `systemctl show --timestamp=us+utc` printed of it."""
    said = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    return Unit(
        name=said.get("Id", ""),
        load=said.get("LoadState", ""),
        active=said.get("ActiveState", ""),
        file=said.get("UnitFileState", ""),
        stale=said.get("NeedDaemonReload") == "yes",
        since=_moment(said.get("StateChangeTimestamp", "")),
    )


def _moment(text: str) -> float:
    """Seconds since the epoch of `Sun 2026-11-29 05:40:00.123456 UTC`; 0 for a unit that never changed its state."""
    try:
        return datetime.strptime(text, "%a %Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return 0.0


def obstacles(entries: Sequence[Mapping[str, Any]], found: Mapping[str, Unit]) -> list[str]:
    """Units that cannot become what is wanted of them."""
    told = []
    for entry in entries:
        there = found[full_name(entry["name"])]
        wants = entry.get("state") == "started" or entry.get("enabled")
        if there.missing and wants:
            told.append(f"services[{entry['name']}]: there is no such unit; is its package installed?")
        elif there.load == "masked" and wants:
            told.append(
                f"services[{entry['name']}]: is masked, somebody forbade it; `systemctl unmask {there.name}` allows it again"
            )
    return told


def actions(
    entries: Sequence[Mapping[str, Any]], found: Mapping[str, Unit], changed: Mapping[str, float]
) -> list[Action]:
    """What has to be done, in the order of the entries.

    changed: when each path of `reads` was changed, seconds since the epoch; one that is not there is missing.
    """
    return [action for entry in entries for action in _unit_actions(entry, found[full_name(entry["name"])], changed)]


def _unit_actions(entry: Mapping[str, Any], there: Unit, changed: Mapping[str, float]) -> Iterator[Action]:
    enabled, state = entry.get("enabled"), entry.get("state")
    if enabled and there.file not in ("enabled", "static", "generated"):
        yield Action(there.name, "enable", f"is {there.file or 'not there'}")
    if enabled is False and there.file in ("enabled", "enabled-runtime"):
        yield Action(there.name, "disable", "is enabled")
    if state == "stopped":
        if there.active not in _STOPPED and not there.missing:
            yield Action(there.name, "stop", f"is {there.active}")
    elif there.active in _RUNS:
        newer = [path for path in entry.get("reads") or [] if changed.get(path, 0) > there.since]
        if newer:
            yield Action(there.name, entry.get("apply") or "restart", f"is older than {', '.join(newer)}")
    elif state == "started":
        yield Action(there.name, "start", f"is {there.active or 'not there'}")
