# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: how often a value was how large, as one SVG: a column a class, the median and the limit as lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from statistics import median

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 560, 240, 40, 44, 48
STYLE = (
    "text { font: 12px system-ui, sans-serif; fill: #1d2733; } .axis { stroke: #dde3e9; } .column { fill: #1f6fb5; } "
    ".median { stroke: #1c7c3c; stroke-width: 2; } .limit { stroke: #b3261e; stroke-dasharray: 4 3; } .title { font-weight: 600; }"
)


def classes(values: Sequence[float], width: float) -> list[tuple[float, int]]:
    """(lower bound, how many values) of each class from the lowest to the highest value, empty ones too."""
    numbers = [math.floor(value / width + 1e-9) for value in values]
    return [(number * width, numbers.count(number)) for number in range(min(numbers), max(numbers) + 1)]


def picture(title: str, values: Sequence[float], unit: str, width: float, limit: float) -> str:
    """The distribution of the values in classes of a width."""
    columns = classes(values, width)
    end = max(columns[-1][0] + width, limit) * 1.08
    most = max(count for _bound, count in columns)

    def across(value: float) -> float:
        return LEFT + (WIDTH - LEFT - 10) * value / end

    floor = HEIGHT - BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>',
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - 10}" y1="{floor}" y2="{floor}"/>',
    ]
    for bound, count in columns:
        high = (floor - TOP) * count / most
        x, wide = across(bound), across(bound + width) - across(bound)
        if count:
            parts.append(
                f'<rect class="column" x="{x + 1:.1f}" y="{floor - high:.1f}" width="{wide - 2:.1f}" height="{high:.1f}"/>'
            )
            parts.append(f'<text x="{x + wide / 2:.1f}" y="{floor - high - 4:.1f}" text-anchor="middle">{count}</text>')
    tick = 0.2 if end <= 2.5 else 1.0
    for number in range(int(end / tick) + 1):
        value = number * tick
        parts.append(f'<text x="{across(value):.1f}" y="{floor + 16}" text-anchor="middle">{value:g}</text>')
    for name, value in (("median", median(values)), ("limit", limit)):
        x = across(value)
        parts.append(f'<line class="{name}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{floor}"/>')
        parts.append(f'<text x="{x:.1f}" y="{TOP - 12}" text-anchor="middle">{name} {value:.3g} {escape(unit)}</text>')
    parts.append(
        f'<text x="{LEFT}" y="{HEIGHT - 10}">{len(values)} values in {escape(unit)}, {min(values):.3g} to {max(values):.3g}</text>'
    )
    return "\n".join([*parts, "</svg>"]) + "\n"
