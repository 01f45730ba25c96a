# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what of a cluster stands against what is declared, and what is worth a warning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.cluster_placement.manifests import (
    LABEL,
    machine_nodes,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.cluster_placement.options import OWNER, missing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.pod_requests import amount, requests

Values = Mapping[str, Any]
_NAMED = 5
# What a quota counts of pods that pod_requests knows.
_COUNTED = {
    "cpu": "cpu",
    "requests.cpu": "cpu",
    "memory": "memory",
    "requests.memory": "memory",
    "pods": "pods",
}


def is_owned(item: Values) -> bool:
    """Whether an object is this role's."""
    return (item["metadata"].get("labels") or {}).get(LABEL) == OWNER


def faults(params: Values, classes: Sequence[Values], nodes: Sequence[Values]) -> Iterator[str]:
    """What is named and not there, names that somebody else has, a second default class, a reserve that cannot be."""
    names = [str(node["metadata"]["name"]) for node in nodes]
    foreign = {str(one["metadata"]["name"]): one for one in classes if not is_owned(one)}
    # An owned one that is declared no more is about to go.
    yield from missing(params, foreign, names)
    default = next((name for name, one in sorted(foreign.items()) if one.get("globalDefault")), None)
    for one in params.get("priority_classes") or []:
        if one["name"] in foreign:
            yield f"priority_classes[{one['name']}]: is there and not this role's; take another name, or label it {LABEL}={OWNER}"
        elif one.get("global_default") and default:
            yield f"priority_classes[{one['name']}].global_default: {default} is the default already; there can be one only"
    if params.get("reserve") and len(machine_nodes(nodes)) < 2:
        yield "reserve: needs two nodes or more that run machines; there is nobody to keep room for"


def users(name: str, machines: Iterable[Values], pods: Iterable[Values]) -> list[str]:
    """Who names a PriorityClass: machines, and pods that no machine stands for."""
    found = []
    for item in machines:
        spec = item.get("spec") or {}
        inner = (spec.get("template") or {}).get("spec") or {}
        if name in (inner.get("priorityClassName"), spec.get("priorityClassName")):
            found.append(f"{item['kind']} {_key(item)}")
    for pod in pods:
        ended = (pod.get("status") or {}).get("phase") in conditions.FINAL_PHASES
        if pod["spec"].get("priorityClassName") == name and not ended and not is_owned(pod):
            found.append(f"Pod {_key(pod)}")
    return found


def in_use(name: str, found: Sequence[str]) -> str:
    """The fault of a class that may not go."""
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"PriorityClass {name}: is used by {', '.join(found[:_NAMED])}{more}; give these another class first"


def overdrawn(quota: Values, pods: Iterable[Values]) -> Iterator[str]:
    """A sentence for each amount of a quota that is less than what runs in its namespace asks for already."""
    spec = quota["spec"]
    scoped = (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    classes = {str(value) for rule in scoped for value in rule.get("values") or []}
    used: dict[str, int] = {}
    for pod in pods:
        ended = (pod.get("status") or {}).get("phase") in conditions.FINAL_PHASES
        if not ended and (not classes or pod["spec"].get("priorityClassName") in classes):
            for key, value in requests(pod["spec"]).items():
                used[key] = used.get(key, 0) + value
    where = f"ResourceQuota {_key(quota)}"
    for key, text in spec["hard"].items():
        counted = _COUNTED.get(key)
        if counted and used.get(counted, 0) > amount(counted, str(text)):
            shown = f"{used[counted]}m" if counted == "cpu" else str(used[counted])
            yield f"{where}: {key} {text} is less than what runs there asks for, {shown}; what runs stays, nothing new starts"


def _key(item: Values) -> str:
    meta = item["metadata"]
    return "/".join(filter(None, (meta.get("namespace"), meta["name"])))
