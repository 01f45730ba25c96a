# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import figures
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.figures import Value
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.samples import Timeline, read_samples
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.verdict import Budget, judge
from drill_story import MACHINES, PROBES, T0, Story, guest, sample


def rto(story: Story) -> Value:
    return figures.rto(story.timeline(), story.scene)


def rpo(story: Story) -> Value:
    return figures.rpo(story.timeline(), story.scene)


def writers(story: Story) -> Value:
    return figures.writers_at_once(story.timeline(), story.scene)


def faults(story: Story) -> tuple[str, ...]:
    return judge(story.timeline(), story.scene, Budget(), PROBES).faults


def test_a_sound_recovery_passes_with_the_figures_of_its_story() -> None:
    verdict = judge(Story().timeline(), Story.scene, Budget(), PROBES)
    assert verdict.faults == ()
    assert verdict.passed
    assert {figure.name: figure.value for figure in verdict.figures} == {
        "rto_seconds": 14.0,
        "rpo_writes_lost": 0,
        "writers_at_once": 1,
        "api_gap_seconds": 1.2,
        "vip_gap_seconds": 0.8,
        "requests_failed_beyond_gap": 0,
        "write_stall_seconds": 0.2,
    }
    assert verdict.phases == {
        "detect": 4.0,
        "fence": 2.0,
        "release": 0.5,
        "schedule": 2.5,
        "boot": 2.0,
        "serve": 3.0,
    }


class TestWriteStall:
    """Of the machines on the nodes that stayed."""

    def test_a_counter_that_stands_still_stalls_although_it_answers(self) -> None:
        timeline = Timeline(
            [
                guest("demo-2", second / 10, 1, 500 + (second if not 20 < second < 85 else 20), 0)
                for second in range(200)
            ]
        )
        assert figures.write_stall(timeline, Story.scene).value == 6.5

    def test_a_counter_that_never_moves_again_stalls_to_the_end(self) -> None:
        timeline = Timeline([guest("demo-2", second / 10, 1, 500, 0) for second in range(100)])
        assert figures.write_stall(timeline, Story.scene).value == 20.0

    def test_nobody_left_to_write_is_no_figure(self) -> None:
        story = Story()
        scene = dataclasses.replace(story.scene, machines=MACHINES[:1])
        names = {figure.name for figure in judge(story.timeline(), scene, Budget(), PROBES).figures}
        assert "write_stall_seconds" not in names

    def test_no_answer_is_no_figure_and_a_fault(self) -> None:
        assert any("demo-2 never answered" in fault for fault in faults(Story(drop=("guest",))))


class TestFailedBeyondGap:
    """With 1.5 s allowed after the cut at T0."""

    @pytest.mark.parametrize(
        ("answered", "seconds", "beyond"),
        [
            (0.5, 0.01, 0),
            (0.9, 1.0, 0),  # under way when the node was cut
            (2.4, 1.0, 0),  # asked in the gap, and given up later
            (-0.01, 0.01, 1),
            (1.6, 0.01, 1),
            (9.0, 1.0, 1),
        ],
    )
    def test_only_what_was_not_under_way_or_asked_in_the_time_allowed_counts(
        self, answered: float, seconds: float, beyond: int
    ) -> None:
        failed = {**sample("api", "vip", answered, False), "seconds": seconds}
        good = [sample("api", "vip", moment) for moment in (-1, 2, 10)]
        assert figures.failed_beyond_gap([*good, failed], T0, 1.5).value == beyond

    def test_without_a_good_answer_there_is_none(self) -> None:
        found = figures.failed_beyond_gap([sample("api", "vip", 1, False)], T0, 1.5)
        assert (found.value, found.why) == (None, "no good answer was ever seen")


class TestRecoveryTime:
    def test_the_slowest_vm_of_the_lost_node_counts(self) -> None:
        story = Story()
        both = (MACHINES[0], dataclasses.replace(MACHINES[1], node="n1"))
        scene = dataclasses.replace(story.scene, machines=both)
        story.drop = ("none",)
        timeline = story.timeline()
        for entry in (
            guest("demo-2", 19.9, 2, 700, 600),
            sample("vmi", "demo-2", 18.0, uid="u8", phase="Running", node="n2"),
        ):
            timeline.append(entry)
        # demo-2 went on answering with its old epoch: only the new one counts.
        assert figures.rto(timeline, dataclasses.replace(scene, node="n1")).value == 19.9
        slowest = figures.slowest(timeline, scene)
        assert slowest is not None and slowest.name == "demo-2"

    def test_an_answer_of_the_old_boot_is_no_recovery(self) -> None:
        found = rto(Story(epoch=1))
        assert found.value is None
        assert "no answer with a new epoch" in found.why

    def test_a_vm_that_never_answers_has_none(self) -> None:
        assert rto(Story(answers=None)).value is None

    def test_a_new_boot_on_the_lost_node_is_no_recovery(self) -> None:
        story = Story(scheduled=None, running=None)
        story.more = [sample("vmi", "demo-1", 9.0, uid="u9", phase="Running", node="n1")]
        found = rto(story)
        assert found.value is None
        assert "not seen on another node" in found.why

    def test_no_answer_before_the_cut_leaves_nothing_to_compare(self) -> None:
        assert rto(Story(drop=("guest",))).value is None

    def test_a_node_without_vms_measures_nothing(self) -> None:
        scene = dataclasses.replace(Story.scene, node="n3")
        assert figures.rto(Story().timeline(), scene).value is None


class TestWritesLost:
    def test_what_the_disk_no_longer_had_is_lost(self) -> None:
        assert rpo(Story(recovered_less=7)).value == 7

    def test_unacknowledged_writes_on_the_disk_do_not_make_up_for_lost_ones(self) -> None:
        assert rpo(Story(recovered_less=-5)).value == 0

    def test_a_vm_that_stayed_may_not_go_back_either(self) -> None:
        assert rpo(Story(survivor_lost=3)).value == 201

    def test_a_second_boot_hides_what_the_first_found(self) -> None:
        found = rpo(Story(epoch=3))
        assert found.value is None
        assert "booted more than once" in found.why

    @pytest.mark.parametrize("story", [Story(answers=None), Story(drop=("guest",))])
    def test_without_answers_there_is_none(self, story: Story) -> None:
        assert rpo(story).value is None


class TestWriters:
    def test_two_live_processes_with_one_disk_are_two(self) -> None:
        assert writers(Story(old_writer_until=15.0)).value == 2

    def test_two_disks_of_one_vm_are_not(self) -> None:
        story = Story(more=[sample("writers", "here", 0.1, open=[["a", "demo-1", "n1", 1], ["b", "demo-1", "n1", 1]])])
        assert writers(story).value == 1

    def test_disks_never_seen_before_the_cut_leave_the_recorder_blind(self) -> None:
        found = writers(Story(old_writer_until=-11))
        assert found.value is None
        assert "demo-1" in found.why

    def test_a_long_look_away_leaves_it_blind_too(self) -> None:
        found = writers(Story(writers_pause=(5.0, 9.0)))
        assert found.value is None
        assert "4." in found.why

    def test_without_samples_there_is_none(self) -> None:
        assert writers(Story(drop=("writers",))).value is None

    def test_a_silent_nodes_writer_counts_until_its_power_is_read_as_off(self) -> None:
        assert self._hosts(off=6.0) == 1
        assert self._hosts(off=12.0) == 2
        assert self._hosts(off=None) == 2

    def _hosts(self, off: float | None) -> float | int | None:
        """Observers on each node: that of n1 falls silent with it, n3 gets the VM at 11 s."""
        samples = [sample("writers", "n1", tick / 4, open=[["d", "demo-1", "n1", 10]]) for tick in range(-40, 1)]
        samples += [sample("writers", "n2", tick / 4, open=[["e", "demo-2", "n2", 20]]) for tick in range(-40, 80)]
        for tick in range(-40, 80):
            entries = [["d", "demo-1", "n3", 10]] if tick / 4 >= 11 else []
            samples.append(sample("writers", "n3", tick / 4, open=entries))
        if off is not None:
            samples.append(sample("power", "n1", off, state="Off"))
        return figures.writers_at_once(Timeline(samples), Story.scene).value


class TestGaps:
    def test_the_longest_time_between_two_good_answers(self) -> None:
        samples = [sample("api", "vip", at) for at in (0.0, 0.1, 0.9, 1.0)]
        assert figures.longest_gap(samples, T0 + 1.0).value == 0.8

    def test_the_time_to_the_end_counts(self) -> None:
        samples = [sample("api", "vip", 0.0), sample("api", "vip", 0.1), sample("api", "vip", 0.2, ok=False)]
        assert figures.longest_gap(samples, T0 + 9.1).value == 9.0

    def test_bad_answers_only_are_no_figure(self) -> None:
        assert figures.longest_gap([sample("api", "vip", 0.0, ok=False)], T0).value is None
        assert figures.longest_gap([], T0).value is None


class TestPhases:
    def test_together_they_are_the_recovery_time(self) -> None:
        found = figures.phases(Story().timeline(), Story.scene, MACHINES[0])
        assert sum(value for value in found.values() if value is not None) == pytest.approx(14.0)

    def test_what_a_watch_told_late_is_moved_before_what_it_made_possible(self) -> None:
        found = figures.phases(Story(scheduled=13.9, running=14.6).timeline(), Story.scene, MACHINES[0])
        assert found["boot"] == pytest.approx(0.1)
        assert found["serve"] == 0

    def test_what_was_not_seen_has_no_length_and_neither_has_what_follows_it(self) -> None:
        found = figures.phases(Story(proven=None).timeline(), Story.scene, MACHINES[0])
        assert found["detect"] == 4.0
        assert found["fence"] is None
        assert found["release"] is None


class TestVerdict:
    @pytest.mark.parametrize(
        ("story", "words"),
        [
            (Story(answers=None), "rto_seconds was not measured"),
            (Story(recovered_less=1), "rpo_writes_lost is 1 writes, over the limit of 0"),
            (Story(old_writer_until=15.0), "writers_at_once is 2 processes, over the limit of 1"),
            (Story(api_silent=(0.0, 3.5)), "api_gap_seconds is 3.5 s, over the limit of 3.0"),
            (Story(drop=("vip",)), "vip_gap_seconds was not measured"),
            (Story(drop=("power",)), "probe power of n1 has no data from before the cut"),
            (Story(suspected=None), "the end of phase detect was not seen"),
            (Story(drop=("recovery",)), "the end of phase fence was not seen"),
            (Story(suspected=0.0), "took no time"),
            (Story(requested=6.0), "took no time"),
            (
                Story(deleted=None, more=[sample("recovery", "n1", 7.0, event="failed", reason="no proof")]),
                "the recovery failed: no proof",
            ),
        ],
    )
    def test_each_of_these_fails_the_drill(self, story: Story, words: str) -> None:
        assert words in "; ".join(faults(story))

    def test_a_stream_that_ends_with_the_cut_fails_it(self) -> None:
        timeline = Timeline(
            s for s in Story().timeline().of("guest") if s["target"] == "demo-1" or s["monotonic"] <= T0
        )
        found = judge(timeline, Story.scene, Budget(), [("guest", "demo-2")]).faults
        assert "probe guest of demo-2 has no data from after the cut" in found

    def test_the_control_drill_passes_only_with_two_writers(self) -> None:
        scene = dataclasses.replace(Story.scene, scenario="node_partition_without_fencing")
        probes = [("writers", "here")]
        assert judge(Story(old_writer_until=15.0, suspected=None).timeline(), scene, Budget(), probes).passed
        seen_one = judge(Story(suspected=None).timeline(), scene, Budget(), probes)
        assert seen_one.faults == ("writers_at_once is 1 processes, under the limit of 2",)


def test_a_line_cut_short_is_left_out() -> None:
    assert read_samples(['{"monotonic": 1}\n', '{"monoto']) == [{"monotonic": 1}]
