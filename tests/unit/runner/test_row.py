# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which checks are played beside each other."""

from __future__ import annotations

import threading
import time

import pytest
import run
from levels import Check
from run import Counts, Played, Row, Running


class Player:
    """Plays checks by waiting; what was played beside what."""

    def __init__(self, seconds: float = 0.05) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._now: set[str] = set()
        self.seen: list[frozenset[str]] = []

    def play(self, check: Check, _running: Running) -> Played:
        with self._lock:
            self._now.add(check.name)
            self.seen.append(frozenset(self._now))
        time.sleep(self._seconds)
        with self._lock:
            self._now.remove(check.name)
        return Played(Counts(passed=1), self._seconds)


def check(name: str, apart: str = "", waits: bool = False) -> Check:
    return Check("unit", name, ("true",), 1, paired=True, apart=apart, waits=waits)


def played(monkeypatch: pytest.MonkeyPatch, *checks: Check) -> list[frozenset[str]]:
    """Plays them with the workers of a whole run; the sets of those that were played at once."""
    player = Player()
    monkeypatch.setattr(run, "play", player.play)
    row = Row(checks, Running())
    workers = [threading.Thread(target=row.work, args=(waiting,)) for waiting in Row.WORKERS]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(10)
    assert all(future.done() for future in row.played.values())
    return player.seen


def test_two_at_a_time_are_played(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = played(monkeypatch, *(check(name) for name in "abcd"))
    assert max(len(names) for names in seen) == 2
    assert len(seen) == 4


def test_one_that_waits_is_a_third_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = played(monkeypatch, check("idle", waits=True), *(check(name) for name in "abcd"), check("too", waits=True))
    assert max(len(names) for names in seen) == 3
    assert not any({"idle", "too"} <= names for names in seen)


def test_two_of_one_kind_wait_for_each_other_whether_they_wait_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = [check("x", apart="kind", waits=True), check("y", apart="kind"), check("z", apart="kind"), check("free")]
    seen = played(monkeypatch, *kinds)
    assert not any(len(names & {"x", "y", "z"}) > 1 for names in seen)
    assert {name for names in seen for name in names} == {"x", "y", "z", "free"}
