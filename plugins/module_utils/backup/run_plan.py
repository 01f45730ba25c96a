# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run would do: how each machine is backed up, with every fault before anything is changed."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import bulk
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import etcd, objects
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import plan as planning
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.disks import DiskFailed, Hosts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import (
    COPY,
    ETCD,
    MACHINES,
    OBJECTS,
    ROOM,
    Plan,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.settings import Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, InputError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import PV, PVC, VM, VMI

_WORKERS = 8


class Planner:
    """Plans one run with these settings."""

    def __init__(self, settings: Settings, hosts: Hosts) -> None:
        self._settings, self._hosts = settings, hosts

    def plan(
        self, client: Client, parts: Sequence[str], *, lenient: bool = False
    ) -> tuple[list[Plan], planning.Found, list[str]]:
        """How each machine is backed up; InputError with every fault of this run.

        lenient: machines and namespaces that are not there are no faults but warnings, the third that is returned.
        """
        faults: list[str] = []
        missing = objects.missing(client, self._settings.namespaces) if OBJECTS in parts else []
        if ETCD in parts:
            faults += etcd.faults(self._settings.etcd)
        plans: list[Plan] = []
        found = planning.Found()
        if MACHINES in parts:
            plans, found, nobody, told = self._machines(client)
            missing += nobody
            faults += told
        if not lenient:
            faults += missing
        if not faults:
            faults += self._room(plans)
        if faults:
            raise InputError(faults)
        return plans, found, missing

    def _machines(self, client: Client) -> tuple[list[Plan], planning.Found, list[str], list[str]]:
        """Plans, what they are made of, and faults: of selections that nobody matches, and of machines."""
        listed: dict[int, Mapping[Key, Any]] = {}
        for index, one in enumerate(self._settings.machines):
            items = client.list(VM, one.namespace, label_selector=one.labels or None).items
            listed[index] = {bulk.key_of(item): item for item in items}
        wanted, nobody = planning.select(self._settings.machines, listed)
        namespaces = sorted({key[0] for key in wanted})
        found = planning.Found(
            {key: item for items in listed.values() for key, item in items.items()},
            {bulk.key_of(item): item for name in namespaces for item in client.list(VMI, name).items},
            {bulk.key_of(item): item for name in namespaces for item in client.list(PVC, name).items},
            {str(item["metadata"]["name"]): item for item in (client.list(PV).items if namespaces else [])},
        )
        plans: list[Plan] = []
        faults: list[str] = []
        for key, probe in wanted.items():
            made, told = planning.plan(key, probe, found, self._settings)
            plans += [made] if made else []
            faults += told
        return plans, found, nobody, faults

    def _room(self, plans: Sequence[Plan]) -> list[str]:
        """Faults of disks that cannot be reached, and of too little room for them here."""
        wanted = [(plan, disk) for plan in plans for disk in plan.disks if plan.method == COPY]

        def look(pair: tuple[Plan, Any]) -> int:
            plan, disk = pair
            told = self._hosts.of(disk.path, disk.node).look(disk.path)
            if not told.exists:
                raise DiskFailed("the disk's file does not exist", where=f"{plan.key}: {disk.path}")
            return told.allocated

        if wanted:
            with contextlib.suppress(HaError):  # asked once before all the others, so that these know who answers
                look(wanted[0])
        outcomes = bulk.each(wanted, look, _WORKERS)
        faults = [str(outcome) for outcome in outcomes if isinstance(outcome, HaError)]
        sizes: dict[str, int] = {}
        for (plan, disk), outcome in zip(wanted, outcomes):
            sizes[plan.key] = sizes.get(plan.key, 0) + (disk.size if isinstance(outcome, HaError) else outcome)
        for plan in plans:
            if plan.method != COPY:
                sizes[plan.key] = sum(disk.size for disk in plan.disks)
        largest = max(sizes.values(), default=0)
        return faults + [
            fault for fault in (self._fault_of_room("backup_spool_dir", self._settings.spool, largest),) if fault
        ]

    @staticmethod
    def _fault_of_room(name: str, folder: str, needed: int) -> str:
        there = os.path.abspath(folder)
        while not os.path.isdir(there):  # it is made by the run
            there = os.path.dirname(there)
        free = shutil.disk_usage(there).free
        if free >= needed + ROOM:
            return ""
        return (
            f"{name}: {folder} has {free >> 20} MiB free, the largest machine needs {(needed + ROOM) >> 20} MiB; "
            "free space there, or set it to another file system"
        )
