# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster as tests of moving machines see it; guest, CPU model and images as tests/integration/contract/README.md says."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import MIGRATION, NODE, VM, VM_ACTION, VMI

Object = dict[str, Any]
WAIT = float(os.environ.get("CONTRACT_WAIT", "60"))


def until(what: str, holds: Callable[[], Any], seconds: float = WAIT) -> Any:
    """What `holds` returns, once that is true."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, f"{what} did not come within {seconds:g} s"
        time.sleep(0.1)
    return found


def condition(item: Object | None, kind: str) -> Object:
    """A condition of an object, empty where it is missing."""
    for found in ((item or {}).get("status") or {}).get("conditions") or []:
        if found["type"] == kind:
            return dict(found)
    return {}


def is_ready(vmi: Object | None) -> bool:
    return condition(vmi, "Ready").get("status") == "True"


class World:
    """What tests look at and change besides the modules."""

    def __init__(self, client: Any, namespace: str) -> None:
        self.client, self.namespace = client, namespace

    def vmi(self, name: str = "v") -> Object:
        return dict(self.client.get(VMI, name, self.namespace))

    def node(self, name: str = "v") -> str:
        """The node that a machine runs on."""
        return str(self.vmi(name)["status"]["nodeName"])

    def nodes(self) -> list[str]:
        """The names of the nodes that take machines."""
        found = self.client.list(NODE, label_selector="kubevirt.io/schedulable=true").items
        return sorted(item["metadata"]["name"] for item in found if not item["spec"].get("unschedulable"))

    def other(self, name: str = "v") -> str:
        """A node that a machine does not run on."""
        return next(node for node in self.nodes() if node != self.node(name))

    def migrations(self, name: str = "v") -> list[Object]:
        """A machine's migrations."""
        found = self.client.list(MIGRATION, self.namespace).items
        return [item for item in found if item["spec"]["vmiName"] == name]

    def cordon(self, *nodes: str, cordoned: bool = True) -> None:
        for node in nodes:
            self.client.patch(NODE, node, {"spec": {"unschedulable": True if cordoned else None}})

    def is_cordoned(self, node: str) -> bool:
        return bool(self.client.get(NODE, node)["spec"].get("unschedulable"))

    def make(self, name: str = "v", strategy: str = "Always", *, annotations: Any = None, **vmi: Any) -> str:
        """A machine that runs and is ready; `vmi` is merged into its template's spec."""
        from kubevirt_contract.manifests import virtual_machine

        manifest = virtual_machine(name, strategy, {"vmi": vmi})
        meta = manifest["spec"]["template"]["metadata"]
        meta["labels"]["test"] = self.namespace
        meta["annotations"] = annotations or {}
        self.client.create(VM, manifest, self.namespace)
        if strategy != "Halted":
            self.started(name, strategy)
        return name

    def started(self, name: str, strategy: str) -> None:
        if strategy == "Manual":
            until(
                "a status",
                lambda: (self.client.get(VM, name, self.namespace).get("status") or {}).get("printableStatus"),
            )
            self.client.put(VM_ACTION, name, self.namespace, subresource="start")
        until(f"{name} ready", lambda: is_ready(self.client.find(VMI, name, self.namespace)))
