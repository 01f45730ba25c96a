# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine back out of the repository: its disks written, itself made and started, its guest asked.

Only what the guest says counts as proof. Broken off anywhere it can be run again: claims that are not written yet carry
an annotation, and the machine is made last.
"""

from __future__ import annotations

import contextlib
import time

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import objects, power
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import restore_plan
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.disks import Hosts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.hold import connect
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.locks import locked
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import ANNOTATION_RESTORING, time_text
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restore_choice import Choice
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restore_disks import DiskWriter
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restore_plan import Wanted
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restore_proof import prove
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restore_removal import (
    GONE_SECONDS,
    remove,
    wait_gone,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restored import ANSWERED, Restored
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.runner import Run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.settings import Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, InputError, Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.platform_state import source_of
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import DEPLOYMENT, NAMESPACE, PVC, VM, VMI


class Restore:
    """One restore with these settings."""

    def __init__(self, settings: Settings, wanted: Wanted) -> None:
        self._settings, self._wanted = settings, wanted
        self._run = Run(settings)
        self._hosts = Hosts(settings.hosts)
        self._choice = Choice(settings, wanted, self._run.restic, self._hosts)
        self._writer = DiskWriter(settings, wanted, self._run.restic, self._hosts)

    def prepare(self, client: Client) -> Restored:
        """What would be done; InputError with every fault, before anything is changed."""
        faults = list(self._wanted.faults())
        if faults:
            raise InputError(faults)
        self._run.usable()
        source = self._choice.source()
        wanted = self._wanted
        vm = client.find(VM, wanted.name, wanted.target)
        faults += restore_plan.target_faults(wanted, vm, client.find(VMI, wanted.name, wanted.target))
        if client.find(NAMESPACE, wanted.target) is None:
            faults.append(f"restore_namespace: namespace {wanted.target} does not exist; create it first")
        faults += self._choice.missing(client, source)
        claims = {item["metadata"]["name"]: item for item in client.list(PVC, wanted.target).items}
        disks, told = self._choice.disks(client, source, claims)
        faults += told
        if faults:
            raise InputError(faults)
        left = list(restore_plan.left_behind(wanted, restore_plan.origin(wanted, source.snapshot.short), claims))
        return Restored(
            wanted, source, disks, replaced=vm is not None, kubevirt_source=_source_name(client), warnings=left
        )

    def run(self) -> Restored:
        """Restores the machine, asks its guest and notes what it said; what fails after the first change is in the result."""
        name = f"restore-{self._wanted.target}_{self._wanted.name}.lock"
        faults = list(self._wanted.faults())
        if faults:  # such a name is none of a file either
            raise InputError(faults)
        with locked(self._settings.state_dir, name):
            return self._restore(connect(self._settings.kubeconfig))

    def _restore(self, client: Client) -> Restored:
        restored = self.prepare(client)
        began = time.monotonic()
        try:
            self._writer.write(client, restored.source, restored.disks)
            restored.write_seconds = time.monotonic() - began
            self._clear(client, restored)
            strategy = self._make(client, restored)
            prove(client, self._settings.kubeconfig, restored, began)
            if strategy in restore_plan.RESTS:
                self._rest(client, strategy)
            if self._wanted.remove:
                remove(client, self._wanted, self._hosts, restored.disks)
                restored.removed = True
        except HaError as error:
            restored.error = error
        self._note(client, restored)
        return restored

    def _clear(self, client: Client, restored: Restored) -> None:
        """Takes away the machine that is replaced, once all is there that replaces it; its claims, and DataVolumes, stay."""
        if not restored.replaced:
            return
        wanted = self._wanted
        old = client.find(VM, wanted.name, wanted.target)
        if restore_plan.target_faults(wanted, old, client.find(VMI, wanted.name, wanted.target)):
            where, fix = (
                VM.describe(wanted.target, wanted.name),
                "Stop it, and run again: its disks are written already",
            )
            raise Refused("was started while its disks were written, and stays as it is", where=where, fix=fix)
        if old:
            client.delete(VM, wanted.name, wanted.target, uid=old["metadata"]["uid"], propagation="Orphan")
            wait_gone(client, wanted, VM)

    def _make(self, client: Client, restored: Restored) -> str:
        claims = {disk.volume: disk.claim for disk in restored.disks}
        origin = restore_plan.origin(self._wanted, restored.source.snapshot.short)
        body, strategy = restore_plan.machine(restored.source.vm, self._wanted, claims, origin)
        client.create(VM, body, self._wanted.target)
        for disk in restored.disks:
            change = {"metadata": {"annotations": {ANNOTATION_RESTORING: None}}}
            client.patch(PVC, disk.claim, change, self._wanted.target)
        return strategy

    def _rest(self, client: Client, strategy: str) -> None:
        """A machine that was at rest rests again."""
        wanted = self._wanted
        options = {"namespace": wanted.target, "name": wanted.name, "state": "stopped"}
        settings = objects.Settings(wait_timeout=GONE_SECONDS, workers=1)
        error = power.apply(client, [options], settings)[0].error
        if error:
            raise error
        client.patch(VM, wanted.name, {"spec": {"runStrategy": strategy}}, wanted.target)

    def _note(self, client: Client, restored: Restored) -> None:
        """Notes a proven restore; one that failed proves nothing, and leaves the last one where it is."""
        if restored.error or restored.proof != ANSWERED:
            return
        told = restored.as_dict()
        kept = ("snapshot", "taken_at", "consistency", "proof", "writes_lost", "restore_seconds", "restored_as")
        proven = {
            "at": time_text(time.time()),
            "machine": f"{self._wanted.namespace}/{self._wanted.vm}",
            **{key: told[key] for key in kept},
        }
        try:
            self._run.note(client, proven=proven)
        except HaError as error:
            restored.warnings.append(f"the proof could not be noted: {error}")


def _source_name(client: Client) -> str:
    with contextlib.suppress(HaError):
        return source_of(client.list(DEPLOYMENT, "kubevirt").items)
    return "unknown"
