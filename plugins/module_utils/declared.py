# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that brings declared objects of one kind into their wanted states: its parameters, its run, its result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec, bulk, events, objects, plan, vm_object
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, WaitFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.items import Items
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Done, Kind, Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import Resource

Object = dict[str, Any]
Options = Mapping[str, Any]


@dataclass(frozen=True)
class Finish:
    """What was done beside the API with one object: what its entry in the result gets more, differences, the error."""

    entry: Object = field(default_factory=dict)
    diff: Sequence[Object] = ()
    error: HaError | None = None


def _finished(_client: Client, _options: Options, _done: Done, _settings: Settings) -> Finish | None:
    """Leaves it at what was declared."""
    return None


@dataclass(frozen=True)
class Declared:
    """What a module of declared objects brings along.

    returned: the list's key in the result (`items` would be a method of Jinja's dictionaries there); kind: the kind, made
    for one task's client and wanted objects; result: one object's entry in the result; finish: what is done with each
    object that did not fail once all were waited for, a HaError where it fails.
    """

    items: Items
    returned: str
    kind: Callable[[Client, Sequence[Options], Settings], Kind]
    result: Callable[[Done], Object]
    finish: Callable[[Client, Options, Done, Settings], Finish | None] = _finished

    def spec(self) -> argspec.ArgumentSpec:
        """The module's argument spec."""
        return self.items.spec().merge(argspec.connection(), argspec.wait(), argspec.bulk())

    def faults(self, params: Mapping[str, Any]) -> Iterator[str]:
        """All that is wrong with the parameters beyond their types."""
        yield from self.items.check(params)

    def main(self) -> None:
        """Carries the module out, and ends it."""
        module = Module(self.spec(), check=self.faults)
        params, settings = module.params, Settings.of(module)

        def work(client: Client) -> Object:
            wanted = self.items.wanted(params)
            kind = self.kind(client, wanted, settings)
            done, _found = objects.apply(client, kind, wanted, settings)
            more = self._finish_all(client, wanted, done, settings)
            entries = [{**self.result(one), **extra.entry} for one, extra in zip(done, more)]
            found = objects.report(kind, self.returned, entries, done, settings)
            found["changed"] = any(entry["changed"] for entry in entries)
            if settings.diff:
                found["diff"] += [difference for extra in more for difference in extra.diff]
            return found

        run(module, work)

    def _finish_all(
        self, client: Client, wanted: Sequence[Options], done: Sequence[Done], settings: Settings
    ) -> list[Finish]:
        """Finishes the objects that did not fail, and explains the failures of the others."""

        def work(pair: tuple[Options, Done]) -> Finish:
            options, one = pair
            if one.error is None:
                return self.finish(client, options, one, settings) or Finish()
            if isinstance(one.error, WaitFailed) and one.current is not None:
                events.explain(client, one.error, one.current)
            return Finish()

        outcomes = bulk.each(zip(wanted, done), work, settings.workers)
        found = [Finish(error=outcome) if isinstance(outcome, HaError) else outcome for outcome in outcomes]
        for one, extra in zip(done, found):
            one.error = one.error or extra.error
        return found


def owned(options: Options, spec: Object) -> Object:
    """The owned fields of an object: the labels and annotations of its options, and its spec."""
    given = {key: vm_object.strings(options.get(key)) for key in ("labels", "annotations")}
    meta = {key: values for key, values in given.items() if values is not None}
    return {"metadata": meta, "spec": spec} if meta else {"spec": spec}


def whole(resource: Resource, options: Options, desired: Object) -> Object:
    """The object to create, of its owned fields."""
    meta = {"name": options["name"], "namespace": options["namespace"]}
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": plan.merge(meta, desired.get("metadata") or {}, ("metadata",)),
        "spec": plan.merge({}, desired["spec"], ("spec",)),
    }
