# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several drills say together. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.figures import PHASES
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.verdict import Budget
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure

Report = Mapping[str, Any]


def figures(reports: Sequence[Report], budget: Budget) -> list[Figure]:
    """The figures of a series; `samples` are the values of the single drills.

    Recovery times count by their median, all else by the worst drill: one lost write is one too many. A figure that
    one drill does not have is null, and so is its median.
    """
    found = [
        _figure(reports, "rto_seconds", "rto_seconds_median", "s", budget.rto_seconds, median),
        _figure(reports, "rto_seconds", "rto_seconds_worst", "s", None, max),
        _figure(reports, "rpo_writes_lost", "rpo_writes_lost", "writes", budget.rpo_writes_lost, sum),
        _figure(reports, "writers_at_once", "writers_at_once", "processes", budget.writers_at_once, max),
        _figure(reports, "api_gap_seconds", "api_gap_seconds_median", "s", None, median),
        _figure(reports, "api_gap_seconds", "api_gap_seconds_worst", "s", budget.api_gap_seconds, max),
        _figure(reports, "vip_gap_seconds", "vip_gap_seconds_median", "s", None, median),
        _figure(reports, "vip_gap_seconds", "vip_gap_seconds_worst", "s", budget.vip_gap_seconds, max),
    ]
    # A drill that took the node of all machines had nobody left to write.
    writing = [report for report in reports if "write_stall_seconds" in report]
    if writing:
        limit = budget.write_stall_seconds
        found.append(_figure(writing, "write_stall_seconds", "write_stall_seconds_worst", "s", limit, max))
    beyond = "requests_failed_beyond_gap"
    found.append(_figure(reports, beyond, beyond, "requests", budget.requests_failed_beyond_gap, sum))
    found += _alerts(reports)
    found += [_phase(reports, name) for name in PHASES]
    failed = sum(1 for report in reports if not report["passed"])
    return [*found, Figure("drills_failed", failed if reports else None, "drills", 0, len(reports))]


def _alerts(reports: Sequence[Report]) -> list[Figure]:
    """The figures of alerts, where one drill has them; each drill has its own limit, and the series that of the first."""
    told = [report["figures"] for report in reports if "alert_fired_seconds" in report]
    if not told:
        return []
    limit = told[0]["alert_fired_seconds"]["limit"]
    return [
        _figure(reports, "alert_fired_seconds", "alert_fired_seconds_median", "s", None, median),
        _figure(reports, "alert_fired_seconds", "alert_fired_seconds_worst", "s", limit, max),
        _figure(reports, "alerts_delivered", "alerts_delivered_most", "notifications", 1, max),
        replace(_figure(reports, "alert_cleared", "alert_cleared", "alerts", 1, min), at_least=True),
    ]


def of_each_node(figures_found: Sequence[Figure], nodes: Sequence[str], storage: str = "") -> list[Figure]:
    """The worst of a series that took each node in turn, under the names of the platform's figures.

    storage: its backend. The names have it unless it is GlusterFS, so that one backend's figures do not replace another's.
    """
    beginning = "node_loss" if storage in ("", "glusterfs") else f"node_loss_{storage.replace('-', '_')}"
    names = {
        "rto_seconds_worst": "rto_seconds",
        "api_gap_seconds_worst": "api_gap_seconds",
        "vip_gap_seconds_worst": "vip_gap_seconds",
        "write_stall_seconds_worst": "write_stall_seconds",
        "requests_failed_beyond_gap": "requests_failed_beyond_gap",
        "rpo_writes_lost": "writes_lost",
        "writers_at_once": "writers_at_once",
        "alert_fired_seconds_worst": "alert_fired_seconds",
        "alerts_delivered_most": "alerts_delivered",
    }
    return [
        replace(figure, name=f"{beginning}_{names[figure.name]}", more={"nodes": list(nodes), "storage": storage})
        for figure in figures_found
        if figure.name in names
    ]


def _figure(
    reports: Sequence[Report], key: str, name: str, unit: str, limit: float | None, how: Callable[[Any], Any]
) -> Figure:
    return _combined(name, [report.get(key) for report in reports], unit, limit, how)


def _phase(reports: Sequence[Report], phase: str) -> Figure:
    values = [(report.get("phases") or {}).get(phase) for report in reports]
    return _combined(f"phase_{phase}_seconds_median", values, "s", None, median)


def _combined(name: str, values: list[Any], unit: str, limit: float | None, how: Callable[[Any], Any]) -> Figure:
    if not values or None in values:
        missing = sum(1 for value in values if value is None)
        return Figure(name, None, unit, limit, values, f"{missing} of {len(values)} drills do not have it")
    return Figure(name, round(how(values), 3), unit, limit, values)
