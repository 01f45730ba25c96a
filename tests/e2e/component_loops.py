# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loops of operations on virtual machines that need KubeVirt's components, and when each was done.

Each runs one operation after the other. `api`: a subresource of KubeVirt's and a change of a machine, which its
webhooks judge; it needs a virt-api. `lifecycle`: create, start, stop and delete a machine, each step until virt-controller has
carried it out; the machine asks for a node that there is not, so that nothing but KubeVirt's components is on the way.
A step that fails is counted and tried again. `exportproxy`, for virt-exportproxy alone: HTTPS through its Service from a node that
stays; any HTTP answer is one. No operation needs a virt-operator at once: what counts is when another one has its lease.
"""

from __future__ import annotations

import itertools
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import NODE, SERVICE, VM, VM_ACTION, VMI

KUBEVIRT = "kubevirt"
TRIALS = "component-failover"
STEP_SECONDS = 60.0
PAUSE = 0.1
HEALTH = "/healthz"
# Ends at the latest when nobody reads it any more.
ASK = (
    "while curl --silent --insecure --output /dev/null --max-time 2 --write-out '%{{http_code}} ' https://{target}"
    + HEALTH
    + "; echo $?; do sleep {pause}; done"
)


@dataclass
class Loop:
    """One loop of operations: when each was done, by the monotonic clock, and which failed."""

    name: str
    done: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def gap(self, since: float, until: float) -> float | None:
        """The longest time without one, from the last that was done before a span to the span's end; None where there was none before."""
        before = [moment for moment in self.done if moment <= since]
        if not before:
            return None
        marks = [before[-1], *(moment for moment in self.done if since < moment <= until), until]
        return max(later - sooner for sooner, later in itertools.pairwise(marks))


def machine(name: str) -> dict[str, Any]:
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


class Operations:
    """The loops, from the moment they are entered until they are left; `ask`: the command that asks virt-exportproxy, or nothing."""

    def __init__(self, connect: Callable[[], Client], ask: Sequence[str] = ()) -> None:
        self._connect, self._ask = connect, ask
        self._api_loop, self._lifecycle_loop, self._asked = Loop("api"), Loop("lifecycle"), Loop("exportproxy")
        self.loops = (self._api_loop, self._lifecycle_loop, *((self._asked,) if ask else ()))
        self._over = threading.Event()

    def wait_for_each(self, since: float, seconds: float) -> None:
        """Until each loop has done an operation since then, or the time is over."""
        wait_until(lambda: all(loop.done and loop.done[-1] > since for loop in self.loops), seconds)

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [
            threading.Thread(target=self._run, args=(loop, steps))
            for loop, steps in ((self._api_loop, self._api), (self._lifecycle_loop, self._lifecycle))
        ]
        with self._asking() as asking:
            if asking is not None:
                threads.append(threading.Thread(target=self._listen, args=(asking.stdout,)))
            for thread in threads:
                thread.start()
            try:
                yield
            finally:
                self._over.set()
                if asking is not None:
                    asking.terminate()
                for thread in threads:
                    thread.join()

    def _asking(self) -> AbstractContextManager[subprocess.Popen[str] | None]:
        if not self._ask:
            return nullcontext()
        return subprocess.Popen(self._ask, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def _listen(self, answers: Iterable[str]) -> None:
        """Of each request the status of its answer, 000 where there was none, and curl's exit code."""
        for line in answers:
            if self._over.is_set():
                return
            status, _space, code = line.strip().partition(" ")
            if status != "000":
                self._asked.done.append(time.monotonic())
            else:
                self._asked.failed.append(f"GET {HEALTH}: no answer, curl ended with {code}")

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
                client.create(VM, machine(name), TRIALS)

        yield create
        yield start
        yield stop
        yield lambda: client.delete(VM, name, TRIALS)


def asking(client: Client, on_node: Sequence[str], lost: str) -> list[str]:
    """What asks virt-exportproxy's Service again and again, from a node that is not the lost one."""
    nodes = [node for node in client.list(NODE).items if conditions.holds(node, "Ready")]
    stays = next(node for node in nodes if node["metadata"]["name"] != lost)
    address = next(each["address"] for each in stays["status"]["addresses"] if each["type"] == "InternalIP")
    service = client.get(SERVICE, "virt-exportproxy", KUBEVIRT)["spec"]
    target = f"{service['clusterIP']}:{service['ports'][0]['port']}"
    return [*(word.replace("{address}", address) for word in on_node), ASK.format(target=target, pause=PAUSE)]


def wait_until(holds: Callable[[], bool], seconds: float) -> float | None:
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
