# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restored machine taken away again with its disks, and the volumes of these free for others."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.disks import Hosts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restore_plan import NewDisk, Wanted
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Conflict, WaitFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import PV, PVC, VM, VMI, Resource

GONE_SECONDS = 120.0
_TICK = 0.2


def remove(client: Client, wanted: Wanted, hosts: Hosts, disks: Sequence[NewDisk]) -> None:
    """Takes a restored machine away with its disks; a volume whose file was written here is free again."""
    client.delete(VM, wanted.name, wanted.target)
    for kind in (VM, VMI):
        wait_gone(client, wanted, kind)
    for disk in disks:
        if disk.path:
            hosts.of(disk.path, disk.node).remove(disk.path)
        client.delete(PVC, disk.claim, wanted.target)
        if disk.path:
            free(client, wanted.target, disk)


def wait_gone(client: Client, wanted: Wanted, kind: Resource) -> None:
    """Waits until the machine's object of this kind is gone; WaitFailed where it stays."""
    give_up = time.monotonic() + GONE_SECONDS
    while client.find(kind, wanted.name, wanted.target) is not None:
        if time.monotonic() > give_up:
            raise WaitFailed(f"did not go in {GONE_SECONDS:g} s", where=kind.describe(wanted.target, wanted.name))
        time.sleep(_TICK)


def free(client: Client, namespace: str, disk: NewDisk) -> None:
    """Frees the volume of a claim that is being removed, once it is gone."""
    give_up = time.monotonic() + GONE_SECONDS
    while client.find(PVC, disk.claim, namespace) is not None and time.monotonic() < give_up:
        time.sleep(_TICK)
    # Kubernetes notes at the same moment that the claim is gone.
    while not _unreferenced(client, disk):
        if time.monotonic() > give_up:
            raise WaitFailed(
                "could not be freed",
                where=PV.describe(name=disk.persistent),
                why="something else changes it all the time",
                fix="Remove its spec.claimRef once its claim is gone",
            )
        time.sleep(_TICK)


def _unreferenced(client: Client, disk: NewDisk) -> bool:
    """Whether nothing claims the volume of the removed claim any more; False where somebody else changed it meanwhile."""
    item = client.find(PV, disk.persistent) or {"spec": {}}
    spec = item["spec"]
    if (spec.get("claimRef") or {}).get("name") != disk.claim or spec.get("persistentVolumeReclaimPolicy") != "Retain":
        return True
    version = item["metadata"]["resourceVersion"]
    change = {"metadata": {"resourceVersion": version}, "spec": {"claimRef": None}}
    try:
        client.patch(PV, disk.persistent, change)
    except Conflict:
        return False
    return True
