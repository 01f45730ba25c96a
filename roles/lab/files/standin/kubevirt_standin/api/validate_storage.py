"""Validation of snapshots, restores, clones and exports."""

from __future__ import annotations

import json

from ..resources import RESTORE, SNAPSHOT, VM, Object
from .causes import cause
from .review import Denied, Review, deny

PATCHABLE = ('"/metadata/labels/', '"/metadata/annotations/', '"/spec/')
EXPORT_GROUPS = {"PersistentVolumeClaim": ("", None), SNAPSHOT.kind: (SNAPSHOT.group,), VM.kind: (VM.group,)}


async def review_storage(review: Review) -> Denied | None:
    """The rules of one of these kinds; a spec is never changed."""
    kind = review.obj.get("kind", "")
    if review.operation == "UPDATE":
        if kind != "VirtualMachineClone" and review.old.get("spec") != review.obj.get("spec"):
            return deny([cause("Invalid", "spec in immutable after creation", "spec")])
        return None
    spec = review.obj["spec"]
    if kind == "VirtualMachineSnapshot":
        causes = _reference(spec.get("source") or {}, "spec.source")
    elif kind == "VirtualMachineRestore":
        causes = _reference(spec.get("target") or {}, "spec.target") or await _restore(review, spec)
    elif kind == "VirtualMachineClone":
        causes = _clone(spec)
    else:
        causes = _export(spec.get("source") or {})
    return deny(causes) if causes else None


def _reference(found: Object, field: str) -> list[Object]:
    if not found.get("apiGroup"):
        return [cause("NotFound", "missing apiGroup", f"{field}.apiGroup")]
    if found["apiGroup"] != VM.group:
        return [cause("Invalid", "invalid apiGroup", f"{field}.apiGroup")]
    return [] if found.get("kind") == VM.kind else [cause("Invalid", "invalid kind", f"{field}.kind")]


async def _restore(review: Review, spec: Object) -> list[Object]:
    causes = [found for text in spec.get("patches") or [] for found in patch_causes(text)]
    for index, override in enumerate(spec.get("volumeRestoreOverrides") or []):
        field = f"spec.volumeRestoreOverrides[{index}]"
        if not override.get("volumeName"):
            causes.append(cause("Required", "must provide a volume name", f"{field}.volumeName"))
        if not any(override.get(name) for name in ("restoreName", "labels", "annotations")):
            causes.append(cause("Required", "must provide at least one overriden field", field))
    for other in await review.kube.list(RESTORE, review.namespace):
        same = other["spec"].get("target") == spec.get("target")
        if same and not (other.get("status") or {}).get("complete"):
            text = f'VirtualMachineRestore "{other["metadata"]["name"]}" in progress'
            causes.append(cause("Invalid", text, "spec.target"))
    return causes


def patch_causes(text: str) -> list[Object]:
    """A patch is not read as JSON: it is cut at its commas, and each piece must hold one colon."""
    causes = []
    for piece in text.strip("{}").split(","):
        parts = piece.split(":")
        if len(parts) != 2:
            words = f'patch format is not valid - one ":" expected in a single key-value json patch: {piece}'
            causes.append(cause("Invalid", words, "spec.patches"))
        elif parts[0].strip() == '"path"' and not parts[1].strip().startswith(PATCHABLE):
            words = f"patching is valid only for elements under /spec/ only: {piece}"
            causes.append(cause("Invalid", words, "spec.patches"))
    return causes


def _clone(spec: Object) -> list[Object]:
    source, target = spec.get("source") or {}, spec.get("target") or {}
    causes = []
    if source.get("kind") not in (VM.kind, SNAPSHOT.kind):
        causes.append(cause("Invalid", "Source kind is not supported", "spec.Source.Kind"))
    if not source.get("apiGroup"):
        causes.append(cause("Invalid", "Source's APIGroup cannot be empty", "spec.Source.APIGroup"))
    if source.get("kind") == VM.kind and target.get("name") == source.get("name"):
        text = "Target name cannot be equal to source name when both are VirtualMachines"
        causes.append(cause("Invalid", text, "spec.target.name"))
    template = spec.get("template") or {}
    for field, filters in (
        ("spec.annotations", spec.get("annotationFilters")),
        ("spec.labels", spec.get("labelFilters")),
        ("spec.template.annotations", template.get("annotationFilters")),
        ("spec.template.labels", template.get("labelFilters")),
    ):
        causes += [found for text in filters or [] for found in _filter(text, field)]
    for index, text in enumerate(spec.get("patches") or []):
        try:
            json.loads(text)
        except ValueError:
            causes.append(cause("Invalid", f"patch is not valid JSON ({text})", f"spec.patches[{index}]"))
    return causes


def _filter(text: str, field: str) -> list[Object]:
    causes = []
    if text == "!":
        causes.append(cause("Invalid", "a negation character is not a valid filter", field))
    elif "!" in text[1:]:
        causes.append(cause("Invalid", f"{field} filter {text} is invalid: cannot contain a negation character", field))
    elif "*" in text[:-1]:
        causes.append(cause("Invalid", f"{field} filter {text} is invalid: cannot contain a wildcard character", field))
    return causes


def _export(source: Object) -> list[Object]:
    allowed = EXPORT_GROUPS.get(source.get("kind") or "")
    if allowed is None:
        return [cause("Invalid", "invalid kind", "spec.source.kind")]
    if source.get("apiGroup") not in allowed:
        return [cause("Invalid", f"{source['kind']} API group is not valid", "spec.source.APIGroup")]
    return (
        [] if source.get("name") else [cause("Invalid", f"{source['kind']} name must not be empty", "spec.source.name")]
    )
