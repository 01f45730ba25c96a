# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import drill_run
import pytest

TOLD = {"node": "n1", "alert_fired_seconds": 21.5, "alerts_delivered": 1, "alert_cleared": 1}


def passed(report: dict[str, Any]) -> dict[str, bool]:
    return {figure.name.removeprefix("node_loss_"): figure.passed for figure in drill_run.alert_figures(report)}


def test_an_alert_in_time_that_came_once_and_is_over_passes() -> None:
    assert set(passed(TOLD).values()) == {True}


@pytest.mark.parametrize(
    ("given", "failed"),
    [
        ({"alert_fired_seconds": 60.5}, "alert_fired_seconds"),
        ({"alerts_delivered": 2}, "alerts_delivered"),
        ({"alert_cleared": None}, "alert_cleared"),
    ],
)
def test_one_that_is_late_twice_or_not_over_does_not(given: dict[str, Any], failed: str) -> None:
    assert {name for name, good in passed({**TOLD, **given}).items() if not good} == {failed}


def test_a_drill_that_was_told_of_nothing_passes_in_nothing() -> None:
    assert set(passed({"node": "n1"}).values()) == {False}
