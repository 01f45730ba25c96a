# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: rows of text as columns for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from textwrap import wrap

WIDTH = 60


def columns(rows: Sequence[Sequence[str]], width: int = WIDTH) -> list[str]:
    """Rows as wide as their widest cells, cells longer than `width` folded; a rule under the first."""
    lines = [
        line
        for row in rows
        for line in zip_longest(*(wrap(cell, width, break_on_hyphens=False) or [""] for cell in row), fillvalue="")
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(rows[0]))]
    drawn = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)) for line in lines]
    return [drawn[0], "  ".join("-" * width for width in widths), *drawn[1:]]
