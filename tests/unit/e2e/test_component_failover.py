# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import component_failover as failover
import component_loops
import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import resources
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from component_failover import Course
from component_loops import Loop, Operations

LOST, END = 10.0, 40.0
STEADY = [moment / 2 for moment in range(16, 81)]  # twice a second, from 8.0 to 40.0
NODES = {"n1": "a", "n2": "b", "n3": "c"}


def pods(component: str) -> dict[str, str]:
    return {f"{component}-{letter}": node for node, letter in NODES.items()}


def course(component: str, loops: list[Loop], **given: Any) -> Course:
    there = pods(component)
    victim = f"{component}-a"
    others = {name: node for name, node in there.items() if name != victim}
    found = Course(component, failover.POD_LOSS, victim, "n1", loops, LOST, END, others, there)
    return replace(found, **given)


class TestGap:
    @pytest.mark.parametrize(
        ("done", "gap"),
        [
            pytest.param([8.0, 9.0, 10.5, 12.0, 39.0, 40.0], 27.0, id="in the middle"),
            pytest.param([8.0, 9.0, 16.0, 28.0, 40.0], 12.0, id="between two"),
            pytest.param([8.0, 9.5], 30.5, id="a total outage, from the last one before it"),
            pytest.param([8.0, 9.5, 11.0, 12.0], 28.0, id="one that still goes on at the end"),
            pytest.param([9.0, 39.0, 41.0, 90.0], 30.0, id="what is done after the end does not count"),
            pytest.param([3.0, 9.5, 20.0, 30.0, 40.0], 10.5, id="a slow one before the loss does not count"),
        ],
    )
    def test_the_span_ends_a_stall_as_an_operation_does(self, done: list[float], gap: float) -> None:
        assert Loop("api", done).gap(LOST, END) == gap

    def test_a_loop_that_did_nothing_before_the_loss_has_none(self) -> None:
        assert Loop("api", [11.0, 12.0]).gap(LOST, END) is None


class TestFigures:
    def test_a_stall_that_goes_on_at_the_end_fails(self) -> None:
        stalled = Loop("api", [8.0, 9.5])
        gap, _failed = failover.figures_of(course("virt-api", [stalled, Loop("lifecycle", STEADY)]))
        assert (gap.name, gap.value, gap.passed) == ("component_failover_virt_api_gap_seconds", 30.5, False)
        assert gap.more["longest_gap_by_loop"] == {"api": 30.5, "lifecycle": 0.5}

    def test_failures_are_counted_by_their_text_and_those_who_took_over_named(self) -> None:
        refused = ["VirtualMachine trial-3: refused.", "VirtualMachine trial-4: refused.", "timed out."]
        loops = [Loop("api", STEADY, ["timed out."]), Loop("lifecycle", STEADY, refused)]
        gap, failed = failover.figures_of(course("virt-api", loops))
        assert gap.more["failures"] == {"timed out.": 2, "VirtualMachine trial: refused.": 2}
        assert (failed.name, failed.value) == ("component_failover_virt_api_failed_operations", 4)
        assert gap.more["took_over"] == {"virt-api-b": "n2", "virt-api-c": "n3"}
        assert len(gap.more["serving_after"]) == 3

    def test_a_proxy_of_exports_is_judged_by_its_own_answers(self) -> None:
        loops = [Loop("api", STEADY), Loop("lifecycle", STEADY), Loop("exportproxy", [9.9, 13.0, *STEADY[20:]], ["no"])]
        gap, failed = failover.figures_of(course("virt-exportproxy", loops))
        assert (gap.value, gap.samples) == (5.0, len(STEADY) - 18)
        assert (failed.name, failed.value) == ("component_failover_virt_exportproxy_failed_requests", 1)

    def test_an_operator_is_judged_by_its_lease_and_its_figure_says_so(self) -> None:
        loops = [Loop("api", STEADY), Loop("lifecycle", STEADY)]
        (lease,) = failover.figures_of(course("virt-operator", loops, taken=21.004, leaders=("a_1", "b_2")))
        assert (lease.name, lease.value, lease.limit) == ("component_failover_virt_operator_lease_seconds", 21.0, 30.0)
        (lease,) = failover.figures_of(course("virt-operator", loops))
        assert "nobody took the lease" in lease.fault()

    def test_no_other_leader_leaves_no_figure_though_operations_went_on(self) -> None:
        found = failover.figures_of(course("virt-controller", [Loop("api", STEADY), Loop("lifecycle", STEADY)]))
        assert [figure.value for figure in found] == [None, None]

    def test_the_loss_of_a_node_has_a_name_and_a_limit_of_its_own(self) -> None:
        node = failover.node_loss(print, print)
        loops = [Loop("api", STEADY), Loop("lifecycle", STEADY)]
        gap, _failed = failover.figures_of(course("virt-api", loops, loss=node))
        assert (gap.name, gap.limit) == ("component_failover_virt_api_node_gap_seconds", 40.0)


class Cluster:
    """A client of three nodes with a replica of virt-exportproxy each."""

    READY = {"conditions": [{"type": "Ready", "status": "True"}]}

    def __init__(self) -> None:
        self.pods = pods("virt-exportproxy")

    def list(self, resource: Any, *_where: str, label_selector: str = "") -> SimpleNamespace:
        if resource is resources.NODE:
            return SimpleNamespace(items=[self.get(resource, name) for name in NODES])
        return SimpleNamespace(items=[self.get(resource, name) for name in self.pods])

    def get(self, resource: Any, name: str, *_where: str) -> dict[str, Any]:
        if resource is resources.SERVICE:
            return {"spec": {"clusterIP": "10.96.0.7", "ports": [{"port": 443}]}}
        if resource is resources.DEPLOYMENT:
            return {"spec": {"replicas": 3}, "status": {"readyReplicas": len(self.pods)}}
        addresses = [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": f"of-{name}"}]
        spec = {"nodeName": self.pods[name]} if name in self.pods else {}
        return {"metadata": {"name": name}, "spec": spec, "status": {**self.READY, "addresses": addresses}}


class TestLose:
    def lose(self, monkeypatch: pytest.MonkeyPatch, ask: str, take: Callable[[], object]) -> list[Any]:
        for name, seconds in {"BEFORE": 0.4, "AFTER": 0.2, "BACK_SECONDS": 2.0}.items():
            monkeypatch.setattr(failover, name, seconds)
        monkeypatch.setattr(component_loops, "PAUSE", 0.01)
        component = replace(failover.COMPONENTS["virt-exportproxy"], limit=0.5)
        monkeypatch.setitem(failover.COMPONENTS, "virt-exportproxy", component)
        monkeypatch.setattr(component_loops, "ASK", ask)
        monkeypatch.setattr(component_loops.Operations, "_run", self.steadily)
        cluster = Cluster()

        def lost(_client: Any, pod: dict[str, Any]) -> None:
            del cluster.pods[pod["metadata"]["name"]]
            cluster.pods["virt-exportproxy-new"] = "n1"
            take()

        loss = failover.Loss("pod", lost)
        client = cast(Client, cluster)
        return failover.lose(client, lambda: client, "virt-exportproxy", loss, ("sh", "-c", 'at={address}; eval "$0"'))

    @staticmethod
    def steadily(operations: Operations, loop: Loop, _steps: Any) -> None:
        while not operations._over.wait(0.02):
            loop.done.append(time.monotonic())

    def test_the_service_is_asked_from_a_node_that_stays_and_those_that_served_are_told(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        ask = f'echo "$at {{target}}" >{tmp_path}/asked; while echo 501 0; do sleep 0.02; done'
        gap, failed = self.lose(monkeypatch, ask, lambda: None)
        assert (tmp_path / "asked").read_text() == "of-n2 10.96.0.7:443\n"
        assert gap.passed, gap.fault()
        assert failed.value == 0
        assert gap.more["lost"] == "virt-exportproxy-a"
        assert gap.more["took_over"] == {"virt-exportproxy-b": "n2", "virt-exportproxy-c": "n3"}
        assert set(gap.more["serving_after"]) == {f"virt-exportproxy-{name}" for name in ("b", "c", "new")}

    def test_a_service_that_never_answers_again_fails(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        gone = tmp_path / "gone"
        ask = f"while if test -e {gone}; then echo 000 7; else echo 200 0; fi; do sleep 0.02; done"
        gap, failed = self.lose(monkeypatch, ask, gone.touch)
        assert not gap.passed, gap.value
        assert gap.value > 1.0  # until twice the limit, and AFTER, were over
        assert failed.value > 0


def test_two_replicas_of_three_are_not_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = dict(list(pods("virt-api").items())[:2])
    monkeypatch.setattr(failover, "_ready", lambda client, component: ready)
    monkeypatch.setattr(failover, "BACK_SECONDS", 0.0)
    nobody = cast(Client, None)
    (gap,) = failover.lose(nobody, lambda: nobody, "virt-api", failover.POD_LOSS, ())
    assert "virt-api has 2 ready replicas of 3" in gap.fault()


class TestRequests:
    def answers(self, *lines: str) -> Loop:
        operations = Operations(lambda: cast(Client, None), ("sh",))
        operations._listen(lines)
        return operations.loops[-1]

    def test_any_answer_is_served_and_none_is_not(self) -> None:
        loop = self.answers("200 0\n", "501 0\n", "000 7\n", "000 28\n")
        assert len(loop.done) == 2
        assert loop.failed == [f"GET /healthz: no answer, curl ended with {code}" for code in (7, 28)]

    def test_who_asks_is_ended_with_the_loops(self) -> None:
        ask = ("sh", "-c", "while echo 200 0; do sleep 0.05; done")
        operations = Operations(lambda: cast(Client, None), ask)
        operations._run = lambda loop, steps: None  # type: ignore[method-assign]
        begun = time.monotonic()
        with operations.running():
            while len(operations.loops[-1].done) < 3:
                assert time.monotonic() < begun + 10
                time.sleep(0.01)
        done = len(operations.loops[-1].done)
        time.sleep(0.2)
        assert len(operations.loops[-1].done) == done
