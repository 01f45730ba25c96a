# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the platform was calm just now: what is measured from here on is the loss and nothing else. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.figures import Machine, longest_gap
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.samples import Sample, Timeline

# Between two good answers; guests are asked less often and run slowly under emulation.
GAPS = {"api": 1.0, "vip": 1.0, "backend": 2.0, "guest": 2.0}


def faults(timeline: Timeline, machines: Sequence[Machine], now: float, seconds: float) -> list[str]:
    """What was not calm in the last `seconds`; empty when all was."""
    since = now - seconds
    found = []
    for probe, longest in GAPS.items():
        for target in timeline.targets(probe):
            recent = [sample for sample in timeline.of(probe, target) if sample["monotonic"] >= since]
            gap = longest_gap(recent, now)
            if gap.value is None:
                found.append(f"{probe} of {target} gave no good answer")
            elif gap.value > longest:
                found.append(f"{probe} of {target} was silent for {gap.value} s")
    for machine in machines:
        found += _machine(timeline, machine, since)
    return found


def _machine(timeline: Timeline, machine: Machine, since: float) -> list[str]:
    answers = [s for s in timeline.of("guest", machine.name) if s["ok"] and s["monotonic"] >= since]
    if len(answers) > 1 and answers[-1]["counter"] <= answers[0]["counter"]:
        return [f"guest {machine.name} does not write"]
    looks = [s for s in timeline.of("writers") if s["ok"] and s["monotonic"] >= since]
    if not looks:
        return ["no process was looked at"]
    counts = _processes(looks, machine.name)
    if counts != 1:
        return [f"VM {machine.name} has {counts} processes with its disks open, not one"]
    vmi = timeline.last("vmi", machine.name)
    if not vmi or vmi.get("uid") != machine.uid or vmi.get("node") != machine.node:
        return [f"VM {machine.name} has moved or started anew"]
    return []


def _processes(looks: Sequence[Sample], name: str) -> int:
    """Different processes over all looks, so that one that just came or went is no calm."""
    return len({(look["target"], entry[3]) for look in looks for entry in look["open"] if entry[1] == name})
