# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a drill, computed from its timeline. Pure.

Each figure is a value or None. None means that there was no sample to take it from, and fails the drill:
nothing is guessed and nothing is left out of a sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.samples import Sample, Timeline
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.verdict import longest_pause

PHASES = ("detect", "fence", "release", "schedule", "boot", "serve")
# Longer than this without a look at the processes, and a second writer could have come and gone.
BLIND_SECONDS = 3.0


@dataclass(frozen=True)
class Machine:
    """A drill's VM as it was when the drill began: `node` it ran on, `uid` of its VMI."""

    name: str
    node: str
    uid: str


@dataclass(frozen=True)
class Scene:
    """What a drill did: the node it cut at `t0`, and its VMs. Times are seconds of the recorder's monotonic clock."""

    scenario: str
    node: str
    t0: float
    started: float
    ended: float
    machines: tuple[Machine, ...]

    @property
    def lost(self) -> tuple[Machine, ...]:
        """The VMs of the cut node."""
        return tuple(machine for machine in self.machines if machine.node == self.node)


@dataclass(frozen=True)
class Value:
    """A figure's value, from how many samples it comes, and why there is none."""

    value: float | int | None
    samples: int = 0
    why: str = ""


def longest_gap(samples: Sequence[Sample], ended: float) -> Value:
    """The longest time between two good answers, in seconds; the time from the last one to the end counts too."""
    gap = longest_pause([float(sample["monotonic"]) for sample in samples if sample["ok"]], ended)
    if gap is None:
        return Value(None, len(samples), "no good answer was ever seen")
    return Value(round(gap, 3), len(samples))


def failed_beyond_gap(samples: Sequence[Sample], t0: float, limit: float) -> Value:
    """How many questions failed that were neither under way at t0 nor asked within `limit` seconds after it.

    A gap's own length is no measure here: a busy moment later may be longer, and a backend that is lost is marked down, which
    ends what waits for it, a moment after the address answers again.
    """
    if not any(sample["ok"] for sample in samples):
        return Value(None, len(samples), "no good answer was ever seen")
    beyond = [
        sample
        for sample in samples
        if not sample["ok"]
        and (sample["monotonic"] <= t0 or sample["monotonic"] - float(sample.get("seconds", 0.0)) > t0 + limit)
    ]
    return Value(len(beyond), len(samples))


def write_stall(timeline: Timeline, scene: Scene) -> Value:
    """The longest time in which a VM of another node acknowledged no new write, in seconds; at most, as its answers tell."""
    survivors = [machine for machine in scene.machines if machine.node != scene.node]
    return _combine([_stall(timeline, scene, machine) for machine in survivors], max)


def _stall(timeline: Timeline, scene: Scene, machine: Machine) -> Value:
    answers = _answers(timeline, machine)
    if not answers:
        return Value(None, 0, f"{machine.name} never answered")
    moments: list[float] = []
    highest: tuple[int, int] = (-1, -1)
    for answer in answers:
        written = (int(answer["epoch"]), int(answer["counter"]))
        if written > highest:
            moments.append(float(answer["monotonic"]))
            highest = written
    stalls = [later - earlier for earlier, later in zip(moments, [*moments[1:], scene.ended])]
    return Value(round(max(stalls), 3), len(answers))


def first_answer(timeline: Timeline, scene: Scene, machine: Machine) -> tuple[Sample | None, str]:
    """A lost VM's first answer with a new epoch from another node, or why there is none."""
    before = _acknowledged(timeline, scene, machine)
    if not before:
        return None, f"{machine.name} gave no answer before the cut"
    old = max(int(sample["epoch"]) for sample in before)
    after = [sample for sample in _answers(timeline, machine) if sample["monotonic"] > scene.t0]
    for answer in after:
        if int(answer["epoch"]) > old:
            break
    else:
        return None, f"{machine.name} gave no answer with a new epoch"
    if successor(timeline, scene, machine) is None:
        return None, f"{machine.name} was not seen on another node"
    return answer, ""


def successor(timeline: Timeline, scene: Scene, machine: Machine) -> Sample | None:
    """The first sample of a VM's new VMI with a node that is not the lost one."""
    for sample in timeline.of("vmi", machine.name):
        is_new = sample.get("uid") not in (None, machine.uid) and sample["monotonic"] > scene.t0
        if is_new and sample.get("node") and sample["node"] != scene.node and not sample.get("gone"):
            return sample
    return None


def recovery_time(timeline: Timeline, scene: Scene, machine: Machine) -> Value:
    """Seconds from t0 to a lost VM's first answer with a new epoch from another node."""
    answer, why = first_answer(timeline, scene, machine)
    samples = len(timeline.of("guest", machine.name))
    if answer is None:
        return Value(None, samples, why)
    return Value(round(answer["monotonic"] - scene.t0, 3), samples)


def rto(timeline: Timeline, scene: Scene) -> Value:
    """The recovery time of the slowest lost VM."""
    if not scene.lost:
        return Value(None, 0, f"no VM ran on {scene.node}")
    return _combine([recovery_time(timeline, scene, machine) for machine in scene.lost], max)


def writes_lost(timeline: Timeline, scene: Scene, machine: Machine) -> Value:
    """Acknowledged writes of one VM that its disk no longer had: highest acknowledged before t0 minus recovered."""
    before = _acknowledged(timeline, scene, machine)
    after = [sample for sample in _answers(timeline, machine) if sample["monotonic"] > scene.t0]
    samples = len(before) + len(after)
    if not before or not after:
        return Value(None, samples, f"{machine.name} gave no answer {'after' if before else 'before'} the cut")
    acknowledged = max(int(sample["counter"]) for sample in before)
    old = max(int(sample["epoch"]) for sample in before)
    fresh = [sample for sample in after if int(sample["epoch"]) > old]
    if not fresh:
        if machine.node == scene.node:
            return Value(None, samples, f"{machine.name} gave no answer with a new epoch")
        return Value(max(0, acknowledged - max(int(sample["counter"]) for sample in after)), samples)
    if int(fresh[0]["epoch"]) != old + 1:
        return Value(None, samples, f"{machine.name} booted more than once before it answered")
    recovered = int(fresh[0]["recovered"])
    return Value(max(0, acknowledged - recovered), samples)


def rpo(timeline: Timeline, scene: Scene) -> Value:
    """Acknowledged writes lost, summed over the VMs."""
    return _combine([writes_lost(timeline, scene, machine) for machine in scene.machines], sum)


def writers_at_once(timeline: Timeline, scene: Scene) -> Value:
    """The most live QEMU processes with one disk open, over all places at one time.

    A place that fell silent counts with what it last showed until its node's power is read back as off: a writer
    that cannot be seen may still write. A drill in which the disks' writers were not seen before t0 is blind.
    """
    samples = timeline.of("writers")
    blind = _blind(timeline, scene, samples)
    if blind:
        return Value(None, len(samples), blind)
    offs = [
        sample for sample in timeline.of("power") if sample.get("state") == "Off" and sample["monotonic"] > scene.t0
    ]
    merged = sorted([*samples, *offs], key=lambda sample: float(sample["monotonic"]))
    seen: dict[str, list[Sequence[Any]]] = {}
    most = 0
    for sample in merged:
        if sample["probe"] == "power":
            seen[sample["target"]] = []
        elif sample["ok"]:
            seen[sample["target"]] = sample["open"]
        most = max([most, *_writers(seen).values()])
    return Value(most, len(samples))


def _writers(seen: dict[str, list[Sequence[Any]]]) -> dict[str, int]:
    processes: dict[str, set[tuple[str, Any]]] = {}
    for place, entries in seen.items():
        for disk, _machine, _node, process in entries:
            processes.setdefault(disk, set()).add((place, process))
    return {disk: len(found) for disk, found in processes.items()}


def _blind(timeline: Timeline, scene: Scene, samples: Sequence[Sample]) -> str:
    good = [sample for sample in samples if sample["ok"]]
    seen = {entry[1] for sample in good if sample["monotonic"] <= scene.t0 for entry in sample["open"]}
    missing = sorted(machine.name for machine in scene.machines if machine.name not in seen)
    if missing:
        return f"no QEMU with a disk of {', '.join(missing)} was seen before the cut"
    for place in timeline.targets("writers"):
        moments = [s["monotonic"] for s in good if s["target"] == place] if place != scene.node else []
        pauses = [later - earlier for earlier, later in zip(moments, [*moments[1:], scene.ended])]
        if pauses and max(pauses) > BLIND_SECONDS:
            return f"the processes of {place} were not looked at for {max(pauses):.1f} s"
    return ""


def phases(timeline: Timeline, scene: Scene, machine: Machine) -> dict[str, float | None]:
    """Seconds of each phase of one VM's recovery; None where its end was not seen. Together they are its recovery time.

    detect: t0 to the watcher's suspicion; fence: to the power read back as off; release: to the deletion of the
    node's pods; schedule: to the new VMI's node; boot: to its phase Running; serve: to the guest's first answer.
    """
    answer, _why = first_answer(timeline, scene, machine)
    serve = float(answer["monotonic"]) if answer else None
    ends = {
        "detect": recovery_event(timeline, scene, "suspected"),
        "fence": recovery_event(timeline, scene, "fence_proven"),
        "release": recovery_event(timeline, scene, "pods_deleted"),
        "schedule": _moment(successor(timeline, scene, machine)),
        "boot": _moment(_running(timeline, scene, machine)),
        "serve": serve,
    }
    found: dict[str, float | None] = {}
    begin: float | None = scene.t0
    for name in PHASES:
        end = ends[name]
        if end is not None and begin is not None:
            # What came late over a watch cannot have happened after what it made possible.
            end = max(begin, end if serve is None else min(end, serve))
            found[name] = round(end - begin, 3)
        else:
            found[name] = None
        begin = end
    return found


def slowest(timeline: Timeline, scene: Scene) -> Machine | None:
    """The lost VM that took longest; one that never came back before all others."""
    times = [(recovery_time(timeline, scene, machine).value, machine) for machine in scene.lost]
    never = [machine for value, machine in times if value is None]
    if never or not times:
        return never[0] if never else None
    return max(times, key=lambda pair: pair[0] or 0.0)[1]


def recovery_event(timeline: Timeline, scene: Scene, event: str) -> float | None:
    """When the recovery of the cut node first did something after t0."""
    for sample in timeline.of("recovery", scene.node):
        if sample["event"] == event and sample["monotonic"] >= scene.t0:
            return float(sample["monotonic"])
    return None


def _running(timeline: Timeline, scene: Scene, machine: Machine) -> Sample | None:
    new = successor(timeline, scene, machine)
    for sample in timeline.of("vmi", machine.name):
        if new and sample.get("uid") == new["uid"] and sample.get("phase") == "Running":
            return sample
    return None


def _moment(sample: Sample | None) -> float | None:
    return float(sample["monotonic"]) if sample else None


def _answers(timeline: Timeline, machine: Machine) -> list[Sample]:
    return [sample for sample in timeline.of("guest", machine.name) if sample["ok"]]


def _acknowledged(timeline: Timeline, scene: Scene, machine: Machine) -> list[Sample]:
    return [sample for sample in _answers(timeline, machine) if sample["monotonic"] <= scene.t0]


def _combine(values: Sequence[Value], how: Any) -> Value:
    samples = sum(value.samples for value in values)
    faults = [value.why for value in values if value.value is None]
    if faults or not values:
        return Value(None, samples, "; ".join(faults) or "there is no VM to measure")
    return Value(how(value.value for value in values), samples)
