# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the storage classes that machines' claims are of."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding, Thing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.view import View


def _used(view: View) -> dict[str, int]:
    """Storage class → how many machines' claims are of it."""
    counts: dict[str, int] = {}
    for machine in view.machines:
        for _disk, claim in view.claims(machine):
            if claim.storage_class:
                counts[claim.storage_class] = counts.get(claim.storage_class, 0) + 1
    return counts


def shared_access(view: View) -> Iterator[Finding]:
    """Classes whose StorageProfile names no shared access; a class without profile tells nothing."""
    for name, count in sorted(_used(view).items()):
        sets = ((view.cluster.profiles.get(name) or {}).get("status") or {}).get("claimPropertySets") or []
        modes = {str(mode) for one in sets for mode in one.get("accessModes") or []}
        if modes and "ReadWriteMany" not in modes:
            thing = Thing(
                "StorageClass", name, detail=f"offers {', '.join(sorted(modes))}; {_claims(count)} of machines"
            )
            yield Finding("storage-class-no-rwx", "its StorageProfile has no ReadWriteMany", (thing,))


def expansion(view: View) -> Iterator[Finding]:
    """Classes whose claims cannot grow."""
    for name, count in sorted(_used(view).items()):
        item = view.cluster.storage_classes.get(name)
        if item is not None and not item.get("allowVolumeExpansion"):
            thing = Thing("StorageClass", name, detail=f"{_claims(count)} of machines")
            yield Finding("storage-class-no-expansion", "allowVolumeExpansion is not set", (thing,))


def _claims(count: int) -> str:
    return "1 claim" if count == 1 else f"{count} claims"


def snapshots(view: View) -> Iterator[Finding]:
    """Whether disks can be snapshotted at all."""
    if not view.cluster.snapshot_classes:
        absent = "snapshot_classes" in view.cluster.absent
        yield Finding("snapshot-class-missing", "the kind is not installed" if absent else "there is none of the kind")
