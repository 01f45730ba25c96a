# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of the module `placement`, and what is wrong with them before a cluster is asked.

The role gives the same values by variables of its own; its preflight finds the same faults, before there is a cluster.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec, quantity, vm_options
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import Option
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import (
    key_fault,
    label_faults,
    label_value_fault,
    name_fault,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.parameters import explain

Values = Mapping[str, Any]

OWNER = "kubevirt-ha-placement"
EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")
# Above it are Kubernetes' own classes.
HIGHEST = 1_000_000_000
LOWEST = -2_147_483_648
# Classes that Kubernetes and KubeVirt bring along.
BUILT_IN = ("kubevirt-cluster-critical", "system-cluster-critical", "system-node-critical")
# Labels that a kubelet or virt-handler writes again and again, and prefixes of taints that stand for a node's state.
_TAKEN_LABELS = ("beta.kubernetes.io/", "cpu-model.node.kubevirt.io/", "kubevirt.io/")
_TAKEN_KEYS = ("kubernetes.io/arch", "kubernetes.io/hostname", "kubernetes.io/os", "cpumanager")
_TAKEN_TAINTS = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
# What a preset may hold of a machine's options: all that says where it runs and with how much, and nothing that is its own.
PRESET_KEYS = (
    "affinity",
    "cpu",
    "eviction_strategy",
    "instancetype",
    "keep_together",
    "limits",
    "memory",
    "node_affinity",
    "node_selector",
    "one_per_node",
    "preference",
    "priority_class",
    "requests",
    "run_strategy",
    "template_annotations",
    "template_labels",
    "termination_grace_period",
    "tolerations",
)
_IMAGE = re.compile(r"\S+")
_LIMIT_MAPS = ("default", "default_request", "max", "min")

_STR: Option = {"type": "str"}
_INT: Option = {"type": "int"}
_MAP: Option = {"type": "dict"}
_NAME: Option = {"type": "str", "required": True}


def _list(**options: Option) -> Option:
    return {"type": "list", "elements": "dict", "options": options, "default": []}


def options() -> dict[str, Option]:
    """The options that declare something."""
    limits: Option = {"type": "dict", "options": dict.fromkeys(_LIMIT_MAPS, _MAP)}
    quotas: Option = {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": _NAME,
            "hard": {"type": "dict", "required": True},
            "priority_classes": {"type": "list", "elements": "str"},
        },
    }
    return {
        "priority_classes": _list(
            name=_NAME,
            value={"type": "int", "required": True},
            description=_STR,
            global_default={"type": "bool"},
            preemption_policy={"type": "str", "choices": ["Never", "PreemptLowerPriority"]},
        ),
        "node_labels": {"type": "dict", "default": {}},
        "node_taints": {"type": "dict", "default": {}},
        "instancetypes": _list(
            name=_NAME,
            cpu={"type": "int", "required": True},
            memory={"type": "str", "required": True},
            overcommit_percent=_INT,
            node_selector=_MAP,
        ),
        "presets": {"type": "dict", "default": {}},
        "namespaces": _list(name=_NAME, quotas=quotas, limits=limits),
        "reserve": {
            "type": "dict",
            "options": {
                "image": _NAME,
                "priority": {"type": "int", "default": -1000},
                "pieces": {"type": "int", "default": 4},
                "resources": {
                    "type": "list",
                    "elements": "str",
                    "choices": ["cpu", "memory"],
                    "default": ["cpu", "memory"],
                },
            },
        },
        "objects": {"type": "list", "elements": "dict", "default": []},
    }


def spec() -> argspec.ArgumentSpec:
    """The module's argument spec."""
    own: dict[str, Option] = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "force": {"type": "bool", "default": False},
        "namespace": {"type": "str", "default": OWNER},
        **options(),
    }
    return argspec.ArgumentSpec(own).merge(argspec.connection(), argspec.bulk())


def faults(params: Values) -> Iterator[str]:
    """All that is wrong with the parameters beyond their types, a sentence each."""
    if params.get("state") == "absent":
        return
    wrong = name_fault(params.get("namespace"))
    if wrong:
        yield f"namespace: {wrong}"
    yield from _class_faults(_maps(params.get("priority_classes")))
    yield from _label_faults(params.get("node_labels"))
    yield from _taint_faults(params.get("node_taints"))
    yield from _instancetype_faults(_maps(params.get("instancetypes")))
    yield from _preset_faults(params.get("presets"))
    yield from _namespace_faults(_maps(params.get("namespaces")))
    yield from _reserve_faults(params.get("reserve"))


def all_faults(params: Values) -> list[str]:
    """Those of the types, too; for values that no module has looked at."""
    declared = argspec.ArgumentSpec(options())
    found = list(explain(declared, {key: value for key, value in params.items() if key != "namespace"}))
    try:
        found += list(faults(params))
    except (AttributeError, KeyError, TypeError, ValueError):
        # The types are wrong, and told already.
        return found or ["the values have a shape that cannot be read"]
    return found


def missing(params: Values, classes: Iterable[str], nodes: Iterable[str] | None) -> Iterator[str]:
    """What is named and not there: priority classes, which may be declared beside, and nodes unless those are not known."""
    there = {*classes, *BUILT_IN, *(str(one.get("name")) for one in _maps(params.get("priority_classes")))}
    for where, name in used_classes(params):
        if name not in there:
            yield f"{where}: PriorityClass {name} is not there; declare it in priority_classes, or take one of {_listed(there)}"
    if nodes is None:
        return
    known = set(nodes)
    for key in ("node_labels", "node_taints"):
        for name in sorted(_map(params.get(key))):
            if name not in known:
                yield f"{key}: node {name} does not exist; there are {_listed(known) or 'none'}"


def used_classes(params: Values) -> Iterator[tuple[str, str]]:
    """Where a PriorityClass is named, and its name."""
    for name, preset in _map(params.get("presets")).items():
        found = _map(preset).get("priority_class")
        if found:
            yield f"presets[{name}].priority_class", str(found)
    for entry in _maps(params.get("namespaces")):
        for quota in _maps(entry.get("quotas")):
            for found in quota.get("priority_classes") or []:
                yield f"namespaces[{entry.get('name')}].quotas[{quota.get('name')}].priority_classes", str(found)


def _class_faults(classes: Sequence[Values]) -> Iterator[str]:
    yield from _duplicates("priority_classes", classes)
    for one in classes:
        name, value = str(one.get("name")), one.get("value")
        where = f"priority_classes[{name}]"
        wrong = name_fault(name, subdomain=True)
        if wrong:
            yield f"{where}.name: {wrong}"
        if name.startswith("system-"):
            yield f"{where}.name: the prefix system- is Kubernetes' own; take another"
        if isinstance(value, int) and not LOWEST <= value <= HIGHEST:
            yield f"{where}.value: {value} must be from {LOWEST} to {HIGHEST}; higher ones are Kubernetes' own"
    defaults = [str(one.get("name")) for one in classes if one.get("global_default") is True]
    if len(defaults) > 1:
        yield f"priority_classes: {', '.join(defaults)} are each global_default; there can be one only"


def _label_faults(labels: Any) -> Iterator[str]:
    for node, found in _map(labels).items():
        where = f"node_labels[{node}]"
        if not isinstance(found, Mapping):
            yield f"{where}: must be a map of labels, such as {{rack: r1}}"
            continue
        yield from label_faults(where, found)
        for key in found:
            if str(key) in _TAKEN_KEYS or str(key).startswith(_TAKEN_LABELS):
                yield f"{where}: the label {key} is written by the node itself; take a key of your own"


def _taint_faults(taints: Any) -> Iterator[str]:
    for node, found in _map(taints).items():
        where = f"node_taints[{node}]"
        if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
            yield f"{where}: must be a list of taints, such as [{{key: dedicated, value: vms, effect: NoSchedule}}]"
            continue
        seen: set[tuple[str, str]] = set()
        for one in found:
            key, effect = str(one.get("key") or ""), str(one.get("effect") or "")
            yield from (f"{where}: {fault}" for fault in _one_taint_faults(one, key, effect))
            if (key, effect) in seen:
                yield f"{where}: {key}:{effect} is there twice"
            seen.add((key, effect))


def _one_taint_faults(taint: Values, key: str, effect: str) -> Iterator[str]:
    wrong = key_fault(key)
    if wrong:
        yield wrong
    if key.startswith(_TAKEN_TAINTS):
        yield f"the taint {key} stands for the node's state and is Kubernetes' own; cordon the node, or take another key"
    if effect not in EFFECTS:
        yield f"effect {effect or 'missing'} of {key} is unknown; allowed are {', '.join(EFFECTS)}"
    value = label_value_fault(taint.get("value"))
    if value:
        yield f"value of {key}: {value}"
    stray = sorted(set(map(str, taint)) - {"key", "value", "effect"})
    if stray:
        yield f"{', '.join(stray)}: a taint has key, value and effect only"


def _instancetype_faults(types: Sequence[Values]) -> Iterator[str]:
    yield from _duplicates("instancetypes", types)
    for one in types:
        where = f"instancetypes[{one.get('name')}]"
        wrong = name_fault(one.get("name"), subdomain=True)
        if wrong:
            yield f"{where}.name: {wrong}"
        if isinstance(one.get("cpu"), int) and one["cpu"] < 1:
            yield f"{where}.cpu: {one['cpu']} must be 1 or more"
        wrong = quantity.fault(one.get("memory"))
        if wrong:
            yield f"{where}.memory: {wrong}"
        percent = one.get("overcommit_percent")
        if isinstance(percent, int) and not 0 <= percent <= 100:
            yield f"{where}.overcommit_percent: {percent} must be from 0 to 100"
        yield from label_faults(f"{where}.node_selector", one.get("node_selector"))


def _preset_faults(presets: Any) -> Iterator[str]:
    known = preset_options()
    for name, preset in _map(presets).items():
        where = f"presets[{name}]"
        wrong = name_fault(str(name), subdomain=True)
        if wrong:
            yield f"{where}: the name {wrong}"
        if not isinstance(preset, Mapping):
            yield f"{where}: must be a map of options of the module vm; there are {', '.join(PRESET_KEYS)}"
            continue
        for key in sorted(map(str, preset.keys() - known.keys())):
            near = get_close_matches(key, PRESET_KEYS, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(PRESET_KEYS)}"
            yield f"{where}.{key}: is no option of a preset; {hint}"
        given = {key: value for key, value in preset.items() if key in known}
        yield from (f"{where}: {fault}" for fault in explain(argspec.ArgumentSpec(known), given))
        yield from (f"{where}.{fault}" for fault in vm_options.faults(given))
        yield from (f"{where}.{fault}" for fault in _above("requests", "limits", given))


def preset_options() -> dict[str, Option]:
    """The options that a preset may have."""
    known = vm_options.options()
    return {key: known[key] for key in PRESET_KEYS}


def _namespace_faults(namespaces: Sequence[Values]) -> Iterator[str]:
    yield from _duplicates("namespaces", namespaces)
    for entry in namespaces:
        where = f"namespaces[{entry.get('name')}]"
        wrong = name_fault(entry.get("name"))
        if wrong:
            yield f"{where}.name: {wrong}"
        quotas = _maps(entry.get("quotas"))
        yield from _duplicates(f"{where}.quotas", quotas)
        for quota in quotas:
            wrong = name_fault(quota.get("name"), subdomain=True)
            if wrong:
                yield f"{where}.quotas.name: {wrong}"
            yield from _amount_faults(f"{where}.quotas[{quota.get('name')}].hard", quota.get("hard"), positive=False)
        limits = _map(entry.get("limits"))
        for key in _LIMIT_MAPS:
            yield from _amount_faults(f"{where}.limits.{key}", limits.get(key))
        for low, high in (
            ("min", "default_request"),
            ("default_request", "default"),
            ("default", "max"),
            ("min", "max"),
        ):
            yield from (f"{where}.limits.{fault}" for fault in _above(low, high, limits))


def _reserve_faults(reserve: Any) -> Iterator[str]:
    given = _map(reserve)
    priority, pieces = given.get("priority"), given.get("pieces")
    image = given.get("image")
    if isinstance(image, str) and not _IMAGE.fullmatch(image):
        yield f"reserve.image: {image!r} is no image; write one such as registry.k8s.io/pause:3.10.1"
    for key in ("pieces", "priority", "resources"):
        if key in given and given[key] is None:
            yield f"reserve.{key}: is null; give a value, or leave it out"
    if isinstance(priority, int) and not LOWEST <= priority < 0:
        yield f"reserve.priority: {priority} must be below 0, so that every machine comes before a placeholder"
    if isinstance(pieces, int) and not 1 <= pieces <= 50:
        yield f"reserve.pieces: {pieces} must be from 1 to 50"
    if reserve is not None and given.get("resources") == []:
        yield "reserve.resources: is empty; give cpu, memory or both"


def _amount_faults(where: str, amounts: Any, *, positive: bool = True) -> Iterator[str]:
    for key, value in _map(amounts).items():
        wrong = quantity.fault(value, positive=positive)
        if wrong:
            yield f"{where}.{key}: {wrong}"
        elif quantity.parse(value) < 0:
            yield f"{where}.{key}: {value!r} must not be below 0"


def _above(low: str, high: str, values: Values) -> Iterator[str]:
    """Resources of which the lower bound is above the upper one."""
    lower, upper = _map(values.get(low)), _map(values.get(high))
    for key in sorted(lower.keys() & upper.keys()):
        try:
            above = quantity.parse(lower[key]) > quantity.parse(upper[key])
        except ValueError:
            continue  # told as no quantity
        if above:
            yield f"{low}.{key}: {lower[key]} is more than {high}.{key}, {upper[key]}"


def _duplicates(where: str, entries: Sequence[Values]) -> Iterator[str]:
    names = [str(entry.get("name")) for entry in entries]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{where}[{name}]: is there {names.count(name)} times"


def _map(value: Any) -> Values:
    return value if isinstance(value, Mapping) else {}


def _maps(value: Any) -> list[Values]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
