# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest says of itself by HTTP, asked through the API server, which reaches its pod from anywhere; and whether a
restored one says what it must.

A guest that answers with a JSON object may tell `counter`, the number of its newest write that is on disk; `recovered`, the
counter that it found there when it booted; and `epoch`, a number that each boot raises by one. Any other answer shows no
more than that it runs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import Probe
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, WaitFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import POD, VM, VMI

_CREATED_BY = "kubevirt.io/created-by"
_TICK = 0.3
# Of an answer as records keep it.
_LONGEST = 2000


@dataclass(frozen=True)
class Comparison:
    """A restored guest beside what its backup recorded. writes_lost: None where neither counts."""

    writes_lost: int | None = None
    counter_before: int | None = None
    counter_recovered: int | None = None
    faults: list[str] = field(default_factory=list)


def compare(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Comparison:
    """Whether a restored guest is at or after what it had acknowledged before its backup."""
    known = before or {}
    counter, epoch = _number(known.get("counter")), _number(known.get("epoch"))
    recovered = _number(after.get("recovered", after.get("counter")))
    if counter is None:
        return Comparison(counter_recovered=recovered)
    if recovered is None:
        return Comparison(None, counter, None, ["it tells no counter, though it did before its backup"])
    faults = []
    lost = max(0, counter - recovered)
    if lost:
        faults.append(f"it recovered {recovered} from its disk, but {counter} was acknowledged before its backup")
    booted = _number(after.get("epoch"))
    if epoch is not None and (booted is None or booted <= epoch):
        faults.append(f"its epoch is {booted}, but {epoch} was there before: it did not boot from the restored disk")
    return Comparison(lost, counter, recovered, faults)


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def parse(text: str) -> dict[str, Any]:
    """An answer as records keep it: its JSON object, or how it begins."""
    if len(text) <= _LONGEST:
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if isinstance(found, dict):
            return found
    return {"text": text[:80]}


def ask(client: Client, namespace: str, name: str, probe: Probe) -> dict[str, Any]:
    """The guest's answer now; HaError where there is none."""
    vmi = client.get(VMI, name, namespace)
    selector = f"{_CREATED_BY}={vmi['metadata']['uid']}"
    pods = client.list(POD, namespace, label_selector=selector).items
    running = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"]
    here = str((vmi.get("status") or {}).get("nodeName") or "")
    running.sort(key=lambda pod: (pod.get("spec") or {}).get("nodeName") != here)
    if not running:
        raise HaError("has no running pod", where=VM.describe(namespace, name))
    pod = str(running[0]["metadata"]["name"])
    return parse(client.text(POD, f"{pod}:{probe.port}", namespace, f"proxy{probe.path}"))


def wait(client: Client, namespace: str, name: str, probe: Probe, seconds: float) -> dict[str, Any]:
    """The guest's first answer; WaitFailed with the last reason where there is none in time."""
    give_up = time.monotonic() + seconds
    while True:
        try:
            return ask(client, namespace, name, probe)
        except HaError as error:
            if time.monotonic() > give_up:
                raise WaitFailed(
                    f"its guest did not answer within {seconds:g} s",
                    where=VM.describe(namespace, name),
                    why=str(error).rstrip("."),
                    fix=f"Look at its console; the question was port {probe.port}, path {probe.path}",
                ) from error
        time.sleep(_TICK)
