# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what a VirtualMachineInstance's status says, in a few plain fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions

Object = Mapping[str, Any]

# Its pod cannot be made, or virt-handler refuses it.
FIX_SYNC = "Correct what the message names: image, claim, Secret, priority class, quota or what the node refuses"
# Conditions that are False where something is wrong, with the way out.
TROUBLES = (
    ("PodScheduled", "Free capacity, or change its CPU, memory, node selector or affinity"),
    ("Synchronized", FIX_SYNC),
)


def summary(vmi: Object) -> dict[str, Any]:
    """The instance as results show it; a field that is not known yet is None, or an empty list."""
    meta, status = vmi["metadata"], vmi.get("status") or {}
    told = {found.get("type"): found.get("status") for found in status.get("conditions") or []}
    interfaces = [_interface(found) for found in status.get("interfaces") or []]
    ips = [ip for found in interfaces for ip in found["ips"]]
    return {
        "uid": meta.get("uid"),
        "phase": status.get("phase"),
        "ready": told.get("Ready") == "True",
        "paused": told.get("Paused") == "True",
        "migratable": told.get("LiveMigratable") == "True",
        "deleting": bool(meta.get("deletionTimestamp")),
        "node": status.get("nodeName"),
        "ip": ips[0] if ips else None,
        "ips": ips,
        "interfaces": interfaces,
        "guest_os": (status.get("guestOSInfo") or {}).get("prettyName"),
        "started_at": _started_at(status),
        "reason": status.get("reason"),
    }


def describe(vmi: Object) -> str:
    """The phase in one line, with the reasons where something is wrong."""
    status = vmi.get("status") or {}
    parts = [str(status.get("phase") or "has no status yet"), str(status.get("reason") or "")]
    parts += [conditions.describe(conditions.find(vmi, kind)) for kind, _fix in TROUBLES if conditions.fails(vmi, kind)]
    return "; ".join(part for part in parts if part)


def owner(vmi: Object | None) -> str | None:
    """The name of the machine that an instance belongs to, None where it stands alone."""
    references = ((vmi or {}).get("metadata") or {}).get("ownerReferences") or []
    return next((str(found["name"]) for found in references if found.get("kind") == "VirtualMachine"), None)


def _interface(found: Object) -> dict[str, Any]:
    ips = found.get("ipAddresses") or ([found["ipAddress"]] if found.get("ipAddress") else [])
    return {"name": found.get("name"), "mac": found.get("mac"), "ips": [ip for ip in ips if ip]}


def _started_at(status: Object) -> str | None:
    """When the instance began to run, as RFC 3339."""
    for step in status.get("phaseTransitionTimestamps") or []:
        if step.get("phase") == "Running":
            return str(step.get("phaseTransitionTimestamp"))
    return None
