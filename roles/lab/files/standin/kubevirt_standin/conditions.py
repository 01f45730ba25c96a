"""Conditions and phases in the shapes that KubeVirt writes."""

from __future__ import annotations

from typing import Any

from .recorder import now
from .resources import Object, deleting

FINAL_PHASES = ("Succeeded", "Failed")
UNSET_TIME: Any = None


def condition(obj: Object, kind: str) -> Object | None:
    """The condition of that type."""
    for item in (obj.get("status") or {}).get("conditions") or []:
        if item["type"] == kind:
            return dict(item)
    return None


def has(obj: Object, kind: str, status: str = "True") -> bool:
    """Whether the condition has the status."""
    found = condition(obj, kind)
    return found is not None and found["status"] == status


def put(status: Object, kind: str, value: str, reason: str = "", message: str = "", probed: bool = False) -> None:
    """Set a condition in a status; its time moves only when it changes."""
    items: list[Object] = status.setdefault("conditions", [])
    fresh: Object = {"type": kind, "status": value, "lastProbeTime": now() if probed else UNSET_TIME}
    if reason:
        fresh["reason"] = reason
    if message:
        fresh["message"] = message
    for index, item in enumerate(items):
        if item["type"] == kind:
            same = all(item.get(field) == fresh.get(field) for field in ("status", "reason", "message"))
            if not same:
                moved = item["status"] != value
                items[index] = fresh | {"lastTransitionTime": now() if moved else item.get("lastTransitionTime")}
            return
    items.append(fresh | {"lastTransitionTime": now()})


def drop(status: Object, kind: str) -> None:
    """Remove a condition from a status."""
    if status.get("conditions"):
        status["conditions"] = [item for item in status["conditions"] if item["type"] != kind]


def phase(vmi: Object) -> str:
    """The VMI's phase, empty before it has one."""
    return str((vmi.get("status") or {}).get("phase") or "")


def final(vmi: Object) -> bool:
    """Whether the guest has ended."""
    return phase(vmi) in FINAL_PHASES


def running(vmi: Object) -> bool:
    return phase(vmi) == "Running"


def was_running(vmi: Object) -> bool:
    """Whether the guest ever ran."""
    passed = (vmi.get("status") or {}).get("phaseTransitionTimestamps") or []
    return any(item["phase"] == "Running" for item in passed)


def enter_phase(status: Object, value: str) -> None:
    """Set the phase and note when."""
    if status.get("phase") == value:
        return
    status["phase"] = value
    passed: list[Object] = status.setdefault("phaseTransitionTimestamps", [])
    passed.append({"phase": value, "phaseTransitionTimestamp": now()})


def migrating(vmi: Object) -> bool:
    """Whether a live migration of the VMI moves memory now."""
    state = (vmi.get("status") or {}).get("migrationState") or {}
    return bool(state.get("startTimestamp")) and not state.get("completed") and not state.get("failed")


def pod_ready(pod: Object) -> bool:
    """Whether every container of the pod is ready."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return bool(statuses) and all(item.get("ready") for item in statuses)


def pod_up(pod: Object) -> bool:
    return bool((pod.get("status") or {}).get("phase") == "Running" and pod_ready(pod) and not deleting(pod))


def pod_done(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in FINAL_PHASES
