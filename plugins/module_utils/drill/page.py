# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill's report as one HTML page with its timeline drawn; nothing in it is loaded from elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import html_page
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.figures import PHASES, Scene
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.lanes import Lane, lanes
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.samples import Timeline
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.verdict import Verdict
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure

WIDTH, GUTTER, LANE, BAR, TOP = 1120, 190, 24, 16, 34
LEAD_SECONDS = 6.0
LETTER = 6.0  # the width of a letter of the labels, in pixels

STYLE = """
.axis { stroke: #dde3e9; } .cut { stroke: #b3261e; stroke-width: 1.5; }
.mark { stroke: #55626f; stroke-dasharray: 2 3; }
.unseen { fill: #f3f5f7; } .good { fill: #a9d8b3; }
.new { fill: #9cc4ee; } .bad { fill: #eba39d; } .off { fill: #cfd6dd; }
.detect { fill: #f4c474; } .fence { fill: #e89a77; } .release { fill: #d6a3cf; } .schedule { fill: #b6aee6; }
.boot { fill: #9cc4ee; } .serve { fill: #92d3cf; }
.ball { fill: #1d2733; } svg text.number { fill: #fff; font-size: 9px; font-weight: 600; }
"""


def page(timeline: Timeline, scene: Scene, verdict: Verdict, content: Mapping[str, Any]) -> str:
    """The whole page; `content` is that of report.json."""
    title = f"Failover drill {scene.scenario}: {'passed' if verdict.passed else 'failed'}"
    marks = _marks(timeline, scene)
    parts = [
        _head(scene, verdict, content),
        _figures(verdict),
        "<h2>Timeline</h2>",
        _picture(lanes(timeline, scene), marks, scene),
        _legend(marks, scene),
        _machines(content["machines"]),
        _facts(content),
    ]
    return html_page.document(title, STYLE, parts)


def _head(scene: Scene, verdict: Verdict, content: Mapping[str, Any]) -> str:
    word = "passed" if verdict.passed else "failed"
    lines = [
        f"<h1>{escape(scene.scenario.replace('_', ' '))} of {escape(scene.node)} "
        f'<span class="verdict {word}">{word}</span></h1>',
        f'<p class="note">{escape(content["t0"])}, KubeVirt source: {escape(content["kubevirt_source"])}</p>',
    ]
    lines += [f'<p class="note">{escape(note)}</p>' for note in content["notes"]]
    if verdict.faults:
        lines.append("<ul>" + "".join(f"<li>{escape(fault)}</li>" for fault in verdict.faults) + "</ul>")
    return "\n".join(lines)


_FIGURES = '<div class="figures">'


def _figures(verdict: Verdict) -> str:
    bad = {figure.name for figure in verdict.figures if any(fault.startswith(figure.name) for fault in verdict.faults)}
    return f"{_FIGURES}{''.join(_box(figure, figure.name in bad) for figure in verdict.figures)}</div>"


def _box(figure: Figure, bad: bool) -> str:
    shown = "not measured" if figure.value is None else f"{figure.value:g} {figure.unit}"
    side = "at least" if figure.at_least else "at most"
    limit = "no limit" if figure.limit is None else f"{side} {figure.limit:g} {figure.unit}"
    name = figure.name.replace("_", " ")
    return (
        f'<div class="figure{" bad" if bad else ""}">{escape(name)}<b>{escape(shown)}</b>'
        f"<small>{escape(limit)}, {figure.samples} samples</small></div>"
    )


def with_figures(text: str, more: Sequence[Figure]) -> str:
    """A page with figures that were measured after it was written; one that did not pass makes it the page of a failed drill."""
    boxes = "".join(_box(figure, not figure.passed) for figure in more)
    faults = [figure.fault() for figure in more if not figure.passed]
    lines = []
    for line in text.splitlines():
        if line.startswith(_FIGURES):
            if faults:
                lines.append("<ul>" + "".join(f"<li>{escape(fault)}</li>" for fault in faults) + "</ul>")
            line = line[: -len("</div>")] + boxes + "</div>"
        elif faults and ("<h1>" in line or "<title>" in line):
            line = line.replace("verdict passed", "verdict failed").replace(">passed<", ">failed<")
            line = line.replace(": passed<", ": failed<")
        lines.append(line)
    return "\n".join(lines) + "\n"


def _marks(timeline: Timeline, scene: Scene) -> list[tuple[float, str]]:
    """The watcher's events of the cut node after t0, and how the drill itself went on."""
    found = [
        (float(sample["monotonic"]), _worded(sample))
        for sample in timeline.of("recovery", scene.node)
        if sample["monotonic"] >= scene.t0
    ]
    found += [
        (float(sample["monotonic"]), f"drill: {sample['event']}")
        for sample in timeline.of("drill")
        if sample["monotonic"] > scene.t0
    ]
    return sorted(found)


def _worded(sample: Mapping[str, Any]) -> str:
    reason = f": {sample['reason']}" if sample.get("reason") else ""
    return str(sample["event"]).replace("_", " ") + reason


def _picture(rows: Sequence[Lane], marks: Sequence[tuple[float, str]], scene: Scene) -> str:
    begin, end = max(scene.started, scene.t0 - LEAD_SECONDS), scene.ended
    scale = (WIDTH - GUTTER - 10) / max(end - begin, 0.001)
    height = TOP + LANE * len(rows) + 24

    def x(moment: float) -> float:
        return round(GUTTER + (min(max(moment, begin), end) - begin) * scale, 1)

    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Timeline of the drill">']
    step = next(step for step in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 3600) if (end - begin) / step <= 16)
    second = -int((scene.t0 - begin) // step) * step
    while scene.t0 + second <= end:
        at = x(scene.t0 + second)
        parts.append(f'<line class="axis" x1="{at}" x2="{at}" y1="{TOP}" y2="{height - 20}"/>')
        parts.append(f'<text x="{at}" y="{height - 6}" text-anchor="middle">{second} s</text>')
        second += step
    for row, lane in enumerate(rows):
        parts += _lane(lane, TOP + row * LANE, x, begin, end)
    cut = x(scene.t0)
    parts.append(f'<line class="cut" x1="{cut}" x2="{cut}" y1="{TOP - 8}" y2="{height - 20}"/>')
    parts.append(f'<text x="{cut}" y="{TOP - 22}" text-anchor="middle">cut</text>')
    parts += _balls(marks, x, height)
    return "\n".join([*parts, "</svg>"])


def _lane(lane: Lane, top: float, x: Any, begin: float, end: float) -> list[str]:
    parts = [
        f'<text x="{GUTTER - 8}" y="{top + 12}" text-anchor="end">{escape(lane.name)}</text>',
        f'<rect class="unseen" x="{GUTTER}" y="{top}" width="{round(x(end) - GUTTER, 1)}" height="{BAR}"/>',
    ]
    for span in lane.spans:
        if span.end <= begin:
            continue
        left, width = x(span.begin), round(x(span.end) - x(span.begin), 1)
        hover = span.label or ("good answers" if span.kind == "good" else span.kind)
        parts.append(
            f'<rect class="{span.kind}" x="{left}" y="{top}" width="{max(width, 1)}" height="{BAR}">'
            f"<title>{escape(hover)}</title></rect>"
        )
        fitting = next((text for text in (span.label, span.label.split(" ")[0]) if len(text) * LETTER < width - 4), "")
        if fitting:
            parts.append(f'<text x="{left + 4}" y="{top + 12}">{escape(fitting)}</text>')
    return parts


def _balls(marks: Sequence[tuple[float, str]], x: Any, height: int) -> list[str]:
    """Numbered balls over the lanes, moved aside where they would lie on one another."""
    parts, free = [], 0.0
    for number, (moment, _text) in enumerate(marks, start=1):
        at = x(moment)
        middle = max(at, free)
        free = middle + 15
        parts += [
            f'<line class="mark" x1="{at}" x2="{at}" y1="{TOP - 4}" y2="{height - 20}"/>',
            f'<circle class="ball" cx="{middle}" cy="{TOP - 12}" r="7"/>',
            f'<text class="number" x="{middle}" y="{TOP - 9}" text-anchor="middle">{number}</text>',
        ]
    return parts


def _legend(marks: Sequence[tuple[float, str]], scene: Scene) -> str:
    kinds = {"good": "good", "new": "new boot", "bad": "bad", "off": "off or gone", "unseen": "not seen"}
    swatches = "".join(
        f'<rect class="{kind}" x="{110 * i}" y="0" width="14" height="14"/>'
        f'<text x="{110 * i + 19}" y="11">{text}</text>'
        for i, (kind, text) in enumerate(kinds.items())
    )
    rows = [(str(number), f"{moment - scene.t0:.2f} s", text) for number, (moment, text) in enumerate(marks, start=1)]
    listed = html_page.table((), rows, [("n", "n", "")] * len(rows))
    return f'<svg viewBox="0 0 {WIDTH} 16">{swatches}</svg>\n{listed}'


def _machines(machines: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for machine in machines:
        seconds = machine["recovery_seconds"]
        back = "was not on the node" if not machine["lost"] else "never" if seconds is None else f"{seconds:g} s"
        phases = [_number(machine["phases"].get(name)) for name in PHASES]
        cells = [
            machine["name"],
            machine["node"],
            machine["recovered_on"] or "",
            back,
            *phases,
            _number(machine["writes_lost"]),
        ]
        rows.append(cells)
    heads = ["VM", "node", "back on", "back after", *PHASES, "writes lost"]
    return f"<h2>Virtual machines</h2>\n{html_page.table(heads, rows)}"


def _number(value: float | int | None) -> str:
    return "" if value is None else f"{value:g}"


def _facts(content: Mapping[str, Any]) -> str:
    facts = {**content["versions"], **{f"samples of {name}": count for name, count in content["samples"].items()}}
    return f"<h2>Versions and samples</h2>\n{html_page.table((), facts.items())}"
