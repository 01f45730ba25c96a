# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances that stand alone as declared objects, and file systems of guests frozen and thawed through their agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import (
    bulk,
    conditions,
    objects,
    plan,
    vm_object,
    vmi_state,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Done, Plan, Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VMI, VMI_ACTION
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.verdict import DONE, Verdict
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.wait import Target, wait_for

Object = dict[str, Any]
Options = Mapping[str, Any]

FREEZE = {"frozen": "freeze", "unfrozen": "unfreeze"}
# What KubeVirt thaws by itself; without a time it refuses to freeze.
UNFREEZE_TIMEOUT = 300
_FIX_FINAL = "Look at the virt-launcher pod's log; delete the instance with state absent, then create it anew"


def kind(unschedulable_grace: float = 60.0) -> objects.Kind:
    """Instances as declared objects; `unschedulable_grace` is in seconds."""
    return objects.Kind(
        VMI,
        desired,
        new,
        accept=_accept,
        target=lambda done: _target(done, unschedulable_grace),
        frozen=(("spec",),),
    )


def desired(options: Options) -> Object:
    """The owned fields of a stand-alone instance; `spec` of the options is merged over them last."""
    template = vm_object.template_of(
        {**options, "template_labels": options.get("labels"), "template_annotations": options.get("annotations")}
    )
    spec = plan.overlay(template.pop("spec", {}), options.get("spec") or {}, ("spec", "template", "spec"))
    return {**template, **({"spec": spec} if spec else {})}


def new(options: Options) -> Object:
    """The whole object to create, with the pod network where no other is given."""
    owned = desired(options)
    metadata = {"name": options["name"], "namespace": options["namespace"]}
    spec = plan.merge({}, owned.get("spec") or {}, ("spec", "template", "spec"))
    vm_object.add_pod_network(spec)
    return {
        "apiVersion": VMI.api_version,
        "kind": VMI.kind,
        "metadata": plan.merge(metadata, owned.get("metadata") or {}, ("metadata",)),
        "spec": spec,
    }


def _accept(options: Options, todo: Plan) -> None:
    machine = vmi_state.owner(todo.before)
    if machine and todo.action != "unchanged":
        raise Refused(
            f"belongs to the machine {machine}, which would undo this",
            where=VMI.describe(str(options["namespace"]), str(options["name"])),
            fix="Change the machine with the module vm, or its power state with vm_power",
        )


def _target(done: Done, grace: float) -> Target:
    def verdict(vmi: Object | None) -> Verdict:
        if vmi is None:
            return Verdict(failed=True, why="it was deleted in the meantime")
        return ready(vmi, grace)

    return Target(done.key, verdict, done.current)


def ready(vmi: Mapping[str, Any], unschedulable_grace: float) -> Verdict:
    """Whether an instance runs and is ready; a paused one is taken as reached. One that ended never will."""
    phase = str((vmi.get("status") or {}).get("phase") or "")
    if conditions.holds(vmi, "Ready") or conditions.holds(vmi, "Paused"):
        return DONE
    why = vmi_state.describe(vmi)
    if phase in conditions.FINAL_PHASES:
        return Verdict(failed=True, why=why, fix=_FIX_FINAL)
    for kind_of, fix in vmi_state.TROUBLES:
        if conditions.fails(vmi, kind_of):
            return Verdict(failed=True, why=why, fix=fix, grace=unschedulable_grace)
    return Verdict(why=why)


@dataclass
class Frozen:
    """What came of freezing or thawing one guest."""

    options: Options
    vmi: Object | None = None
    sent: bool = False
    error: HaError | None = None

    @property
    def key(self) -> bulk.Key:
        """Namespace and name."""
        return str(self.options["namespace"]), str(self.options["name"])


def freeze(client: Client, wanted: Sequence[Options], settings: Settings) -> list[Frozen]:
    """Freezes and thaws file systems; one outcome for each, in the given order."""
    found = [Frozen(options) for options in wanted]
    snapshot = bulk.fetch(client, VMI, [one.key for one in found], workers=settings.workers)

    def work(one: Frozen) -> None:
        if one.key[0] in snapshot.unreadable:
            raise snapshot.unreadable[one.key[0]]
        one.vmi = snapshot.objects.get(one.key)
        body = freeze_call(one.options, one.vmi)
        if body is None:
            return
        if not settings.check:
            verb = FREEZE[str(one.options["state"])]
            client.put(VMI_ACTION, one.key[1], one.key[0], subresource=verb, body=body)
        one.sent = True

    for one, outcome in zip(found, bulk.each(found, work, settings.workers)):
        one.error = outcome if isinstance(outcome, HaError) else None
    if settings.wait and not settings.check:
        _wait_frozen(client, [one for one in found if one.sent and one.error is None], snapshot, settings)
    return found


def freeze_call(options: Options, vmi: Mapping[str, Any] | None) -> Object | None:
    """The body to send, None where the guest is as wanted; Refused where KubeVirt would only answer 500."""
    where = VMI.describe(str(options["namespace"]), str(options["name"]))
    phase = ((vmi or {}).get("status") or {}).get("phase")
    if vmi is None or phase != "Running":
        why = f"it is {phase}" if phase else "there is none"
        raise Refused("does not run", where=where, why=why, fix="Start its machine first")
    if is_frozen(vmi) == (options["state"] == "frozen"):
        return None
    if not conditions.holds(vmi, "AgentConnected"):
        raise Refused(
            f"cannot be {options['state']}",
            where=where,
            why="no guest agent is connected",
            fix="Install and start qemu-guest-agent in the guest",
        )
    seconds = options.get("unfreeze_timeout") or UNFREEZE_TIMEOUT
    return {"unfreezeTimeout": f"{seconds}s"} if options["state"] == "frozen" else {}


def is_frozen(vmi: Mapping[str, Any]) -> bool:
    """Whether the guest's file systems were asked to be frozen."""
    return (vmi.get("status") or {}).get("fsFreezeStatus") == "frozen"


def _wait_frozen(client: Client, sent: Sequence[Frozen], snapshot: bulk.Snapshot, settings: Settings) -> None:
    def target(one: Frozen) -> Target:
        wanted = str(one.options["state"])

        def verdict(vmi: Object | None) -> Verdict:
            if vmi is None:
                return Verdict(failed=True, why="it was deleted in the meantime")
            return DONE if is_frozen(vmi) == (wanted == "frozen") else Verdict(why="the guest's status does not say so")

        return Target(one.key, verdict, one.vmi, wanted=wanted)

    targets = [target(one) for one in sent]
    failures = wait_for(client, VMI, targets, scopes=snapshot.scopes, timeout=settings.wait_timeout)
    for one, waited in zip(sent, targets):
        one.vmi, one.error = waited.current, failures.get(one.key)
