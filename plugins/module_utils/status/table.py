# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: a status as text for a terminal: a table a section, then what is wrong and the way out."""

from __future__ import annotations

from textwrap import wrap

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.columns import columns
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Entry
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.build import Status, state_of
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.model import BAD, UNKNOWN, WARN, Section

_MARKS = {BAD: "!!", WARN: "! ", UNKNOWN: "? "}
_WORDS = {BAD: "BAD", WARN: "warning", UNKNOWN: "not all known", "good": "good", "": ""}
_WIDTH = 44
_LINE = 140


def table(status: Status, place: str = "") -> str:
    """The whole text; `place` is where the page is."""
    lines: list[str] = []
    for section in status.sections:
        lines += [*_section(section), ""]
    lines += [*_findings(status), ""]
    counts = ", ".join(f"{count} {severity}" for severity, count in status.summary.items())
    verdict = "nothing critical" if status.whole else "CRITICAL"
    lines.append(f"Status: {verdict} ({counts})")
    if place:
        lines.append(f"Page: {place}")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _section(section: Section) -> list[str]:
    word = _WORDS[state_of(section)]
    title = f"== {section.title}" + (f": {word}" if word else "")
    notes = [f"   {section.note}"] if section.note else []
    if not section.rows:
        return [title, *(notes or ["   nothing"])]
    rows = [section.heads, *([_MARKS.get(cell.state, "") + cell.text for cell in row] for row in section.rows)]
    return [title, *(f"   {line}" for line in columns(rows, _WIDTH)), *notes]


def _findings(status: Status) -> list[str]:
    if not status.entries:
        return ["== Findings: none"]
    return ["== Findings", *(line for entry in status.entries for line in _finding(entry))]


def _finding(entry: Entry) -> list[str]:
    names = ["/".join(filter(None, (one.get("namespace"), one["name"]))) for one in entry["objects"][:5]]
    more = entry["count"] - len(names)
    named = ", ".join(names) + (f" and {more} more" if more > 0 and names else "")
    text = f"{entry['severity']} {entry['id']}: {entry['what']}: {entry['why']}" + (f" ({named})" if named else "")
    return wrap(f"{text}. {entry['fix'].rstrip('.')}.", _LINE, initial_indent="   ", subsequent_indent="     ")
