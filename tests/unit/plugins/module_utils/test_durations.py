# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Go's durations."""

from __future__ import annotations

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import durations, plan


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (60, "1m0s"), (600, "10m0s"), (5400, "1h30m0s"), (7200, "2h0m0s")]
)
def test_seconds_are_written_as_go_writes_them(seconds: int, text: str) -> None:
    assert durations.write(seconds) == text
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(("text", "seconds"), [("1.5h", 5400), ("90s", 90), ("1m500ms", 60.5), ("-2m", -120), ("0", 0)])
def test_other_spellings(text: str, seconds: float) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize("wrong", ["", "5", "5 m", "m", "1d", "5mm", None, 5])
def test_what_is_none(wrong: object) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        durations.parse(wrong)


def test_equally_long_ones_are_no_change() -> None:
    current = {"spec": {"failureDeadline": "10m", "ttlDuration": "2h0m0s", "other": "10m"}}
    wanted = {"spec": {"failureDeadline": "10m0s", "ttlDuration": "120m"}}
    assert plan.merge(current, wanted) == current
    assert plan.merge(current, {"spec": {"failureDeadline": "11m"}})["spec"]["failureDeadline"] == "11m"
    assert plan.merge(current, {"spec": {"other": "600s"}})["spec"]["other"] == "600s"
