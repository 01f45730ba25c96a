# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import ha_probe
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.ha_probe import Probe, Samples
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.asker import Asker, BadAnswer, Found

URL = {"url": "http://h/", "interval": 0.02}


def scripted(*answers: Any) -> Callable[[], Any]:
    """Asks a script: a number of seconds to answer well, or the error to raise; the last one goes on for ever."""
    asked = iter(range(1 << 30))

    async def ask() -> Found:
        answer = answers[min(next(asked), len(answers) - 1)]
        if isinstance(answer, Exception):
            raise answer
        await asyncio.sleep(answer)
        return {"status": 200}

    return ask


def probed(ask: Callable[[], Any], **given: Any) -> tuple[dict[str, Any], list[Mapping[str, Any]]]:
    """A probe's result and its samples."""
    samples = Samples()
    probe = Probe({**URL, **given}, samples)
    Asker(samples, [probe.question(ask)]).run()
    return probe.result(), samples.of(probe.name)


BAD = BadAnswer("HTTP 503", "http 503")


def test_it_asks_once_unless_it_is_told_otherwise() -> None:
    found, samples = probed(scripted(0))
    assert found["passed"] and found["samples"] == 1 and samples[0]["number"] == 0
    assert found["missed_samples"] is None


def test_it_asks_as_often_as_it_is_told() -> None:
    found, samples = probed(scripted(0, BAD, 0), count=5)
    assert (found["samples"], found["failures"], found["passed"]) == (5, 1, True)
    assert [sample["number"] for sample in samples] == list(range(5))
    assert found["status"] == 200


def test_waiting_ends_with_the_answer_that_decides() -> None:
    found, samples = probed(scripted(BAD, BAD, 0), rise=3, wait_timeout=60, interval=0.05)
    assert found["passed"] and [sample["ok"] for sample in samples] == [False, False, True, True, True]
    # It does not sit out the interval after that answer.
    begun = time.monotonic()
    assert probed(scripted(0), wait_timeout=60, interval=30)[0]["passed"]
    assert time.monotonic() - begun < 20


def test_an_old_failure_that_comes_in_between_does_not_hold_it_up() -> None:
    samples = Samples()
    probe = Probe({**URL, "rise": 2, "wait_timeout": 60}, samples)
    assert not probe.over(0)
    for number, ok in ((1, True), (0, False), (2, True)):
        assert not probe.over(3)
        more = {"number": number, "seconds": 0.0, **({} if ok else {"kind": "timeout", "why": "no answer"})}
        samples.add(probe.name, "", ok, more)
    assert probe.over(3)


def test_waiting_for_down() -> None:
    found, samples = probed(scripted(0, 0, BAD), fall=2, wait_timeout=60, expect="down")
    assert found["passed"] and not found["up"] and len(samples) == 4


def test_waiting_in_vain_ends_with_its_time_and_says_why() -> None:
    found, _samples = probed(scripted(BAD), rise=3, wait_timeout=1)
    assert not found["passed"] and found["samples"] > 5
    assert "is down, expected up" in found["faults"][0] and "http 503: HTTP 503" in found["faults"][0]


def test_a_question_without_an_answer_is_a_sample_and_delays_none() -> None:
    found, samples = probed(scripted(30, 0), count=10, timeout=4.0)
    assert found["samples"] == 10 and found["errors"] == {"timeout": 1}
    # It is the last to come in, and counts as the first: from when it was asked, not from when it was given up.
    assert samples[-1]["number"] == 0 and found["first_failure"]["after_seconds"] < 4.0
    assert found["longest_gap_seconds"] < 10


def test_for_a_time_it_counts_what_it_missed() -> None:
    def busy() -> Any:
        ask = scripted(0)

        async def slow() -> Found:
            time.sleep(0.2)  # holds up all else, as a busy machine does
            return await ask()

        return slow

    found, _samples = probed(busy(), for_seconds=1.0)
    assert found["missed_samples"] == 50 - found["samples"] > 20
    assert probed(scripted(0), for_seconds=0.5)[0]["samples"] >= 2


def test_probes_do_not_wait_for_each_other() -> None:
    samples = Samples()
    probes = [
        Probe({**URL, "name": "slow", "timeout": 2.0}, samples),
        Probe({**URL, "name": "fast", "count": 9}, samples),
    ]
    asks = [scripted(30), scripted(0)]
    Asker(samples, [probe.question(ask) for probe, ask in zip(probes, asks, strict=True)]).run()
    assert [probe.result()["passed"] for probe in probes] == [False, True]
    assert samples.of("fast")[-1]["monotonic"] < samples.of("slow")[0]["monotonic"]


def test_a_probe_that_was_never_asked_has_failed() -> None:
    found = Probe(URL, Samples()).result()
    assert not found["passed"] and not found["up"] and "nothing is known" in found["faults"][0]


def test_all_that_failed_are_named() -> None:
    entries = [{"name": "a", "faults": ["is down", "too long"]}, {"name": "b", "faults": ["is up"]}]
    error = ha_probe.NotAsExpected(entries, 3)
    assert str(error) == "2 of 3 probes are not as expected: a is down; too long; b is up."
    assert error.as_dict()["failures"][1] == {"probe": "b", "why": "is up"}


@pytest.mark.parametrize("ends", [None, 1_800_000_000.0])
def test_the_last_answers_are_told(ends: float | None) -> None:
    samples = [{"number": 0, "status": 503, "address": "a"}, {"number": 1, "status": 200, "certificate_ends": ends}]
    found = ha_probe.told(samples)
    assert found["status"] == 200 and found["address"] == "a" and found["banner"] is None
    assert (found["certificate"] is None) == (ends is None)
    if ends:
        assert found["certificate"]["ends_at"] == "2027-01-15T08:00:00.000Z"
