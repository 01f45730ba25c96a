# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one drill: look whether redundancy is whole, probe, wait for calm, cut, wait for the machines, judge, report."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import Connection
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import calm, control, figures, report
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.figures import Machine, Scene
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.probes import Probes, Scope
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.redundancy import Expected
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.samples import Recorder
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.survey import (
    Platform,
    Survey,
    survey_until_whole,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.verdict import PARTITION_CONTROL, Budget, judge
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Origin

_POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Times:
    """Seconds: of calm before the cut, to wait for it, to wait for the machines after it, to go on recording."""

    calm: float = 5.0
    calm_wait: float = 90.0
    recovery_wait: float = 150.0
    settle: float = 4.0
    whole_wait: float = 0.0


@dataclass(frozen=True)
class Plan:
    """A drill to run. `cut` is a command with `{node}` in it; an empty `node` means the one with most of the VMs."""

    scenario: str
    platform: Platform
    expected: Expected
    cut: tuple[str, ...]
    reports: str
    node: str = ""
    bmcs: Mapping[str, Any] = field(default_factory=dict)
    observers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    budget: Budget = Budget()
    times: Times = Times()
    command: str = ""
    commit: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    loss: str = "power"


def run(client: Client, connection: Connection, plan: Plan, *, check_mode: bool = False) -> dict[str, Any]:
    """The whole drill: {changed, node, folder, report}. Refused unless redundancy is whole and calm comes."""
    found = survey_until_whole(client, connection, plan.platform, plan.expected, plan.times.whole_wait)
    if found.faults:
        raise _refusal(found.faults)
    node = plan.node or node_with_most(found.machines)
    machines = tuple(Machine(name, each["node"], each["uid"]) for name, each in sorted(found.machines.items()))
    if not any(machine.node == node for machine in machines):
        raise Refused(f"none of the drill's VMs runs on {node}", fix="Choose another node, or move a VM there first")
    if check_mode:
        return {"changed": True, "node": node}
    return _Run(client, connection, plan, node, machines).go(found)


def node_with_most(machines: Mapping[str, Mapping[str, str]]) -> str:
    """The node with most of the VMs, the first by name where several have as many."""
    nodes = [each["node"] for each in machines.values()]
    return min(set(nodes), key=lambda node: (-nodes.count(node), node)) if nodes else ""


def _refusal(faults: Sequence[str]) -> Refused:
    return Refused(
        "the drill does not start",
        why="redundancy is not whole: " + "; ".join(faults),
        fix="Wait for what is on its way back, repair the rest, and run the drill again",
    )


class _Run:
    """One drill from its first sample to its report."""

    def __init__(
        self, client: Client, connection: Connection, plan: Plan, node: str, machines: tuple[Machine, ...]
    ) -> None:
        self._client, self._connection, self._plan = client, connection, plan
        self._node, self._machines = node, machines
        self._folder = os.path.join(plan.reports, report.stamp(plan.scenario, time.time()))

    def go(self, found: Survey) -> dict[str, Any]:
        os.makedirs(self._folder)
        with open(os.path.join(self._folder, report.EVENTS), "w", encoding="utf-8") as file:
            recorder = Recorder(file)
            probes = Probes(recorder, self._connection, self._scope())
            started = time.monotonic()
            probes.start()
            try:
                self._wait_for_calm(recorder)
                t0, t0_at = self._cut(recorder)
                self._go_on(recorder, t0)
                ended = recorder.end()
            finally:
                probes.stop()
            scene = self._scene(started, t0, ended)
        verdict = judge(recorder.timeline, scene, self._plan.budget, probes.expected())
        content = report.write(self._folder, recorder.timeline, scene, verdict, self._setting(found), t0_at)
        return {"changed": True, "node": self._node, "folder": self._folder, "report": content}

    def _scope(self) -> Scope:
        plan = self._plan
        return Scope(plan.platform, self._node, plan.expected.nodes, plan.bmcs, plan.observers)

    def _scene(self, started: float, t0: float, ended: float) -> Scene:
        return Scene(self._plan.scenario, self._node, t0, started, ended, self._machines)

    def _setting(self, found: Survey) -> report.Setting:
        plan = self._plan
        origin = Origin(plan.command, plan.commit, found.kubevirt_source)
        return report.Setting(origin, {**plan.versions, **found.versions}, plan.loss, found.places)

    def _wait_for_calm(self, recorder: Recorder) -> None:
        until = time.monotonic() + self._plan.times.calm_wait
        begin = time.monotonic()
        while True:
            time.sleep(_POLL_SECONDS)
            now = time.monotonic()
            seconds = self._plan.times.calm
            faults = (
                calm.faults(recorder.timeline, self._machines, now, seconds) if now - begin > seconds else ["begun"]
            )
            if not faults:
                return
            if now > until:
                raise Refused(
                    "the drill does not cut",
                    why=f"no {seconds:g} s of calm came in {self._plan.times.calm_wait:g} s: " + "; ".join(faults),
                    fix="Take load off the platform or the machine, and run the drill again",
                )

    def _cut(self, recorder: Recorder) -> tuple[float, float]:
        """Cuts the node: t0 on the monotonic clock and in seconds since the epoch."""
        command = [part.replace("{node}", self._node) for part in self._plan.cut]
        moment = {"at": time.time(), "monotonic": time.monotonic()}
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        ended = time.monotonic()
        if done.returncode:
            raise HaError(
                "the cut failed", where=" ".join(command), why=done.stderr.strip()[-500:], fix="Look at the node"
            )
        t0 = told_moment(done.stdout, moment, ended)
        recorder.add_at(t0, "drill", self._node, {"event": "cut", "took": round(ended - moment["monotonic"], 3)})
        return t0["monotonic"], t0["at"]

    def _go_on(self, recorder: Recorder, t0: float) -> None:
        """Records until the lost machines are back and some seconds more, or until the time is over."""
        if self._plan.scenario == PARTITION_CONTROL:
            control.let_go(self._client, self._node, self._plan.platform.namespace)
            recorder.add("drill", self._node, True, {"event": "pods deleted without proof"})
        until = t0 + self._plan.times.recovery_wait
        while time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
            recorder.flush()
            if self._over(recorder, t0):
                recorder.add("drill", self._node, True, {"event": "all seen"})
                time.sleep(self._plan.times.settle)
                return
        recorder.add("drill", self._node, True, {"event": "time over"})

    def _over(self, recorder: Recorder, t0: float) -> bool:
        scene = self._scene(t0, t0, time.monotonic())
        if self._plan.scenario == PARTITION_CONTROL:
            return control.two_writers(recorder.timeline)
        machines = all(figures.recovery_time(recorder.timeline, scene, each).value is not None for each in scene.lost)
        return machines and figures.recovery_event(recorder.timeline, scene, "pods_deleted") is not None


def told_moment(output: str, begin: Mapping[str, float], ended: float) -> dict[str, float]:
    """When the link went down: what the command told in a line of JSON (`t0_monotonic`, `t0`), else when it began.

    A moment outside of the command's own time is of another clock and is not taken.
    """
    for line in reversed(output.splitlines()):
        try:
            told = json.loads(line)
            moment = {"monotonic": float(told["t0_monotonic"]), "at": float(told["t0"])}
        except (ValueError, KeyError, TypeError):
            continue
        if begin["monotonic"] <= moment["monotonic"] <= ended:
            return moment
    return dict(begin)
