"""Validation of VirtualMachines."""

from __future__ import annotations

from ..resources import Object
from .review import Denied, Review, deny
from .spec_rules import spec_causes

STRATEGIES = ("Always", "Halted", "Manual", "RerunOnFailure", "Once", "WaitAsReceiver")


async def review_vm(review: Review) -> Denied | None:
    """The rules of a VM's spec."""
    if review.obj["metadata"].get("deletionTimestamp"):
        return None
    spec = review.obj["spec"]
    causes = _strategy(spec) + spec_causes(spec["template"]["spec"], "spec.template.spec")
    if "running" in spec:
        review.warnings.append("spec.running is deprecated, please use spec.runStrategy instead.")
    return deny(causes) if causes else None


def _strategy(spec: Object) -> list[Object]:
    if spec.get("running") is not None and spec.get("runStrategy") is not None:
        text = "Running and RunStrategy are mutually exclusive. Note that Running is deprecated, please use RunStrategy instead"
        return [{"reason": "FieldValueInvalid", "message": text, "field": "spec.running"}]
    if spec.get("running") is None and spec.get("runStrategy") is None:
        return [{"reason": "FieldValueInvalid", "message": "RunStrategy must be specified", "field": "spec.running"}]
    strategy = spec.get("runStrategy")
    if strategy is not None and strategy not in STRATEGIES:
        return [{"reason": "FieldValueInvalid", "message": f"Invalid RunStrategy ({strategy})", "field": "spec.runStrategy"}]
    return []
