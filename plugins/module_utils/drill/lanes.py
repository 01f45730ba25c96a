# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lanes of a drill's drawn timeline: what each target was, from when to when. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import figures
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.figures import Machine, Scene
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.samples import Sample, Timeline

# Good answers closer together than this are drawn as one stretch; wider than the slowest probe's period.
JOINED_SECONDS = 1.2
GOOD, NEW, BAD, OFF = "good", "new", "bad", "off"


@dataclass(frozen=True)
class Span:
    """A stretch of a lane in seconds of the recorder's clock; `kind` is good, new, bad, off or a phase's name."""

    begin: float
    end: float
    kind: str
    label: str = ""


@dataclass(frozen=True)
class Lane:
    """One line of the picture. What no span covers was not seen."""

    name: str
    spans: tuple[Span, ...]


def lanes(timeline: Timeline, scene: Scene) -> list[Lane]:
    """All lanes of a drill from top to bottom; those without a sample are left out."""
    found = [_phases(timeline, scene, machine) for machine in scene.lost]
    found += [Lane("API through the VIP", _answers(timeline.of("api"), scene))]
    found += [Lane("VIP", _answers(timeline.of("vip"), scene))]
    found += [
        Lane(f"API server of {node}", _answers(timeline.of("backend", node), scene))
        for node in timeline.targets("backend")
    ]
    found += [Lane(f"guest {machine.name}", _guest(timeline, scene, machine)) for machine in scene.machines]
    found += [Lane(f"writers of {machine.name}", _writers(timeline, scene, machine)) for machine in scene.machines]
    found += [Lane(f"VMI of {machine.name}", _vmi(timeline, scene, machine)) for machine in scene.lost]
    found += [Lane(f"node {node}", _node(timeline, scene, node)) for node in timeline.targets("node")]
    found += [Lane(f"power of {node}", _power(timeline, scene, node)) for node in timeline.targets("power")]
    return [lane for lane in found if lane.spans]


def _phases(timeline: Timeline, scene: Scene, machine: Machine) -> Lane:
    spans = []
    begin = scene.t0
    for name, seconds in figures.phases(timeline, scene, machine).items():
        if seconds is None:
            break
        spans.append(Span(begin, begin + seconds, name, f"{name} {seconds:.1f} s"))
        begin += seconds
    return Lane(f"recovery of {machine.name}", tuple(spans))


def _answers(samples: Sequence[Sample], scene: Scene) -> tuple[Span, ...]:
    """Good stretches, and bad ones between two good answers that are too far apart."""
    good = [float(sample["monotonic"]) for sample in samples if sample["ok"]]
    if not good:
        return (Span(scene.started, scene.ended, BAD, "no good answer"),) if samples else ()
    spans, begin = [], good[0]
    for earlier, later in zip(good, [*good[1:], scene.ended]):
        if later - earlier > JOINED_SECONDS:
            spans.append(Span(begin, earlier, GOOD))
            spans.append(Span(earlier, later, BAD, f"{later - earlier:.1f} s"))
            begin = later
    return (*spans, Span(begin, scene.ended, GOOD))


def _guest(timeline: Timeline, scene: Scene, machine: Machine) -> tuple[Span, ...]:
    samples = timeline.of("guest", machine.name)
    good = [sample for sample in samples if sample["ok"]]
    spans = list(_answers(samples, scene))
    if not good:
        return tuple(spans)
    first = int(good[0]["epoch"])
    reborn = [float(sample["monotonic"]) for sample in good if int(sample["epoch"]) > first]
    if not reborn:
        return tuple(spans)
    return tuple(
        Span(span.begin, span.end, NEW, "new epoch") if span.kind == GOOD and span.begin >= reborn[0] else span
        for span in spans
    )


def _writers(timeline: Timeline, scene: Scene, machine: Machine) -> tuple[Span, ...]:
    steps: list[tuple[float, str, str]] = []
    for sample in timeline.of("writers"):
        if not sample["ok"]:
            continue
        mine = {(entry[2], entry[3]) for entry in sample["open"] if entry[1] == machine.name}
        nodes = sorted({str(node) for node, _process in mine if node})
        kind = BAD if len(mine) > 1 else GOOD if mine else OFF
        where = f" on {', '.join(nodes)}" if nodes else ""
        steps.append((sample["monotonic"], kind, f"{len(mine)}{where}" if mine else "none"))
    return _steps(steps, scene)


def _vmi(timeline: Timeline, scene: Scene, machine: Machine) -> tuple[Span, ...]:
    steps = []
    for sample in timeline.of("vmi", machine.name):
        if sample.get("gone"):
            steps.append((sample["monotonic"], OFF, "gone"))
            continue
        kind = GOOD if sample["uid"] == machine.uid else NEW
        node = f" on {sample['node']}" if sample.get("node") else ""
        steps.append((sample["monotonic"], kind, f"{sample.get('phase') or 'no phase'}{node}"))
    return _steps(steps, scene)


def _node(timeline: Timeline, scene: Scene, node: str) -> tuple[Span, ...]:
    steps = []
    for sample in timeline.of("node", node):
        taints = [key for key in sample["taints"] if key.endswith("out-of-service")]
        ready = sample["ready"] == "True"
        text = ("Ready" if ready else f"Ready {sample['ready']}") + (", out of service" if taints else "")
        steps.append((sample["monotonic"], GOOD if ready and not taints else BAD, text))
    return _steps(steps, scene)


def _power(timeline: Timeline, scene: Scene, node: str) -> tuple[Span, ...]:
    samples = [sample for sample in timeline.of("power", node) if sample["ok"]]
    return _steps(
        [(s["monotonic"], GOOD if s["state"] == "On" else OFF, str(s["state"])) for s in samples],
        scene,
    )


def _steps(steps: Sequence[tuple[float, str, str]], scene: Scene) -> tuple[Span, ...]:
    """Spans of a state that lasts until the next one is seen; equal neighbours become one."""
    spans: list[Span] = []
    for (moment, kind, label), following in zip(steps, [*(step[0] for step in steps[1:]), scene.ended]):
        last = spans[-1] if spans else None
        if last and (last.kind, last.label) == (kind, label):
            spans[-1] = Span(last.begin, following, kind, label)
        else:
            spans.append(Span(moment, following, kind, label))
    return tuple(span for span in spans if span.end > span.begin)
