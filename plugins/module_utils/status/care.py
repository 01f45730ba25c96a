# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: who looks after the platform: the watcher, backups, drills, and the matrix of versions."""

from __future__ import annotations

import calendar
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import versions as matrix
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.redundancy import heartbeat_faults
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding, Thing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.model import (
    BAD,
    GOOD,
    PLAIN,
    UNKNOWN,
    WARN,
    Cell,
    Facts,
    Row,
    Section,
    listed,
    span,
)

_STATES = {matrix.TESTED: GOOD, matrix.SUPPORTED: GOOD, matrix.UNTESTED: BAD}
_RUNTIME = "containerd://"


def watcher(facts: Facts) -> Section:
    """The watcher's heartbeat, its stop switch and what it did last."""
    heads = ("watcher", "state")
    told = facts.watcher.get("look")
    if not told:
        why = str(facts.watcher.get("why") or "there is no host in backup_hosts")
        finding = Finding("watcher-unknown", why)
        return Section("watcher", "Watcher", heads, ((Cell("heartbeat"), Cell("not known", UNKNOWN)),), (finding,))
    beat = told["heartbeat"]
    faults = heartbeat_faults(beat, told["now"], facts.limits.heartbeat_seconds)
    if told["stop_switch"] and not any("stop switch" in fault for fault in faults):
        faults.append("the watcher's stop switch is set")
    age = f"{told['now'] - float(beat.get('at') or 0):.1f} s old" if beat else "there is none"
    alive = beat is not None and told["now"] - float(beat.get("at") or 0) <= facts.limits.heartbeat_seconds
    rows: list[Row] = [
        (Cell("heartbeat"), Cell(age, GOOD if alive else BAD)),
        (Cell("stop switch"), Cell("set", BAD) if told["stop_switch"] else Cell("not set", GOOD)),
    ]
    if beat:
        automatic = beat.get("automatic") is not False
        rows.append((Cell("recovers by itself"), Cell("yes", GOOD) if automatic else Cell("no, it only watches", WARN)))
    rows += [(Cell("event"), Cell(_event(event, told["now"]))) for event in told["events"]]
    where = Thing("host", str(facts.watcher.get("host") or ""))
    findings = tuple(Finding("watcher-not-working", fault, (where,)) for fault in faults)
    return Section("watcher", "Watcher", heads, tuple(rows), findings)


def _event(event: Mapping[str, Any], now: float) -> str:
    reason = f": {event['reason']}" if event.get("reason") else ""
    age = span(max(0.0, now - float(event.get("at") or now)))
    return f"{age} ago: {event.get('node')} {str(event.get('event')).replace('_', ' ')}{reason}"


def backup(facts: Facts) -> Section:
    """The newest backups, and what proves them; what is wrong with etcd's kubevirt_info finds."""
    heads = ("backup", "taken", "where", "verified")
    told = facts.details.get("backups") or {}
    more = [_run(facts, told), _machines(facts, told), _proven(facts, told), _repository(facts, told)] if told else []
    rows = (_etcd_backup(facts), *(row for row, _found in more))
    return Section("backup", "Backup", heads, rows, tuple(one for _row, found in more for one in found))


def _etcd_backup(facts: Facts) -> Row:
    found = facts.details.get("etcd_backup")
    if not found:
        known = Cell("none is known", WARN) if facts.asked else Cell("not known", UNKNOWN)
        return (Cell("etcd"), known, Cell(""), Cell(""))
    old = found["age_seconds"] > facts.limits.backup_hours * 3600
    taken = Cell(f"{span(found['age_seconds'])} ago", WARN if old else GOOD)
    return (Cell("etcd"), taken, Cell(found["location"]), Cell("yes", GOOD) if found["verified"] else Cell("no", WARN))


def _run(facts: Facts, told: Mapping[str, Any]) -> tuple[Row, list[Finding]]:
    """The last run that ended; a part of it that failed keeps no other from being taken."""
    found = told.get("run")
    if not found:
        return (Cell("last run"), Cell("none is known", WARN), Cell(""), Cell("")), []
    failed = [str(one) for part in (found.get("failures") or {}).values() for one in part]
    age = facts.now - _moment(str(found.get("at") or ""))
    ended = Cell(f"{span(age)} ago", WARN if age > facts.limits.backup_hours * 3600 else GOOD)
    told_of = Cell(f"{len(failed)} failed" if failed else "all of it", WARN if failed else GOOD)
    findings = [Finding("backup-failed", "; ".join(failed))] if failed else []
    return (Cell("last run"), ended, told_of, Cell("")), findings


def _machines(facts: Facts, told: Mapping[str, Any]) -> tuple[Row, list[Finding]]:
    """The oldest of the machines' newest backups, and those that have none."""
    held = told.get("machines") or {}
    wanted = told.get("selected") or sorted(held)
    ages = {name: facts.now - _moment(str(held[name].get("taken_at") or "")) for name in wanted if name in held}
    missing = [name for name in wanted if name not in held]
    limit = facts.limits.backup_hours * 3600
    old = [name for name, age in ages.items() if age > limit]
    findings = []
    if missing:
        findings.append(Finding("backup-machine-missing", listed(missing), tuple(map(_machine, missing))))
    if old:
        why = f"{listed(old)}: older than {facts.limits.backup_hours:g} h"
        findings.append(Finding("backup-machine-old", why, tuple(map(_machine, old))))
    taken = Cell(f"{span(max(ages.values()))} ago" if ages else "none", WARN if old or not ages else GOOD)
    count = Cell(f"{len(ages)} of {len(wanted)} machines", WARN if missing else GOOD)
    return (Cell("machines"), taken, count, Cell("")), findings


def _machine(name: str) -> Thing:
    namespace, _slash, own = name.partition("/")
    return Thing("VirtualMachine", own, namespace)


def _proven(facts: Facts, told: Mapping[str, Any]) -> tuple[Row, list[Finding]]:
    found = told.get("proven")
    if not found:
        finding = Finding("restore-unproven", "no restore was booted and answered yet")
        return (Cell("restore"), Cell("none yet", WARN), Cell(""), Cell("no", WARN)), [finding]
    age = facts.now - _moment(str(found.get("at") or ""))
    old = age > facts.limits.restore_days * 86400
    why = f"{span(age)} ago, {facts.limits.restore_days:g} days are allowed"
    row = (
        Cell("restore"),
        Cell(f"{span(age)} ago", WARN if old else GOOD),
        Cell(str(found.get("machine"))),
        Cell("yes", GOOD),
    )
    return row, [Finding("restore-unproven", why)] if old else []


def _repository(facts: Facts, told: Mapping[str, Any]) -> tuple[Row, list[Finding]]:
    found = told.get("checked") or {}
    if not found:
        return (Cell("repository"), Cell("not looked at", WARN), Cell(""), Cell("no", WARN)), []
    age = Cell(f"{span(facts.now - _moment(str(found.get('at') or '')))} ago")
    if found.get("sound"):
        return (Cell("repository"), age, Cell(f"{found.get('subset')} read"), Cell("yes", GOOD)), []
    hit = [str(one.get("what")) for one in found.get("affected") or []]
    finding = Finding("backup-damaged", f"affected: {listed(sorted(set(hit)), 'not known')}")
    return (Cell("repository"), age, Cell(listed(sorted(set(hit)))), Cell("damaged", BAD)), [finding]


def drill(facts: Facts) -> Section:
    """The newest report of a drill."""
    heads = ("drill", "when", "result", "RTO", "writes lost")
    found = facts.drill
    if not found:
        finding = Finding("drill-missing", f"{facts.drill_place or 'a report'} is not there")
        return Section("drill", "Last drill", heads, ((Cell("none"), *(Cell(""),) * 4),), (finding,))
    age = facts.now - _moment(str(found.get("t0") or ""))
    passed = bool(found.get("passed"))
    findings = []
    if not passed:
        findings.append(Finding("drill-failed", listed(found.get("faults") or [], "its report says so")))
    if age > facts.limits.drill_days * 86400:
        findings.append(Finding("drill-old", f"{span(age)} ago, {facts.limits.drill_days:g} days are allowed"))
    rto, lost = found.get("rto_seconds"), found.get("rpo_writes_lost")
    row = (
        Cell(f"{str(found.get('scenario')).replace('_', ' ')} of {found.get('node')}"),
        Cell(f"{span(age)} ago"),
        Cell("passed", GOOD) if passed else Cell("failed", BAD),
        Cell("not measured" if rto is None else f"{rto:g} s", UNKNOWN if rto is None else PLAIN),
        Cell("not measured" if lost is None else str(lost), UNKNOWN if lost is None else PLAIN),
    )
    note = f"KubeVirt source: {found.get('kubevirt_source')}"
    return Section("drill", "Last drill", heads, (row,), tuple(findings), note)


def _moment(text: str) -> float:
    try:
        return float(calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")))
    except ValueError:
        return 0.0


def versions(facts: Facts) -> Section:
    """What runs, and what the version matrix says of it."""
    running = running_versions(facts)
    verdict = matrix.verdict(running)
    told = facts.asked
    state = Cell(verdict.state, _STATES[verdict.state]) if told else Cell("not known", UNKNOWN)
    rows = [(Cell(part), Cell(version)) for part, version in running.items() if version]
    unread = [part for part, version in (facts.cluster.get("versions") or {}).items() if version is None]
    rows += [(Cell(part), Cell("not known", UNKNOWN)) for part in unread]
    rows.append((Cell("version matrix"), state))
    findings = []
    if told:
        findings += [Finding("versions-untested", fault) for fault in verdict.faults]
        findings += [Finding("versions-noted", note) for note in verdict.notes]
    return Section("versions", "Versions", ("part", "version"), tuple(rows), tuple(findings))


def running_versions(facts: Facts) -> dict[str, str]:
    """Of each part the oldest version that runs, which is what must go with the others."""
    found = facts.cluster.get("versions") or {}
    runtimes = str(found.get("container_runtime") or "").split(", ")
    members = [
        str(member["version"] or "")
        for _name, host in facts.of_group("control_plane")
        for member in ((host.get("etcd") or {}).get("cluster") or {}).get("members") or []
    ]
    return {
        "kubernetes": _oldest(str(found.get("kubelet") or "").split(", ")),
        "kubevirt": str(found.get("kubevirt") or ""),
        "cdi": str(found.get("cdi") or ""),
        "etcd": _oldest(members),
        "containerd": _oldest([text[len(_RUNTIME) :] for text in runtimes if text.startswith(_RUNTIME)]),
    }


def _oldest(texts: list[str]) -> str:
    known = [text for text in texts if matrix.numbers(text)]
    return min(known, key=lambda text: matrix.numbers(text) or (0, 0, 0), default="")


def whole(facts: Facts) -> Section:
    """What a drill would say before it begins."""
    heads = ("redundancy", "")
    if not facts.redundancy:
        return Section("redundancy", "Redundancy", heads, ((Cell("not asked", UNKNOWN), Cell("")),))
    faults = [str(fault) for fault in facts.redundancy.get("faults") or []]
    if not faults:
        return Section("redundancy", "Redundancy", heads, ((Cell("whole: a drill could begin", GOOD), Cell("")),))
    rows = tuple((Cell("missing" if not number else ""), Cell(fault, BAD)) for number, fault in enumerate(faults))
    finding = Finding("not-whole", f"{len(faults)} things are missing" if len(faults) > 1 else faults[0])
    return Section("redundancy", "Redundancy", heads, rows, (finding,))
