# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the long checks: what a run played replaces its rows, and no other run touches the page."""

from __future__ import annotations

from pathlib import Path

import long_page
import pytest
import run
from levels import CHECKS, Check
from long_page import Line

ORDER = ("backup", "network", "platform")
BACKUP = Line("backup", 3, 0, 1, 40, "2026-11-01", "aaaaaaa", ("needs a disk: there is none",))
NETWORK = Line("network", 5, 1, 0, 100, "2026-11-02", "bbbbbbb")


def test_a_page_is_read_as_it_was_written() -> None:
    page = long_page.write([BACKUP, NETWORK], "2026-11-02, 2 cores")
    assert long_page.read(page) == [BACKUP, NETWORK]
    assert "Together 140 s. The newest run: 2026-11-02, 2 cores." in page
    assert "- backup: needs a disk: there is none\n" in page
    assert long_page.write([NETWORK], "").endswith("Left out:\n\nnothing.\n")


def test_a_reason_of_several_lines_is_one_line() -> None:
    page = long_page.write([Line("backup", 1, 0, 1, 1, "d", "c", ("no\n- network: disk",))], "")
    assert long_page.read(page)[0].left_out == ("no - network: disk",)


def test_a_run_replaces_its_own_rows_and_keeps_those_of_others() -> None:
    newer = Line("network", 6, 0, 0, 90, "2026-11-03", "ccccccc")
    platform = Line("platform", 9, 0, 0, 900, "2026-11-03", "ccccccc")
    assert long_page.merge([BACKUP, NETWORK], [platform, newer], ORDER) == [BACKUP, newer, platform]


def test_what_could_not_be_played_does_not_replace_what_was() -> None:
    unmet = Line("network", 0, 0, 1, 0, "2026-11-03", "ccccccc", ("needs root",))
    assert long_page.merge([NETWORK], [unmet], ORDER) == [NETWORK]
    assert long_page.merge([], [unmet], ORDER) == [unmet]
    assert long_page.merge([unmet], [NETWORK], ORDER) == [NETWORK]


def test_a_check_that_is_no_more_loses_its_row() -> None:
    assert long_page.merge([BACKUP, NETWORK], [], ("network",)) == [NETWORK]


def played(check: Check) -> tuple[Check, run.Played]:
    return check, run.Played(run.Counts(passed=2), 3.4)


def test_only_long_checks_write_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = tmp_path / "roles" / "kubernetes" / "defaults"
    defaults.mkdir(parents=True)
    (defaults / "main.yml").write_text("kubernetes_version: 1.34.4\n")
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(run, "REPOSITORY", tmp_path)
    page = tmp_path / run.LONG_PAGE
    run.write_long_page([played(check) for check in CHECKS if not check.long], "")
    assert not page.exists()
    first, second = [check for check in CHECKS if check.long][:2]
    run.write_long_page([played(first)], "stand-in")
    run.write_long_page([played(second)], "stand-in")
    assert [(line.check, line.passed, line.seconds) for line in long_page.read(page.read_text())] == [
        (first.name, 2, 3),
        (second.name, 2, 3),
    ]
    assert "Kubernetes 1.34.4, KubeVirt on the lab: stand-in." in page.read_text()
