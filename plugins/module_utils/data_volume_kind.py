# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data volumes as declared objects, and what of the cluster a plan for one has to fit: claims, machines, files."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import (
    bulk,
    data_volume_claim,
    data_volume_object,
    data_volume_state,
    objects,
    quantity,
    upload,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.data_volume_options import upload_path
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, NotFound, Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.existing import Names
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Plan
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import DATA_VOLUME, PVC, VM

Object = dict[str, Any]
Options = Mapping[str, Any]

_POPULATED_FOR = "cdi.kubevirt.io/storage.populatedFor"
_ADOPTION = "cdi.kubevirt.io/allowClaimAdoption"
_UNKNOWN_KIND = ("could not find the requested resource", "page not found")


class Outlived(HaError):
    """The volume is there without its DataVolume."""


@dataclass
class Claims:
    """The claims of the volumes' names, read once and only if somebody asks."""

    client: Client
    keys: Sequence[Key]
    workers: int
    _found: bulk.Snapshot | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> bulk.Snapshot:
        with self._lock:
            if self._found is None:
                self._found = bulk.fetch(self.client, PVC, self.keys, workers=self.workers)
            return self._found

    def get(self, key: Key) -> Object | None:
        """The claim, None where there is none or it may not be read."""
        return self.read().objects.get(key)

    def scopes(self, otherwise: Mapping[str | None, str]) -> dict[str | None, str]:
        """The scopes to watch, with the versions to go on from; none where claims may not be read."""
        if self._found is None:
            return dict.fromkeys(otherwise, "")
        return {} if self._found.unreadable else dict(self._found.scopes)


def kind(claims: Claims | None = None, classes: Names | None = None) -> objects.Kind:
    """Data volumes as declared objects; with `claims` and `classes` a plan is checked against those that are there."""

    def accept(options: Options, todo: Plan) -> None:
        if claims is not None:
            _accept(options, todo, claims)
        if classes is not None and todo.action == "created":
            _accept_class(options, classes)

    return objects.Kind(
        DATA_VOLUME, data_volume_object.desired, data_volume_object.new, accept, frozen=data_volume_object.FROZEN
    )


def _accept(options: Options, todo: Plan, claims: Claims) -> None:
    """Raises where a plan cannot be carried out for reasons that lie outside of the object."""
    key = (str(options["namespace"]), str(options["name"]))
    where = DATA_VOLUME.describe(*key)
    if options.get("state") == "absent":
        machine = data_volume_state.owner(todo.before, VM.kind) if todo.before else None
        if todo.action == "deleted" and machine:
            why = f"it belongs to VirtualMachine {machine}, which would make it again"
            raise Refused(
                "is not deleted", where=where, why=why, fix="Delete the machine, or take it out of its templates"
            )
        if todo.action == "deleted" or todo.before is None:
            claims.read()
        return
    wanted, path = data_volume_object.wanted_size(options), upload_path(options)
    if todo.before is None:
        _accept_new(options, claims.get(key), where)
    elif wanted is not None:
        at_first = data_volume_object.size(todo.before.get("spec") or {})
        data_volume_claim.refuse_shrink(wanted, data_volume_claim.asked(todo.before, at_first), where)
    if path and (todo.before is None or not data_volume_state.is_filled(todo.before)):
        upload.check_file(path, None if wanted is None else quantity.parse(wanted), where)


def _accept_new(options: Options, claim: Object | None, where: str) -> None:
    """A claim of the volume's name may be there already."""
    if claim is None or data_volume_state.owner(claim, DATA_VOLUME.kind):
        return
    if data_volume_state.outlived(claim):
        raise Outlived("is there without its DataVolume", where=where)
    annotations = claim["metadata"].get("annotations") or {}
    adopted = str((options.get("annotations") or {}).get(_ADOPTION, "")).lower() == "true"
    if annotations.get(_POPULATED_FOR) != options["name"] and not adopted:
        raise Refused(
            "cannot be created, a claim of its name is there that is no DataVolume's",
            where=where,
            fix=f"Delete the claim, give another name, or let it be adopted with the annotation {_ADOPTION}: 'true'",
        )


def _accept_class(options: Options, classes: Names) -> None:
    """CDI would wait for a StorageClass that does not exist, without end."""
    wanted = options.get("storage_class")
    names = classes.get() if wanted else None
    if names is not None and wanted not in names:
        raise Refused(
            f"cannot be created, there is no StorageClass {wanted}",
            where=DATA_VOLUME.describe(str(options["namespace"]), str(options["name"])),
            fix=f"Give one of {', '.join(sorted(names))} as storage_class, or make that one first"
            if names
            else "Make a StorageClass first: the cluster has none",
        )


def without_cdi(error: NotFound) -> HaError:
    """The error, with the way out where it means that the API server knows no DataVolumes at all."""
    if any(words in error.why for words in _UNKNOWN_KIND):
        error.fix = "Install CDI, the Containerized Data Importer: this cluster does not have it"
    return error
