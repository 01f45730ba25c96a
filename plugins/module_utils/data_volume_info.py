# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `data_volume_info` reads and shows: data volumes with their claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import (
    data_volume_claim,
    data_volume_object,
    data_volume_state,
    entries,
    info,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key, Snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.data_volume import source_name
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.data_volume_kind import without_cdi
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import NotFound
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import DATA_VOLUME, PVC, VM

Object = dict[str, Any]


def faults(params: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the parameters beyond their types."""
    return info.faults(params, subdomain=True)


def run_module(module: Module) -> None:
    """Carries out `data_volume_info`."""
    params = module.params

    def work(client: Client) -> Object:
        try:
            volumes = info.read(client, DATA_VOLUME, params)
        except NotFound as error:
            raise without_cdi(error) from error
        info.warn_of_absent(module, client, volumes)
        claims = info.read(client, PVC, {**params, "label_selectors": []})
        shown = volumes if params["label_selectors"] else with_outlived(volumes, claims)

        def show(key: Key, item: Object) -> Object:
            return entry(volumes.objects.get(key), claims.objects.get(key), item, full=params["full"])

        return info.result("data_volumes", show, shown, claims)

    run(module, work)


def with_outlived(volumes: Snapshot, claims: Snapshot) -> Snapshot:
    """The volumes, and beside them the claims that are left of volumes whose DataVolume CDI deleted."""
    left = {
        key: claim
        for key, claim in claims.objects.items()
        if key not in volumes.objects and data_volume_state.outlived(claim)
    }
    return Snapshot({**left, **volumes.objects}, volumes.unreadable, volumes.scopes)


def entry(dv: Object | None, claim: Object | None, item: Object, *, full: bool) -> Object:
    """A volume's entry in the result; `item` is its DataVolume, else the claim that is left of it."""
    spec = (dv or {}).get("spec") or {}
    found = data_volume_state.summary(dv, claim)
    return {
        **entries.identity(item, full),
        **found,
        "ready": found["phase"] == data_volume_state.SUCCEEDED,
        "source": source_name(spec),
        "size": data_volume_claim.asked(item, data_volume_object.size(spec)),
        "resize_pending": data_volume_claim.resize_pending(claim),
        "reason": data_volume_state.describe(dv) if dv else "CDI deleted its DataVolume once it had succeeded",
        "vm": data_volume_state.owner(dv, VM.kind) if dv else None,
    }
