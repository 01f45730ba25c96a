# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes that look at states: cluster objects, the BMC, the processes of the nodes, the watcher's events.

Objects are read by short LISTs instead of watches: a watch through an address that died hangs unnoticed, and the
drill's namespace is small.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import writers
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.samples import Recorder
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.model import Bmc
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.node_fence import device_of
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import NODE, POD, VMI

Object = Mapping[str, Any]
LAUNCHERS = "kubevirt.io=virt-launcher"
HERE = "here"


class Probe:
    """Calls `look` every `period` seconds from a thread of its own; what goes wrong in it is recorded, never lost."""

    def __init__(self, recorder: Recorder, name: str, look: Callable[[], None], period: float) -> None:
        self._recorder, self._name, self._look, self._period = recorder, name, look, period
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self) -> None:
        """Looks no more."""
        self._stopped.set()
        self._thread.join(15)

    def _run(self) -> None:
        while True:
            begin = time.monotonic()
            try:
                self._look()
            except HaError:
                pass  # out of reach for now; that the API was is in its own probe's samples
            except Exception as error:  # a broken probe must fail the drill, not end unseen
                self._recorder.add("drill", "", False, {"event": f"probe {self._name} broke: {error!r}"})
                return
            if self._stopped.wait(max(0.0, self._period - (time.monotonic() - begin))):
                return


class Objects:
    """Records the state of nodes, VMIs and launcher pods whenever it differs from what was recorded last."""

    def __init__(self, recorder: Recorder, client: Client, namespace: str, machines: Sequence[str]) -> None:
        self._recorder, self._client, self._namespace = recorder, client, namespace
        self._machines = frozenset(machines)
        self._last: dict[tuple[str, str], dict[str, Any]] = {}

    def nodes(self) -> None:
        """One look at the nodes."""
        self._keep("node", ((str(item["metadata"]["name"]), node_state(item)) for item in self._list(NODE, None)))

    def machines(self) -> None:
        """One look at the VMIs."""
        self._keep(
            "vmi", ((str(item["metadata"]["name"]), vmi_state(item)) for item in self._list(VMI, self._namespace))
        )

    def pods(self) -> None:
        """One look at the launcher pods, of which a VM may have an old one and a new one at a time."""
        items = self._list(POD, self._namespace, label_selector=LAUNCHERS)
        self._keep("pod", ((f"{machine_of_pod(item)}", pod_state(item)) for item in items), key="uid")

    def _list(self, resource: Any, namespace: str | None, **selectors: Any) -> list[dict[str, Any]]:
        return self._client.list(resource, namespace, **selectors).items

    def _keep(self, probe: str, found: Iterable[tuple[str, dict[str, Any]]], key: str = "") -> None:
        present = set()
        for target, state in found:
            if probe != "node" and target not in self._machines:
                continue
            place = (f"{probe}/{target}", state[key] if key else "")
            present.add(place)
            if self._last.get(place) != state:
                self._last[place] = state
                self._recorder.add(probe, target, True, state)
        for place in [place for place in self._last if place[0].startswith(f"{probe}/") and place not in present]:
            state = self._last.pop(place)
            gone = {"gone": True, **({"uid": state["uid"]} if "uid" in state else {"ready": "gone", "taints": []})}
            self._recorder.add(probe, place[0].split("/", 1)[1], True, gone)


def node_state(node: Object) -> dict[str, Any]:
    """What the timeline keeps of a node."""
    ready = conditions.find(node, "Ready").get("status", "Unknown")
    taints = (node.get("spec") or {}).get("taints") or []
    return {"ready": ready, "taints": sorted({str(taint["key"]) for taint in taints})}


def vmi_state(vmi: Object) -> dict[str, Any]:
    """What the timeline keeps of a VMI."""
    status = vmi.get("status") or {}
    ready = conditions.holds(vmi, "Ready")
    return {
        "uid": vmi["metadata"]["uid"],
        "phase": status.get("phase") or "",
        "node": status.get("nodeName") or "",
        "ready": ready,
        "deleting": bool(vmi["metadata"].get("deletionTimestamp")),
    }


def pod_state(pod: Object) -> dict[str, Any]:
    """What the timeline keeps of a launcher pod."""
    return {
        "name": pod["metadata"]["name"],
        "uid": pod["metadata"]["uid"],
        "node": (pod.get("spec") or {}).get("nodeName") or "",
        "phase": (pod.get("status") or {}).get("phase") or "",
        "deleting": bool(pod["metadata"].get("deletionTimestamp")),
    }


def machine_of_pod(pod: Object) -> str:
    """The VM a launcher pod runs."""
    meta = pod["metadata"]
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    return str(labels.get("vm.kubevirt.io/name") or annotations.get("kubevirt.io/domain") or "")


def power(recorder: Recorder, node: str, bmc: Bmc, timeout: float) -> Callable[[], None]:
    """Reads a node's power state; the drill never switches it."""

    def look() -> None:
        try:
            reading = device_of(bmc).read(timeout)
        except HaError as error:
            recorder.add("power", node, False, {"state": "", "why": str(error)})
            return
        recorder.add("power", node, True, {"state": reading.power_state})

    return look


def processes(recorder: Recorder, nodes: Sequence[str], namespace: str) -> Callable[[], None]:
    """Looks at the processes of this machine, which are those of all nodes where the nodes share its kernel."""

    def look() -> None:
        entries = writers.look(nodes=tuple(nodes))
        recorder.add("writers", HERE, True, {"open": in_namespace(entries, namespace)})

    return look


def in_namespace(entries: Iterable[Sequence[str]], namespace: str) -> list[list[str]]:
    """Entries with the VM's name alone where it is of the drill's namespace."""
    prefix = f"{namespace}/"
    return [[disk, vm[len(prefix) :] if vm.startswith(prefix) else vm, node, pid] for disk, vm, node, pid in entries]


class Remote:
    """Looks at the processes of one host by a command that runs Python there, such as ssh.

    The command gets this collection's observer on its standard input and prints an object a look.
    """

    def __init__(self, recorder: Recorder, node: str, command: Sequence[str], namespace: str, period: float) -> None:
        self._recorder, self._node, self._namespace = recorder, node, namespace
        self._command = [*command, "-", str(period), node]
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._run, name=f"processes of {node}", daemon=True)

    def start(self) -> None:
        """Begins to look."""
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Looks no more."""
        if self._process:
            self._process.kill()
            self._process.wait()
        self._thread.join(5)

    def _run(self) -> None:
        process = self._process
        if not (process and process.stdin and process.stdout):
            return  # it was not started
        try:
            process.stdin.write(inspect.getsource(writers))
            process.stdin.close()
            for line in process.stdout:
                entries = [[disk, vm, self._node, pid] for disk, vm, _node, pid in json.loads(line)]
                self._recorder.add("writers", self._node, True, {"open": in_namespace(entries, self._namespace)})
        except (OSError, ValueError):
            return  # the host fell silent; what was seen last counts until its power is read as off


class Tail:
    """Records what a watcher appends to its events.jsonl from now on."""

    def __init__(self, recorder: Recorder, path: str) -> None:
        self._recorder, self._path = recorder, path
        self._offset = os.path.getsize(path) if os.path.exists(path) else 0
        self._rest = b""

    def look(self) -> None:
        """One look at what is new."""
        if not os.path.exists(self._path):
            return
        with open(self._path, "rb") as file:
            file.seek(self._offset)
            new = file.read()
        self._offset += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            try:
                event = json.loads(line)
                self._recorder.add_at(event, "recovery", str(event["node"]), event)
            except (ValueError, KeyError, TypeError) as error:
                self._recorder.add("drill", "", False, {"event": f"unreadable line in {self._path}: {error!r}"})
