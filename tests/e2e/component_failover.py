# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loses one replica of a component of KubeVirt, then its node, under a loop of operations on virtual machines; what failed, for how long.

python tests/e2e/component_failover.py --kubeconfig FILE --on-node 'ssh root@{address}' measures all components and writes
reports/systems.json. Nodes are lost where commands that take and give back a node's power are given, as those of the drill are.

The operations are those of component_loops.py: a gap is the longest time without one.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The collection as `make collection` copies it.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".cache"))

import keep_figure
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions, platform_state, reports
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import resolve
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    DEPLOYMENT,
    LEASE,
    NAMESPACE,
    POD,
    VM,
)
from component_loops import KUBEVIRT, TRIALS, Loop, Operations, asking, machine, wait_until

REPORT = Path(__file__).resolve().parents[2] / "reports" / "systems.json"
# The loops that a component is judged by.
OPERATIONS, REQUESTS = ("api", "lifecycle"), ("exportproxy",)


@dataclass(frozen=True)
class Component:
    """How many replicas there must be before a loss, whether one leads by a lease, and by what a loss is judged.

    loops: those whose longest gap counts; none where the time counts until another replica has the lease. limit: the most seconds that
    may take; node_limit: the same with a node, whose loss must be seen and which must be fenced first.
    """

    replicas: int
    leads: bool
    loops: tuple[str, ...]
    limit: float
    node_limit: float = 40.0


COMPONENTS = {
    "virt-api": Component(3, False, OPERATIONS, 10.0),
    "virt-controller": Component(3, True, OPERATIONS, 20.0),
    # A lease that nobody renews lasts 15 s; with a node the survivor's own connection to the API may hang for as long again, twice.
    "virt-operator": Component(2, True, (), 30.0, 60.0),
    "virt-exportproxy": Component(3, False, REQUESTS, 10.0),
}
BEFORE, AFTER, BACK_SECONDS = 4.0, 8.0, 120.0
# How soon a lost node is at the latest fenced.
SILENCE = 20.0


@dataclass(frozen=True)
class Loss:
    """How a replica is lost, and how what went with it comes back; `silence`: seconds that may pass before the loss is felt."""

    name: str
    take: Callable[[Client, dict[str, Any]], object]
    give_back: Callable[[str], object] = lambda node: None
    silence: float = 0.0


def _end_pod(client: Client, pod: dict[str, Any]) -> None:
    """Without a farewell."""
    client.delete(POD, pod["metadata"]["name"], KUBEVIRT, uid=pod["metadata"]["uid"], grace_seconds=0)


def node_loss(power_off: Callable[[str], object], power_on: Callable[[str], object]) -> Loss:
    """The pod's node loses its power; `power_on` returns when the node is one of the platform again."""
    return Loss("node", lambda client, pod: power_off(pod["spec"]["nodeName"]), power_on, SILENCE)


POD_LOSS = Loss("pod", _end_pod)


def _holder(client: Client, component: str) -> str:
    lease = client.find(LEASE, component, KUBEVIRT) or {}
    return str((lease.get("spec") or {}).get("holderIdentity") or "")


def _ready(client: Client, component: str) -> dict[str, str]:
    """The pods that serve, and their nodes."""
    found = client.list(POD, KUBEVIRT, label_selector=f"kubevirt.io={component}").items
    return {
        pod["metadata"]["name"]: str(pod["spec"].get("nodeName"))
        for pod in found
        if not pod["metadata"].get("deletionTimestamp") and conditions.holds(pod, "Ready")
    }


@dataclass(frozen=True)
class Course:
    """One loss as it went, in moments of the monotonic clock and seconds after the loss; pods with their nodes.

    took_over: the replicas of before that served when operations were back; serving_after: those that serve in the end.
    """

    component: str
    loss: Loss
    victim: str
    node: str
    loops: Sequence[Loop]
    lost: float
    end: float
    took_over: dict[str, str]
    serving_after: dict[str, str]
    leaders: tuple[str, str] = ("", "")
    taken: float | None = None
    whole: float | None = None


def _prefix(component: str, loss: Loss) -> str:
    return f"component_failover_{component.replace('-', '_')}" + ("" if loss.name == POD_LOSS.name else f"_{loss.name}")


def _limit(component: str, loss: Loss) -> float:
    return COMPONENTS[component].node_limit if loss.silence else COMPONENTS[component].limit


def _measured_by(component: str) -> str:
    return "gap" if COMPONENTS[component].loops else "lease"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def _failures(loops: Sequence[Loop]) -> dict[str, int]:
    """How often each error came, whatever the machine's number; the most frequent first."""
    return dict(Counter(re.sub(r"trial-\d+", "trial", text) for loop in loops for text in loop.failed).most_common())


def figures_of(course: Course) -> list[reports.Figure]:
    """How long a loss held up what needs the component, and how much of it failed."""
    component, prefix = COMPONENTS[course.component], _prefix(course.component, course.loss)
    gaps = {loop.name: loop.gap(course.lost, course.end) for loop in course.loops}
    more = {
        "lost": course.victim,
        "node": course.node,
        "took_over": course.took_over,
        "serving_after": course.serving_after,
        "leader_before": course.leaders[0] or None,
        "leader_after": course.leaders[1] or None,
        "took_over_after_seconds": _rounded(course.taken),
        "whole_again_after_seconds": _rounded(course.whole),
        "longest_gap_by_loop": {name: _rounded(gap) for name, gap in gaps.items()},
        "failures": _failures(course.loops),
    }
    limit, name = _limit(course.component, course.loss), f"{prefix}_{_measured_by(course.component)}_seconds"
    untaken = f"nobody took the lease within {BACK_SECONDS:g} s" if component.leads and course.taken is None else ""
    if not component.loops:
        return [reports.Figure(name, _rounded(course.taken), "s", limit, 1, untaken, more=more)]
    judged = [loop for loop in course.loops if loop.name in component.loops]
    idle = ", ".join(loop.name for loop in judged if gaps[loop.name] is None)
    why = untaken or (f"nothing was done before the loss by: {idle}" if idle else "")
    gap = None if why else max(gaps[loop.name] or 0.0 for loop in judged)
    kind, samples = "requests" if component.loops == REQUESTS else "operations", sum(len(loop.done) for loop in judged)
    failed = None if why else sum(len(loop.failed) for loop in judged)
    return [
        reports.Figure(name, _rounded(gap), "s", limit, samples, why, more=more),
        reports.Figure(f"{prefix}_failed_{kind}", failed, kind, None, samples, why),
    ]


def lose(
    client: Client, connect: Callable[[], Client], component: str, loss: Loss, on_node: Sequence[str]
) -> list[reports.Figure]:
    """Loses one replica, the leading one where one leads; the figures of the loops meanwhile."""
    wanted, limit = COMPONENTS[component], _limit(component, loss)
    # What went with a node that was lost before may still be on its way.
    wait_until(lambda: len(_ready(client, component)) >= wanted.replicas, BACK_SECONDS)
    pods, leader = _ready(client, component), _holder(client, component) if wanted.leads else ""
    victim = (
        next((pod for pod in sorted(pods) if leader.startswith(pod)), "") if wanted.leads else min(pods, default="")
    )
    if not victim or len(pods) < wanted.replicas:
        why = f"{component} has {len(pods)} ready replicas of {wanted.replicas}" + (
            f", its lease is held by {leader or 'nobody'}" if wanted.leads else ""
        )
        name = f"{_prefix(component, loss)}_{_measured_by(component)}_seconds"
        return [reports.Figure(name, None, "s", limit, why=why)]
    operations = Operations(connect, asking(client, on_node, pods[victim]) if wanted.loops == REQUESTS else ())
    with operations.running():
        time.sleep(BEFORE)
        lost = time.monotonic()
        loss.take(client, client.get(POD, victim, KUBEVIRT))
        taken = (
            wait_until(lambda: _holder(client, component) not in ("", leader), BACK_SECONDS) if wanted.leads else None
        )
        # Where a node is lost its silence comes first: each loop must have done something after it.
        operations.wait_for_each(lost + loss.silence, limit)
        time.sleep(AFTER)
        # What is under way now is judged, too: it ends, or has taken too long.
        operations.wait_for_each(time.monotonic(), limit)
        end = time.monotonic()
        left = _ready(client, component)
    loss.give_back(pods[victim])
    back = wait_until(lambda: _whole(client, component), BACK_SECONDS)
    course = Course(
        component=component,
        loss=loss,
        victim=victim,
        node=pods[victim],
        loops=operations.loops,
        lost=lost,
        end=end,
        took_over={pod: node for pod, node in pods.items() if pod != victim and pod in left},
        whole=None if back is None else time.monotonic() - lost,
        serving_after=_ready(client, component),
        leaders=(leader, _holder(client, component) if wanted.leads else ""),
        taken=taken,
    )
    return figures_of(course)


def _whole(client: Client, component: str) -> bool:
    wanted, ready = platform_state.replicas(client.get(DEPLOYMENT, component, KUBEVIRT))
    return ready >= wanted


def measure(
    kubeconfig: str, on_node: Sequence[str], losses: Sequence[Loss] = (POD_LOSS,), report: Path = REPORT
) -> list[reports.Figure]:
    """Loses a replica of each component that there is, in each way, one after the other, and writes the figures.

    on_node: the words that run a shell command on the node at {address}.
    """

    def connect(patience: float = 0.0) -> Client:
        return Client(resolve({"kubeconfig": kubeconfig}), timeout=5.0, patience=patience)

    client = connect(BACK_SECONDS)  # the loops alone must feel each loss
    deployments = client.list(DEPLOYMENT, KUBEVIRT).items
    names = {item["metadata"]["name"] for item in deployments}
    client.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TRIALS}})
    figures: list[reports.Figure] = []
    try:
        client.create(VM, machine("patched"), TRIALS)
        for component in COMPONENTS:
            for loss in losses if component in names else ():
                figures += lose(client, connect, component, loss, on_node)
    finally:
        for vm in client.list(VM, TRIALS).items:
            client.delete(VM, vm["metadata"]["name"], TRIALS)
        client.delete(NAMESPACE, TRIALS)
    source = platform_state.source_of(deployments)
    origin = reports.Origin("python tests/e2e/component_failover.py", keep_figure.commit(), source)
    reports.add_figures(str(report), figures, origin)
    return figures


def main() -> int:
    """Prints a line a figure; 1 where one has not passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--on-node", required=True, help="the words that run a shell command on the node at {address}")
    parser.add_argument("--report", type=Path, default=REPORT)
    parser.add_argument("--power-off", help="a command with {node}; nodes are lost, too, where it is given")
    parser.add_argument("--power-on", help="a command with {node} that ends when the node is back")
    options = parser.parse_args()
    if bool(options.power_off) != bool(options.power_on):
        parser.error("--power-off and --power-on go together")

    def command(template: str) -> Callable[[str], object]:
        return lambda node: subprocess.run(
            [word.replace("{node}", node) for word in shlex.split(template)], check=True, stdin=subprocess.DEVNULL
        )

    losses = [POD_LOSS]
    if options.power_off:
        losses.append(node_loss(command(options.power_off), command(options.power_on)))
    figures = measure(options.kubeconfig, shlex.split(options.on_node), losses, options.report)
    for figure in figures:
        print(f"{figure.name}: {figure.value} {figure.unit} (limit {figure.limit}) {dict(figure.more)}", flush=True)
    faults = [figure.fault() for figure in figures if not figure.passed]
    print("\n".join(faults), file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
