# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of drills against a budget: what is left, and that nothing that is missing ever passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import reports
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import allowance, report
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.verdict import Budget, judge
from drill_story import EPOCH, PROBES, Story

SETTING = report.Setting(reports.Origin("make drill", "0123abc", "release"))


def made(story: Story, limits: Budget | None = None) -> dict[str, Any]:
    """The content of report.json of a made-up drill."""
    verdict = judge(story.timeline(), story.scene, limits or Budget(), PROBES)
    return report.summary(story.timeline(), story.scene, verdict, SETTING, EPOCH)


def test_what_is_left_of_each_limit() -> None:
    found = allowance.judge([made(Story())], {"rto_seconds": 20, "api_gap_seconds": 1.4, "phase_detect_seconds": 5})
    assert found["passed"] is True
    assert found["faults"] == []
    left = {name: figure["left"] for name, figure in found["figures"].items()}
    assert left == {"rto_seconds": 6.0, "api_gap_seconds": 0.2, "phase_detect_seconds": 1.0}
    assert found["worst"] == "api_gap_seconds"


def test_the_worst_of_several_drills_counts() -> None:
    found = allowance.judge([made(Story()), made(Story(answers=19.0))], {"rto_seconds": 15})
    assert found["passed"] is False
    assert found["figures"]["rto_seconds"] == {
        "value": 19.0, "limit": 15, "unit": "s", "left": -4.0, "passed": False, "values": [14.0, 19.0],
    }  # fmt: skip
    assert found["faults"] == ["rto_seconds is 19.0 s, over the limit of 15"]


def test_without_a_budget_the_limits_are_those_of_a_drill() -> None:
    found = allowance.judge([made(Story())], None)
    assert {name: figure["limit"] for name, figure in found["figures"].items()} == vars(Budget())


def test_a_drill_over_its_own_limits_may_be_within_these() -> None:
    strict = made(Story(), Budget(rto_seconds=10.0))
    assert strict["passed"] is False
    assert allowance.judge([strict], {"rto_seconds": 20})["passed"] is True


@pytest.mark.parametrize("missing", ["writers", "guest", "api"])
def test_a_probe_without_data_fails_even_where_its_figure_is_not_judged(missing: str) -> None:
    found = allowance.judge([made(Story()), made(Story(drop=(missing,)))], {"vip_gap_seconds": 3})
    assert found["passed"] is False
    assert any(fault.startswith("drill 2 (node_power_loss): ") for fault in found["faults"])


def test_a_figure_that_one_drill_lacks_is_missing_and_worst() -> None:
    found = allowance.judge([made(Story()), made(Story(drop=("writers",)))], {"rto_seconds": 20, "writers_at_once": 1})
    assert found["figures"]["writers_at_once"]["value"] is None
    assert found["figures"]["writers_at_once"]["left"] is None
    assert found["worst"] == "writers_at_once"
    assert "writers_at_once was not measured: drill 2 of 2 lacks it" in found["faults"]


@pytest.mark.parametrize("value", [None, "12", True, float("nan"), float("inf"), [], {}])
def test_a_value_that_is_no_number_is_missing(value: Any) -> None:
    found = allowance.judge([{**made(Story()), "rto_seconds": value}], {"rto_seconds": 20})
    assert found["passed"] is False
    assert found["figures"]["rto_seconds"]["value"] is None


def test_no_drill_is_no_pass() -> None:
    found = allowance.judge([], {"rto_seconds": 20})
    assert (found["passed"], found["faults"]) == (False, ["there is no drill report to judge"])


def test_a_drill_that_failed_without_a_reason_is_no_pass() -> None:
    found = allowance.judge([{**made(Story()), "passed": False, "faults": []}], {"rto_seconds": 20})
    assert found["passed"] is False


def test_a_control_drill_has_no_recovery_to_judge() -> None:
    control = {**made(Story()), "scenario": "node_partition_without_fencing"}
    assert allowance.judge([control], {"rto_seconds": 20})["passed"] is False


def test_a_limit_of_zero() -> None:
    kept = allowance.judge([made(Story())], {"rpo_writes_lost": 0, "rto_seconds": 20})
    assert (kept["passed"], kept["worst"]) == (True, "rto_seconds")
    broken = allowance.judge([made(Story(recovered_less=3))], {"rpo_writes_lost": 0, "rto_seconds": 20})
    assert (broken["passed"], broken["worst"]) == (False, "rpo_writes_lost")


@pytest.mark.parametrize(
    ("budget", "sentence"),
    [
        ({}, "is no budget"),
        ("fast", "is no budget"),
        ({"rto": 20, "rpo": 0}, "the budget names rpo, rto, which no drill measures; there are rto_seconds"),
        ({"rto_seconds": "20 s"}, "limits must be numbers from 0 on, not rto_seconds: '20 s'"),
        ({"rto_seconds": -1}, "not rto_seconds: -1"),
        ({"rto_seconds": True}, "not rto_seconds: True"),
    ],
)
def test_a_budget_that_is_none(budget: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        allowance.judge([made(Story())], budget)


@pytest.mark.parametrize("found", ["reports/latest/report.json", {"rto_seconds": 1}, [1]])
def test_a_report_that_is_none(found: Any) -> None:
    with pytest.raises(ValueError, match="is no drill report"):
        allowance.judge([found], {"rto_seconds": 20})


def test_the_written_report_does(tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "a"
    folder.mkdir(parents=True)
    (folder / "events.jsonl").write_text("{}\n")
    story = Story()
    verdict = judge(story.timeline(), story.scene, Budget(), PROBES)
    content = report.write(str(folder), story.timeline(), story.scene, verdict, SETTING, EPOCH)
    assert allowance.judge([content], None)["passed"] is True
