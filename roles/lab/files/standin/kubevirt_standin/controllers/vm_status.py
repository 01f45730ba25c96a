"""The status of a VirtualMachine, from the VM, its VMI and its pods; pure."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..conditions import condition, drop, final, has, migrating, phase, put, was_running
from ..resources import Object, deleting

OWN_CONDITIONS = ("Ready", "Failure", "RestartRequired", "Initialized")
MAX_BACKOFF = 300


@dataclass(frozen=True)
class Facts:
    """What a status is made of."""

    vm: Object
    vmi: Object | None
    strategy: str
    failure: tuple[str, str] | None
    restart_required: str
    missing_pvc: str | None
    # The volumes whose storage can snapshot them.
    snapshottable: frozenset[str] = frozenset()
    # DataVolumeError, Provisioning or WaitingForVolumeBinding
    volumes: str = ""


def seconds_until(stamp: str) -> float:
    """Seconds from now until a time as Kubernetes writes it."""
    when = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return (when - datetime.now(UTC)).total_seconds()


def render(facts: Facts) -> Object:
    """The status that the VM should have."""
    status: Object = copy.deepcopy(facts.vm.get("status") or {})
    _flags(status, facts)
    _trim_requests(status, facts)
    _trim_volume_requests(status, facts)
    _start_failure(status, facts)
    _conditions(status, facts)
    _snapshots(status, facts)
    status["printableStatus"] = printable(facts, status)
    if facts.strategy:
        _strategy(status, facts)
    return status


def _strategy(status: Object, facts: Facts) -> None:
    """What the spec was handled with last; a stopped VM that never started shows none."""
    if facts.vmi is not None or status.get("runStrategy"):
        status["runStrategy"] = facts.strategy


def _flags(status: Object, facts: Facts) -> None:
    for name, value in (
        ("created", facts.vmi is not None),
        ("ready", facts.vmi is not None and has(facts.vmi, "Ready")),
    ):
        if value:
            status[name] = True
        else:
            status.pop(name, None)
    if facts.vmi is None:
        return
    annotations = facts.vmi["metadata"].get("annotations") or {}
    if annotations.get("kubevirt.io/vm-generation"):
        status["observedGeneration"] = int(annotations["kubevirt.io/vm-generation"])
    status["desiredGeneration"] = facts.vm["metadata"]["generation"]


def _trim_requests(status: Object, facts: Facts) -> None:
    """Drop the oldest request once it has been met."""
    pending = status.get("stateChangeRequests") or []
    while pending:
        first = pending[0]
        uid = facts.vmi["metadata"]["uid"] if facts.vmi is not None else ""
        met = uid != first.get("uid") if first["action"] == "Stop" else facts.vmi is not None and not final(facts.vmi)
        if not met:
            break
        pending = pending[1:]
    if pending:
        status["stateChangeRequests"] = pending
    else:
        status.pop("stateChangeRequests", None)


def _trim_volume_requests(status: Object, facts: Facts) -> None:
    """Drop the requests that the template meets."""
    names = {volume["name"] for volume in facts.vm["spec"]["template"]["spec"].get("volumes") or []}
    left = [
        request
        for request in status.pop("volumeRequests", None) or []
        if ((request.get("addVolumeOptions") or request.get("removeVolumeOptions"))["name"] in names)
        != ("addVolumeOptions" in request)
    ]
    if left:
        status["volumeRequests"] = left


def _start_failure(status: Object, facts: Facts) -> None:
    """Count VMIs that failed before they ever ran."""
    vmi = facts.vmi
    if facts.strategy not in ("Always", "RerunOnFailure", "Once") or (vmi is not None and was_running(vmi)):
        status.pop("startFailure", None)
        return
    if vmi is None or phase(vmi) != "Failed":
        return
    known = status.get("startFailure") or {}
    if known.get("lastFailedVMIUID") == vmi["metadata"]["uid"]:
        return
    count = int(known.get("consecutiveFailCount") or 0) + 1
    retry = datetime.now(UTC) + timedelta(seconds=min(10 * count * count, MAX_BACKOFF))
    status["startFailure"] = {
        "consecutiveFailCount": count,
        "lastFailedVMIUID": vmi["metadata"]["uid"],
        "retryAfterTimestamp": retry.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _conditions(status: Object, facts: Facts) -> None:
    vmi = facts.vmi
    if vmi is None:
        put(status, "Ready", "False", "VMINotExists", "VMI does not exist", probed=True)
    else:
        ready = condition(vmi, "Ready")
        if ready is None:
            put(status, "Ready", "False", "VMIConditionMissing", "VMI is missing the Ready condition", probed=True)
        else:
            put(status, "Ready", ready["status"], ready.get("reason", ""), ready.get("message", ""))
        _copy_conditions(status, vmi)
    if facts.failure:
        put(status, "Failure", "True", facts.failure[0], facts.failure[1], probed=True)
    else:
        drop(status, "Failure")
    if facts.restart_required:
        put(status, "RestartRequired", "True", message=facts.restart_required)
    else:
        drop(status, "RestartRequired")


def _copy_conditions(status: Object, vmi: Object) -> None:
    """Take over the VMI's conditions, and drop those that it has no more."""
    theirs = {item["type"]: item for item in (vmi.get("status") or {}).get("conditions") or []}
    for kind, item in theirs.items():
        if kind not in OWN_CONDITIONS:
            others = [own for own in status["conditions"] if own["type"] != kind]
            at = next((i for i, own in enumerate(status["conditions"]) if own["type"] == kind), len(others))
            status["conditions"] = [*others[:at], dict(item), *others[at:]]
    status["conditions"] = [
        own for own in status["conditions"] if own["type"] in OWN_CONDITIONS or own["type"] in theirs
    ]


def _snapshots(status: Object, facts: Facts) -> None:
    """Which volumes can be snapshotted, and why the others cannot."""
    volumes = facts.vm["spec"]["template"]["spec"].get("volumes") or []
    status["volumeSnapshotStatuses"] = [
        {"name": volume["name"], "enabled": True} if volume["name"] in facts.snapshottable else _snapshot_status(volume)
        for volume in volumes
    ]
    if not volumes:
        del status["volumeSnapshotStatuses"]


def _snapshot_status(volume: Object) -> Object:
    name = volume["name"]
    claimed = "persistentVolumeClaim" in volume or "dataVolume" in volume
    reason = (
        f"No VolumeSnapshotClass: Volume snapshots are not configured for this StorageClass [] [{name}]"
        if claimed
        else f"Snapshot is not supported for this volumeSource type [{name}]"
    )
    return {"name": name, "enabled": False, "reason": reason}


def printable(facts: Facts, status: Object) -> str:
    """The one word that `kubectl get` shows; the first that holds."""
    vmi = facts.vmi
    if deleting(facts.vm):
        return "Terminating"
    if vmi is None or final(vmi):
        return _not_there(facts, status)
    if deleting(vmi):
        return "Stopping"
    if migrating(vmi):
        return "Migrating"
    if has(vmi, "Paused"):
        return "Paused"
    if phase(vmi) == "Running":
        return "Running"
    if facts.missing_pvc:
        return "ErrorPvcNotFound"
    return _starting(facts)


def _not_there(facts: Facts, status: Object) -> str:
    """Without an instance, or with one that has ended."""
    if facts.volumes in ("DataVolumeError", "Provisioning"):
        return facts.volumes
    failure = status.get("startFailure")
    if facts.vmi is None:
        waiting = failure and seconds_until(failure["retryAfterTimestamp"]) > 0
        return "CrashLoopBackOff" if waiting and facts.strategy != "Halted" else "Stopped"
    if _unschedulable(facts.vmi):
        return "ErrorUnschedulable"
    return "CrashLoopBackOff" if failure and facts.strategy != "Halted" else "Stopped"


def _unschedulable(vmi: Object) -> bool:
    scheduled = condition(vmi, "PodScheduled") or {}
    return scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable"


def _starting(facts: Facts) -> str:
    vmi = facts.vmi or {}
    if facts.volumes == "DataVolumeError":
        return facts.volumes
    if _unschedulable(vmi):
        return "ErrorUnschedulable"
    if facts.volumes:
        return facts.volumes
    synced = condition(vmi, "Synchronized") or {}
    return str(synced["reason"]) if synced.get("reason") in ("ErrImagePull", "ImagePullBackOff") else "Starting"
