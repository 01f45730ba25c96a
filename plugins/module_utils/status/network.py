# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: which host holds each VIP, and what the load balancers think of their backends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding, Thing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.model import (
    BAD,
    GOOD,
    UNKNOWN,
    Cell,
    Facts,
    Row,
    Section,
    holders,
    listed,
)

VIP = "VIP "
_UP = "UP"


def vips(facts: Facts) -> Section:
    """Each VIP: on exactly one balancer, and answering."""
    rows = []
    findings = []
    for vip in facts.vips:
        name, address = str(vip["name"]), str(vip["address"])
        thing = Thing("VIP", name, detail=f"{address}:{vip['port']}")
        found = holders(facts, address)
        unseen = [host for host, _facts in facts.of_group("load_balancers") if not facts.look(host)]
        if len(found) > 1:
            findings.append(Finding("vip-of-several", f"it is on {listed(found)}", (thing,)))
        elif not found and not unseen:
            findings.append(Finding("vip-of-nobody", "no load balancer has the address", (thing,)))
        probe = facts.probe(VIP + name)
        if probe and not probe.get("up"):
            why = str((probe.get("last_error") or {}).get("message") or "no answer")
            findings.append(Finding("vip-silent", why, (thing,)))
        rows.append((Cell(name), Cell(f"{address}:{vip['port']}"), _held(found, unseen), _answers(probe)))
    return Section("vips", "VIPs", ("VIP", "address", "held by", "answers"), tuple(rows), tuple(findings))


def _held(found: list[str], unseen: list[str]) -> Cell:
    if len(found) == 1:
        return Cell(found[0], GOOD)
    if found:
        return Cell(f"{listed(found)}: more than one", BAD)
    return Cell(f"not known: {listed(unseen)} not seen", UNKNOWN) if unseen else Cell("nobody", BAD)


def _answers(probe: Mapping[str, Any]) -> Cell:
    if not probe:
        return Cell("not asked", UNKNOWN)
    return Cell("yes", GOOD) if probe.get("up") else Cell("no", BAD)


def backends(facts: Facts) -> Section:
    """A row for each server behind the balancers, a column for each balancer."""
    balancers = [name for name, _host in facts.of_group("load_balancers")]
    seen: dict[tuple[str, str], dict[str, Mapping[str, str]]] = {}
    findings = []
    for name in balancers:
        told = facts.look(name).get("balancer")
        if not told or told["why"]:
            if facts.look(name):
                why = (told or {}).get("why") or "its proxy has no statistics"
                findings.append(Finding("balancer-unknown", str(why), (Thing("host", name),)))
            continue
        for server in told["servers"]:
            seen.setdefault((server["backend"], server["server"]), {})[name] = server
            if not server["status"].startswith(_UP):
                thing = Thing("backend", f"{server['backend']}/{server['server']}", detail=f"by {name}")
                why = f"{server['status']} ({server['check']})" if server["check"] else server["status"]
                findings.append(Finding("backend-down", why, (thing,)))
    rows = tuple(_row(key, by_balancer, balancers) for key, by_balancer in sorted(seen.items()))
    heads = ("backend", "server", *(f"by {name}" for name in balancers))
    return Section("backends", "Load balancers", heads, rows, tuple(findings))


def _row(key: tuple[str, str], seen: Mapping[str, Mapping[str, str]], balancers: list[str]) -> Row:
    return (Cell(key[0]), Cell(key[1]), *(_status(seen.get(name)) for name in balancers))


def _status(server: Mapping[str, str] | None) -> Cell:
    if server is None:
        return Cell("not known", UNKNOWN)
    return Cell(server["status"], GOOD if server["status"].startswith(_UP) else BAD)
