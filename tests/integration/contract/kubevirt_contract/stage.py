"""Puts VMs into the states that facts speak of, several at once, and keeps them for the rows that only look."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .cluster import MERGE_PATCH, Cluster
from .manifests import ABSENT, at, virtual_machine
from .observer import Observer

WAIT = float(os.environ.get("CONTRACT_WAIT", "60"))
LONG_GRACE = {"vmi": {"terminationGracePeriodSeconds": 600}}
POWERS_OFF = {"vmi": {"domain": {"firmware": {"kernelBoot": {"kernelArgs": "$poweroff"}}}}}
NO_SUCH_NODE = {"kvha.invalid/no-such": "node"}


@dataclass(frozen=True)
class Recipe:
    """How a state is reached: a VM created with ``strategy`` and ``with_``, started, taken on by ``steps``.

    ``lasts`` is false where the state ends by itself, so that it is entered only when a row is about to be played.
    """

    steps: tuple[str, ...] = ()
    with_: dict[str, Any] = field(default_factory=dict)
    runs: bool = True
    shows: str = "Running"
    lasts: bool = True


RECIPES = {
    "stopped": Recipe(runs=False, shows="Stopped"),
    "running": Recipe(shows="Running"),
    "paused": Recipe(steps=("pause",), shows="Paused"),
    "stopped-after-stop": Recipe(steps=("stop", "gone"), shows="Stopped"),
    "stopping": Recipe(steps=("stop",), with_=LONG_GRACE, shows="Stopping", lasts=False),
    "stopping-paused": Recipe(steps=("pause", "stop"), with_=LONG_GRACE, shows="Stopping", lasts=False),
    "restarting": Recipe(steps=("restart",), with_=LONG_GRACE, shows="Stopping", lasts=False),
    "migrating": Recipe(steps=("migrate",), shows="Migrating", lasts=False),
    "migration-requested": Recipe(steps=("migrate-nowhere",), shows="Running"),
    "restart-required": Recipe(steps=("edit",), shows="Running"),
    "powered-off": Recipe(steps=("powered-off",), with_=POWERS_OFF, shows="Stopped"),
    "starting": Recipe(
        runs=False,
        shows="Starting",
        with_={
            "vmi": {
                "domain": {"devices": {"disks": [{"name": "ci", "disk": {"bus": "virtio"}}]}},
                "volumes": [{"name": "ci", "cloudInitNoCloud": {"secretRef": {"name": "no-such-secret"}}}],
            }
        },
    ),
    "unschedulable": Recipe(runs=False, shows="ErrorUnschedulable", with_={"vmi": {"nodeSelector": NO_SUCH_NODE}}),
    "pvc-missing": Recipe(
        runs=False,
        shows="ErrorPvcNotFound",
        with_={
            "vmi": {
                "domain": {"devices": {"disks": [{"name": "d", "disk": {"bus": "virtio"}}]}},
                "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "no-such-pvc"}}],
            }
        },
    ),
    "image-missing": Recipe(
        runs=False,
        shows="ImagePullBackOff",
        with_={
            "vmi": {
                "domain": {"firmware": {"kernelBoot": {"container": {"image": "registry.invalid/no-such-image:1"}}}}
            }
        },
    ),
}
# What a state needs beyond a KubeVirt: see capabilities() in the fixtures.
STATE_NEEDS = {"powered-off": "poweroff", "migrating": "two-nodes"}


class Stage:
    """Hands out the names of VMs in a given state."""

    def __init__(self, cluster: Cluster, observer: Observer, workers: int = 6) -> None:
        self.cluster = cluster
        self.observer = observer
        self.pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="stage")
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._shared: dict[str, Future[str]] = {}
        self._fresh: dict[str, deque[Future[str]]] = defaultdict(deque)

    def name(self, hint: str = "vm") -> str:
        """A name that no VM had before."""
        with self._lock:
            return f"{hint}-{next(self._numbers):04d}"

    def prepare(self, shared: Iterable[str], fresh: Iterable[str]) -> None:
        """Begins to set up the VMs that the session's rows will ask for."""
        for state in dict.fromkeys(shared):
            self._shared[state] = self.pool.submit(self._set_up, state)
        for state in fresh:
            self._fresh[state].append(self.pool.submit(self._set_up, state))

    def take(self, state: str, *, fresh: bool = False) -> str:
        """The name of a VM that shows the state now; ``fresh`` ones belong to the caller alone."""
        if state == "missing":
            return "no-such-vm"
        if fresh:
            name = self._fresh[state].popleft().result() if self._fresh[state] else self._set_up(state)
        else:
            with self._lock:
                future = self._shared.get(state)
            name = future.result() if future and not future.exception() and self._usable(state, future.result()) else ""
            if not name:
                self._shared[state] = self.pool.submit(self._set_up, state)
                name = self._shared[state].result()
        if not self.shows(state, name):
            self._enter(state, name)
        return name

    def shows(self, state: str, name: str) -> bool:
        """Whether the VM is in the state at this moment."""
        if state == "missing":
            return True
        recipe = RECIPES[state.split("/")[0]]
        shown = self.cluster.get(self.cluster.path("vm", name)).get("status", {}).get("printableStatus")
        return bool(shown == recipe.shows)

    def _usable(self, state: str, name: str) -> bool:
        """Whether a shared VM is in its state or can be brought back to it."""
        return self.shows(state, name) or state.startswith("migrating/") and self.shows("running/Always", name)

    def _set_up(self, state: str) -> str:
        kind, _sep, strategy = state.partition("/")
        recipe = RECIPES[kind]
        name = self.name(kind)
        self.create(name, strategy or "Always", recipe.with_)
        if recipe.runs:
            self.running(name, strategy)
        else:
            self._started(name, strategy, recipe)
        if recipe.lasts:
            self._enter(state, name)
        return name

    def _started(self, name: str, strategy: str, recipe: Recipe) -> None:
        """A VM that never gets as far as running."""
        if strategy == "Manual" and recipe.shows != "Stopped":
            self.wait(name, "vm=Stopped")
            self.call(name, "vm/start", {})
        self.wait(name, f"vm={recipe.shows}")

    def _enter(self, state: str, name: str) -> None:
        recipe = RECIPES[state.split("/")[0]]
        for step in recipe.steps:
            self.step(name, step)
        self.wait(name, f"vm={recipe.shows}")

    def create(self, name: str, strategy: str, request: dict[str, Any] | None = None) -> None:
        """Creates the base VM with a fact's changes."""
        self.cluster.must("POST", self.cluster.path("vm"), virtual_machine(name, strategy, request))

    def running(self, name: str, strategy: str) -> None:
        """Starts a VM where its strategy does not, and waits until it is ready."""
        if strategy in ("Manual", "Halted"):
            self.wait(name, "vm=Stopped")
            self.call(name, "vm/start", {})
        self.wait(name, "ready")

    def call(self, name: str, target: str, body: Any = None) -> None:
        """A subresource call that stages something."""
        self.cluster.must("PUT", self.cluster.subresource(target, name), body)

    def step(self, name: str, step: str) -> None:
        """One step of a recipe."""
        steps: dict[str, Callable[[], None]] = {
            "pause": lambda: self._then(name, "vmi/pause", {}, "vm=Paused"),
            "stop": lambda: self.call(name, "vm/stop", {}),
            "restart": lambda: self.call(name, "vm/restart", {}),
            "migrate": lambda: self.call(name, "vm/migrate", {}),
            "migrate-nowhere": lambda: self._then(
                name, "vm/migrate", {"addedNodeSelector": NO_SUCH_NODE}, "migration=Scheduling"
            ),
            "gone": lambda: self.wait(name, "idle"),
            "edit": lambda: self._edit(name),
            "powered-off": lambda: self.wait(name, "vm=Stopped"),
        }
        steps[step]()

    def _then(self, name: str, target: str, body: Any, until: str) -> None:
        self.call(name, target, body)
        self.wait(name, until)

    def _edit(self, name: str) -> None:
        patch = {"spec": {"template": {"spec": {"hostname": "renamed"}}}}
        self.cluster.must("PATCH", self.cluster.path("vm", name), patch, headers={"Content-Type": MERGE_PATCH})
        self.wait(name, "restart-required")

    def wait(self, name: str, until: str, *, uid: str = "", seconds: float = WAIT, since: float | None = None) -> None:
        """Waits for ``vm=STATUS``, ``vm=gone``, ``vmi=PHASE``, ``vmi=gone``, ``vmi=new``, ``migration=PHASE`` and so on.

        A status or phase that showed since ``since`` (the wait's begin) has come, however soon it went again.
        """
        begun = time.monotonic() if since is None else since
        self.observer.wait(
            f"{until} of {name}", lambda: self._holds(name, until, uid) or self._passed(name, until, begun), seconds
        )

    def _passed(self, name: str, until: str, since: float) -> bool:
        kind, _sep, wanted = until.partition("=")
        if not wanted or wanted in ("gone", "new"):
            return False
        path = "status/printableStatus" if kind == "vm" else "status/phase"
        events = [seen for seen in self.observer.history(kind, name, since) if seen.at >= since and not seen.gone]
        return any(at(seen.object, path) == wanted for seen in events)

    def _holds(self, name: str, until: str, uid: str) -> bool:
        vm, vmi = self.observer.last("vm", name), self.observer.last("vmi", name)
        kind, _sep, wanted = until.partition("=")
        if kind == "ready":
            return at(vm, "status/ready") is True and at(vm, "status/printableStatus") == "Running"
        if kind == "idle":
            return not vmi and at(vm, "status/created") == ABSENT and at(vm, "status/stateChangeRequests") == ABSENT
        if kind == "restart-required":
            return bool(at(vm, "status/conditions[type=RestartRequired]/status") == "True")
        if wanted == "gone":
            return not {"vm": vm, "vmi": vmi, "migration": self.observer.last("migration", name)}[kind]
        if wanted == "new":
            return bool(vmi and vmi["metadata"]["uid"] != uid)
        path = "status/printableStatus" if kind == "vm" else "status/phase"
        return bool(at(self.observer.last(kind, name), path) == wanted)

    def settle(self, seconds: float = 1.5) -> None:
        """Lets the controllers react; for facts about what does not happen."""
        time.sleep(seconds)

    def clear(self) -> None:
        """Deletes what was set up, without waiting for guests."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        for vm in self.cluster.get(self.cluster.path("vm")).get("items", []):
            self.cluster.request("DELETE", self.cluster.path("vm", vm["metadata"]["name"]), {"gracePeriodSeconds": 0})
        for vmi in self.cluster.get(self.cluster.path("vmi")).get("items", []):
            self.cluster.request("DELETE", self.cluster.path("vmi", vmi["metadata"]["name"]), {"gracePeriodSeconds": 0})
