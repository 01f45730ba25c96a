# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of many machines: read, refuse what would hang or do harm, plug and pull out, wait for the instances."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import (
    argspec,
    bulk,
    events,
    objects,
    vm_state,
    volumes,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import vm_volume_state as state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key, Snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ApiError, HaError, Refused, WaitFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.existing import Existing, Once
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.items import Items
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Done, Plan, Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    KUBEVIRT,
    PVC,
    VM,
    VM_ACTION,
    VMI,
    is_deleting,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.verdict import Verdict
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.wait import Target, wait_for

Object = dict[str, Any]
Options = Mapping[str, Any]

ITEMS = Items("vms", VM, state.OPTIONS, state.faults, shared=("namespace",), exclusive=state.EXCLUSIVE)


def spec() -> argspec.ArgumentSpec:
    """The module's argument spec."""
    return ITEMS.spec().merge(argspec.connection(), argspec.wait(), argspec.bulk())


def faults(params: Mapping[str, Any]) -> Iterator[str]:
    """All that is wrong with the parameters beyond their types."""
    yield from ITEMS.check(params)


def run_module(module: Module) -> None:
    """Carries out the module `vm_volume`."""
    params, settings = module.params, Settings.of(module)

    def work(client: Client) -> Object:
        wanted = ITEMS.wanted(params)
        volumes_of = _Volumes(client, wanted, settings)
        done = volumes_of.apply()
        entries = [volumes_of.result(options, one) for options, one in zip(wanted, done)]
        return objects.report(volumes_of.kind, "vms", entries, done, settings)

    run(module, work)


class _Volumes:
    """One task: the machines, their instances, and what else is read only where something is to be plugged in."""

    def __init__(self, client: Client, wanted: Sequence[Options], settings: Settings) -> None:
        self._client, self._wanted, self._settings = client, wanted, settings
        self._by_key = {(str(one["namespace"]), str(one["name"])): one for one in wanted}
        claims = [(key[0], claim) for key, one in self._by_key.items() for claim in _claims(one)]
        self._claims = Existing(client, PVC, claims, settings.workers)
        self._hotplug = Once(self._read_hotplug)
        self._neighbours = Once(self._read_neighbours)
        self._deadline = time.monotonic() + settings.wait_timeout
        self._instances = Snapshot()
        self.kind = objects.Kind(
            VM, lambda _options: {}, _missing, self._accept, desired_of=state.desired, write=self._write
        )

    def apply(self) -> list[Done]:
        """Plugs, pulls out and waits; one outcome for each machine, in the given order."""
        done, found = objects.apply(self._client, self.kind, self._wanted, replace(self._settings, wait=False))
        keys = [one.key for one in done if one.error is None and one.current and vm_state.is_created(one.current)]
        if keys:
            self._instances = bulk.fetch(self._client, VMI, keys, workers=self._settings.workers)
        for one in done:
            if one.error is None and one.key in keys:
                one.error = self._instances.unreadable.get(one.key[0])
        if self._settings.wait and not self._settings.check:
            self._wait([one for one in done if one.error is None and one.key in keys], found)
        return done

    def result(self, options: Options, done: Done) -> Object:
        """One machine's entry in the module's result."""
        vmi = self._instances.objects.get(done.key)
        known = volumes.claims(volumes.template_spec(done.current or {}))
        shown = [
            {
                **{key: one[key] for key in ("name", "phase", "target", "plugged")},
                "claim": one["claim"] or known.get(one["name"]),
                "reason": one["reason"] if vmi is not None else None,
            }
            for one in state.states(options, vmi)
        ]
        return {**objects.result(done), "running": vmi is not None, "volumes": shown}

    def _read_hotplug(self) -> str:
        """How volumes are plugged here; the subresource, which works in either way, where that may not be read."""
        try:
            found = self._client.list(KUBEVIRT).items
        except ApiError as error:
            if error.status != 403:
                raise
            return state.UNKNOWN
        return state.hotplug(found[0]) if found else state.UNKNOWN

    def _read_neighbours(self) -> Snapshot:
        return bulk.read(self._client, VMI, {key[0] for key in self._by_key}, workers=self._settings.workers)

    def _accept(self, options: Options, todo: Plan) -> None:
        key = str(options["namespace"]), str(options["name"])
        where = VM.describe(*key)
        state.refuse(options, todo, where)
        if todo.action != "changed" or todo.before is None:
            return
        runs = vm_state.is_created(todo.before)
        if runs and self._hotplug.get() == state.OFF:
            raise Refused(
                "runs, and volumes cannot be plugged into a machine that runs",
                where=where,
                why="the feature gates of this KubeVirt switch it off",
                fix="Stop the machine first, or enable the feature gate DeclarativeHotplugVolumes",
            )
        if runs and self._hotplug.get() == state.BY_REQUEST and state.is_exchange(todo):
            raise Refused(
                "runs, and its CD-ROM media cannot be exchanged",
                where=where,
                why="the feature gate HotplugVolumes, which is older, knows no way to do it",
                fix="Stop the machine first, or replace that gate by DeclarativeHotplugVolumes",
            )
        for volume, source in volumes.volumes(volumes.template_spec(todo.after or {})).items():
            if volumes.claim(source) != volumes.claims(volumes.template_spec(todo.before)).get(volume):
                self._refuse_claim(options, volume, key, where, runs)

    def _refuse_claim(self, options: Options, name: str, key: Key, where: str, runs: bool) -> None:
        """Raises where a claim cannot be plugged in, or would be written by two guests."""
        volume = next(one for one in options["volumes"] if one["name"] == name)
        claim = state.claim(volume)
        pvc = self._claims.find((key[0], claim))
        what = f"volume {name} cannot be plugged in"
        named = PVC.describe(key[0], claim)
        if pvc is None:
            if volume.get("pvc"):
                raise Refused(what, where=where, why=f"{named} does not exist", fix="Create it, or correct its name")
            return  # a DataVolume may be making it
        phase = vm_state.status(pvc).get("phase")
        if is_deleting(pvc) or phase == "Lost":
            why = f"{named} {'is being deleted' if is_deleting(pvc) else 'has lost its volume'}"
            raise Refused(what, where=where, why=why, fix="Take another claim")
        if runs:
            self._refuse_shared(volume, pvc, key, where, what)

    def _refuse_shared(self, volume: Options, pvc: Mapping[str, Any], key: Key, where: str, what: str) -> None:
        found = self._neighbours.get()
        if key[0] in found.unreadable:
            raise found.unreadable[key[0]]
        near = [vmi for (namespace, _name), vmi in found.objects.items() if namespace == key[0]]
        others = state.holders(state.claim(volume), near, key[1])
        modes = (pvc.get("spec") or {}).get("accessModes") or []
        if not others or ("ReadWriteMany" in modes and volume.get("shareable")):
            return
        named = PVC.describe(key[0], state.claim(volume))
        fix = f"Pull it out of {others[0]} first"
        if "ReadWriteMany" in modes:
            fix += ", or give shareable: true in both where the guests share it by a cluster file system"
        raise Refused(
            what, where=where, why=f"{named} ({', '.join(modes)}) is plugged into {', '.join(others)}", fix=fix
        )

    def _write(self, client: Client, key: Key, todo: Plan, check: bool) -> Object | None:
        """One patch of the machine; a call for each volume where virt-controller goes by requests."""
        namespace, name = key
        runs = vm_state.is_created(todo.before or {})
        if not runs or self._hotplug.get() == state.BY_SPEC or state.is_exchange(todo):
            return client.patch(VM, name, todo.body, namespace, dry_run=check)
        dry = {"dryRun": ["All"]} if check else {}
        added, removed = state.changes(todo)
        calls = [("removevolume", {"name": gone}) for gone in removed]
        calls += [("addvolume", request) for request in added]
        sent = 0
        try:
            for verb, body in calls:
                client.put(VM_ACTION, name, namespace, subresource=verb, body={**body, **dry})
                sent += 1
            return todo.before if check else client.get(VM, name, namespace)
        except HaError as error:
            error.partly = sent > 0
            raise

    def _wait(self, done: Sequence[Done], found: Snapshot) -> None:
        """Waits for the instances; what came of them is put into the outcomes."""
        targets = [self._target(one) for one in done]
        failures = wait_for(
            self._client,
            VM,
            targets,
            scopes=found.scopes,
            timeout=max(0.1, self._deadline - time.monotonic()),
            beside=(VMI, self._instances.scopes),
        )
        for one, target in zip(done, targets):
            one.current = target.current
            if target.beside is None:
                self._instances.objects.pop(one.key, None)
            else:
                self._instances.objects[one.key] = target.beside
            one.error = failures.get(one.key)
        failed = [one for one in done if one.error is not None]
        for outcome in bulk.each(failed, self._explain, self._settings.workers):
            if isinstance(outcome, HaError):
                raise outcome

    def _target(self, one: Done) -> Target:
        options = self._by_key[one.key]

        def verdict(vm: Object | None, vmi: Object | None) -> Verdict:
            return state.plugged(options, vm, vmi, changed=one.written)

        vmi = self._instances.objects.get(one.key)
        return Target(one.key, verdict, one.current, wanted="plugged as wanted", beside=vmi)

    def _explain(self, one: Done) -> None:
        """Adds what Kubernetes says of the pods by which the volumes get to the node."""
        if not isinstance(one.error, WaitFailed):
            return
        for pod in state.attachment_pods(self._by_key[one.key], self._instances.objects.get(one.key)):
            warning = events.last_warning(self._client, one.key[0], f"involvedObject.name={pod}")
            if warning:
                one.error.why = f"{one.error.why}; {warning}"


def _claims(options: Options) -> list[str]:
    return [state.claim(volume) for volume in options["volumes"] if not state.is_absent(volume)]


def _missing(options: Options) -> Object:
    raise Refused(
        "does not exist",
        where=VM.describe(str(options["namespace"]), str(options["name"])),
        fix="Create it with the module vm first, or correct its name",
    )
