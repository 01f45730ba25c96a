# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what an export's status says, and where its files are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions, vm_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import is_deleting
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.verdict import DONE, Verdict

Object = Mapping[str, Any]

# What does not come by itself; the seconds are for what was just made.
_STUCK = frozenset({"InUse", "PVCNotFound", "VMNotFound", "VMSnapshotNotFound"})
_PATIENCE = 10.0
# Packed first: a disk is mostly empty.
_FORMATS = ("gzip", "tar.gz", "raw")


def describe(export: Object) -> str:
    """The status in one line, with the reason where there is one."""
    status = vm_state.status(export)
    parts = [str(status.get("phase") or "has no status yet")]
    for kind in ("Ready", "PVCReady", "VolumesCreated"):
        found = conditions.find(export, kind)
        if found.get("status") == "False":
            parts.append(conditions.describe(found))
    return "; ".join(part for part in parts if part)


def ready(export: Object | None) -> Verdict:
    """Whether the export can be downloaded."""
    if export is None:
        fix = "Export again, with a longer ttl"
        return Verdict(failed=True, why="it was deleted in the meantime; perhaps its time was over", fix=fix)
    if is_deleting(export):
        return Verdict(failed=True, why="it is being deleted", fix="Wait until it is gone, then run again")
    phase, why = vm_state.status(export).get("phase"), describe(export)
    if phase == "Ready":
        return DONE
    fix = "Delete it with state absent, mend the reason, and export again"
    if phase in ("Skipped", "Terminated"):
        return Verdict(failed=True, why=why, fix=fix)
    reasons = {conditions.find(export, kind).get("reason") for kind in ("Ready", "PVCReady")}
    if reasons & _STUCK:
        return Verdict(failed=True, why=why, fix=fix, grace=_PATIENCE)
    return Verdict(why=why)


def summary(export: Object) -> dict[str, Any]:
    """The export as results show it; a field that is not known yet is None."""
    status, spec = vm_state.status(export), export.get("spec") or {}
    source, links = spec.get("source") or {}, status.get("links") or {}
    return {
        "source_kind": source.get("kind"),
        "source": source.get("name"),
        "vm": status.get("virtualMachineName"),
        "phase": status.get("phase"),
        "ready": status.get("phase") == "Ready",
        "reason": describe(export) if export else None,
        "expires_at": status.get("ttlExpirationTime"),
        "token_secret": status.get("tokenSecretRef"),
        "service": status.get("serviceName"),
        "links": {side: _shown(links[side]) if links.get(side) else None for side in ("internal", "external")},
    }


def _shown(found: Object) -> dict[str, Any]:
    return {
        "cert": found.get("cert"),
        "volumes": {str(one["name"]): _formats(one) for one in found.get("volumes") or []},
        "manifests": {str(one["type"]): str(one["url"]) for one in found.get("manifests") or []},
    }


def _formats(volume: Object) -> dict[str, str]:
    return {str(one["format"]): str(one["url"]) for one in volume.get("formats") or []}


def link(export: Object, side: str, where: str) -> Object:
    """The links of one side, `external` or `internal`; Refused where there are none."""
    status = vm_state.status(export)
    found = (status.get("links") or {}).get(side)
    if found:
        return dict(found)
    if status.get("phase") != "Ready":
        fix = "Wait for it with wait: true, or look at the reason"
        raise Refused("cannot be downloaded, it is not ready", where=where, why=describe(export), fix=fix)
    if side == "internal":
        raise Refused("has no internal link", where=where, fix="Check virt-controller's log")
    raise Refused(
        "has no external link",
        where=where,
        why="no Ingress or Route in KubeVirt's namespace leads to the service virt-exportproxy",
        fix=f"Make one, or give link: internal, and via: the address of a port-forward to the service {status.get('serviceName')}",
    )


def url(links: Object, wanted: Object, where: str) -> str:
    """The address of a file that is wanted, a volume in a format or a manifest; Refused where there is none."""
    shown = _shown(links)
    if wanted.get("manifest"):
        return _pick(shown["manifests"], str(wanted["manifest"]), "manifest", where)
    formats = _pick(shown["volumes"], str(wanted["volume"]), "volume", where)
    given = wanted.get("format") or next((one for one in _FORMATS if one in formats), "gzip")
    return str(_pick(formats, given, f"format of the volume {wanted['volume']}", where))


def _pick(found: Mapping[str, Any], name: str, what: str, where: str) -> Any:
    if name in found:
        return found[name]
    there = ", ".join(sorted(found)) or "none"
    raise Refused(f"has no {what} {name}", where=where, why=f"it has {there}", fix="Name one of these")
