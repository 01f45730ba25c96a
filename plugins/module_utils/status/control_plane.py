# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the API through its VIP and by each API server, etcd, and the certificates of hosts and cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding, Thing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.model import (
    BAD,
    GOOD,
    UNKNOWN,
    WARN,
    Cell,
    Facts,
    Row,
    Section,
    listed,
    size,
)

API = "api through the VIP"
SERVER = "API server of "
# etcd's own where it does not tell one: https://etcd.io/docs/latest/dev-guide/limit/
_QUOTA = 2 * 2**30


def api(facts: Facts) -> Section:
    """Whether the API answers, at its address and by each server."""
    rows = []
    findings = []
    through = facts.probe(API)
    if through:
        rows.append((Cell(f"through {facts.api_endpoint}"), *_answer(through)))
        if not through.get("up"):
            findings.append(Finding("api-down", _why(through), (Thing("address", facts.api_endpoint),)))
    for name, _host in facts.of_group("control_plane"):
        found = facts.probe(SERVER + name)
        if found:
            rows.append((Cell(f"server of {name}"), *_answer(found)))
            if not found.get("up"):
                findings.append(Finding("api-server-down", _why(found), (Thing("host", name),)))
    return Section("api", "API", ("API", "answers", "seconds"), tuple(rows), tuple(findings))


def _answer(found: Mapping[str, Any]) -> tuple[Cell, Cell]:
    if not found.get("up"):
        return Cell(f"no: {_why(found)}", BAD), Cell("")
    latency = (found.get("latency_seconds") or {}).get("median")
    return Cell("yes", GOOD), Cell("" if latency is None else f"{latency:.3f}")


def _why(found: Mapping[str, Any]) -> str:
    return str((found.get("last_error") or {}).get("message") or "it was not asked")


def etcd(facts: Facts) -> Section:
    """The members, by the first answer of a host that knows them; a cluster without quorum gives none."""
    answers = {name: host.get("etcd") or {} for name, host in facts.of_group("control_plane")}
    known = next((answer["cluster"] for answer in answers.values() if answer.get("cluster")), None)
    heads = ("member", "state", "version", "database", "in use", "fsync p99")
    findings = list(_slow_disks(facts))
    if known is None:
        reasons = [f"{name}: {answer['why']}" for name, answer in answers.items() if answer.get("why")]
        rows = tuple(
            (Cell(name), Cell("not known", UNKNOWN), Cell(""), Cell(""), Cell(""), Cell("")) for name in answers
        )
        if answers:
            why = "; ".join(reasons) or "no control plane was reached"
            findings.append(Finding("etcd-no-answer", why, tuple(Thing("host", name) for name in answers)))
        return Section("etcd", "etcd", heads, rows, tuple(findings))
    members = tuple(_member(facts, member) for member in known["members"])
    findings += _etcd_findings(facts, known)
    healthy = sum(bool(member["reachable"]) for member in known["members"])
    quorum = len(known["members"]) // 2 + 1
    alarms = listed([f"{alarm['alarm']} of {alarm['member']}" for alarm in known["alarms"]])
    note = f"{healthy} of {len(known['members'])} members answer, the quorum is {quorum}; alarms: {alarms}"
    return Section("etcd", "etcd", heads, members, tuple(findings), note)


def leader(facts: Facts) -> str:
    """The name of etcd's leader; empty where it is not known."""
    for _name, host in facts.of_group("control_plane"):
        found = ((host.get("etcd") or {}).get("cluster") or {}).get("leader")
        if found:
            return str(found)
    return ""


def _member(facts: Facts, member: Mapping[str, Any]) -> Row:
    name = str(member["name"] or member["id"])
    wrong = [text for text in member["errors"] if text]
    if not member["reachable"]:
        state = Cell(f"silent: {listed(wrong, 'no answer')}", BAD)
    elif wrong:
        state = Cell(listed(wrong), WARN)
    else:
        state = Cell("leader" if member["leader"] else "learner" if member["learner"] else "follower", GOOD)
    share = _share(member)
    large = share is not None and share > facts.limits.etcd_quota_share
    fsync = (facts.look(name).get("etcd_fsync") or {}).get("p99_ms")
    slow = fsync is not None and fsync > facts.limits.etcd_fsync_ms
    return (
        Cell(name),
        state,
        Cell(str(member["version"] or "")),
        Cell(size(member["db_size"]), WARN if large else ""),
        Cell(size(member["db_size_in_use"])),
        Cell("" if fsync is None else f"up to {fsync:g} ms", WARN if slow else ""),
    )


def _share(member: Mapping[str, Any]) -> float | None:
    """How much of its quota a member's database takes."""
    if member["db_size"] is None:
        return None
    return float(member["db_size"]) / float(member["db_size_quota"] or _QUOTA)


def _etcd_findings(facts: Facts, known: Mapping[str, Any]) -> Iterator[Finding]:
    for alarm in known["alarms"]:
        yield Finding("etcd-alarm", str(alarm["alarm"]), (Thing("member", str(alarm["member"])),))
    for member in known["members"]:
        thing = Thing("member", str(member["name"] or member["id"]))
        wrong = [text for text in member["errors"] if text]
        if not member["reachable"] or wrong:
            yield Finding("etcd-member-silent", listed(wrong, "no answer"), (thing,))
        share = _share(member)
        if share is not None and share > facts.limits.etcd_quota_share:
            yield Finding("etcd-database-large", f"{share:.0%} of its quota", (thing,))


def _slow_disks(facts: Facts) -> Iterator[Finding]:
    for name, _host in facts.of_group("control_plane"):
        fsync = (facts.look(name).get("etcd_fsync") or {}).get("p99_ms")
        if fsync is not None and fsync > facts.limits.etcd_fsync_ms:
            why = f"99 % of its writes are kept within {fsync:g} ms, {facts.limits.etcd_fsync_ms:g} ms are wanted"
            yield Finding("etcd-slow-disk", why, (Thing("host", name),))


def certificates(facts: Facts) -> Section:
    """Of each host the certificate that ends first, and that of the cluster."""
    rows = []
    findings = []
    for name in sorted(facts.hosts):
        known = facts.look(name).get("certificates") or []
        for each in known:
            if each["days_left"] is not None and each["days_left"] < facts.limits.certificate_days:
                over = each["days_left"] <= 0
                rule = "certificate-of-host-expired" if over else "certificate-of-host-ends"
                why = f"less than {facts.limits.certificate_days:g} days are left" if not over else "its end is past"
                findings.append(Finding(rule, why, (Thing("file", each["path"], detail=f"of {name}"),)))
        dated = sorted((each for each in known if each["days_left"] is not None), key=lambda each: each["days_left"])
        if dated:
            rows.append(
                (Cell(name), Cell(dated[0]["path"]), _days(facts, dated[0]["days_left"]), Cell(str(len(known))))
            )
    inside = facts.details.get("certificates") or []
    if inside:
        first = inside[0]
        named = " ".join(filter(None, (first["kind"], first["namespace"], first["name"], first["field"])))
        # KubeVirt's own live for a day: kubevirt_info knows when one of them is late.
        left = Cell(f"{first['days_left']:.1f} days", BAD if first["days_left"] <= 0 else GOOD)
        rows.append((Cell("cluster"), Cell(named), left, Cell(str(len(inside)))))
    heads = ("where", "the first to end", "ends in", "certificates")
    return Section("certificates", "Certificates", heads, tuple(rows), tuple(findings))


def _days(facts: Facts, days: float) -> Cell:
    if days <= 0:
        return Cell("expired", BAD)
    return Cell(f"{days:.0f} days", WARN if days < facts.limits.certificate_days else GOOD)
