"""The status of a DataVolume, from the annotations of its claim; pure."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from ..recorder import now
from ..resources import Object
from . import (
    FATAL,
    IMMEDIATE,
    POD_PHASE,
    POD_READY,
    POD_RESTARTS,
    PROGRESS,
    RUNNING,
    SELECTED_NODE,
    annotations_of,
    populated_elsewhere,
    source_of,
)

DONE = "100.0%"


@dataclass(frozen=True)
class Facts:
    """What a status is made of. waits: whether the claim's class binds with the first consumer."""

    dv: Object
    pvc: Object | None
    waits: bool = False
    populates: bool = False
    refusal: tuple[str, str] = ("", "")


def render(facts: Facts) -> Object:
    """The status that the DataVolume should have."""
    status: Object = copy.deepcopy(facts.dv.get("status") or {})
    pvc = facts.pvc
    if facts.refusal[0]:
        _conditions(status, None, *facts.refusal)
        return status
    if pvc is None:
        status["phase"] = status.get("phase") or "Pending"
    elif not pvc["metadata"].get("deletionTimestamp"):
        status["claimName"] = pvc["metadata"]["name"]
        status["phase"] = phase(facts) or status.get("phase") or "Pending"
        restarts = int(annotations_of(pvc).get(POD_RESTARTS) or 0)
        if restarts:
            status["restartCount"] = restarts
        status["progress"] = _progress(status, facts)
    _conditions(status, pvc)
    return status


def phase(facts: Facts) -> str:
    """The phase that follows from the claim; empty where it stays what it was."""
    pvc = facts.pvc or {}
    annotations, bound = annotations_of(pvc), (pvc.get("status") or {}).get("phase")
    if bound == "Lost":
        return "Failed"
    if populated_elsewhere(pvc, facts.dv):
        return "Succeeded"
    if annotations.get(POD_PHASE) == "Succeeded":
        return "Succeeded"
    if facts.populates:
        chosen = SELECTED_NODE in annotations or IMMEDIATE in annotations
        return _transfer(facts) if chosen or not facts.waits else "PendingPopulation"
    if bound != "Bound":
        waits = facts.waits and SELECTED_NODE not in annotations and IMMEDIATE not in annotations
        return "WaitForFirstConsumer" if waits else "Pending"
    return _transfer(facts) or "PVCBound"


def _transfer(facts: Facts) -> str:
    """How far the pod is that fills the claim."""
    annotations = annotations_of(facts.pvc or {"metadata": {}})
    kind = source_of(facts.dv)[0]
    verb = {"upload": "Upload", "pvc": "Clone"}.get(kind, "Import")
    pod = annotations.get(POD_PHASE)
    if pod == "Failed" and annotations.get(FATAL) == "true":
        return "Failed"
    if pod == "Running" and verb == "Upload":
        return "UploadReady" if annotations.get(POD_READY) == "true" else "UploadScheduled"
    if pod == "Running":
        return f"{verb}InProgress"
    return f"{verb}Scheduled" if pod is not None else ""


def _progress(status: Object, facts: Facts) -> str:
    if source_of(facts.dv)[0] == "upload":
        return "N/A"
    if status["phase"] == "Succeeded":
        return DONE
    known = str(status.get("progress") or "N/A")
    return annotations_of(facts.pvc or {"metadata": {}}).get(PROGRESS) or known


def _conditions(status: Object, pvc: Object | None, reason: str = "", message: str = "") -> None:
    items: list[Object] = status.setdefault("conditions", [])
    annotations = annotations_of(pvc) if pvc is not None else {}
    _put(items, "Bound", *_bound(pvc, reason, message))
    ready = "True" if status.get("phase") == "Succeeded" else "False"
    running = annotations.get(RUNNING) == "true"
    _put(items, "Ready", ready, "TransferRunning" if running else reason, message)
    told = annotations.get(f"{RUNNING}.reason", ""), annotations.get(f"{RUNNING}.message", "")
    _put(items, "Running", "True" if running else "False", *told)


def _bound(pvc: Object | None, reason: str, message: str) -> tuple[str, str, str]:
    if pvc is None:
        return "False", reason or "NotFound", message or "No PVC found"
    name = pvc["metadata"]["name"]
    found = (pvc.get("status") or {}).get("phase")
    if found == "Bound":
        return "True", "Bound", f"PVC {name} Bound"
    return ("False", "ClaimLost", "Claim Lost") if found == "Lost" else ("False", "Pending", f"PVC {name} Pending")


def _put(items: list[Object], kind: str, value: str, reason: str, message: str) -> None:
    """Sets a condition; its times move only when it changes."""
    fresh: Object = {"type": kind, "status": value}
    fresh |= {key: text for key, text in (("reason", reason), ("message", message)) if text}
    known = next((item for item in items if item["type"] == kind), None)
    if known is None:
        items.append(fresh | {"lastHeartbeatTime": now(), "lastTransitionTime": now()})
        return
    same = all(known.get(field) == fresh.get(field) for field in ("status", "reason", "message"))
    if not same:
        moved = known["lastTransitionTime"] if known["status"] == value else now()
        items[items.index(known)] = fresh | {"lastHeartbeatTime": now(), "lastTransitionTime": moved}
