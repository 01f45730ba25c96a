# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: a status as one HTML page, in which nothing is loaded from elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from html import escape

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import html_page
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Entry
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.build import Status, state_of
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.model import BAD, UNKNOWN, WARN, Section
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.picture import STYLE as PICTURE_STYLE
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.picture import picture

STYLE = """
td.good { color: #1c7c3c; } td.warn { color: #8a5a00; font-weight: 600; } td.bad { color: #b3261e; font-weight: 600; }
td.unknown { color: #55626f; font-style: italic; }
.warned { background: #8a5a00; } .unsure { background: #55626f; } h2 .verdict { font-size: .8rem; margin-left: .5rem; }
""" + PICTURE_STYLE.lstrip()
_VERDICTS = {BAD: ("failed", "bad"), WARN: ("warned", "warning"), UNKNOWN: ("unsure", "not all known")}


def page(status: Status) -> str:
    """The whole page."""
    word, kind = ("nothing critical", "passed") if status.whole else ("critical", "failed")
    moment = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(status.facts.now))
    source = (status.facts.cluster.get("kubevirt") or {}).get("source") or "not known"
    counts = ", ".join(f"{count} {severity}" for severity, count in status.summary.items())
    parts = [
        f'<h1>Status of the platform <span class="verdict {kind}">{word}</span></h1>',
        f'<p class="note">{moment}, KubeVirt source: {escape(str(source))}; findings: {counts}</p>',
        picture(status.facts),
        _findings(status),
        *(part for section in status.sections for part in _section(section)),
    ]
    return html_page.document(f"Status of the platform: {word}", STYLE, parts)


def _section(section: Section) -> Iterator[str]:
    kind, word = _VERDICTS.get(state_of(section), ("", ""))
    mark = f' <span class="verdict {kind}">{word}</span>' if kind else ""
    yield f'<h2 id="{section.name}">{escape(section.title)}{mark}</h2>'
    if section.rows:
        texts = [[cell.text for cell in row] for row in section.rows]
        yield html_page.table(section.heads, texts, [[cell.state for cell in row] for row in section.rows])
    if section.note:
        yield f'<p class="note">{escape(section.note)}</p>'


def _findings(status: Status) -> str:
    if not status.entries:
        return "<h2>Findings</h2>\n<p>none</p>"
    heads = ("severity", "what", "why", "of", "the way out")
    rows = [(entry["severity"], entry["what"], entry["why"], _objects(entry), entry["fix"]) for entry in status.entries]
    kinds = [({"critical": BAD, "warning": WARN}.get(row[0], ""), "", "", "", "") for row in rows]
    return f"<h2>Findings</h2>\n{html_page.table(heads, rows, kinds)}"


def _objects(entry: Entry) -> str:
    named = [
        "/".join(filter(None, (one.get("namespace"), one["name"])))
        + (f" ({one['detail']})" if one.get("detail") else "")
        for one in entry["objects"]
    ]
    more = entry["count"] - len(named)
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")
