# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: docs/test-long.md, what each long check showed when it was last played, by this run or an earlier one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

_ROW = re.compile(r"^\| ([\w-]+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\S+) \| (\S+) \|$", re.MULTILINE)
_LEFT_OUT = re.compile(r"^- ([\w-]+): (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Line:
    """What came of a check. date, commit: when and of what it was played; left_out: why something of it was not."""

    check: str
    passed: int
    failed: int
    skipped: int
    seconds: int
    date: str
    commit: str
    left_out: tuple[str, ...] = ()

    @property
    def played(self) -> bool:
        return bool(self.passed or self.failed)


def read(page: str) -> list[Line]:
    """The lines of a page that `write` made."""
    lines = {}
    for name, passed, failed, skipped, seconds, date, commit in _ROW.findall(page):
        lines[name] = Line(name, int(passed), int(failed), int(skipped), int(seconds), date, commit)
    for name, reason in _LEFT_OUT.findall(page):
        if name in lines:
            lines[name] = replace(lines[name], left_out=(*lines[name].left_out, reason))
    return list(lines.values())


def merge(earlier: Iterable[Line], now: Iterable[Line], checks: Sequence[str]) -> list[Line]:
    """The lines of this run and, of what it did not play, those of earlier ones; in the order of the checks that there are."""
    lines = {line.check: line for line in earlier}
    for line in now:
        if line.played or not (line.check in lines and lines[line.check].played):
            lines[line.check] = line
    return [lines[check] for check in checks if check in lines]


def write(lines: Sequence[Line], surroundings: str) -> str:
    """The page; surroundings: the machine and the versions of the newest run."""
    page = [
        "# What the long checks showed",
        "",
        "`make test-long` writes this page, and `python tests/run.py long/CHECK` the row of that check. A row that a run did not play is"
        " that of the run which last did.",
        "",
        f"Together {sum(line.seconds for line in lines)} s. The newest run: {surroundings}.",
        "",
        "| check | passed | failed | skipped | seconds | date | commit |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for line in lines:
        cells = (line.check, line.passed, line.failed, line.skipped, line.seconds, line.date, line.commit)
        page.append(f"| {' | '.join(map(str, cells))} |")
    left_out = [f"- {line.check}: {' '.join(reason.split())}" for line in lines for reason in line.left_out]
    page += ["", "Left out:", "", *(left_out or ["nothing."])]
    return "\n".join(page) + "\n"
