# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of a restore: claims made and bound, and written out of the repository, here or through CDI."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import auth, data_volume, objects
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import regions, restore_plan
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.disks import Hosts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.locks import written
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import ANNOTATION_RESTORING
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restic import Restic
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restore_plan import NewDisk, Wanted
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restored import Source
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.settings import Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused, WaitFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import PVC

_BOUND_SECONDS = 60.0
_TICK = 0.2


class DiskWriter:
    """Writes the disks of one restore."""

    def __init__(self, settings: Settings, wanted: Wanted, restic: Restic, hosts: Hosts) -> None:
        self._settings, self._wanted = settings, wanted
        self._restic, self._hosts = restic, hosts

    def write(self, client: Client, source: Source, disks: Sequence[NewDisk]) -> None:
        """Writes the disks; a claim that a run which is gone has made is gone on with."""
        with written("backup_spool_dir"):
            for disk in disks:
                if disk.path:
                    self._write(client, source, disk)
                else:
                    self._upload(client, source, disk)

    def _write(self, client: Client, source: Source, disk: NewDisk) -> None:
        begun = client.find(PVC, disk.claim, self._wanted.target)
        if begun is None:
            client.create(
                PVC,
                restore_plan.claim(disk, self._wanted, restore_plan.origin(self._wanted, source.snapshot.short)),
                self._wanted.target,
            )
        elif restore_plan.restoring(begun) != restore_plan.origin(
            self._wanted, source.snapshot.short
        ):  # a machine may run from it by now
            where = PVC.describe(self._wanted.target, disk.claim)
            raise Refused("was made by somebody else meanwhile", where=where, fix="Run again: another name is taken")
        self._wait_bound(client, disk)
        files = self._hosts.of(disk.path, disk.node)
        with self._restic.open(source.snapshot.id, disk.source) as stream:
            owner, force = self._settings.disk_owner, begun is not None
            files.write(disk.path, disk.bytes, regions.blocks(stream), owner=owner, force=force)

    def _wait_bound(self, client: Client, disk: NewDisk) -> None:
        give_up = time.monotonic() + _BOUND_SECONDS
        while True:
            item = client.get(PVC, disk.claim, self._wanted.target)
            phase = (item.get("status") or {}).get("phase")
            if phase == "Bound" and item["spec"].get("volumeName") == disk.persistent:
                return
            if time.monotonic() > give_up:
                where = PVC.describe(self._wanted.target, disk.claim)
                why = f"it is {phase}, wanted is {disk.persistent}"
                if phase != "Bound":  # nothing is in it, and it would ask for the same volume again
                    client.delete(PVC, disk.claim, self._wanted.target, uid=item["metadata"]["uid"])
                raise WaitFailed("was not bound", where=where, why=why, fix="Run again: another volume is chosen")
            time.sleep(_TICK)

    def _upload(self, client: Client, source: Source, disk: NewDisk) -> None:
        """A disk of a class whose driver makes volumes goes there through CDI."""
        folder = os.path.join(self._settings.restore_spool, f"{self._wanted.target}_{self._wanted.name}")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        path = os.path.join(folder, f"{disk.claim}.img")
        try:
            files = Hosts.here()
            with self._restic.open(source.snapshot.id, disk.source) as stream:
                files.write(path, disk.bytes, regions.blocks(stream), force=True)
            options = {
                "namespace": self._wanted.target,
                "name": disk.claim,
                "source": {"upload": {"path": path}},
                "size": str(disk.size),
                "storage_class": disk.spec.get("storageClassName"),
                "access_modes": disk.spec.get("accessModes"),
                "volume_mode": disk.spec.get("volumeMode"),
                "annotations": {ANNOTATION_RESTORING: restore_plan.origin(self._wanted, source.snapshot.short)},
            }
            verify = auth.resolve({"kubeconfig": self._settings.kubeconfig}).verify
            rules = data_volume.Rules(verify=verify)
            settings = objects.Settings(wait_timeout=3600.0, workers=1)
            done = data_volume.apply(client, [options], settings, rules, lambda _key, _text: None)[0].done
            if done.error:
                raise done.error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
