# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `node_ready`: waits until nodes can hold virtual machines."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec, conditions, node_fit
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, WaitFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.platform_state import HANDLER
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import NODE, POD

Object = Mapping[str, Any]
_POLL_SECONDS = 1.0


def spec() -> argspec.ArgumentSpec:
    """The module's argument spec."""
    own = argspec.ArgumentSpec(
        {
            "nodes": {"type": "list", "elements": "str", "required": True},
            "labels": {"type": "dict", "default": {}},
        }
    )
    return own.merge(argspec.connection(), argspec.wait())


def faults(name: str, nodes: Sequence[Object], pods: Sequence[Object], labels: Mapping[str, str]) -> Iterator[str]:
    """Pure: why a node cannot hold a machine; pods: those of the node; labels: what it must carry beside KubeVirt's own."""
    node = next((found for found in nodes if found["metadata"]["name"] == name), None)
    if node is None:
        yield f"node {name} is not in the cluster"
        return
    for obstacle in node_fit.obstacles({"nodeSelector": labels}, node):
        yield f"node {name} {obstacle}"
    handlers = [pod for pod in pods if (pod["metadata"].get("labels") or {}).get("kubevirt.io") == HANDLER]
    if not any(conditions.holds(pod, "Ready") for pod in handlers):
        yield f"node {name} has no ready {HANDLER}"
    for resource, left in node_fit.room(node, pods).items():
        if resource in ("cpu", "memory") and left <= 0:
            yield f"node {name} has no {resource} left"


def run(client: Client, params: Mapping[str, Any], *, check: bool) -> dict[str, Any]:
    """The module's result. Raises WaitFailed with every fault where they are still there at the end of the time."""
    until = time.monotonic() + (params["wait_timeout"] if params["wait"] else 0)
    while True:
        found = _look(client, params)
        if not found or check:
            return {"changed": False, "faults": found}
        if time.monotonic() >= until:
            raise WaitFailed(
                "nodes cannot hold virtual machines", where=", ".join(params["nodes"]), why="; ".join(found)
            )
        time.sleep(_POLL_SECONDS)


def _look(client: Client, params: Mapping[str, Any]) -> list[str]:
    try:
        nodes = client.list(NODE).items
        found: list[str] = []
        for name in params["nodes"]:
            pods = client.list(POD, field_selector=f"spec.nodeName={name}").items
            found += faults(name, nodes, pods, params["labels"])
        return found
    except HaError as error:
        return [f"the API does not answer: {error}"]
