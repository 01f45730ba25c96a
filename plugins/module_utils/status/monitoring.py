# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: who watches the platform: metrics-server, Prometheus with its targets and alerts, and the Alertmanagers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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

_ALERT, _SEVERITY = "alertname", "severity"
# Of an alert's labels, what it is about.
_ABOUT = ("host", "node", "instance", "name")
_SEVERITIES = {"critical": BAD, "warning": WARN, "info": PLAIN, "none": PLAIN}
_NAMED = 5


def section(facts: Facts) -> Section:
    """What watches, what it reaches, and which alerts fire."""
    rows = [_metrics_server(facts)]
    findings = [*_metrics_findings(facts)]
    look = facts.monitoring.get("look")
    if look:
        prometheus, alertmanagers = look["prometheus"], look["alertmanagers"]
        rows += [_prometheus(name, told) for name, told in prometheus.items()]
        rows += [(Cell("target down"), Cell(target, WARN), Cell("")) for target in _down(prometheus)]
        rows += [_alertmanager(name, told, len(alertmanagers)) for name, told in alertmanagers.items()]
        rows += _alert_rows(facts, prometheus)
        findings += _findings(prometheus, alertmanagers)
    else:
        absent = facts.monitoring.get("absent")
        why = str(absent or facts.monitoring.get("why") or "not asked")
        rows.append((Cell("Prometheus, Alertmanager"), Cell(why, PLAIN if absent else UNKNOWN), Cell("")))
    return Section("monitoring", "Monitoring", ("what", "state", "since"), tuple(rows), tuple(findings))


def _metrics_server(facts: Facts) -> Row:
    told = facts.details.get("metrics_server") or {}
    if told.get("installed") is None:
        state = Cell("not known", UNKNOWN)
    elif not told["installed"]:
        state = Cell("not laid out")
    else:
        state = Cell("available", GOOD) if told["available"] else Cell(f"not available: {told['why']}", BAD)
    return (Cell("metrics-server"), state, Cell(""))


def _metrics_findings(facts: Facts) -> Iterator[Finding]:
    told = facts.details.get("metrics_server") or {}
    if told.get("installed") and not told["available"]:
        yield Finding("metrics-server-unavailable", str(told["why"]), (Thing("APIService", "v1beta1.metrics.k8s.io"),))


def _prometheus(name: str, told: Mapping[str, Any]) -> Row:
    what = Cell(f"Prometheus on {name}")
    if told["why"]:
        return (what, Cell(f"no answer: {told['why']}", BAD), Cell(""))
    state = GOOD if told["up"] == told["targets"] else WARN
    return (what, Cell(f"{told['up']} of {told['targets']} targets up", state), Cell(""))


def _down(prometheus: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Each target that one of them does not reach."""
    return sorted({target for told in prometheus.values() for target in told.get("down") or []})


def _alertmanager(name: str, told: Mapping[str, Any], count: int) -> Row:
    what = Cell(f"Alertmanager on {name}")
    if told["why"]:
        return (what, Cell(f"no answer: {told['why']}", BAD), Cell(""))
    return (what, Cell(f"sees {_seen(told)} of {count}", GOOD if _seen(told) >= count else BAD), Cell(""))


def _seen(told: Mapping[str, Any]) -> int:
    """How many it sees, itself among them, which one that is alone does not count."""
    return max(1, int(told["peers"]))


def _alerts(prometheus: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, float]]:
    """Name and severity of each alert → since when it is so, by what it is about; each Prometheus has its own."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for told in prometheus.values():
        for alert in told.get("alerts") or []:
            labels = alert["labels"]
            about = next((str(labels[name]) for name in _ABOUT if labels.get(name)), "")
            of_name = found.setdefault((str(labels.get(_ALERT)), str(labels.get(_SEVERITY) or "none")), {})
            begun = float(alert["since"])
            of_name[about] = min(begun, of_name.get(about, begun))
    return found


def _alert_rows(facts: Facts, prometheus: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    if all(told["why"] for told in prometheus.values()):
        return [(Cell("alerts"), Cell("not known", UNKNOWN), Cell(""))] if prometheus else []
    rows: list[Row] = []
    for (name, severity), about in sorted(_alerts(prometheus).items()):
        begun = f"{span(max(0.0, facts.now - min(about.values())))} ago"
        named = _shortly([each for each in sorted(about) if each])
        state = _SEVERITIES.get(severity, WARN)
        rows.append((Cell(f"alert {name}"), Cell(severity + (f": {named}" if named else ""), state), Cell(begun)))
    return rows or [(Cell("alerts"), Cell("none fires", GOOD), Cell(""))]


def _shortly(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return listed(names[:_NAMED], "") + more


def _findings(
    prometheus: Mapping[str, Mapping[str, Any]], alertmanagers: Mapping[str, Mapping[str, Any]]
) -> Iterator[Finding]:
    for identifier, servers in (("prometheus-silent", prometheus), ("alertmanager-silent", alertmanagers)):
        for name, told in servers.items():
            if told["why"]:
                yield Finding(identifier, str(told["why"]), (Thing("host", name),))
    for name, told in alertmanagers.items():
        if not told["why"] and _seen(told) < len(alertmanagers):
            why = f"it sees {_seen(told)} of {len(alertmanagers)}"
            yield Finding("alertmanager-apart", why, (Thing("host", name),))
    down = _down(prometheus)
    if down:
        yield Finding("target-down", _shortly(down))
    firing = [
        (name, about) for (name, severity), about in _alerts(prometheus).items() if severity in ("critical", "warning")
    ]
    if firing:
        things = tuple(Thing("alert", name, detail=_shortly(sorted(filter(None, about)))) for name, about in firing)
        yield Finding("alert-firing", _shortly(sorted({name for name, _about in firing})), things)
