# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loses one replica of a component of KubeVirt, then its node, under a loop of operations on virtual machines; what failed, for how long.

python tests/e2e/component_failover.py --kubeconfig FILE measures all components and writes reports/systems.json. Nodes are lost
where commands that take and give back a node's power are given, as those of the drill are.

Two loops run, each one operation after the other. `api`: a subresource of KubeVirt's and a change of a machine, which its
webhooks judge; it needs a virt-api. `lifecycle`: create, start, stop and delete a machine, each step until virt-controller has
carried it out; the machine asks for a node that there is not, so that nothing but KubeVirt's components is on the way.
A step that fails is counted and tried again.
"""

from __future__ import annotations

import argparse
import itertools
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# The collection as `make collection` copies it.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".cache"))

import keep_figure
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import platform_state, reports
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import resolve
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    DEPLOYMENT,
    LEASE,
    NAMESPACE,
    POD,
    VM,
    VM_ACTION,
    VMI,
)

REPORT = Path(__file__).resolve().parents[2] / "reports" / "systems.json"
KUBEVIRT = "kubevirt"
TRIALS = "component-failover"
# Component, whether one of its replicas leads by a lease, and the most seconds that operations may fail or stand still.
COMPONENTS = {
    "virt-api": (False, 10.0),
    "virt-controller": (True, 20.0),
    "virt-operator": (True, 20.0),
    "virt-exportproxy": (False, 10.0),
}
# The same with a node, whose loss must be seen and which must be fenced first.
NODE_SECONDS = 40.0
BEFORE, AFTER, STEP_SECONDS, BACK_SECONDS = 4.0, 8.0, 60.0, 120.0
# How soon a lost node is at the latest fenced.
SILENCE = 20.0
PAUSE = 0.1


@dataclass
class Loop:
    """One loop of operations: when each was done, by the monotonic clock, and which failed."""

    name: str
    done: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def gap(self, since: float, until: float) -> float | None:
        """The longest time between two operations that were done within a span; None where there were not two."""
        inside = [moment for moment in self.done if since <= moment <= until]
        return max((later - sooner for sooner, later in itertools.pairwise(inside)), default=None)


def _machine(name: str) -> dict[str, Any]:
    """A machine that is not placed anywhere."""
    spec = {
        "nodeSelector": {"kubevirt-ha.virtops/nowhere": "true"},
        "terminationGracePeriodSeconds": 0,
        "domain": {"devices": {}, "resources": {"requests": {"memory": "64Mi"}}},
    }
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "namespace": TRIALS},
        "spec": {"runStrategy": "Halted", "template": {"spec": spec}},
    }


@dataclass(frozen=True)
class Loss:
    """How a replica is lost, and how what went with it comes back; `limit` seconds instead of the component's own."""

    name: str
    take: Callable[[Client, dict[str, Any]], object]
    give_back: Callable[[str], object] = lambda node: None
    limit: float | None = None


def _end_pod(client: Client, pod: dict[str, Any]) -> None:
    """Without a farewell."""
    client.delete(POD, pod["metadata"]["name"], KUBEVIRT, uid=pod["metadata"]["uid"], grace_seconds=0)


def node_loss(power_off: Callable[[str], object], power_on: Callable[[str], object]) -> Loss:
    """The pod's node loses its power; `power_on` returns when the node is one of the platform again."""
    return Loss("node", lambda client, pod: power_off(pod["spec"]["nodeName"]), power_on, NODE_SECONDS)


POD_LOSS = Loss("pod", _end_pod)


class Operations:
    """Both loops, from the moment they are entered until they are left."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect
        self.api, self.lifecycle = Loop("api"), Loop("lifecycle")
        self._over = threading.Event()

    def both_since(self, moment: float) -> bool:
        """Whether each loop has done an operation since then."""
        return all(loop.done and loop.done[-1] > moment for loop in (self.api, self.lifecycle))

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [
            threading.Thread(target=self._run, args=(loop, steps))
            for loop, steps in ((self.api, self._api), (self.lifecycle, self._lifecycle))
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _run(self, loop: Loop, steps: Callable[[Client, int], Iterator[Callable[[], object]]]) -> None:
        client, turn = self._connect(), 0
        while not self._over.is_set():
            turn += 1
            for step in steps(client, turn):
                until = time.monotonic() + STEP_SECONDS
                while not self._over.is_set():
                    try:
                        step()
                        loop.done.append(time.monotonic())
                        break
                    except HaError as error:
                        loop.failed.append(str(error))
                        if time.monotonic() > until:
                            break
                    self._over.wait(PAUSE)
                self._over.wait(PAUSE)
        client.close()

    @staticmethod
    def _api(client: Client, turn: int) -> Iterator[Callable[[], object]]:
        change = {"metadata": {"labels": {"turn": str(turn)}}}
        yield lambda: client.get(VM_ACTION, "patched", TRIALS, "expand-spec")
        yield lambda: client.patch(VM, "patched", change, TRIALS)

    def _lifecycle(self, client: Client, turn: int) -> Iterator[Callable[[], object]]:
        name = f"trial-{turn}"

        def until(holds: Callable[[], bool]) -> None:
            while not holds() and not self._over.wait(PAUSE):
                pass

        def start() -> None:
            if client.find(VMI, name, TRIALS) is None:
                client.put(VM_ACTION, name, TRIALS, subresource="start")
            until(lambda: bool(((client.find(VMI, name, TRIALS) or {}).get("status") or {}).get("phase")))

        def stop() -> None:
            if client.get(VM, name, TRIALS)["spec"].get("runStrategy") != "Halted":
                client.put(VM_ACTION, name, TRIALS, subresource="stop")
            until(lambda: client.find(VMI, name, TRIALS) is None)

        def create() -> None:
            if client.find(VM, name, TRIALS) is None:
                client.create(VM, _machine(name), TRIALS)

        yield create
        yield start
        yield stop
        yield lambda: client.delete(VM, name, TRIALS)


def _holder(client: Client, component: str) -> str:
    lease = client.find(LEASE, component, KUBEVIRT) or {}
    return str((lease.get("spec") or {}).get("holderIdentity") or "")


def _pods(client: Client, component: str) -> dict[str, dict[str, Any]]:
    found = client.list(POD, KUBEVIRT, label_selector=f"kubevirt.io={component}").items
    return {pod["metadata"]["name"]: pod for pod in found if not pod["metadata"].get("deletionTimestamp")}


def _wait(holds: Callable[[], bool], seconds: float) -> float | None:
    """Seconds until it held, None where it did not."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        try:
            if holds():
                return time.monotonic() - begun
        except HaError:
            pass
        time.sleep(PAUSE)
    return None


def lose(
    client: Client, connect: Callable[[], Client], component: str, leads: bool, limit: float, loss: Loss
) -> list[reports.Figure]:
    """Loses one replica, the leading one where one leads; the figures of the loops meanwhile."""
    name = f"component_failover_{component.replace('-', '_')}" + ("" if loss is POD_LOSS else f"_{loss.name}")
    limit = loss.limit or limit
    pods, before = _pods(client, component), _holder(client, component) if leads else ""
    victim = next((pod for pod in sorted(pods) if before.startswith(pod)), "") if leads else min(pods, default="")
    if not victim or len(pods) < 2:
        why = f"{component} has {len(pods)} replicas" + (
            f", its lease is held by {before or 'nobody'}" if leads else ""
        )
        return [reports.Figure(f"{name}_gap_seconds", None, "s", limit, why=why)]
    node = str(pods[victim]["spec"].get("nodeName"))
    operations = Operations(connect)
    with operations.running():
        time.sleep(BEFORE)
        lost = time.monotonic()
        loss.take(client, pods[victim])
        taken = _wait(lambda: _holder(client, component) not in ("", before), BACK_SECONDS) if leads else None
        until = time.monotonic() + limit
        # Where a node is lost its silence comes first: each loop must have done something after it.
        while loss.limit and time.monotonic() < until and not operations.both_since(lost + SILENCE):
            time.sleep(PAUSE)
        time.sleep(AFTER)
        end = time.monotonic()
    loss.give_back(node)
    # The slow step that a loss caused may end after it: the loops are judged from the loss to their end.
    back = _wait(lambda: _whole(client, component), BACK_SECONDS)
    gaps = {loop.name: loop.gap(lost - BEFORE, end) for loop in (operations.api, operations.lifecycle)}
    known = [gap for gap in gaps.values() if gap is not None]
    failed = [text for loop in (operations.api, operations.lifecycle) for text in loop.failed]
    more = {
        "lost": victim,
        "node": node,
        "leader_before": before or None,
        "leader_after": (_holder(client, component) or None) if leads else None,
        "took_over_after_seconds": None if taken is None else round(taken, 2),
        "whole_again_after_seconds": None if back is None else round(back + end - lost, 1),
        "longest_gap_by_loop": {key: None if gap is None else round(gap, 2) for key, gap in gaps.items()},
        "first_failure": failed[0] if failed else None,
    }
    samples = len(operations.api.done) + len(operations.lifecycle.done)
    whole = len(known) == len(gaps) and (taken is not None or not leads)
    gap = round(max(known), 2) if whole else None
    why = "a loop did too little, or nobody took the lease"
    return [
        reports.Figure(f"{name}_gap_seconds", gap, "s", limit, samples, why, more=more),
        reports.Figure(f"{name}_failed_operations", len(failed) if whole else None, "operations", None, samples, why),
    ]


def _whole(client: Client, component: str) -> bool:
    wanted, ready = platform_state.replicas(client.get(DEPLOYMENT, component, KUBEVIRT))
    return ready >= wanted


def measure(kubeconfig: str, losses: Sequence[Loss] = (POD_LOSS,), report: Path = REPORT) -> list[reports.Figure]:
    """Loses a replica of each component that there is, in each way, one after the other, and writes the figures."""

    def connect(patience: float = 0.0) -> Client:
        return Client(resolve({"kubeconfig": kubeconfig}), timeout=5.0, patience=patience)

    client = connect(BACK_SECONDS)  # the loops alone must feel each loss
    deployments = client.list(DEPLOYMENT, KUBEVIRT).items
    names = {item["metadata"]["name"] for item in deployments}
    client.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TRIALS}})
    figures: list[reports.Figure] = []
    try:
        client.create(VM, _machine("patched"), TRIALS)
        for component, (leads, limit) in COMPONENTS.items():
            for loss in losses if component in names else ():
                figures += lose(client, connect, component, leads, limit, loss)
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
    figures = measure(options.kubeconfig, losses, options.report)
    for figure in figures:
        print(f"{figure.name}: {figure.value} {figure.unit} (limit {figure.limit}) {dict(figure.more)}", flush=True)
    faults = [figure.fault() for figure in figures if not figure.passed]
    print("\n".join(faults), file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
