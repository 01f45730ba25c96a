# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: time and memory against the number of machines, as one SVG; both axes are logarithmic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, GAP = 420, 300, 60, 40, 46, 20
COLOURS = ("#1f6fb5", "#b3261e", "#1c7c3c")
STYLE = (
    "text { font: 12px system-ui, sans-serif; fill: #1d2733; } .axis { stroke: #dde3e9; } "
    ".limit { stroke: #55626f; stroke-dasharray: 4 3; } .title { font-weight: 600; }"
)

# A line of a panel: machines → value.
Series = Mapping[str, Mapping[int, float]]


def picture(panels: Sequence[tuple[str, Series, float | None]]) -> str:
    """The panels side by side; each is its title, its lines by name and a limit to draw."""
    width = len(panels) * (WIDTH + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" role="img">',
        f"<style>{STYLE}</style>",
        f'<rect width="{width}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for index, (title, series, limit) in enumerate(panels):
        parts += [f'<g transform="translate({index * (WIDTH + GAP)} 0)">', *_panel(title, series, limit), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(title: str, series: Series, limit: float | None) -> list[str]:
    xs = sorted({x for line in series.values() for x in line})
    ys = [y for line in series.values() for y in line.values()] + ([limit] if limit else [])
    low, high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))
    high = max(high, low + 1)

    def across(x: float) -> float:
        reach = math.log10(xs[-1] / xs[0]) or 1.0
        return LEFT + (WIDTH - LEFT - 20) * math.log10(x / xs[0]) / reach

    def down(y: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (math.log10(y) - low) / (high - low)

    parts = [f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>']
    for power in range(low, high + 1):
        y = down(10.0**power)
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for count in xs:
        parts.append(f'<text x="{across(count):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{count:,}</text>')
    if limit:
        y = down(limit)
        parts.append(f'<line class="limit" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{WIDTH}" y="{y - 5:.1f}" text-anchor="end">limit {limit:g}</text>')
    for number, (name, line) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = [(across(x), down(y), y) for x, y in sorted(line.items())]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _value in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y, value in points:
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
            parts.append(f'<text x="{x + 5:.1f}" y="{y - 7:.1f}" fill="{colour}">{value:.3g}</text>')
        parts.append(f'<rect x="{LEFT + number * 150}" y="{HEIGHT - 18}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{LEFT + number * 150 + 15}" y="{HEIGHT - 9}">{escape(name)}</text>')
    return parts
