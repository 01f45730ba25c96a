# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual machines of a lost node: which must come back, and when each runs elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Gone, NotFound, WaitFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation import names
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VM, VMI

Object = dict[str, Any]
Key = tuple[str, str]
_RESTARTING = ("Always", "RerunOnFailure")


@dataclass(frozen=True)
class Lost:
    """A VMI that was on the node; restarts: whether KubeVirt makes it anew."""

    namespace: str
    name: str
    uid: str
    restarts: bool = True

    @property
    def key(self) -> Key:
        return (self.namespace, self.name)


def on_node(client: Client, node: str) -> list[Lost]:
    """The VMIs on the node; none where KubeVirt is not installed."""
    try:
        found = client.list(VMI, label_selector=f"{names.VMI_NODE}={node}").items
    except NotFound:
        return []
    metas = [vmi["metadata"] for vmi in found]
    return [Lost(meta["namespace"], meta["name"], meta["uid"]) for meta in metas]


def with_strategies(client: Client, lost: Iterable[Lost], workers: int) -> list[Lost]:
    """The same, with what each VM's run strategy says about a restart."""
    listed = list(lost)
    if not listed:
        return []
    with ThreadPoolExecutor(min(workers, len(listed))) as pool:
        vms = pool.map(lambda entry: client.find(VM, entry.name, entry.namespace), listed)
        return [Lost(entry.namespace, entry.name, entry.uid, restarts(vm)) for entry, vm in zip(listed, vms)]


def restarts(vm: Mapping[str, Any] | None) -> bool:
    """Pure: whether KubeVirt starts the machine again after its launcher is gone; one without a VM stays gone."""
    spec = (vm or {}).get("spec") or {}
    return spec.get("runStrategy") in _RESTARTING or spec.get("running") is True


def is_back(vmi: Mapping[str, Any], lost: Lost, node: str) -> bool:
    """Pure: whether the VMI runs on another node; one that was on its way by live migration keeps its UID."""
    status = vmi.get("status") or {}
    where = status.get("nodeName")
    return status.get("phase") == "Running" and bool(where) and where != node and vmi["metadata"]["name"] == lost.name


def wait(client: Client, lost: Iterable[Lost], node: str, seconds: float) -> list[dict[str, Any]]:
    """Watches until all that restart run elsewhere: [{namespace, name, node, at}]. Raises WaitFailed with the missing."""
    missing = {entry.key: entry for entry in lost if entry.restarts}
    back: list[dict[str, Any]] = []
    seen: dict[Key, Object] = {}
    until = time.monotonic() + seconds
    while missing:
        left = until - time.monotonic()
        if left <= 0:
            raise _not_back(missing, seen, seconds)
        for vmi in _changes(client, left):
            _take(vmi, missing, seen, back, node)
            if not missing or time.monotonic() > until:
                break
    return back


def _changes(client: Client, seconds: float) -> Iterable[Object]:
    """All VMIs as they are, then as they change, until the watch ends."""
    listing = client.list(VMI)
    yield from listing.items
    try:
        for event in client.watch(VMI, resource_version=listing.resource_version, seconds=seconds):
            if event.type in ("ADDED", "MODIFIED"):
                yield event.object
    except Gone:
        return


def _take(
    vmi: Object, missing: dict[Key, Lost], seen: dict[Key, Object], back: list[dict[str, Any]], node: str
) -> None:
    key = (vmi["metadata"].get("namespace", ""), vmi["metadata"]["name"])
    if key not in missing:
        return
    seen[key] = vmi
    if is_back(vmi, missing[key], node):
        entry = missing.pop(key)
        back.append(
            {"namespace": entry.namespace, "name": entry.name, "node": vmi["status"]["nodeName"], "at": time.time()}
        )


def _not_back(missing: Mapping[Key, Lost], seen: Mapping[Key, Object], seconds: float) -> WaitFailed:
    told = [f"{namespace}/{name} ({_state(seen.get((namespace, name)))})" for namespace, name in sorted(missing)]
    return WaitFailed(
        f"{len(told)} virtual machines do not run elsewhere after {seconds:.0f} s",
        why=", ".join(told),
        fix="The node is fenced and its pods are gone; look at why these are not scheduled",
    )


def _state(vmi: Mapping[str, Any] | None) -> str:
    status = (vmi or {}).get("status") or {}
    reasons = [entry.get("message") or entry.get("reason") for entry in status.get("conditions") or []]
    told = [str(reason) for reason in reasons if reason][:1]
    return ", ".join([str(status.get("phase") or "no VMI"), *told])
