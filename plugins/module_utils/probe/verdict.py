# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a probe's samples say: figures, whether the target is up, and why it is not as expected. Pure.

A sample is a dictionary: `at` (seconds since the epoch) and `monotonic` of the moment the answer was there or given up,
`number` of the question, `ok`, `seconds` the answer took, and where not ok `why` and its `kind`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

Sample = Mapping[str, Any]
UP, DOWN = "up", "down"
# The question could not be put, so nothing was learned of the target: neither up nor down.
BLIND = frozenset({"local", "api"})


@dataclass(frozen=True)
class Terms:
    """What is expected of a target.

    rise, fall: good answers and failures in a row that make it up and down; success_ratio: the least share of samples
    as expected; max_gap: the longest time without a good answer in seconds.
    """

    expect: str = UP
    rise: int = 1
    fall: int = 1
    success_ratio: float | None = None
    max_gap: float | None = None

    @property
    def in_a_row(self) -> int:
        """How many samples in a row make what is expected."""
        return self.rise if self.expect == UP else self.fall

    def is_met_by(self, sample: Sample) -> bool:
        """Whether one sample is as expected."""
        if self.expect == UP:
            return bool(sample["ok"])
        return not sample["ok"] and sample["kind"] not in BLIND


def longest_pause(good: Sequence[float], ended: float, began: float | None = None) -> float | None:
    """The longest time between two moments of good answers, up to the end and from the beginning where that is given.

    None where there is no good answer.
    """
    if not good:
        return None
    moments = sorted([*good, max(ended, *good)] + ([min(began, *good)] if began is not None else []))
    return max(later - earlier for earlier, later in zip(moments, moments[1:]))


def in_order(samples: Sequence[Sample]) -> list[Sample]:
    """Samples in the order of their questions; one that was waited for in vain comes in late."""
    return sorted(samples, key=lambda sample: int(sample["number"]))


def reached(samples: Sequence[Sample], terms: Terms) -> bool:
    """Whether the newest answers in a row, none missing between them, make what is expected."""
    ordered = in_order(samples)
    row, expected = 0, ordered[-1]["number"] if ordered else 0
    for sample in reversed(ordered):
        if sample["number"] != expected or not terms.is_met_by(sample):
            break
        row, expected = row + 1, expected - 1
    return row >= terms.in_a_row


def state(samples: Sequence[Sample], terms: Terms) -> str | None:
    """Up or down after all samples, None where neither has ever had as many in a row as it needs."""
    current: str | None = None
    good = bad = 0
    for sample in in_order(samples):
        blind = not sample["ok"] and sample["kind"] in BLIND
        good = good + 1 if sample["ok"] else 0
        bad = bad + 1 if not sample["ok"] and not blind else 0
        if good >= terms.rise:
            current = UP
        elif bad >= terms.fall:
            current = DOWN
    return current


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def figures(samples: Sequence[Sample], terms: Terms, began: float) -> dict[str, Any]:
    """A probe's figures; what there is no sample for is None. `began` is the monotonic moment of its first question."""
    failures = [sample for sample in in_order(samples) if not sample["ok"]]
    good = [sample for sample in samples if sample["ok"]]
    ended = max((float(sample["monotonic"]) for sample in samples), default=began)
    gap = longest_pause([float(sample["monotonic"]) for sample in good], ended, began)
    kinds = [str(sample["kind"]) for sample in failures]
    return {
        "state": state(samples, terms),
        "up": state(samples, terms) == UP,
        "samples": len(samples),
        "failures": len(failures),
        "success_ratio": round(len(good) / len(samples), 4) if samples else None,
        "longest_gap_seconds": None if gap is None else round(gap, 3),
        "latency_seconds": latency([float(sample["seconds"]) for sample in good]),
        "errors": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        "first_failure": error_of(failures[0], began) if failures else None,
        "last_error": error_of(failures[-1], began) if failures else None,
        "seconds": round(ended - began, 3),
    }


def latency(seconds: Sequence[float]) -> dict[str, float] | None:
    """How long good answers took; None without any."""
    if not seconds:
        return None
    found = {"min": min(seconds), "median": median(seconds), "p95": percentile(seconds, 0.95), "max": max(seconds)}
    return {name: round(value, 4) for name, value in found.items()}


def error_of(sample: Sample, began: float) -> dict[str, Any]:
    """A failure in a module's result; `after_seconds` from the first question to the failed one."""
    after = float(sample["monotonic"]) - float(sample["seconds"]) - began
    return {
        "kind": sample["kind"],
        "message": sample["why"],
        "at": stamp(float(sample["at"])),
        "after_seconds": round(max(0.0, after), 3),
    }


def stamp(moment: float) -> str:
    """A moment in UTC with its milliseconds."""
    whole = math.floor(moment)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int((moment - whole) * 1000):03d}Z"


def faults(samples: Sequence[Sample], terms: Terms, found: Mapping[str, Any]) -> list[str]:
    """Why a probe is not as expected, a sentence each; `found` are its figures."""
    if not samples:
        return ["not one sample was taken, so nothing is known of it"]
    wrong: list[str] = []
    if found["state"] != terms.expect:
        wrong.append(_state_fault(samples, terms, found))
    share = sum(terms.is_met_by(sample) for sample in samples) / len(samples)
    if terms.success_ratio is not None and share < terms.success_ratio:
        wrong.append(f"{share:.1%} of {len(samples)} samples were {terms.expect}, expected {terms.success_ratio:.1%}")
    gap = found["longest_gap_seconds"]
    if terms.max_gap is not None and (gap is None or gap > terms.max_gap):
        length = "it never gave a good answer" if gap is None else f"{gap:g} s without a good answer"
        wrong.append(f"{length}, at most {terms.max_gap:g} s are allowed")
    return wrong


def _state_fault(samples: Sequence[Sample], terms: Terms, found: Mapping[str, Any]) -> str:
    last = found["last_error"]
    if terms.expect == DOWN and found["errors"] and set(found["errors"]) <= BLIND:
        return f"could not be asked, which shows nothing: {last['kind']}: {last['message']}"
    counted = f"{found['failures']} of {len(samples)} samples failed"
    state_now = f"is {found['state']}" if found["state"] else f"is not yet {terms.expect}"
    needs = f", {terms.in_a_row} in a row are needed" if terms.in_a_row > 1 else ""
    text = f"{state_now}, expected {terms.expect}: {counted}{needs}"
    return f"{text}, the last with {last['kind']}: {last['message']}" if last and terms.expect == UP else text
