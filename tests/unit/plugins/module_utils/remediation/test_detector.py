# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The detector is fed samples on a clock of the test's own."""

from __future__ import annotations

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.detector import (
    ALIVE,
    CLEARED,
    DEAD,
    HELD,
    SUSPECTED,
    UNKNOWN,
    Change,
    Detector,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.profiles import PROFILES, Profile

NODES = ("n1", "n2", "n3")


class Clock:
    """Plays time in steps of a quarter second: leases renewed each quarter of their length, paths tried as told."""

    def __init__(self, profile: Profile, nodes: tuple[str, ...] = NODES) -> None:
        self.profile = profile
        self.nodes = nodes
        self.detector = Detector(nodes, profile, 0.4)
        self.now = 1000.0
        self.silent_leases: set[str] = set()
        self.silent_paths: set[str] = set()
        self.api = True
        self.renewed = dict.fromkeys(nodes, 0.0)
        self.changes: list[tuple[float, Change]] = []
        self._next_poll = self._next_probe = self.now

    def run(self, seconds: float) -> list[Change]:
        """Returns what changed meanwhile."""
        first = len(self.changes)
        until = self.now + seconds
        while self.now < until:
            self._step()
            self.now += 0.25
        return [change for _at, change in self.changes[first:]]

    def _step(self) -> None:
        for name in self.nodes:
            due = self.now - self.renewed[name] >= self.profile.lease_seconds / 4
            if due and name not in self.silent_leases and self.api:
                self.renewed[name] = self.now
        if self.now >= self._next_poll:
            self._next_poll += self.profile.poll
            if self.api:
                self.detector.leases_seen({name: f"t{at}" for name, at in self.renewed.items()}, self.now)
        if self.now >= self._next_probe:
            self._next_probe += self.profile.probe
            for name in self.nodes:
                self.detector.path_tried(name, name not in self.silent_paths, self.now)
        self.changes += [(self.now, change) for change in self.detector.judge(self.now)]

    def cut(self, *names: str) -> None:
        self.silent_leases.update(names)
        self.silent_paths.update(names)


@pytest.fixture(params=list(PROFILES))
def clock(request: pytest.FixtureRequest) -> Clock:
    clock = Clock(PROFILES[request.param])
    assert clock.run(5 * clock.profile.settle) == []
    return clock


def test_silence_on_both_signals_is_suspected_once_and_in_time(clock: Clock) -> None:
    clock.cut("n2")
    cut = clock.now
    changes = clock.run(3 * clock.profile.lease_limit)
    assert [(change.node, change.kind) for change in changes] == [("n2", SUSPECTED)]
    took = clock.changes[-1][0] - cut
    limits = max(clock.profile.lease_limit, clock.profile.path_limit)
    assert took <= limits + clock.profile.poll + 0.5
    assert changes[0].lease_silent >= clock.profile.lease_limit
    assert changes[0].path_silent >= clock.profile.path_limit
    assert clock.detector.suspects() == ["n2"]


def test_fastest_suspects_within_five_seconds() -> None:
    clock = Clock(PROFILES["fastest"])
    clock.run(10)
    clock.cut("n2")
    cut = clock.now
    clock.run(10)
    assert clock.changes[0][0] - cut <= 5


@pytest.mark.parametrize("signal", ["silent_leases", "silent_paths"])
def test_one_signal_alone_is_no_suspicion(clock: Clock, signal: str) -> None:
    getattr(clock, signal).add("n2")
    assert clock.run(5 * clock.profile.lease_limit) == []


def test_node_that_answers_again_is_cleared_and_can_be_suspected_anew(clock: Clock) -> None:
    clock.cut("n2")
    clock.run(2 * clock.profile.lease_limit)
    clock.silent_leases.clear()
    clock.silent_paths.clear()
    assert [change.kind for change in clock.run(2 * clock.profile.lease_limit)] == [CLEARED]
    clock.cut("n2")
    assert [change.kind for change in clock.run(2 * clock.profile.lease_limit)] == [SUSPECTED]


def test_api_out_of_reach_is_unknown_not_dead(clock: Clock) -> None:
    clock.api = False
    clock.cut("n2")
    assert clock.run(5 * clock.profile.lease_limit) == []
    assert clock.detector.lease("n2", clock.now)[0] == UNKNOWN
    assert clock.detector.path("n2", clock.now)[0] == DEAD
    clock.api = True
    assert [change.kind for change in clock.run(2 * clock.profile.settle)] == [SUSPECTED]


def test_after_an_outage_of_the_api_living_nodes_may_renew_first(clock: Clock) -> None:
    clock.api = False
    clock.silent_paths.add("n2")
    clock.run(3 * clock.profile.lease_limit)
    clock.api = True
    assert clock.run(5 * clock.profile.settle) == []
    assert clock.detector.lease("n2", clock.now)[0] == ALIVE


def test_short_gap_of_the_api_costs_no_time() -> None:
    clock = Clock(PROFILES["fastest"])
    clock.run(10)
    clock.cut("n2")
    clock.api = False
    cut = clock.now
    clock.run(1.25)
    clock.api = True
    clock.run(10)
    assert clock.changes[0][0] - cut <= 5


def test_more_silent_nodes_than_may_be_are_held_and_told_once(clock: Clock) -> None:
    clock.cut("n2", "n3")
    changes = clock.run(3 * clock.profile.lease_limit)
    assert sorted((change.node, change.kind) for change in changes) == [("n2", HELD), ("n3", HELD)]
    assert "2 of 3 nodes do not answer (n2, n3), at most 1 may" in changes[0].reason
    clock.silent_leases.discard("n3")
    clock.silent_paths.discard("n3")
    assert [(change.node, change.kind) for change in clock.run(clock.profile.lease_limit)] == [("n2", SUSPECTED)]


def test_own_network_gone_holds_everything(clock: Clock) -> None:
    clock.api = False
    clock.cut(*NODES)
    assert clock.run(3 * clock.profile.lease_limit) == []


def test_process_that_stood_still_blames_nobody(clock: Clock) -> None:
    clock.now += 10 * clock.profile.lease_limit
    clock._next_poll = clock._next_probe = clock.now
    assert clock.run(3 * clock.profile.settle) == []


def test_node_without_a_lease_is_never_suspected() -> None:
    clock = Clock(PROFILES["fastest"])
    clock.cut("n2")
    clock.detector.leases_seen({"n1": "a", "n3": "a"}, clock.now)
    clock.renewed.pop("n2")
    clock.nodes = ("n1", "n3")
    for _step in range(40):
        clock.detector.path_tried("n2", False, clock.now)
        assert clock.run(0.5) == []


def test_node_that_was_silent_from_the_start_is_suspected(clock: Clock) -> None:
    fresh = Clock(clock.profile)
    fresh.cut("n2")
    kinds = [change.kind for change in fresh.run(3 * fresh.profile.lease_limit)]
    assert kinds == [SUSPECTED]


def test_one_failed_try_is_not_enough() -> None:
    detector = Detector(NODES, PROFILES["fastest"], 0.4)
    detector.path_tried("n2", True, 0.0)
    detector.path_tried("n2", False, 10.0)
    assert detector.path("n2", 10.0)[0] == UNKNOWN
    detector.path_tried("n2", False, 10.5)
    assert detector.path("n2", 10.5)[0] == DEAD
    assert detector.path("n2", 60.0)[0] == UNKNOWN
