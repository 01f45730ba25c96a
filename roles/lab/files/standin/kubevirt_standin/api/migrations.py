"""Admission of migrations."""

from __future__ import annotations

from ..conditions import final
from ..resources import MIGRATION, VMI
from .review import Denied, Review, deny


async def review_migration(review: Review) -> Denied | None:
    """A migration needs a VMI that exists, lives, can move and is not moving."""
    if review.operation == "UPDATE":
        if review.obj.get("spec") != review.old.get("spec"):
            text = "update of Migration object's spec is restricted"
            return deny([{"reason": "FieldValueNotSupported", "message": text}])
        return None
    name = (review.obj.get("spec") or {}).get("vmiName")
    if not name:
        return deny([{"reason": "FieldValueRequired", "message": "vmiName is missing", "field": "spec.vmiName"}])
    vmi = await review.kube.find(VMI, review.namespace, name)
    if vmi is None:
        return Denied(f'the VMI "{review.namespace}/{name}" does not exist', code=400, reason="")
    if final(vmi):
        return Denied("Cannot migrate VMI in finalized state.", code=400, reason="")
    for item in (vmi.get("status") or {}).get("conditions") or []:
        if item["type"] == "LiveMigratable" and item["status"] == "False":
            text = f"Cannot migrate VMI, Reason: {item.get('reason')}, Message: {item.get('message')}"
            return Denied(text, code=400, reason="")
    for other in await review.kube.list(MIGRATION, review.namespace):
        phase = (other.get("status") or {}).get("phase")
        if other["spec"].get("vmiName") == name and phase not in ("Succeeded", "Failed"):
            uid = other["metadata"]["uid"]
            text = f"in-flight migration detected. Active migration job ({uid}) is currently already in progress for VMI {name}."
            return Denied(text, code=400, reason="")
    return None
