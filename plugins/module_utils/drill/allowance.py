# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the figures of drills against a budget: what is left of each limit, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.figures import PHASES
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.verdict import PARTITION_CONTROL, Budget
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure, Number

Report = Mapping[str, Any]

_UNITS = {"rpo_writes_lost": "writes", "writers_at_once": "processes"}


def judge(reports: Sequence[Report], budget: Mapping[str, Any] | None) -> dict[str, Any]:
    """Figures, each with its worst value over the reports, its limit and what is left of it; the tightest; the faults.

    Without a budget the limits are those of a drill. A figure that one report does not have is None, and no report at
    all is a fault, as is whatever a report found wrong beside its own limits. ValueError where budget or reports are none.
    """
    limits = _limits(budget)
    for report in reports:
        if not isinstance(report, Mapping) or "figures" not in report:
            raise ValueError(f"{_shown(report)} is no drill report; give the content of report.json, through from_json")
    figures = [_figure(name, limit, reports) for name, limit in limits.items()]
    own = [fault for number, report in enumerate(reports) for fault in _other_faults(number, report)]
    faults = [*(figure.fault() for figure in figures if not figure.passed), *own]
    if not reports:
        faults = ["there is no drill report to judge"]
    return {
        "passed": not faults,
        "drills": len(reports),
        "worst": _tightest(figures),
        "figures": {figure.name: _shown_figure(figure) for figure in figures},
        "faults": faults,
    }


def _limits(budget: Mapping[str, Any] | None) -> dict[str, Number]:
    known = [*asdict(Budget()), *(f"phase_{name}_seconds" for name in PHASES), "alert_fired_seconds"]
    if budget is None:
        return asdict(Budget())
    if not isinstance(budget, Mapping) or not budget:
        raise ValueError(f"{budget!r} is no budget; give limits by the names of figures: {', '.join(known)}")
    unknown = sorted(str(name) for name in budget.keys() - set(known))
    if unknown:
        raise ValueError(
            f"the budget names {', '.join(unknown)}, which no drill measures; there are {', '.join(known)}"
        )
    wrong = [f"{name}: {limit!r}" for name, limit in budget.items() if not _is_number(limit) or limit < 0]
    if wrong:
        raise ValueError(f"limits must be numbers from 0 on, not {', '.join(wrong)}")
    return dict(budget)


def _figure(name: str, limit: Number, reports: Sequence[Report]) -> Figure:
    values = [_value(report, name) for report in reports]
    unit = _UNITS.get(name, "s")
    missing = [str(number + 1) for number, value in enumerate(values) if value is None]
    if missing or not values:
        return Figure(name, None, unit, limit, values, f"drill {' and '.join(missing)} of {len(values)} lacks it")
    return Figure(name, max(value for value in values if value is not None), unit, limit, values)


def _value(report: Report, name: str) -> Number | None:
    if name.startswith("phase_"):
        phases = report.get("phases")
        value = (phases if isinstance(phases, Mapping) else {}).get(name[len("phase_") : -len("_seconds")])
    else:
        value = report.get(name)
    return value if _is_number(value) else None


def _other_faults(number: int, report: Report) -> Iterator[str]:
    """What the drill itself found wrong, but for figures over its own limits: the budget here is another."""
    judged = {
        Figure(name, entry.get("value"), entry.get("unit", ""), entry.get("limit")).fault()
        for name, entry in report["figures"].items()
        if entry.get("value") is not None
    }
    where = f"drill {number + 1} ({report.get('scenario', 'unknown scenario')})"
    faults = [fault for fault in report.get("faults") or [] if fault not in judged]
    if report.get("scenario") == PARTITION_CONTROL:
        yield f"{where}: a control drill has no recovery to judge"
    yield from (f"{where}: {fault}" for fault in faults)
    if not report.get("passed") and not report.get("faults"):
        yield f"{where}: it did not pass, and its report does not say why"


def _shown_figure(figure: Figure) -> dict[str, Any]:
    left = None if figure.value is None else round(float(figure.limit or 0) - figure.value, 3)
    return {
        "value": figure.value,
        "limit": figure.limit,
        "unit": figure.unit,
        "left": left,
        "passed": figure.passed,
        "values": figure.samples,
    }


def _tightest(figures: Sequence[Figure]) -> str:
    """The figure that uses the most of its limit; one that was not measured before all others."""

    def used(figure: Figure) -> float:
        if figure.value is None:
            return float("inf")
        if not figure.limit:
            return 0.0 if figure.passed else 1e9
        return figure.value / figure.limit

    return max(figures, key=used).name


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
