# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets: what the owners of machines name instead of repeating requests, limits and rules of nodes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import vm_options
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.cluster_placement.manifests import (
    PRESETS_NAME,
    PRESETS_NAMESPACE,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import InputError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.items import layer
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import CONFIG_MAP, VM

Options = Mapping[str, Any]


def resolve(client: Client, wanted: Sequence[Options]) -> list[Options]:
    """Machines with their presets under their own options; one read where any names one. InputError for presets that are
    not there and for machines whose options do not go with theirs."""
    if not any(options.get("preset") and options.get("state") != "absent" for options in wanted):
        return list(wanted)
    data = (client.find(CONFIG_MAP, PRESETS_NAME, PRESETS_NAMESPACE) or {}).get("data") or {}
    return combine(wanted, {name: found for name, text in data.items() if (found := _read(text)) is not None})


def _read(text: str) -> Options | None:
    """A preset as the role writes it; None where somebody else has written something else in its place."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def combine(wanted: Sequence[Options], presets: Mapping[str, Options]) -> list[Options]:
    """Pure: the same for presets that were read."""
    faults: list[str] = []
    combined: list[Options] = []
    for options in wanted:
        name = options.get("preset")
        if not name or options.get("state") == "absent":
            combined.append(options)
            continue
        where = VM.describe(str(options.get("namespace") or ""), str(options["name"]))
        if name not in presets:
            known = ", ".join(sorted(presets)) or "none; the role placement makes them"
            faults.append(f"{where}: preset: {name} is not there; there are {known}")
            continue
        whole = layer(presets[name], options, exclusive=vm_options.EXCLUSIVE)
        faults += [f"{where}: with preset {name}: {fault}" for fault in vm_options.faults(whole)]
        combined.append(whole)
    if faults:
        raise InputError(faults)
    return combined
