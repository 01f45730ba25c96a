# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run would do: how each machine is backed up, and what stands against that.

A fault of the settings stops a run; what is wrong with one machine, or is not there any more, must not keep the others, etcd and the
objects from their backup.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass
class Planned:
    """A run's plans, and what they are made of.

    faults: of the settings; missing: namespaces and machines of the settings that are not there; unfit: machines that cannot be backed
    up, by key; fileless: machines of whose disks there is no file, by key: they were never started, or it is lost; absent: keys of
    machines that are named and not there.
    """

    plans: list[Plan] = field(default_factory=list)
    found: planning.Found = field(default_factory=planning.Found)
    faults: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unfit: dict[str, list[HaError]] = field(default_factory=dict)
    fileless: dict[str, list[HaError]] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)

    @property
    def selected(self) -> list[str]:
        """The keys of all machines that are to be backed up."""
        return sorted({plan.key for plan in self.plans} | self.unfit.keys() | self.fileless.keys() | self.absent)

    @property
    def later(self) -> list[str]:
        """What may be made later."""
        return self.missing + [str(error) for errors in self.fileless.values() for error in errors]

    @property
    def against(self) -> list[HaError]:
        """Why machines cannot be backed up."""
        return [error for errors in self.unfit.values() for error in errors]

    def refuse(self, *, lenient: bool) -> None:
        """InputError with every fault; lenient: what may be made later is none."""
        faults = self.faults + [str(error) for error in self.against] + ([] if lenient else self.later)
        if faults:
            raise InputError(faults)


def _taken(folder: str) -> int:
    """Bytes that a folder's files take."""
    paths = (os.path.join(place, name) for place, _folders, names in os.walk(folder) for name in names)
    sizes = 0
    for path in paths:
        with contextlib.suppress(OSError):
            sizes += os.lstat(path).st_blocks * 512
    return sizes


class _NoFile(DiskFailed):
    """There is no file of a disk."""


class Planner:
    """Plans one run with these settings."""

    def __init__(self, settings: Settings, hosts: Hosts) -> None:
        self._settings, self._hosts = settings, hosts

    def plan(self, client: Client, parts: Sequence[str]) -> Planned:
        """How each machine is backed up."""
        planned = Planned()
        if OBJECTS in parts:
            planned.missing += objects.missing(client, self._settings.namespaces)
        if ETCD in parts:
            planned.faults += etcd.faults(self._settings.etcd)
        if MACHINES in parts:
            self._machines(client, planned)
            self._room(planned)
        return planned

    def _machines(self, client: Client, planned: Planned) -> None:
        listed: dict[int, Mapping[Key, Any]] = {}
        for index, one in enumerate(self._settings.machines):
            items = client.list(VM, one.namespace, label_selector=one.labels or None).items
            listed[index] = {bulk.key_of(item): item for item in items}
        wanted, nobody = planning.select(self._settings.machines, listed)
        planned.missing += nobody
        named = {(one.namespace, name) for one in self._settings.machines for name in one.names}
        planned.absent = {"/".join(key) for key in named - wanted.keys()}
        namespaces = sorted({key[0] for key in wanted})
        planned.found = planning.Found(
            {key: item for items in listed.values() for key, item in items.items()},
            {bulk.key_of(item): item for name in namespaces for item in client.list(VMI, name).items},
            {bulk.key_of(item): item for name in namespaces for item in client.list(PVC, name).items},
            {str(item["metadata"]["name"]): item for item in (client.list(PV).items if namespaces else [])},
        )
        for key, probe in wanted.items():
            made, told = planning.plan(key, probe, planned.found, self._settings)
            planned.plans += [made] if made else []
            if told:
                planned.unfit["/".join(key)] = [HaError(fault) for fault in told]

    def _room(self, planned: Planned) -> None:
        """Tells disks that cannot be reached, and too little room for the others here."""
        wanted = [(plan, disk) for plan in planned.plans for disk in plan.disks if plan.method == COPY]

        def look(pair: tuple[Plan, Any]) -> int:
            plan, disk = pair
            told = self._hosts.of(disk.path, disk.node).look(disk.path)
            if not told.exists:
                raise _NoFile("the disk's file does not exist", where=f"{plan.key}: {disk.path}")
            return told.allocated

        if wanted:
            with contextlib.suppress(HaError):  # asked once before all the others, so that these know who answers
                look(wanted[0])
        sizes: dict[str, int] = {}
        for (plan, disk), outcome in zip(wanted, bulk.each(wanted, look, _WORKERS)):
            if isinstance(outcome, HaError):
                kept = planned.fileless if isinstance(outcome, _NoFile) else planned.unfit
                kept.setdefault(plan.key, []).append(outcome)
            sizes[plan.key] = sizes.get(plan.key, 0) + (disk.size if isinstance(outcome, HaError) else outcome)
        for plan in planned.plans:
            if plan.method != COPY:
                sizes[plan.key] = sum(disk.size for disk in plan.disks)
            fault = self._fault_of_room(self._settings.spool, sizes.get(plan.key, 0))
            if fault:
                planned.unfit.setdefault(plan.key, []).append(HaError(f"{plan.key}: {fault}"))
        against = planned.unfit.keys() | planned.fileless.keys()
        planned.plans = [plan for plan in planned.plans if plan.key not in against]

    @staticmethod
    def _fault_of_room(folder: str, needed: int) -> str:
        there = os.path.abspath(folder)
        while not os.path.isdir(there):  # it is made by the run
            there = os.path.dirname(there)
        # What a run that was killed has left goes before the first machine comes.
        free = shutil.disk_usage(there).free + _taken(folder)
        if free >= needed + ROOM:
            return ""
        return (
            f"backup_spool_dir: {folder} has {free >> 20} MiB free, its disks need {(needed + ROOM) >> 20} MiB; "
            "free space there, or set it to another file system"
        )
