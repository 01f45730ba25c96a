# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a drill's timeline to its verdict: every figure with its limit, every probe with its data. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import figures
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.figures import Scene
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.samples import Timeline
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure

NODE_POWER_LOSS = "node_power_loss"
PARTITION_CONTROL = "node_partition_without_fencing"
SCENARIOS = (NODE_POWER_LOSS, PARTITION_CONTROL)


@dataclass(frozen=True)
class Budget:
    """The limits of a drill's figures; times in seconds."""

    rto_seconds: float = 40.0
    rpo_writes_lost: int = 0
    writers_at_once: int = 1
    api_gap_seconds: float = 3.0
    vip_gap_seconds: float = 3.0
    write_stall_seconds: float = 30.0
    requests_failed_beyond_gap: int | None = None


@dataclass(frozen=True)
class Verdict:
    """A drill's figures, and a sentence for each that is missing or over its limit."""

    figures: tuple[Figure, ...]
    phases: dict[str, float | None]
    faults: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every figure was measured and kept its limit."""
        return not self.faults

    def value(self, name: str) -> Any:
        """A figure's value by name."""
        return next(figure.value for figure in self.figures if figure.name == name)


def judge(timeline: Timeline, scene: Scene, budget: Budget, probes: Sequence[tuple[str, str]]) -> Verdict:
    """The verdict; `probes` are the (probe, target) pairs that must have data from before and after t0."""
    if scene.scenario == PARTITION_CONTROL:
        return _judge_control(timeline, scene, probes)
    measured = _measured(timeline, scene, budget)
    slowest = figures.slowest(timeline, scene)
    phases = figures.phases(timeline, scene, slowest) if slowest else dict.fromkeys(figures.PHASES)
    faults = [figure.fault() for figure in measured if not figure.passed]
    faults += _phase_faults(timeline, scene, phases)
    faults += _silent(timeline, scene, probes)
    return Verdict(tuple(measured), phases, tuple(faults))


def _measured(timeline: Timeline, scene: Scene, budget: Budget) -> list[Figure]:
    values = [
        ("rto_seconds", figures.rto(timeline, scene), "s", budget.rto_seconds),
        ("rpo_writes_lost", figures.rpo(timeline, scene), "writes", budget.rpo_writes_lost),
        ("writers_at_once", figures.writers_at_once(timeline, scene), "processes", budget.writers_at_once),
        ("api_gap_seconds", figures.longest_gap(timeline.of("api"), scene.ended), "s", budget.api_gap_seconds),
        ("vip_gap_seconds", figures.longest_gap(timeline.of("vip"), scene.ended), "s", budget.vip_gap_seconds),
        (
            "requests_failed_beyond_gap",
            figures.failed_beyond_gap(timeline.of("api"), scene.t0, budget.api_gap_seconds),
            "requests",
            budget.requests_failed_beyond_gap,
        ),
    ]
    if len(scene.lost) < len(scene.machines):  # else nobody was left to write
        stall = figures.write_stall(timeline, scene)
        values.append(("write_stall_seconds", stall, "s", budget.write_stall_seconds))
    return [Figure(name, found.value, unit, limit, found.samples, found.why) for name, found, unit, limit in values]


def _judge_control(timeline: Timeline, scene: Scene, probes: Sequence[tuple[str, str]]) -> Verdict:
    """The control drill passes when the recorder sees the second writer that nothing prevented."""
    found = figures.writers_at_once(timeline, scene)
    writers = Figure("writers_at_once", found.value, "processes", 2, found.samples, found.why, at_least=True)
    others = [figure for figure in _measured(timeline, scene, Budget()) if figure.name != writers.name]
    unlimited = [Figure(each.name, each.value, each.unit, None, each.samples, each.why) for each in others]
    faults = [writers.fault()] if not writers.passed else []
    faults += _silent(timeline, scene, probes)
    return Verdict((*unlimited, writers), dict.fromkeys(figures.PHASES), tuple(faults))


def _phase_faults(timeline: Timeline, scene: Scene, phases: dict[str, float | None]) -> list[str]:
    """Phases that were not seen; and detection, fencing and read-back that took no time, which no real ones do."""
    faults = [f"the end of phase {name} was not seen" for name, seconds in phases.items() if seconds is None]
    moments = [scene.t0] + [
        found
        for event in ("suspected", "fence_requested", "fence_proven")
        if (found := figures.recovery_event(timeline, scene, event)) is not None
    ]
    if len(moments) == 4 and any(later <= earlier for earlier, later in zip(moments, moments[1:])):
        faults.append("detection, fencing or its read-back took no time: something told the watcher")
    if figures.recovery_event(timeline, scene, "pods_deleted") is None:
        refused = [s for s in timeline.of("recovery", scene.node) if s["event"] in ("refused", "failed")]
        faults += [f"the recovery {s['event']}: {s.get('reason', 'no reason given')}" for s in refused[-1:]]
    return faults


def _silent(timeline: Timeline, scene: Scene, probes: Sequence[tuple[str, str]]) -> list[str]:
    faults = []
    for probe, target in probes:
        samples = timeline.of(probe, target)
        if not any(sample["monotonic"] <= scene.t0 for sample in samples):
            faults.append(f"probe {probe} of {target} has no data from before the cut")
        elif probe in STREAMS and not any(sample["monotonic"] > scene.t0 for sample in samples):
            faults.append(f"probe {probe} of {target} has no data from after the cut")
    return faults + [str(sample["event"]) for sample in timeline.of("drill") if not sample["ok"]]


# Probes that sample all the time; the others speak when something changes.
STREAMS = frozenset({"api", "vip", "backend", "guest", "writers", "power"})
