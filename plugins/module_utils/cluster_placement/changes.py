# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what has to be written for objects and nodes to be as declared.

An object is owned as a whole: what was declared last is noted on it, so that a field that is declared no more goes, and what
the server or somebody else added stays. Of a node only the labels and taints that are noted on it are owned.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import plan
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import as_text

Object = dict[str, Any]
Values = Mapping[str, Any]

DECLARED = "kubevirt-ha.virtops/declared"
# On a Node: {"labels": [keys], "taints": ["key:effect"]} that this role set.
NODE_NOTE = "kubevirt-ha.virtops/placement"
# Fields that only a new object can have: it is deleted and made anew.
_FROZEN: dict[str, tuple[str, ...]] = {
    "PriorityClass": ("value", "preemptionPolicy"),
    "ResourceQuota": ("spec.scopeSelector",),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
    "Deployment": ("spec.selector",),
}
_SERVERS = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")


@dataclass(frozen=True)
class Change:
    """What is done with one object. action: created, changed, replaced, deleted or unchanged; body: what is sent; before,
    after: its states, without what only the server writes."""

    action: str
    body: Object = field(default_factory=dict)
    before: Object = field(default_factory=dict)
    after: Object = field(default_factory=dict)


def change(declared: Values, current: Values | None) -> Change:
    """What brings an object to what is declared."""
    noted = _noted(declared)
    if current is None:
        return Change("created", noted, {}, dict(declared))
    before = _shown(current)
    after = plan.merge(before, _with_removals(noted, _last(current)))
    body = plan.merge_patch(before, after)
    if not body:
        return Change("unchanged", {}, before, before)
    if any(plan.touches(body, *path.split(".")) for path in _FROZEN.get(str(declared["kind"]), ())):
        return Change("replaced", noted, before, after)
    return Change("changed", body, before, after)


def removal(current: Values) -> Change:
    """What takes an object away."""
    return Change("deleted", {}, _shown(current), {})


def shown(item: Values) -> Object:
    """An object as a difference shows it: without the note on it."""
    found = _shown(item)
    meta = found.get("metadata") or {}
    annotations = {
        key: value for key, value in (meta.get("annotations") or {}).items() if key not in (DECLARED, NODE_NOTE)
    }
    meta = {key: value for key, value in meta.items() if key != "annotations"}
    return {**found, "metadata": {**meta, "annotations": annotations} if annotations else meta}


def _noted(declared: Values) -> Object:
    meta = dict(declared["metadata"])
    note = {DECLARED: json.dumps(declared, sort_keys=True)}
    return {**declared, "metadata": {**meta, "annotations": {**(meta.get("annotations") or {}), **note}}}


def _last(current: Values) -> Any:
    text = (current["metadata"].get("annotations") or {}).get(DECLARED)
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return {}


def _shown(item: Values) -> Object:
    meta = {key: value for key, value in item["metadata"].items() if key not in _SERVERS}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": meta}


def _with_removals(desired: Any, last: Any) -> Any:
    """What is desired, with None where something was declared last and is no more."""
    if isinstance(desired, Mapping) and isinstance(last, Mapping):
        gone = dict.fromkeys(last.keys() - desired.keys())
        return {**{key: _with_removals(value, last.get(key)) for key, value in desired.items()}, **gone}
    if isinstance(desired, list) and isinstance(last, list):
        return _list_with_removals(desired, last)
    return desired


def _list_with_removals(desired: list[Any], last: list[Any]) -> list[Any]:
    if desired and all(plan.entry_name(entry) for entry in [*desired, *last]):
        before = {plan.entry_name(entry): entry for entry in last}
        names = {plan.entry_name(entry) for entry in desired}
        kept = [_with_removals(entry, before.get(plan.entry_name(entry))) for entry in desired]
        return [*kept, *({"name": name, plan.DELETE: "delete"} for name in before if name not in names)]
    if len(desired) == len(last):
        return [_with_removals(one, other) for one, other in zip(desired, last)]
    return desired


def node_change(node: Values, labels: Values, taints: Sequence[Values]) -> Change:
    """What brings a node's labels and taints to what is declared; those that are neither declared nor noted stay."""
    meta, spec = node["metadata"], node.get("spec") or {}
    note = _node_note(meta)
    wanted_labels = {str(key): as_text(value) for key, value in labels.items() if value is not None}
    wanted_taints = [_taint(one) for one in taints]
    kept = [one for one in spec.get("taints") or [] if name_of(one) not in note["taints"]]
    asked = {name_of(one): one for one in wanted_taints}
    found = {name_of(one): one for one in spec.get("taints") or []}
    # One that is there as asked for stays as it is, with the time at which the server saw it.
    mine = [found[name] if _same_taint(found.get(name), one) else one for name, one in asked.items()]
    new_taints = [*(one for one in kept if name_of(one) not in asked), *mine]
    body: Object = {}
    changed: Object = {
        key: value for key, value in wanted_labels.items() if (meta.get("labels") or {}).get(key) != value
    }
    changed.update(
        {key: None for key in note["labels"] if key not in wanted_labels and key in (meta.get("labels") or {})}
    )
    # A null takes one away that somebody else set.
    changed.update(
        {str(key): None for key, value in labels.items() if value is None and key in (meta.get("labels") or {})}
    )
    new_note = {"labels": sorted(wanted_labels), "taints": sorted(asked)}
    body_meta: Object = {"labels": changed} if changed else {}
    if new_note != note:
        empty = not new_note["labels"] and not new_note["taints"]
        body_meta["annotations"] = {NODE_NOTE: None if empty else json.dumps(new_note, sort_keys=True)}
    if body_meta:
        body["metadata"] = body_meta
    if found != {name_of(one): one for one in new_taints}:
        body["spec"] = {"taints": new_taints or None}
        # The list is written as a whole, so it must not meet a node that has changed since.
        body.setdefault("metadata", {})["resourceVersion"] = meta["resourceVersion"]
    before = _node_shown(meta.get("labels") or {}, list(found.values()))
    if not body:
        return Change("unchanged", {}, before, before)
    after_labels = {**(meta.get("labels") or {}), **changed}
    after = _node_shown({key: value for key, value in after_labels.items() if value is not None}, new_taints)
    return Change("changed", body, before, after)


def noted_nodes(nodes: Sequence[Values]) -> Iterator[str]:
    """The nodes on which something is noted as owned."""
    for node in nodes:
        if NODE_NOTE in (node["metadata"].get("annotations") or {}):
            yield str(node["metadata"]["name"])


def name_of(taint: Values) -> str:
    """What a taint goes by: a node has one of each key and effect."""
    return f"{taint.get('key')}:{taint.get('effect')}"


def _node_note(meta: Values) -> dict[str, list[str]]:
    try:
        note = json.loads((meta.get("annotations") or {}).get(NODE_NOTE) or "{}")
    except ValueError:
        note = {}
    found = note if isinstance(note, dict) else {}
    return {key: [str(one) for one in found.get(key) or []] for key in ("labels", "taints")}


def _taint(given: Values) -> Object:
    taint = {"key": str(given["key"]), "effect": str(given["effect"])}
    value = given.get("value")
    return {**taint, "value": as_text(value)} if value not in (None, "") else taint


def _same_taint(found: Values | None, wanted: Values) -> bool:
    return found is not None and (found.get("value") or "") == (wanted.get("value") or "")


def _node_shown(labels: Values, taints: Sequence[Values]) -> Object:
    return {"labels": dict(labels), "taints": [dict(one) for one in taints]}
