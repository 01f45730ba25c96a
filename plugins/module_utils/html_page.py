# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: reports as one HTML page each, in which nothing is loaded from elsewhere: the frame, and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1d2733; background: #fff; margin: 2rem auto; max-width: 1120px;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 1.8rem 0 .5rem; }
table { border-collapse: collapse; } td, th { padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top; }
th { font-weight: 600; border-bottom: 1px solid #b9c3cd; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.verdict { display: inline-block; padding: .1rem .6rem; border-radius: .3rem; color: #fff; font-weight: 600; }
.passed { background: #1c7c3c; } .failed { background: #b3261e; }
.figures { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1rem 0; }
.figure { border: 1px solid #ccd5de; border-radius: .4rem; padding: .5rem .9rem; min-width: 9.5rem; }
.figure b { display: block; font-size: 1.5rem; }
.figure.bad { border-color: #b3261e; } .figure.bad b { color: #b3261e; }
.figure small, .note { color: #55626f; }
svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: #1d2733; }
"""


def document(title: str, style: str, parts: Iterable[str]) -> str:
    """The whole page; `style` comes after what all pages have."""
    begin = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
        f"<style>{STYLE}{style.lstrip()}</style></head><body>",
    ]
    return "\n".join([*begin, *parts, "</body></html>"]) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], kinds: Iterable[Sequence[str]] | None = None) -> str:
    """A table of texts, with a class for each cell where `kinds` is given; without heads where there are none."""
    head = "<tr>" + "".join(f"<th>{escape(text)}</th>" for text in heads) + "</tr>" if heads else ""
    body = [list(row) for row in rows]
    classes = [list(row) for row in kinds] if kinds is not None else [[""] * len(row) for row in body]
    drawn = "".join(
        "<tr>" + "".join(_cell(str(text), kind) for text, kind in zip(row, names)) + "</tr>"
        for row, names in zip(body, classes)
    )
    return f"<table>{head}{drawn}</table>"


def _cell(text: str, kind: str) -> str:
    shown = f' class="{kind}"' if kind else ""
    return f"<td{shown}>{escape(text)}</td>"
