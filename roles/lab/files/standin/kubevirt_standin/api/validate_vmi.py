"""Validation of VMIs of their own, and of changes to any."""

from __future__ import annotations

from ..resources import Object
from .review import Denied, Review, deny
from .spec_rules import spec_causes

RESERVED = (
    "kubevirt.io/created-by",
    "kubevirt.io/migrationJobUID",
    "kubevirt.io/nodeName",
    "kubevirt.io/migrationTargetNodeName",
    "kubevirt.io/schedulable",
    "kubevirt.io/install-strategy",
)


async def review_vmi_create(review: Review) -> Denied | None:
    """The rules of a VMI's spec, and labels that are KubeVirt's own."""
    spec = review.obj["spec"]
    causes: list[Object] = []
    labels = review.obj["metadata"].get("labels") or {}
    if not review.own and any(name in RESERVED for name in labels):
        text = "creation of the following reserved kubevirt.io/ labels on a VMI object is prohibited"
        return deny([{"reason": "FieldValueNotSupported", "message": text, "field": "metadata.labels"}])
    causes += spec_causes(spec, "spec")
    if not review.own:
        causes += _memory(spec)
    return deny(causes) if causes else None


def _memory(spec: Object) -> list[Object]:
    domain = spec["domain"]
    memory, wanted = domain.get("memory") or {}, domain.get("resources") or {}
    if memory.get("guest") or (memory.get("hugepages") or {}).get("pageSize"):
        return []
    if "memory" in (wanted.get("requests") or {}) or "memory" in (wanted.get("limits") or {}):
        return []
    text = (
        "no memory requested, at least one of 'spec.domain.memory.guest', 'spec.domain.memory.hugepages.pageSize' "
        "or 'spec.domain.resources.requests.memory' must be set"
    )
    return [{"reason": "FieldValueRequired", "message": text}]


async def review_vmi_update(review: Review) -> Denied | None:
    """Only KubeVirt itself changes a VMI's spec or its own labels on it."""
    if review.own:
        return None
    if review.obj.get("spec") != review.old.get("spec"):
        return deny([{"reason": "FieldValueNotSupported", "message": "update of VMI object is restricted"}])
    before = review.old["metadata"].get("labels") or {}
    after = review.obj["metadata"].get("labels") or {}
    if any(before.get(name) != after.get(name) for name in RESERVED):
        text = "modification of the following reserved kubevirt.io/ labels on a VMI object is prohibited"
        return deny([{"reason": "FieldValueNotSupported", "message": text}])
    return None
