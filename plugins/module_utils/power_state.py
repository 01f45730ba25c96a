# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: which call brings a machine into a power state, and when it has got there.

Decided on the machine and its instance together, for a machine's status alone does not tell: `printableStatus` says
Stopped while the last instance still ends, and the run strategies RerunOnFailure and Manual do not say whether somebody
stopped the machine. What KubeVirt refuses was read in the handlers of its version 1.9.0 and recorded from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, Optional, Union

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions, vm_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    VM,
    VM_ACTION,
    VMI_ACTION,
    Resource,
    is_deleting,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.verdict import DONE, Verdict

Object = Mapping[str, Any]
Options = Mapping[str, Any]

STATES = ["started", "stopped", "restarted", "paused", "unpaused", "soft_rebooted", "reset"]


@dataclass(frozen=True)
class Call:
    """A PUT of a subresource. `dry`: whether the server can be asked what it would do."""

    resource: Resource
    verb: str
    body: dict[str, Any] = field(default_factory=dict)
    dry: bool = False

    @property
    def may_repeat(self) -> bool:
        """Whether it does no harm to carry it out twice."""
        return self.verb not in ("restart", "softreboot", "reset")

    @property
    def shows(self) -> bool:
        """Whether machine and instance show that it was carried out."""
        return self.verb not in ("softreboot", "reset")


@dataclass(frozen=True)
class Later:
    """Nothing can be sent yet: the machine is on its way, and has to arrive first; `then` is what will be sent."""

    why: str
    then: Call | None = None


# None: the machine is there, or gets there by itself.
Decision = Optional[Union[Call, Later]]


def decide(options: Options, vm: Object | None, vmi: Object | None) -> Decision:
    """What is to be sent for `state` of the options; Refused where the machine cannot get there."""
    where = VM.describe(str(options["namespace"]), str(options["name"]))
    if vm is None:
        raise Refused("does not exist", where=where, fix="Create it with the module vm first, or correct its name")
    if is_deleting(vm):
        raise Refused("is being deleted", where=where, fix="Take it out of the list")
    return _DECISIONS[str(options["state"])](_Machine(where, options, vm, vmi))


def is_under_way(sent: Call | None, decision: Decision, vmi: Object | None, old_uid: str) -> bool:
    """Whether a restart whose answer was lost is carried out: its instance is about to go, or another one is there.

    old_uid: of the instance that it was to end.
    """
    if sent is None or sent.verb != "restart":
        return False
    return isinstance(decision, Later) or vmi is None or vmi["metadata"].get("uid") != old_uid


def describe(vmi: Object | None) -> str:
    """The power state that an instance stands for, in one word."""
    if vmi is None or ((vmi.get("status") or {}).get("phase")) in conditions.FINAL_PHASES:
        return "stopped"
    if is_deleting(vmi):
        return "stopping"
    return "paused" if conditions.holds(vmi, "Paused") else "started"


@dataclass(frozen=True)
class _Machine:
    """A machine, its instance, and what is wanted of it."""

    where: str
    options: Options
    vm: Object
    vmi: Object | None

    @property
    def strategy(self) -> str:
        return vm_state.run_strategy(self.vm)

    @property
    def phase(self) -> str:
        return str(((self.vmi or {}).get("status") or {}).get("phase") or "")

    @property
    def is_final(self) -> bool:
        return self.phase in conditions.FINAL_PHASES

    @property
    def is_ending(self) -> bool:
        """Whether there is an instance that is about to go."""
        return self.vmi is not None and is_deleting(self.vmi)

    @property
    def is_active(self) -> bool:
        """Whether there is an instance that stays."""
        return self.vmi is not None and not self.is_final and not self.is_ending

    @property
    def is_paused(self) -> bool:
        return self.vmi is not None and conditions.holds(self.vmi, "Paused")

    @property
    def requests(self) -> list[str]:
        """The starts and stops that the controller has yet to carry out."""
        return [str(found.get("action")) for found in vm_state.status(self.vm).get("stateChangeRequests") or []]

    @property
    def is_forced(self) -> bool:
        return bool(self.options.get("force"))

    @property
    def grace(self) -> int | None:
        """Seconds that the guest is given to shut down, None for what its spec says."""
        return 0 if self.is_forced else self.options.get("grace_period")

    def refuse(self, what: str, fix: str) -> Refused:
        return Refused(what, where=self.where, why=vm_state.describe(self.vm), fix=fix)


def _start(machine: _Machine) -> Decision:
    """KubeVirt refuses a start while there is an instance, and for Always and Once altogether: these start themselves."""
    if machine.is_active:
        return None
    if machine.strategy == "Always" or "Start" in machine.requests:
        return None
    if machine.is_ending:
        return Later("its last instance still ends", Call(VM_ACTION, "start"))
    if machine.strategy == "Once":
        return _start_once(machine)
    if machine.strategy == "RerunOnFailure" and machine.phase == "Failed":
        return None
    if machine.strategy == "RerunOnFailure" and not vm_state.status(machine.vm):
        return None
    return Call(VM_ACTION, "start", dry=True)


def _start_once(machine: _Machine) -> Decision:
    if not machine.is_final:
        return None
    raise machine.refuse(
        "has run, and its run strategy Once does not start it again",
        "Set another run strategy with the module vm, or create the machine anew",
    )


def _stop(machine: _Machine) -> Decision:
    """KubeVirt stops Always and Once by making them Halted, and the others by a request to the controller."""
    call = Call(VM_ACTION, "stop", {} if machine.grace is None else {"gracePeriod": machine.grace}, dry=True)
    if machine.strategy == "Always" or (machine.strategy == "Once" and not machine.is_final):
        return call
    if machine.vmi is None:
        return Later("it is about to start", call) if _will_start(machine) else None
    if machine.is_final:
        return Later("it is about to start anew", call) if _reruns(machine) else None
    if machine.strategy == "Halted" or (machine.is_ending and "Start" not in machine.requests):
        return call if _is_shorter(machine) else None
    return call


def _will_start(machine: _Machine) -> bool:
    if "Start" in machine.requests:
        return True
    printable = vm_state.status(machine.vm).get("printableStatus")
    return machine.strategy == "RerunOnFailure" and printable != "Stopped"


def _reruns(machine: _Machine) -> bool:
    return "Start" in machine.requests or (machine.strategy == "RerunOnFailure" and machine.phase == "Failed")


def _is_shorter(machine: _Machine) -> bool:
    """Whether the guest, which shuts down already, is given less time than it has."""
    given = ((machine.vmi or {}).get("spec") or {}).get("terminationGracePeriodSeconds")
    return machine.grace is not None and given is not None and machine.grace < given


def _restart(machine: _Machine) -> Decision:
    call = Call(VM_ACTION, "restart", {"gracePeriodSeconds": 0} if machine.is_forced else {}, dry=True)
    if machine.is_ending or machine.requests:
        return Later("its last start or stop is not carried out yet", call)
    if not machine.is_active:
        return _start(machine)
    if machine.strategy in ("Halted", "Once"):
        fix = "Set the run strategy Always, Manual or RerunOnFailure with the module vm; or stop it and start it"
        raise machine.refuse(f"cannot be restarted under run strategy {machine.strategy}", fix)
    return call


def _running(machine: _Machine, verb: str, call: Call | None) -> Later | None:
    """Later while the guest comes up; Refused where nothing does."""
    if not machine.is_active:
        raise machine.refuse(f"cannot be {verb}, it does not run", "Start it first")
    return None if machine.phase == "Running" else Later("its instance does not run yet", call)


def _pause(machine: _Machine) -> Decision:
    call = Call(VMI_ACTION, "pause")
    return _running(machine, "paused", call) or (None if machine.is_paused else call)


def _unpause(machine: _Machine) -> Decision:
    later = _running(machine, "unpaused", None)
    return later or (Call(VMI_ACTION, "unpause") if machine.is_paused else None)


def _soft_reboot(machine: _Machine) -> Decision:
    call = Call(VMI_ACTION, "softreboot")
    later = _running(machine, "rebooted", call)
    if later is None and machine.is_paused:
        raise machine.refuse("cannot be rebooted, it is paused", "Unpause it first, or reset it")
    return later or call


def _reset(machine: _Machine) -> Decision:
    call = Call(VMI_ACTION, "reset")
    return _running(machine, "reset", call) or call


_DECISIONS: dict[str, Callable[[_Machine], Decision]] = {
    "started": _start,
    "stopped": _stop,
    "restarted": _restart,
    "paused": _pause,
    "unpaused": _unpause,
    "soft_rebooted": _soft_reboot,
    "reset": _reset,
}


def reached(
    state: str, vm: Object | None, vmi: Object | None, *, old_uid: str = "", unschedulable_grace: float = 60.0
) -> Verdict:
    """Whether a machine has got into a state.

    old_uid: UID of the instance that a restart ends; only another one's readiness counts.
    """
    if vm is None:
        return Verdict(failed=True, why="it was deleted in the meantime")
    if state == "stopped":
        return _stopped(vm, vmi)
    if state in ("soft_rebooted", "reset"):
        return DONE  # the instance stays and shows nothing of it
    if vmi is None or is_deleting(vmi) or (old_uid and vmi["metadata"].get("uid") == old_uid):
        return _not_there(vm, vmi)
    if state == "paused":
        return DONE if conditions.holds(vmi, "Paused") else Verdict(why="its guest still runs")
    return _runs(vm, vmi, state, unschedulable_grace)


def _runs(vm: Object, vmi: Object, state: str, grace: float) -> Verdict:
    """The instance comes first; the machine's own word may still be about its last one, and follows a little later."""
    paused = conditions.holds(vmi, "Paused")
    if paused and state != "unpaused":
        return DONE
    found = vm_state.ready(vm, unschedulable_grace=grace)
    if paused or not conditions.holds(vmi, "Ready"):
        return Verdict(why="its instance is not ready yet") if found.done else found
    return DONE if vm_state.is_ready(vm) else Verdict(why=vm_state.describe(vm))


def _not_there(vm: Object, vmi: Object | None) -> Verdict:
    found = vm_state.ready(vm)
    if found.failed and vmi is None:
        return found
    return Verdict(why="its new instance is not there yet" if found.done else vm_state.describe(vm))


def _stopped(vm: Object, vmi: Object | None) -> Verdict:
    """A guest that powered itself off leaves its instance behind under Manual and Once."""
    if vmi is None:
        return Verdict(why=vm_state.describe(vm)) if vm_state.is_created(vm) else DONE
    final = ((vmi.get("status") or {}).get("phase")) in conditions.FINAL_PHASES
    if final and not is_deleting(vmi) and vm_state.run_strategy(vm) in ("Manual", "Once"):
        return DONE
    return Verdict(why="its instance still ends")
