"""Evictions of launcher pods: a VMI that can move is moved, and the pod's eviction answered 429."""

from __future__ import annotations

from ..conditions import final, has
from ..kube import JSON_PATCH
from ..resources import POD, VMI, Object, controller_of
from .review import Denied, Review

MOVING = ("LiveMigrate", "LiveMigrateIfPossible", "External")


def _wait(message: str) -> Denied:
    return Denied(message, code=429, reason="")


async def review_eviction(review: Review) -> Denied | None:
    """Whether the pod may be evicted now."""
    pod = await review.kube.find(POD, review.namespace, review.name)
    if pod is None or (pod["metadata"].get("labels") or {}).get("kubevirt.io") != "virt-launcher":
        return None
    owner = controller_of(pod)
    if owner is None or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return None
    vmi = await review.kube.find(VMI, review.namespace, owner["name"])
    if vmi is None or vmi["metadata"]["uid"] != owner["uid"] or final(vmi):
        return None
    strategy = vmi["spec"].get("evictionStrategy")
    if strategy not in MOVING:
        return None
    if not has(vmi, "LiveMigratable") and strategy == "LiveMigrate":
        name = vmi["metadata"]["name"]
        return _wait(f"VMI {name} is configured with an eviction strategy but is not live-migratable")
    if not has(vmi, "LiveMigratable") and strategy == "LiveMigrateIfPossible":
        return None
    return await _evacuate(review, vmi, pod["spec"].get("nodeName"))


async def _evacuate(review: Review, vmi: Object, node: str) -> Denied:
    triggered = f'Eviction triggered evacuation of VMI "{review.namespace}/{vmi["metadata"]["name"]}"'
    if (vmi.get("status") or {}).get("evacuationNodeName"):
        return _wait(f"Evacuation in progress: {triggered}")
    if (vmi.get("status") or {}).get("nodeName") != node:
        return _wait("Eviction request for target Pod")
    if not review.dry_run:
        conditions = [item for item in (vmi["status"].get("conditions") or []) if item["type"] != "EvictionRequested"]
        requested = {
            "type": "EvictionRequested",
            "status": "True",
            "reason": "EvictionRequested",
            "message": "VMI has been marked for eviction",
            "lastProbeTime": None,
            "lastTransitionTime": None,
        }
        patch = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": vmi["metadata"]["resourceVersion"]},
            {"op": "add", "path": "/status/evacuationNodeName", "value": node},
            {"op": "add", "path": "/status/conditions", "value": [*conditions, requested]},
        ]
        await review.kube.patch(VMI, review.namespace, vmi["metadata"]["name"], patch, content_type=JSON_PATCH)
    return _wait(triggered)
