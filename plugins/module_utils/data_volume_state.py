# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what a DataVolume's status says, together with the claim that it fills.

Phases and conditions are those of CDI 1.66. A transfer that fails is begun again for ever: the phase stays
ImportInProgress, and only the Running condition and the count of restarts tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import is_deleting
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.verdict import DONE, Verdict
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.vm_state import status

Object = Mapping[str, Any]

# The volume is there, and is filled as soon as a machine wants it.
WAITS_FOR_CONSUMER = frozenset({"WaitForFirstConsumer", "PendingPopulation"})
SUCCEEDED = "Succeeded"
UPLOAD_READY = "UploadReady"
# An import in stages waits for its next checkpoint.
_PAUSED = "Paused"
# On claims that outlived their DataVolume: CDI before 1.62 deleted it some time after it had succeeded.
_COLLECTED = "cdi.kubevirt.io/garbageCollected"
_POD_PHASE = "cdi.kubevirt.io/storage.pod.phase"
_TRANSFER_FIX = "Check the source's address, its Secret and its certificates; then delete the volume and make it again"
_FILE_FIX = "Check that the file is a disk image, and that size holds it; then delete the volume and make it again"
_RUNNING_REASONS = {
    "Error": _TRANSFER_FIX,
    "ImagePullFailed": "Check the importer's image and its registry",
    "Unschedulable": "Free capacity for the importer's pod, or check its priority class and the quota",
}
_BOUND_REASONS = {
    "ClaimLost": "Restore the PersistentVolume, or delete the data volume and make it again",
    "ErrClaimNotValid": "Give storage_class, access_modes and volume_mode that the cluster has, and make the volume again",
    "ErrExceededQuota": "Raise the quota of the namespace, or ask for less",
    "ErrResourceExists": "Delete the claim of this name, or give another name",
    "CloneWithoutSource": "Create the source, or correct its name and namespace",
    "CloneValidationFailed": "Give a size of at least the source's, and the same content type",
    "ErrIncompatiblePVC": "Give a size of at least the source's, and the same content type",
    "ErrUnableToClone": "Look at the data volume's events",
}


@dataclass(frozen=True)
class Patience:
    """When a state that CDI itself never gives up counts as failed.

    restarts: how often a transfer may be begun again; grace: seconds that anything else that is wrong may last.
    """

    restarts: int = 3
    grace: float = 60.0


@dataclass(frozen=True)
class Upload:
    """A volume that is filled by an upload.

    data: whether there is data to send; sent: whether it was; restarts: how often the server had been restarted then.
    """

    data: bool = True
    sent: bool = False
    restarts: int = 0


def phase(dv: Object) -> str:
    """The phase, empty where CDI has not seen the DataVolume yet."""
    return str(status(dv).get("phase") or "")


def restarts(dv: Object) -> int:
    """How often the transfer was begun again."""
    return int(status(dv).get("restartCount") or 0)


def is_filled(dv: Object) -> bool:
    """Whether the volume holds its data."""
    return phase(dv) == SUCCEEDED


def outlived(claim: Object | None) -> bool:
    """Whether a claim is what is left of a DataVolume that CDI deleted once it had succeeded."""
    annotations = ((claim or {}).get("metadata") or {}).get("annotations") or {}
    return annotations.get(_COLLECTED) == "true" and annotations.get(_POD_PHASE, SUCCEEDED) == SUCCEEDED


def owner(dv: Object, kind: str) -> str | None:
    """The name of the object of a kind that controls a DataVolume or claim, None where none does."""
    owners = dv["metadata"].get("ownerReferences") or []
    found = [one for one in owners if one.get("controller") and one.get("kind") == kind]
    return str(found[0]["name"]) if found else None


def describe(dv: Object) -> str:
    """The status in one line: the phase, how far it is, and the reason where something is wrong."""
    found = status(dv)
    parts = [str(found.get("phase") or "CDI has not taken note of it")]
    if found.get("progress") not in (None, "N/A") and not is_filled(dv):
        parts[0] += f" at {found['progress']}"
    if restarts(dv):
        parts.append(f"{restarts(dv)} restarts")
    for kind in ("Bound", "Running"):
        one = conditions.find(dv, kind)
        if one.get("status") != "True" and not is_filled(dv) and (kind != "Bound" or not _is_early(one)):
            parts.append(conditions.describe(one))
    return "; ".join(part for part in parts if part)


def ready(dv: Object | None, claim: Object | None, *, upload: Upload | None, patience: Patience) -> Verdict:
    """Whether a data volume is as far as it can come by itself.

    upload: None for a volume that CDI fills. A volume that waits for its first consumer is where it should be, unless
    data is to be sent to it.
    """
    if dv is None:
        return DONE if outlived(claim) else Verdict(failed=True, why="it was deleted in the meantime")
    if is_deleting(dv):
        return Verdict(failed=True, why="it is being deleted", fix="Wait until it is gone, then run again")
    here = phase(dv)
    if here in (SUCCEEDED, _PAUSED) or (upload and not upload.sent and here == UPLOAD_READY):
        return DONE
    if here in WAITS_FOR_CONSUMER:
        return _waits_for_consumer(here) if upload and upload.data else DONE
    if upload and upload.sent and restarts(dv) > upload.restarts:
        return Verdict(failed=True, why=f"CDI could not use what was uploaded: {describe(dv)}", fix=_FILE_FIX)
    return _problem(dv, claim, patience) or Verdict(why=describe(dv))


def _waits_for_consumer(here: str) -> Verdict:
    fix = "Make it anew with bind_immediately, or choose another StorageClass"
    return Verdict(failed=True, why=f"{here}: nothing can be uploaded before a machine has bound the claim", fix=fix)


def _problem(dv: Object, claim: Object | None, patience: Patience) -> Verdict | None:
    """What is wrong, None where nothing is."""
    running, bound = conditions.find(dv, "Running"), conditions.find(dv, "Bound")
    if phase(dv) == "Failed":
        lost = str(bound.get("reason")) == "ClaimLost"
        return Verdict(failed=True, why=describe(dv), fix=_BOUND_REASONS["ClaimLost"] if lost else _TRANSFER_FIX)
    reason = str(running.get("reason") or "")
    if running.get("status") == "False" and reason in _RUNNING_REASONS:
        if reason != "Error":
            return Verdict(failed=True, why=describe(dv), fix=_RUNNING_REASONS[reason], grace=patience.grace)
        if restarts(dv) >= patience.restarts:
            return Verdict(failed=True, why=describe(dv), fix=_RUNNING_REASONS[reason])
    reason = str(bound.get("reason") or "")
    if bound.get("status") == "False" and reason in _BOUND_REASONS:
        return Verdict(failed=True, why=describe(dv), fix=_BOUND_REASONS[reason], grace=patience.grace)
    return _no_class(dv, claim, patience)


def _no_class(dv: Object, claim: Object | None, patience: Patience) -> Verdict | None:
    """A claim without class and without volume is bound by nobody, unless a default class or a volume comes."""
    if claim is None or (claim.get("status") or {}).get("phase") != "Pending":
        return None
    if claim["spec"].get("storageClassName") or claim["spec"].get("volumeName"):
        return None
    why = f"{describe(dv)}; its claim has no StorageClass, and there is no default one"
    return Verdict(failed=True, why=why, fix="Give storage_class, or mark a default StorageClass", grace=patience.grace)


def _is_early(bound: Object) -> bool:
    """Whether the claim is merely on its way."""
    return bound.get("reason") in (None, "", "Pending", "NotFound")


def summary(dv: Object | None, claim: Object | None) -> dict[str, Any]:
    """How a data volume stands, for results."""
    found = status(dv) if dv is not None else {}
    collected = dv is None and outlived(claim)
    spec, held = (claim or {}).get("spec") or {}, (claim or {}).get("status") or {}
    return {
        "phase": SUCCEEDED if collected else found.get("phase"),
        "progress": "100.0%" if collected else found.get("progress"),
        "restarts": int(found.get("restartCount") or 0),
        "claim": claim["metadata"]["name"] if claim else found.get("claimName"),
        "claim_phase": held.get("phase"),
        "capacity": (held.get("capacity") or {}).get("storage"),
        "storage_class": spec.get("storageClassName"),
    }
