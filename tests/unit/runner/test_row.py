# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which checks are played beside each other."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import levels
import pytest
import run
from levels import BEHIND, WAITS, Check
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


def check(name: str, apart: str = "", lane: str = "") -> Check:
    return Check("unit", name, ("true",), 1, paired=True, apart=apart, lane=lane)


def played(monkeypatch: pytest.MonkeyPatch, *checks: Check) -> list[frozenset[str]]:
    """Plays them with the workers of a whole run; the sets of those that were played at once."""
    player = Player()
    monkeypatch.setattr(run, "play", player.play)
    row = Row(checks, Running())
    workers = [threading.Thread(target=row.work, args=(lane,)) for lane in Row.WORKERS]
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


@pytest.mark.parametrize("lane", [WAITS, BEHIND])
def test_one_of_another_lane_is_a_third_one(monkeypatch: pytest.MonkeyPatch, lane: str) -> None:
    seen = played(monkeypatch, check("idle", lane=lane), *(check(name) for name in "abcd"), check("too", lane=lane))
    assert max(len(names) for names in seen) == 3
    assert not any({"idle", "too"} <= names for names in seen)


def test_two_of_one_kind_wait_for_each_other_whether_they_wait_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = [check("x", apart="kind", lane=WAITS), check("y", apart="kind"), check("z", apart="kind"), check("free")]
    seen = played(monkeypatch, *kinds)
    assert not any(len(names & {"x", "y", "z"}) > 1 for names in seen)
    assert {name for names in seen for name in names} == {"x", "y", "z", "free"}


@pytest.mark.parametrize(("lane", "gives_way"), [("", False), (BEHIND, True)])
def test_one_that_takes_what_is_left_of_the_cores_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lane: str, gives_way: bool
) -> None:
    monkeypatch.setattr(levels, "OUT", tmp_path)
    group = Path("/proc/self/autogroup")
    ask = f"import os, time; time.sleep(0.5); print(os.nice(0)); os.path.exists('{group}') and print(open('{group}').read())"
    one = Check("unit", "asks", (sys.executable, "-c", ask), 1, folder=tmp_path, lane=lane)
    assert Running().run(one) == 0
    niceness, *session = one.log.read_text().split()
    assert (niceness == "19") is gives_way
    if group.exists():
        assert (session[-1] == "19") is gives_way


PLAY = """
import sys
from pathlib import Path
import levels, run
levels.OUT = Path(sys.argv[1])
run.end_when_told()
list(run.play_all([levels.Check("unit", "goes-on", ("sleep", "60"), 1, folder=levels.OUT)]))
"""


def test_what_is_played_ends_with_the_one_that_plays_it(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", PLAY, str(tmp_path)], env=environment) as playing:
        end = time.monotonic() + 20
        while not (found := _children(playing.pid)) and time.monotonic() < end:
            time.sleep(0.05)
        playing.terminate()
        assert playing.wait(20) == 143
    assert found
    assert not any(Path(f"/proc/{child}").exists() for child in found)


def _children(pid: int) -> set[str]:
    """The processes that it has begun, from any of its threads."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return {child for each in lists for child in each.read_text().split()}
