# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the probes saw: samples, the recorder that keeps them, and the timeline that is asked about them.

A sample is one JSON object: `at` (seconds since the epoch), `monotonic` (seconds of the recorder's monotonic clock,
the moment the answer was there), `probe`, `target`, `ok`, and what the probe found:

| probe | target | more |
| --- | --- | --- |
| `api` | the VIP | `number` of the question, `seconds` of the answer; `why` and its `kind` where not ok (with the next three, too) |
| `vip` | the VIP | |
| `backend` | a node | |
| `guest` | a VM | `epoch`, `counter`, `recovered`, `boot_id` |
| `node` | a node | `ready`, `taints` |
| `vmi` | a VM | `uid`, `phase`, `node`, `ready`, `gone` |
| `pod` | a VM | `name`, `uid`, `node`, `phase`, `deleting`, `gone` |
| `power` | a node | `state` as its BMC reads it: On or Off |
| `writers` | a place that processes are seen from | `open`: [disk, VM, node, process] of every QEMU with a disk open |
| `recovery` | a node | `event` and all else of the watcher's events.jsonl |
| `drill` | a node or empty | `event`: what the drill itself did |
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

Sample = dict[str, Any]


class Timeline:
    """Samples by probe and target, each list in the order of time."""

    def __init__(self, samples: Iterable[Sample] = ()) -> None:
        self._lists: dict[tuple[str, str], list[Sample]] = {}
        for sample in sorted(samples, key=lambda sample: float(sample["monotonic"])):
            self.append(sample)

    def append(self, sample: Sample) -> None:
        """Adds a sample that is not older than the ones before it."""
        self._lists.setdefault((sample["probe"], sample["target"]), []).append(sample)

    def of(self, probe: str, target: str | None = None) -> list[Sample]:
        """The samples of a probe, of one target or of all."""
        if target is not None:
            return list(self._lists.get((probe, target), ()))
        found = [
            sample for (name, _target), samples in list(self._lists.items()) if name == probe for sample in samples
        ]
        return sorted(found, key=lambda sample: float(sample["monotonic"]))

    def last(self, probe: str, target: str) -> Sample | None:
        """The newest sample of a probe's target."""
        samples = self._lists.get((probe, target))
        return samples[-1] if samples else None

    def targets(self, probe: str) -> list[str]:
        """The targets a probe has samples of."""
        return sorted({target for name, target in list(self._lists) if name == probe})

    def counts(self) -> dict[str, int]:
        """How many samples each probe has."""
        counts: dict[str, int] = {}
        for (probe, _target), samples in list(self._lists.items()):
            counts[probe] = counts.get(probe, 0) + len(samples)
        return dict(sorted(counts.items()))


class Recorder:
    """Keeps samples in a file, one a line, and in a timeline; may be used from several threads."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._ended = False
        self.timeline = Timeline()

    def end(self) -> float:
        """Takes no more samples; when that was, of the monotonic clock.

        Probes end one after the other and wait for what is under way: what comes in meanwhile, and the silence of those that
        have ended, are not of the drill.
        """
        with self._lock:
            self._ended = True
            return time.monotonic()

    def add(self, probe: str, target: str, ok: bool, more: Mapping[str, Any] | None = None) -> Sample:
        """One sample of now."""
        with self._lock:
            return self._add({"at": time.time(), "monotonic": time.monotonic()}, probe, target, ok, more)

    def add_at(self, moment: Mapping[str, float], probe: str, target: str, more: Mapping[str, Any]) -> Sample:
        """One sample of another moment, given as its `at` and `monotonic`."""
        with self._lock:
            return self._add({"at": moment["at"], "monotonic": moment["monotonic"]}, probe, target, True, more)

    def _add(
        self, moment: dict[str, float], probe: str, target: str, ok: bool, more: Mapping[str, Any] | None
    ) -> Sample:
        sample: Sample = {**moment, "probe": probe, "target": target, "ok": ok, **(more or {})}
        if not self._ended:
            self.timeline.append(sample)
            self._file.write(json.dumps(sample, separators=(",", ":")) + "\n")
        return sample

    def flush(self) -> None:
        """Hands what was written to the system."""
        with self._lock:
            self._file.flush()


def read_samples(lines: Iterable[str]) -> list[Sample]:
    """The samples of an events.jsonl; a line cut short at its end is left out."""
    samples: list[Sample] = []
    for line in lines:
        try:
            samples.append(json.loads(line))
        except ValueError:
            continue
    return samples
