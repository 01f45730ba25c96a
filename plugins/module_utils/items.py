# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of a module that takes one object by `name`, or many by a list of them and their `defaults`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec, Option
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import (
    annotation_faults,
    label_faults,
    name_fault,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.parameters import without_nulls
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import Resource

Options = dict[str, Any]
Faults = Callable[[Mapping[str, Any]], Iterator[str]]


def _no_faults(_options: Mapping[str, Any]) -> Iterator[str]:
    return iter(())


@dataclass(frozen=True)
class Items:
    """The parameters that stand for the objects of a task.

    key: the list's parameter, `vms` or `items`; resource: what messages call one of them; options: the options of one
    but its name; faults: what is wrong with one beyond types and names; shared: the options that may stand beside the
    list for all of them; exclusive: for a list's entries the fields of which a later layer's one replaces the others;
    subdomain: whether names may be as long as a DNS subdomain and hold dots.
    """

    key: str
    resource: Resource
    options: Mapping[str, Option]
    faults: Faults = _no_faults
    shared: Sequence[str] = ("namespace", "state")
    exclusive: Mapping[str, frozenset[str]] | None = None
    subdomain: bool = False

    def spec(self) -> ArgumentSpec:
        """The argument spec: the short form's options, the list and `defaults`."""
        own = {
            "name": {"type": "str"},
            **self.options,
            self.key: {"type": "list", "elements": "dict", "options": self._named()},
            "defaults": {"type": "dict", "options": dict(self.options)},
        }
        return ArgumentSpec(
            own,
            required_one_of=[("name", self.key)],
            mutually_exclusive=[("name", self.key), ("name", "defaults")],
        )

    def wanted(self, params: Mapping[str, Any]) -> list[Options]:
        """The options of every object, the layers put together: the task's, `defaults`, the entry's own."""
        if params.get(self.key) is None:
            given = {key: params[key] for key in self.options if params.get(key) is not None}
            return [{"name": params["name"], **without_nulls(given, self.options)}]
        shared = {key: params[key] for key in self.shared if params.get(key) is not None}
        base = self._layer(shared, without_nulls(params.get("defaults") or {}, self.options))
        named = self._named()
        return [self._layer(base, without_nulls(entry, named)) for entry in params[self.key]]

    def check(self, params: Mapping[str, Any]) -> Iterator[str]:
        """All that is wrong with the parameters beyond their types, a sentence each."""
        if params.get(self.key) is not None:
            stray = [key for key in self.options if key not in self.shared and params.get(key) is not None]
            if stray:
                yield f"{', '.join(stray)}: beside {self.key}, put it into defaults"
        elif params.get("name") is None:
            return
        seen: set[tuple[str, str]] = set()
        for options in self.wanted(params):
            key = (str(options.get("namespace") or ""), str(options.get("name") or ""))
            where = self.resource.describe(*key)
            yield from (f"{where}: {fault}" for fault in self._all_faults(options))
            if key in seen:
                yield f"{where}: is there more than once in {self.key}"
            seen.add(key)

    def _named(self) -> dict[str, Option]:
        return {"name": {"type": "str", "required": True}, **self.options}

    def _layer(self, *layers: Mapping[str, Any]) -> Options:
        return layer(*layers, exclusive=self.exclusive)

    def _all_faults(self, options: Mapping[str, Any]) -> Iterator[str]:
        for key, subdomain in (("name", self.subdomain), ("namespace", False)):
            wrong = name_fault(options.get(key), subdomain=subdomain)
            if wrong:
                yield f"{key}: {wrong}"
        if not options.get("namespace"):
            yield "namespace: is missing; give it beside the name, in defaults, or for the whole task"
        if options.get("state") == "absent":
            return  # of the rest nothing is sent
        yield from label_faults("labels", options.get("labels"))
        yield from annotation_faults("annotations", options.get("annotations"))
        yield from self.faults(options)


def layer(*layers: Mapping[str, Any], exclusive: Mapping[str, frozenset[str]] | None = None) -> Options:
    """Layers of options as one, the later ones winning: maps are merged, lists by their entries' names."""
    merged: Options = {}
    for values in layers:
        for key, value in values.items():
            merged[key] = _layered(merged[key], value, key, exclusive or {}) if key in merged else value
    return merged


def _layered(under: Any, over: Any, key: str, exclusive: Mapping[str, frozenset[str]]) -> Any:
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        fields = exclusive.get(key, frozenset())
        kept = {k: v for k, v in under.items() if not (k in fields and fields & over.keys())}
        return layer(kept, over, exclusive=exclusive)
    if isinstance(under, list) and isinstance(over, list) and _all_named(under) and _all_named(over):
        entries = {entry["name"]: entry for entry in under}
        for entry in over:
            name = entry["name"]
            entries[name] = _layered(entries[name], entry, key, exclusive) if name in entries else entry
        return list(entries.values())
    return over


def _all_named(entries: Sequence[Any]) -> bool:
    return all(isinstance(entry, Mapping) and entry.get("name") for entry in entries)
