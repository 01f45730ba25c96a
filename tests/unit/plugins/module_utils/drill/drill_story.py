# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event streams as a drill records them, made up so that every figure is known beforehand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.figures import Machine, Scene
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.samples import Sample, Timeline

T0 = 1000.0
EPOCH = 1_790_000_000.0
MACHINES = (Machine("demo-1", "n1", "u1"), Machine("demo-2", "n2", "u2"))
PROBES = (
    ("api", "vip"),
    ("vip", "vip"),
    ("guest", "demo-1"),
    ("guest", "demo-2"),
    ("vmi", "demo-1"),
    ("node", "n1"),
    ("power", "n1"),
    ("writers", "here"),
)


@dataclass
class Story:
    """A drill in which n1 is cut at T0; times are seconds after it. None: it does not happen."""

    suspected: float | None = 4.0
    requested: float | None = 4.5
    proven: float | None = 6.0
    deleted: float | None = 6.5
    scheduled: float | None = 9.0
    running: float | None = 11.0
    answers: float | None = 14.0
    epoch: int = 2
    recovered_less: int = 0
    old_writer_until: float = 0.05
    api_silent: tuple[float, float] = (0.0, 1.2)
    survivor_lost: int = 0
    writers_pause: tuple[float, float] | None = None
    drop: tuple[str, ...] = ()
    more: list[Sample] = field(default_factory=list)

    scene = Scene("node_power_loss", "n1", T0, T0 - 10, T0 + 20, MACHINES)

    def timeline(self) -> Timeline:
        samples = [*self._streams(), *self._recovery(), *self._vmi(), *self._node(), *self._writers(), *self.more]
        return Timeline(sample for sample in samples if sample["probe"] not in self.drop)

    def _streams(self) -> list[Sample]:
        found = []
        for tick in range(-100, 200):
            moment = tick / 10
            up = not self.api_silent[0] < moment < self.api_silent[1]
            found.append(sample("api", "vip", moment, up))
            found.append(sample("vip", "vip", moment, not 0 < moment < 0.8))
            found.append(self._first(moment, tick))
            lost = self.survivor_lost if moment > 0 else 0
            found.append(guest("demo-2", moment, 1, 500 + (tick + 100) // 2 - lost * 100, 0))
        return found

    def _first(self, moment: float, tick: int) -> Sample:
        if moment <= 0:
            return guest("demo-1", moment, 1, 300 + tick + 100, 0)
        if self.answers is None or moment < self.answers:
            return sample("guest", "demo-1", moment, False, why="timed out")
        recovered = 400 - self.recovered_less
        return guest("demo-1", moment, self.epoch, recovered + 1 + tick - int(self.answers * 10), recovered)

    def _recovery(self) -> list[Sample]:
        events = {
            "suspected": self.suspected,
            "fence_requested": self.requested,
            "fence_proven": self.proven,
            "pods_deleted": self.deleted,
        }
        return [sample("recovery", "n1", at, event=name) for name, at in events.items() if at is not None]

    def _vmi(self) -> list[Sample]:
        found = [sample("vmi", "demo-1", -10, uid="u1", phase="Running", node="n1")]
        if self.deleted is not None:
            found.append(sample("vmi", "demo-1", self.deleted + 0.3, gone=True, uid="u1"))
        if self.scheduled is not None:
            found.append(sample("vmi", "demo-1", self.scheduled - 1, uid="u9", phase="Scheduling", node=""))
            found.append(sample("vmi", "demo-1", self.scheduled, uid="u9", phase="Scheduled", node="n3"))
        if self.running is not None:
            found.append(sample("vmi", "demo-1", self.running, uid="u9", phase="Running", node="n3"))
        return found

    def _node(self) -> list[Sample]:
        return [
            sample("node", "n1", -10, ready="True", taints=[]),
            sample("node", "n1", 6.1, ready="True", taints=["node.kubernetes.io/out-of-service"]),
            sample("power", "n1", -1, state="On"),
            *([sample("power", "n1", self.proven, state="Off")] if self.proven is not None else []),
        ]

    def _writers(self) -> list[Sample]:
        found = []
        for tick in range(-40, 80):
            moment = tick / 4
            if self.writers_pause and self.writers_pause[0] < moment < self.writers_pause[1]:
                continue
            entries = [["vms:22", "demo-2", "n2", 20]]
            if moment < self.old_writer_until:
                entries.append(["vms:11", "demo-1", "n1", 10])
            if self.running is not None and moment >= self.running:
                entries.append(["vms:11", "demo-1", "n3", 30])
            found.append(sample("writers", "here", moment, open=entries))
        return found


def sample(probe: str, target: str, seconds: float, ok: bool = True, **more: Any) -> Sample:
    """One sample, `seconds` after T0."""
    return {"at": EPOCH + seconds, "monotonic": T0 + seconds, "probe": probe, "target": target, "ok": ok, **more}


def guest(name: str, seconds: float, epoch: int, counter: int, recovered: int) -> Sample:
    """One answer of a guest."""
    return sample("guest", name, seconds, epoch=epoch, counter=counter, recovered=recovered, boot_id=f"b{epoch}")
