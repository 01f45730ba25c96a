"""Validation of the smaller kinds."""

from __future__ import annotations

from ..resources import KUBEVIRT, Object
from .causes import cause
from .review import Denied, Review, deny
from .validate_storage import review_storage

WITHOUT_CONTROLLER = (
    "MigrationPolicy",
    "Plugin",
    "VirtualMachineBackupTracker",
    "VirtualMachineExport",
    "VirtualMachineInstancePreset",
    "VirtualMachineInstanceReplicaSet",
    "VirtualMachinePool",
)
STORAGE = ("VirtualMachineSnapshot", "VirtualMachineRestore", "VirtualMachineClone", "VirtualMachineExport")


def _not_served(what: str) -> Denied:
    """What nothing here would act on is refused, never taken in silence."""
    return Denied(f"the KubeVirt stand-in does not serve {what}", code=501, reason="NotImplemented")


async def review_other(review: Review) -> Denied | None:
    """The rules of replica sets, pools, what KubeVirt does with storage, and backups."""
    kind = review.obj.get("kind", "")
    served = review.exports and kind == "VirtualMachineExport"
    if review.operation == "CREATE" and not review.dry_run and kind in WITHOUT_CONTROLLER and not served:
        return _not_served(f"{kind} objects")
    if kind in STORAGE:
        return await review_storage(review)
    rule = {
        "VirtualMachineInstanceReplicaSet": _replica_set,
        "VirtualMachinePool": _pool,
        "VirtualMachineBackup": _backup,
    }.get(kind)
    return rule(review.obj) if rule is not None else None


def _selector(selector: Object, labels: Object) -> Denied | None:
    if (selector.get("matchLabels") or {}).items() <= (labels or {}).items():
        return None
    return deny([cause("Invalid", "selector does not match labels.", "spec.selector")])


def _replica_set(obj: Object) -> Denied | None:
    spec = obj["spec"]
    return _selector(
        spec.get("selector") or {}, ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    )


def _pool(obj: Object) -> Denied | None:
    spec = obj["spec"]
    template = spec.get("virtualMachineTemplate") or {}
    return _selector(spec.get("selector") or {}, (template.get("metadata") or {}).get("labels") or {})


def _backup(obj: Object) -> Denied | None:
    return Denied("IncrementalBackup feature gate not enabled", code=400, reason="")


async def review_kubevirt(review: Review) -> Denied | None:
    """One KubeVirt CR only, and a replica count that makes sense."""
    if review.operation == "CREATE":
        others = await review.kube.list(KUBEVIRT)
        return Denied("Kubevirt is already created", code=400, reason="") if others else None
    if review.operation == "DELETE":
        return None
    replicas = ((review.obj.get("spec") or {}).get("infra") or {}).get("replicas")
    if replicas is None:
        return None
    if replicas < 0:
        text = f"json: cannot unmarshal number {replicas} into Go struct field ComponentConfig.spec.infra.replicas of type uint8"
        return Denied(text, code=400, reason="")
    if replicas == 0:
        return deny([{"reason": "FieldValueInvalid", "message": "infra replica count can't be 0"}])
    return None
