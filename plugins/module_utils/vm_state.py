# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what a VirtualMachine's status says.

`status.ready` and `status.created` are left out where they are false, a new machine has no status at all, and
`printableStatus` says Stopped before a machine first starts and while its last instance still ends; so none of the
three is enough alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions, vmi_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import is_deleting
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.verdict import DONE, Verdict

Object = Mapping[str, Any]

_ENDING = frozenset({"Stopping", "Terminating"})
_FINAL = {
    "ErrorUnschedulable": "Free capacity, or change the machine's CPU, memory, node selector or affinity",
    "ErrImagePull": "Check the image's name, its registry and the pull secret",
    "ImagePullBackOff": "Check the image's name, its registry and the pull secret",
    "ErrorPvcNotFound": "Create the PersistentVolumeClaim or DataVolume, or correct its name",
    "DataVolumeError": "Look at the DataVolume's conditions and at its importer pod's log",
    "CrashLoopBackOff": "Look at the virt-launcher pod's log and the instance's events",
}
# Trouble of the API server that the controller met, not of the machine: it tries again by itself.
_PASSING = ("failed calling webhook", "etcdserver", "connection refused", "the server is currently unable")
_CONTROLLER_RETRIES = 60.0
# KubeVirt starts a machine again 10, 40, 90 s and so on, or up to half as much more, after each start that failed: one alone,
# by a node that was lost, says nothing of the machine.
_STARTS = 3
_FIX_FAILURE = "Correct the machine's spec, then run again"


def status(vm: Object) -> Object:
    """The status, an empty one where there is none yet."""
    return vm.get("status") or {}


def is_created(vm: Object) -> bool:
    """Whether the machine has an instance."""
    return bool(status(vm).get("created"))


def is_ready(vm: Object) -> bool:
    """Whether the machine's instance is ready and is not about to end."""
    return bool(status(vm).get("ready")) and status(vm).get("printableStatus") not in _ENDING


def is_settled(vm: Object) -> bool:
    """Whether the controller has taken note of the newest spec: `desiredGeneration` is what it has seen of the machine,
    written together with the conditions; `observedGeneration` what its instance has got, which lags where a restart is
    required. Old versions have the latter alone."""
    found, latest = status(vm), vm["metadata"].get("generation")
    if latest is None:
        return False
    if found.get("desiredGeneration") is not None:
        return bool(found["desiredGeneration"] >= latest)
    seen = found.get("observedGeneration")
    return conditions.holds(vm, "RestartRequired") or (seen is not None and bool(seen >= latest))


def run_strategy(vm: Object) -> str:
    """The run strategy; `running` of an old object in today's words."""
    spec = vm.get("spec") or {}
    if spec.get("runStrategy"):
        return str(spec["runStrategy"])
    return "Always" if spec.get("running") else "Halted"


def _is_started_again(vm: Object) -> bool:
    """Whether KubeVirt starts it again after a start that failed; under another run strategy it does not."""
    return run_strategy(vm) in ("Always", "RerunOnFailure")


def describe(vm: Object) -> str:
    """The status in one line, with the reason where there is one."""
    found = status(vm)
    parts = [str(found.get("printableStatus") or "has no status yet")]
    for kind, bad in (("Failure", "True"), ("PodScheduled", "False"), ("Synchronized", "False")):
        one = conditions.find(vm, kind)
        if one.get("status") == bad:
            parts.append(conditions.describe(one))
    starts = found.get("startFailure") or {}
    if starts.get("consecutiveFailCount"):
        parts.append(f"starts that failed one after another: {starts['consecutiveFailCount']}")
        if _is_started_again(vm) and starts.get("retryAfterTimestamp"):
            parts[-1] += f", next one at {starts['retryAfterTimestamp']}"
    return "; ".join(part for part in parts if part)


def ready(vm: Object | None, *, unschedulable_grace: float = 60.0) -> Verdict:
    """Whether the machine runs and is ready. A paused one is taken as reached: someone wanted it so."""
    if vm is None:
        return Verdict(failed=True, why="it was deleted in the meantime")
    if is_deleting(vm):
        return Verdict(failed=True, why="it is being deleted", fix="Wait until it is gone, then run again")
    printable = str(status(vm).get("printableStatus") or "")
    if is_ready(vm) or printable == "Paused":
        return DONE
    if conditions.holds(vm, "Failure"):
        passing = any(sign in str(conditions.find(vm, "Failure").get("message")) for sign in _PASSING)
        grace = _CONTROLLER_RETRIES if passing else 0.0
        return Verdict(failed=True, why=describe(vm), fix=_FIX_FAILURE, grace=grace)
    starts = (status(vm).get("startFailure") or {}).get("consecutiveFailCount", _STARTS)
    if printable == "CrashLoopBackOff" and _is_started_again(vm) and starts < _STARTS:
        return Verdict(why=describe(vm), fix=_FINAL[printable])
    if printable in _FINAL:
        grace = unschedulable_grace if printable == "ErrorUnschedulable" else 0.0
        return Verdict(failed=True, why=describe(vm), fix=_FINAL[printable], grace=grace)
    if conditions.fails(vm, "Synchronized"):
        return Verdict(failed=True, why=describe(vm), fix=vmi_state.FIX_SYNC, grace=unschedulable_grace)
    return Verdict(why=describe(vm))


def stopped(vm: Object | None) -> Verdict:
    """Whether the machine has no instance any more."""
    if vm is None:
        return Verdict(failed=True, why="it was deleted in the meantime")
    return Verdict(why=describe(vm)) if is_created(vm) else DONE


def wanted(vm: Object | None, *, started: bool, unschedulable_grace: float) -> Verdict:
    """Whether the machine is in the state that its run strategy stands for.

    started: whether this run created it or set its run strategy. If not, a machine that somebody stopped, or whose
    guest ended, is where it should be under Manual, Once and RerunOnFailure.
    """
    if vm is None:
        return Verdict(failed=True, why="it was deleted in the meantime")
    strategy = run_strategy(vm)
    if strategy == "Halted":
        return stopped(vm)
    if strategy == "Manual" and not is_created(vm):
        return DONE
    rests = strategy != "Always" and not started and status(vm).get("printableStatus") == "Stopped"
    return DONE if rests else ready(vm, unschedulable_grace=unschedulable_grace)
