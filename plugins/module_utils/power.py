# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power states of many machines: read machines and instances, decide, send, wait for the right instance."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import bulk, power_state, vm_state, vmi_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key, Snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.power_state import Call, Later
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VM, VMI
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.verdict import DONE, Verdict
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.wait import Target, wait_for

Object = dict[str, Any]
Options = Mapping[str, Any]

_ATTEMPTS = 5
_BETWEEN_ATTEMPTS = 0.2
# A lost race or another state than was read; KubeVirt wraps many of its refusals into a 500.
_RETRIED = frozenset({409, 500})
# Seconds after which an error that was there before our call counts as one that is there after it.
_OLD_ERROR = 10.0


@dataclass
class Done:
    """One machine's outcome: its newest known state and instance, the call that was sent, the error where it failed."""

    options: Options
    vm: Object | None = None
    vmi: Object | None = None
    call: Call | None = None
    error: HaError | None = None
    # Of the instance that was there when the call was sent.
    old_uid: str = ""
    before: str = ""

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return str(self.options["namespace"]), str(self.options["name"])

    @property
    def where(self) -> str:
        """The machine as messages call it."""
        return VM.describe(*self.key)

    @property
    def changed(self) -> bool:
        """Whether a call was sent, or would be in check mode."""
        return self.call is not None


def apply(
    client: Client,
    wanted: Sequence[Options],
    settings: Settings,
    *,
    serial: int = 0,
    unschedulable_grace: float = 60.0,
) -> list[Done]:
    """Brings machines into power states; one outcome for each, in the given order.

    serial: how many are on their way at once, 0 for all; the next ones wait until these have arrived, and are left
    alone once one of them failed.
    """
    done = [Done(options) for options in wanted]
    keys = [one.key for one in done]
    machines = bulk.fetch(client, VM, keys, workers=settings.workers)
    instances = bulk.fetch(client, VMI, keys, workers=settings.workers)
    for one in done:
        one.vm, one.vmi = machines.objects.get(one.key), instances.objects.get(one.key)
        one.before = power_state.describe(one.vmi)
        one.error = machines.unreadable.get(one.key[0]) or instances.unreadable.get(one.key[0])
    step = serial or len(done)
    deadline = time.monotonic() + settings.wait_timeout
    run = _Run(client, settings, machines, instances, deadline, unschedulable_grace)
    for begin in range(0, len(done), max(step, 1)):
        wave = done[begin : begin + step]
        if serial and begin and any(one.error for one in done[:begin]):
            _leave_alone(wave, "one before it failed", "Mend that one, then run again")
        elif begin and time.monotonic() >= deadline:
            _leave_alone(
                wave, f"those before it took all of {settings.wait_timeout:g} s", "Raise wait_timeout, or run again"
            )
        else:
            left = f"in what was left of {settings.wait_timeout:g} s, after those before it" if begin else ""
            run.bring(wave, left)
    return done


def result(done: Done) -> Object:
    """One machine's entry in the module's result."""
    vm = done.vm or {}
    namespace, name = done.key
    entry: Object = {
        "name": name,
        "namespace": namespace,
        "changed": done.changed,
        "action": "failed" if done.error and not done.changed else done.call.verb if done.call else "none",
        "run_strategy": vm_state.run_strategy(vm) if vm else None,
        "status": vm_state.status(vm).get("printableStatus"),
        "ready": bool(vm) and vm_state.is_ready(vm),
        "instance": vmi_state.summary(done.vmi) if done.vmi else None,
    }
    if done.error is not None:
        entry["error"] = done.error.as_dict()
    return entry


def diff(done: Done) -> Object:
    """Before and after of one machine that a call was sent for."""
    return {
        "before_header": done.where,
        "after_header": done.where,
        "before": {"power": done.before},
        "after": {"power": str(done.options["state"])},
    }


def _leave_alone(wave: Sequence[Done], why: str, fix: str) -> None:
    for one in wave:
        one.error = one.error or Refused(f"was left alone, since {why}", where=one.where, fix=fix)


@dataclass
class _Run:
    """One task under way. `deadline` is of the monotonic clock."""

    client: Client
    settings: Settings
    machines: Snapshot
    instances: Snapshot
    deadline: float
    unschedulable_grace: float

    def bring(self, wave: Sequence[Done], span: str = "") -> None:
        """Decides, sends and waits for machines that may be on their way at once; `span` is the time as messages call it."""
        todo = [one for one in wave if one.error is None]
        if not self.settings.check:
            self._wait(
                [
                    self._target(one, self._can_go_on(one), "able to take the call")
                    for one in todo
                    if self._is_later(one)
                ],
                todo,
                span,
            )
        todo = [one for one in todo if one.error is None]
        for one, outcome in zip(todo, bulk.each(todo, self._send, self.settings.workers)):
            one.error = outcome if isinstance(outcome, HaError) else None
        if self.settings.wait and not self.settings.check:
            sent = [one for one in todo if one.error is None]
            targets = [
                self._target(one, self._has_arrived(one), str(one.options["state"]), passive=True) for one in sent
            ]
            self._wait(targets, sent, span)

    def _is_later(self, one: Done) -> bool:
        try:
            return isinstance(power_state.decide(one.options, one.vm, one.vmi), Later)
        except HaError as error:
            one.error = error
            return False

    def _send(self, one: Done) -> None:
        """Sends what is decided; after a conflict or a lost answer decides anew on a fresh read.

        A call whose answer was lost is the outcome's from then on: nobody can say that it was not carried out.
        """
        for attempt in range(_ATTEMPTS):
            decision = power_state.decide(one.options, one.vm, one.vmi)
            if decision is None or power_state.is_under_way(one.call, decision, one.vmi, one.old_uid):
                return
            failure = self._take(one, decision)
            if failure is None:
                return
            if attempt == _ATTEMPTS - 1:
                raise failure
            time.sleep(_BETWEEN_ATTEMPTS * attempt)
            # The machine first: what it has yet to carry out shows in it until the instance shows it.
            one.vm = self.client.find(VM, one.key[1], one.key[0])
            one.vmi = self.client.find(VMI, one.key[1], one.key[0])

    def _take(self, one: Done, decision: Call | Later) -> HaError | None:
        """Carries a decision out; the failure where it is worth deciding anew."""
        if isinstance(decision, Call):
            try:
                self._put(one, decision)
            except HaError as error:
                if error.ambiguous:
                    one.call = decision
                retried = getattr(error, "status", 0) in _RETRIED or (error.ambiguous and decision.shows)
                if not retried:
                    raise
                return error
            return None
        if self.settings.check:
            one.call = decision.then
            return None
        return Refused("is on its way to another state", where=one.where, why=decision.why)

    def _put(self, one: Done, call: Call) -> None:
        namespace, name = one.key
        if one.call is None:
            one.old_uid = str(((one.vmi or {}).get("metadata") or {}).get("uid") or "")
        if not self.settings.check:
            self.client.put(
                call.resource, name, namespace, subresource=call.verb, body=call.body, repeat=call.may_repeat
            )
        elif call.dry:
            body = {**call.body, "dryRun": ["All"]}
            self.client.put(call.resource, name, namespace, subresource=call.verb, body=body)
        one.call = call

    def _wait(self, targets: Sequence[Target], among: Sequence[Done], span: str) -> None:
        """Waits for targets; what came of them is put into their outcomes."""
        failures = wait_for(
            self.client,
            VM,
            targets,
            scopes=self.machines.scopes,
            timeout=max(0.1, self.deadline - time.monotonic()),
            beside=(VMI, self.instances.scopes),
            span=span,
        )
        states = {target.key: target for target in targets}
        for one in among:
            if one.key in states:
                one.vm, one.vmi = states[one.key].current, states[one.key].beside
                one.error = failures.get(one.key)

    def _target(self, one: Done, predicate: Any, wanted: str, *, passive: bool = False) -> Target:
        return Target(one.key, predicate, one.vm, wanted=wanted, beside=one.vmi, passive=passive)

    def _can_go_on(self, one: Done) -> Any:
        def verdict(vm: Object | None, vmi: Object | None) -> Verdict:
            try:
                decision = power_state.decide(one.options, vm, vmi)
            except HaError:
                return DONE  # it will be raised where it is decided for good
            return Verdict(why=decision.why) if isinstance(decision, Later) else DONE

        return verdict

    def _has_arrived(self, one: Done) -> Any:
        state, before = str(one.options["state"]), vm_state.status(one.vm or {}).get("printableStatus")
        old_uid = one.old_uid if one.call and one.call.verb == "restart" else ""

        def verdict(vm: Object | None, vmi: Object | None) -> Verdict:
            found = power_state.reached(state, vm, vmi, old_uid=old_uid, unschedulable_grace=self.unschedulable_grace)
            if found.failed and one.changed and vm and vm_state.status(vm).get("printableStatus") == before:
                return replace(found, grace=max(found.grace, _OLD_ERROR))
            return found

        return verdict
