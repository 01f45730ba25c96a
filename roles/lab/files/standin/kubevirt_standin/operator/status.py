"""The status of the KubeVirt CR; pure."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

from .. import VERSION
from ..conditions import final
from ..recorder import now
from ..resources import Object

FINALIZER = "kubevirt.io/foregroundDeleteKubeVirt"
OBSERVED = {"kubevirt.io/latest-observed-api-version": "v1", "kubevirt.io/storage-observed-api-version": "v1"}


@dataclass(frozen=True)
class Seen:
    """What the operator found: `generation` is the one it has applied, `outdated` counts VMIs of older launchers."""

    phase: str
    ready: bool
    generation: int
    registry: str
    outdated: int = 0
    problem: str = ""


def outdated(vmis: Iterable[Object], image: str) -> list[Object]:
    """The VMIs whose launcher is of another image."""
    found = []
    for vmi in vmis:
        used = (vmi.get("status") or {}).get("launcherContainerImageVersion")
        if used and used != image and not final(vmi):
            found.append(vmi)
    return found


def status_of(before: Object, seen: Seen) -> Object:
    """The status as it should be."""
    status: Object = copy.deepcopy(before)
    status |= {
        "phase": seen.phase,
        "operatorVersion": VERSION,
        "targetKubeVirtVersion": VERSION,
        "targetKubeVirtRegistry": seen.registry,
        "defaultArchitecture": "amd64",
        "outdatedVirtualMachineInstanceWorkloads": seen.outdated,
    }
    if seen.ready:
        status |= {
            "observedKubeVirtVersion": VERSION,
            "observedKubeVirtRegistry": seen.registry,
            "observedGeneration": seen.generation,
        }
    _conditions(status, seen.ready, bool(seen.generation), seen.problem)
    return status


def _conditions(status: Object, ready: bool, created: bool, problem: str) -> None:
    reason, message = (
        ("AllComponentsReady", "All components are ready.")
        if ready
        else ("DeploymentInProgress", "Deploying version " + VERSION)
    )
    degraded = "False"
    if problem:
        reason, message, degraded = "DeploymentFailed", problem, "True"
    wanted = [
        ("Available", "True" if ready else "False", reason, message),
        ("Progressing", "False" if ready or problem else "True", reason, message),
        ("Degraded", degraded, reason, message),
    ]
    if created and not problem:
        wanted.append(("Created", "True", "AllResourcesCreated", "All resources were created."))
    known = {item["type"]: item for item in status.get("conditions") or []}
    for kind, value, why, text in wanted:
        old = known.get(kind)
        if old is None or (old["status"], old["reason"], old["message"]) != (value, why, text):
            moved = now() if old is None or old["status"] != value else old.get("lastTransitionTime")
            known[kind] = {
                "type": kind,
                "status": value,
                "reason": why,
                "message": text,
                "lastProbeTime": now(),
                "lastTransitionTime": moved,
            }
    status["conditions"] = list(known.values())
