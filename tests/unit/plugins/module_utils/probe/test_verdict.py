# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe import verdict
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.verdict import Terms

BEGAN = 100.0


def samples(pattern: str, step: float = 1.0) -> list[dict[str, Any]]:
    """One sample a sign: + good, - refused, b blind; a space is a question without an answer yet."""
    kinds = {"-": "refused", "b": "api"}
    return [
        {
            "number": number,
            "at": 1_800_000_000.0 + number * step,
            "monotonic": BEGAN + (number + 1) * step,
            "ok": sign == "+",
            "seconds": step / 10,
            **({} if sign == "+" else {"kind": kinds[sign], "why": f"no {number}"}),
        }
        for number, sign in enumerate(pattern)
        if sign != " "
    ]


class TestGap:
    def test_it_is_the_longest_time_without_a_good_answer(self) -> None:
        assert verdict.longest_pause([1.0, 2.0, 5.0, 6.0], 7.0) == 3.0

    def test_the_end_counts_and_the_beginning_where_it_is_given(self) -> None:
        assert verdict.longest_pause([1.0, 2.0], 9.0) == 7.0
        assert verdict.longest_pause([5.0, 6.0], 6.5) == 1.0
        assert verdict.longest_pause([5.0, 6.0], 6.5, 0.0) == 5.0

    def test_answers_that_crossed_are_put_in_order(self) -> None:
        assert verdict.longest_pause([3.0, 1.0, 2.0], 3.0) == 1.0

    def test_without_a_good_answer_there_is_none(self) -> None:
        assert verdict.longest_pause([], 9.0) is None
        assert verdict.figures(samples("---"), Terms(), BEGAN)["longest_gap_seconds"] is None

    def test_one_answer_is_enough(self) -> None:
        assert verdict.longest_pause([2.0], 2.0) == 0.0

    def test_figures_count_from_the_first_question_to_the_last_answer(self) -> None:
        assert verdict.figures(samples("+--+---"), Terms(), BEGAN)["longest_gap_seconds"] == 3.0
        assert verdict.figures(samples("-----++"), Terms(), BEGAN)["longest_gap_seconds"] == 6.0
        assert verdict.figures(samples("++----"), Terms(), BEGAN)["longest_gap_seconds"] == 4.0


class TestState:
    @pytest.mark.parametrize(
        ("pattern", "rise", "fall", "state"),
        [
            ("+", 1, 1, "up"),
            ("-", 1, 1, "down"),
            ("", 1, 1, None),
            ("++", 3, 3, None),
            ("+-+-+-", 2, 2, None),
            ("+++--", 3, 3, "up"),
            ("+++---", 3, 3, "down"),
            ("---++", 3, 3, "down"),
            ("---+++-", 3, 3, "up"),
            ("++bbb", 2, 2, "up"),
            ("-b-b-", 1, 2, None),
            ("bbb", 1, 1, None),
        ],
    )
    def test_as_many_in_a_row_as_are_needed_change_it(
        self, pattern: str, rise: int, fall: int, state: str | None
    ) -> None:
        assert verdict.state(samples(pattern), Terms(rise=rise, fall=fall)) == state

    def test_the_order_of_the_questions_counts_not_that_of_the_answers(self) -> None:
        late = samples("-++")
        assert verdict.state([*late[1:], late[0]], Terms()) == "up"


class TestReached:
    @pytest.mark.parametrize(
        ("pattern", "terms", "reached"),
        [
            ("", Terms(), False),
            ("-+", Terms(), True),
            ("++-++", Terms(rise=3), False),
            ("-- +++", Terms(rise=3), True),
            ("+ ++", Terms(rise=3), False),
            ("+-", Terms(expect="down"), True),
            ("+--", Terms(expect="down", fall=3), False),
            ("+---", Terms(expect="down", fall=3), True),
            ("bbb", Terms(expect="down"), False),
            ("--b", Terms(expect="down", fall=2), False),
        ],
    )
    def test_only_answers_in_a_row_without_a_hole_do(self, pattern: str, terms: Terms, reached: bool) -> None:
        assert verdict.reached(samples(pattern), terms) is reached

    def test_an_old_failure_that_comes_in_late_changes_nothing(self) -> None:
        late = samples("-+++")
        assert verdict.reached([*late[1:], late[0]], Terms(rise=3))


class TestFigures:
    def test_all_of_them(self) -> None:
        found = verdict.figures(samples("++-b+"), Terms(), BEGAN)
        assert (found["samples"], found["failures"], found["success_ratio"]) == (5, 2, 0.6)
        assert found["errors"] == {"api": 1, "refused": 1} and found["seconds"] == 5.0
        assert found["first_failure"] == {
            "kind": "refused", "message": "no 2", "at": "2027-01-15T08:00:02.000Z", "after_seconds": 2.9
        }  # fmt: skip
        assert found["last_error"]["kind"] == "api" and found["up"]

    def test_without_a_sample_nothing_is_known(self) -> None:
        found = verdict.figures([], Terms(), BEGAN)
        for key in ("state", "success_ratio", "longest_gap_seconds", "latency_seconds", "first_failure", "last_error"):
            assert found[key] is None, key
        assert not found["up"] and found["samples"] == 0
        for expect in ("up", "down"):
            assert verdict.faults([], Terms(expect=expect), found) == [
                "not one sample was taken, so nothing is known of it"
            ]

    def test_latency_is_of_good_answers_only(self) -> None:
        values = [number / 100 for number in range(1, 101)]
        assert verdict.latency(values) == {"min": 0.01, "median": 0.505, "p95": 0.95, "max": 1.0}
        assert verdict.latency([0.2]) == {"min": 0.2, "median": 0.2, "p95": 0.2, "max": 0.2}
        assert verdict.latency([]) is None

    def test_a_moment_has_its_milliseconds(self) -> None:
        assert verdict.stamp(1_800_000_000.25) == "2027-01-15T08:00:00.250Z"


class TestFaults:
    def said(self, pattern: str, **terms: Any) -> str:
        taken, expected = samples(pattern), Terms(**terms)
        return "; ".join(verdict.faults(taken, expected, verdict.figures(taken, expected, BEGAN)))

    @pytest.mark.parametrize(
        ("pattern", "terms", "said"),
        [
            ("+", {}, ""),
            ("-", {"expect": "down"}, ""),
            ("-+", {}, ""),
            ("+-", {}, "is down, expected up: 1 of 2 samples failed, the last with refused: no 1"),
            ("-+", {"rise": 2}, "is down, expected up: 1 of 2 samples failed, 2 in a row are needed"),
            ("++", {"expect": "down"}, "is up, expected down: 0 of 2 samples failed"),
            ("bb", {"expect": "down"}, "could not be asked, which shows nothing: api: no 1"),
            ("bb", {}, "is not yet up, expected up: 2 of 2 samples failed, the last with api: no 1"),
            ("-+-+", {"success_ratio": 0.5}, ""),
            ("-+--+", {"success_ratio": 0.5}, "40.0% of 5 samples were up, expected 50.0%"),
            ("-b--", {"expect": "down", "success_ratio": 0.8}, "75.0% of 4 samples were down, expected 80.0%"),
            ("+--+", {"max_gap": 3.0}, ""),
            ("+---+", {"max_gap": 3.0}, "4 s without a good answer, at most 3 s are allowed"),
            ("--", {"max_gap": 3.0}, "it never gave a good answer, at most 3 s are allowed"),
        ],
    )
    def test_each_is_a_sentence(self, pattern: str, terms: dict[str, Any], said: str) -> None:
        found = self.said(pattern, **terms)
        assert said in found if said else not found
