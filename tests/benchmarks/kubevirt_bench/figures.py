# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: figures, their limits and the table of them, from what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure

from kubevirt_bench.measure import Run, median

PAGE = 500
MOST_OVER_FLOOR = 1.5
MOST_MEMORY_MB = 300
# The least that ours must be faster by, for a number of machines.
CREATE_RATIO = {200: 2.5, 1000: 3.5}
RERUN_RATIO = {200: 3.5, 1000: 10.0}
INVENTORY_RATIO = 10.0
MOST_LISTS = 3


@dataclass
class Side:
    """One contender's runs, and the requests of one of them."""

    runs: list[Run] = field(default_factory=list)
    requests: Mapping[str, int] = field(default_factory=dict)


def ratio(ours: float, peer: float, empty: float) -> float | None:
    """How many times as fast ours is, Ansible's own part taken from both; None where nothing is left of ours."""
    return None if ours <= empty else (peer - empty) / (ours - empty)


def compared(name: str, ours: Side, peer: Side, empty: Sequence[Run], least: float | None, **more: Any) -> Figure:
    """The ratio of a peer's time to ours; `more` goes into the entry too."""
    mine, other, nothing = median(ours.runs), median(peer.runs), median(empty)
    found = ratio(mine, other, nothing)
    value = None if found is None else round(found, 2)
    beside = {
        **more,
        "ours": round(mine, 2),
        "peer": round(other, 2),
        "empty": round(nothing, 2),
        "ratio": value,
        "ratio_unsubtracted": round(other / mine, 2),
        "cpu": {"ours": _cpu(ours.runs), "peer": _cpu(peer.runs), "empty": _cpu(empty)},
        "requests": {"ours": dict(ours.requests), "peer": dict(peer.requests)},
    }
    return Figure(
        name,
        value,
        "times as fast",
        limit=least,
        samples={"ours": seconds(ours.runs), "peer": seconds(peer.runs), "empty": seconds(empty)},
        why="it took no longer than an empty task",
        at_least=True,
        more=beside,
    )


def over_floor(name: str, ours: Side, floor: Side, empty: Sequence[Run]) -> Figure:
    """Our time as a multiple of that of the bare client and an empty task."""
    mine, least = median(ours.runs), median(floor.runs) + median(empty)
    value = round(mine / least, 2)
    return Figure(
        name,
        value,
        "times the floor",
        limit=MOST_OVER_FLOOR,
        samples={"ours": seconds(ours.runs), "floor": seconds(floor.runs), "empty": seconds(empty)},
        more={
            "ours": round(mine, 2),
            "peer": round(least, 2),
            "ratio": value,
            "requests": {"ours": dict(ours.requests), "peer": dict(floor.requests)},
        },
    )


def rerun_requests(count: int, again: Side) -> list[Figure]:
    """What the second run of a task asked of the API server."""
    reads, writes = again.requests.get("reads"), again.requests.get("writes")
    more = {"requests": {"ours": dict(again.requests)}}
    return [
        Figure(f"rerun_{count}_writes", writes, "requests", limit=0, samples=1, more=more),
        Figure(f"rerun_{count}_reads", reads, "requests", limit=1 + count // PAGE, samples=1, more=more),
    ]


def seconds(runs: Sequence[Run]) -> list[float]:
    """The runs' seconds by the wall clock."""
    return [round(one.seconds, 2) for one in runs]


def _cpu(runs: Sequence[Run]) -> float:
    return round(statistics.median(one.cpu_seconds for one in runs), 2)


def table(figures: Sequence[Figure]) -> str:
    """The figures for a terminal, a line each."""
    rows = [("", "figure", "value", "unit", "limit", "ours", "peer")]
    for one in figures:
        word = "ok" if one.passed else "MISSED"
        limit = "" if one.limit is None else f"{'>=' if one.at_least else '<='} {one.limit}"
        sides = (_shown(one.more.get("ours")), _shown(one.more.get("peer")))
        rows.append((word, one.name, _shown(one.value), one.unit, limit, *sides))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _shown(value: Any) -> str:
    return "-" if value is None else str(value)
