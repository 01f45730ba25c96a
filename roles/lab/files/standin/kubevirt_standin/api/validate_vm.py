"""Validation of VirtualMachines."""

from __future__ import annotations

from ..resources import Object
from .causes import cause
from .review import Denied, Review, deny
from .spec_rules import spec_causes
from .validate_vmi import RESERVED

STRATEGIES = ("Always", "Halted", "Manual", "RerunOnFailure", "Once", "WaitAsReceiver")


async def review_vm(review: Review) -> Denied | None:
    """The rules of a VM's spec."""
    if review.obj["metadata"].get("deletionTimestamp"):
        return None
    spec = review.obj["spec"]
    causes = _strategy(spec) + _data_volumes(spec) + _labels(spec["template"])
    causes += spec_causes(spec["template"]["spec"], "spec.template.spec")
    if "running" in spec and not causes:
        review.warnings.append("spec.running is deprecated, please use spec.runStrategy instead.")
    return deny(causes) if causes else None


def _strategy(spec: Object) -> list[Object]:
    running, strategy = spec.get("running"), spec.get("runStrategy")
    if running is not None and strategy is not None:
        text = "Running and RunStrategy are mutually exclusive. Note that Running is deprecated, please use RunStrategy instead"
        return [cause("Invalid", text, "spec.running")]
    if running is None and strategy is None:
        return [cause("Invalid", "RunStrategy must be specified", "spec.running")]
    if strategy is not None and strategy not in STRATEGIES:
        return [cause("Invalid", f"Invalid RunStrategy ({strategy})", "spec.runStrategy")]
    return []


def _labels(template: Object) -> list[Object]:
    labels = (template.get("metadata") or {}).get("labels") or {}
    if any(name in RESERVED for name in labels):
        text = "creation of the following reserved kubevirt.io/ labels on a VMI object is prohibited"
        return [cause("NotSupported", text, "spec.template.metadata.labels")]
    return []


def _data_volumes(spec: Object) -> list[Object]:
    found = []
    volumes = spec["template"]["spec"].get("volumes") or []
    used = {(volume.get("dataVolume") or {}).get("name") for volume in volumes}
    used |= {(volume.get("persistentVolumeClaim") or {}).get("claimName") for volume in volumes}
    for index, template in enumerate(spec.get("dataVolumeTemplates") or []):
        field = f"spec.dataVolumeTemplate[{index}]"
        name = (template.get("metadata") or {}).get("name")
        if not name:
            text = f"'name' field must not be empty for DataVolumeTemplate entry {field}.name."
            found.append(cause("Required", text, f"{field}.name"))
        elif name not in used:
            text = f"DataVolumeTemplate entry {field} must be referenced in the VMI template's 'volumes' list"
            found.append(cause("Required", text, field))
    return found
