# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: whether a node can take a machine, as far as labels, taints and requests tell.

Only what is certain counts as an obstacle. Affinity to other pods, devices and storage are left to the scheduler.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions, placement
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.placement import Placement
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.pod_requests import amounts, gives_way, requests

Object = Mapping[str, Any]

HOSTNAME = "kubernetes.io/hostname"
CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
_SCHEDULABLE = "kubevirt.io/schedulable"
_CPU_MODEL = "cpu-model.node.kubevirt.io/"
# Models that each node brings its own of.
_OWN_MODELS = frozenset({"host-model", "host-passthrough"})
_RESOURCES = ("cpu", "memory")


def name_of(node: Object) -> str:
    """A node's name."""
    return str(node["metadata"]["name"])


def labels_of(node: Object) -> Mapping[str, str]:
    """A node's labels."""
    return node["metadata"].get("labels") or {}


def hostname(node: Object) -> str:
    """The value of the label by which a pod is sent to the node; not always its name."""
    return str(labels_of(node).get(HOSTNAME) or name_of(node))


def is_cordoned(node: Object) -> bool:
    """Whether no new pods are sent to the node."""
    return bool((node.get("spec") or {}).get("unschedulable"))


def is_ready(node: Object) -> bool:
    """Whether the node's kubelet says that it works."""
    return conditions.holds(node, "Ready")


def obstacles(spec: Object, node: Object) -> list[str]:
    """Why a node cannot take a machine with this instance's spec, a clause each; empty where nothing is known."""
    return _obstacles(spec, placement.parse(spec), node)


def _obstacles(spec: Object, rules: Placement, node: Object) -> list[str]:
    return [*_of_node(node), *_of_machine(spec, rules, node)]


def elsewhere(spec: Object, nodes: Iterable[Object], without: Iterable[str]) -> tuple[list[Object], str]:
    """The nodes that can take a machine, and in a sentence why the others cannot; `without` are names of those to leave."""
    left, fitting, reasons = frozenset(without), [], []
    rules = placement.parse(spec)
    for node in nodes:
        if name_of(node) in left:
            continue
        found = _obstacles(spec, rules, node)
        if found:
            reasons.append(f"{name_of(node)} {' and '.join(found)}")
        else:
            fitting.append(node)
    return fitting, "; ".join(reasons) or "there is no other node"


def _of_node(node: Object) -> Iterator[str]:
    if is_cordoned(node):
        yield "is cordoned"
    if not is_ready(node):
        yield "is not ready"
    stated = labels_of(node).get(_SCHEDULABLE)
    if stated != "true":
        yield f"takes no machines (label {_SCHEDULABLE} is {stated or 'missing'})"


def _of_machine(spec: Object, rules: Placement, node: Object) -> Iterator[str]:
    labels = labels_of(node)
    for key, value in (spec.get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            yield f"lacks the label {key}={value} of the machine's node selector"
    architecture = spec.get("architecture")
    if architecture and labels.get("kubernetes.io/arch") not in (None, architecture):
        yield f"is no {architecture}"
    model = ((spec.get("domain") or {}).get("cpu") or {}).get("model")
    if model and model not in _OWN_MODELS and labels.get(_CPU_MODEL + model) != "true":
        yield f"does not offer the CPU model {model}"
    if not _meets_affinity(rules, node):
        yield "does not meet the machine's required node affinity"
    for taint in (node.get("spec") or {}).get("taints") or []:
        # That of a cordon is told by the cordon itself.
        hard = taint.get("effect") in ("NoSchedule", "NoExecute") and taint.get("key") != CORDON["key"]
        if hard and not _tolerates(rules, taint):
            yield f"has the taint {_shown(taint)} that the machine does not tolerate"


def _shown(taint: Object) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint.get('key')}{value}:{taint.get('effect')}"


def is_tolerated(spec: Object, taint: Object) -> bool:
    """Whether a pod with this spec tolerates a taint, be it that of a cordon."""
    return _tolerates(placement.parse(spec), taint)


def _tolerates(rules: Placement, taint: Object) -> bool:
    (found,) = placement.taints({"taints": [taint]})
    return any(toleration.covers(found) for toleration in rules.tolerations)


def _meets_affinity(rules: Placement, node: Object) -> bool:
    return rules.terms is None or any(term.holds(name_of(node), labels_of(node)) for term in rules.terms)


def room(node: Object, pods: Iterable[Object]) -> dict[str, int]:
    """What pods have not asked for of a node's cores, in thousandths, and bytes of memory; placeholders do not count, and
    `pods` may hold those of other nodes."""
    left = {**dict.fromkeys(_RESOURCES, 0), **amounts((node.get("status") or {}).get("allocatable"))}
    for pod in pods:
        if (
            pod["spec"].get("nodeName") == name_of(node)
            and (pod.get("status") or {}).get("phase") not in conditions.FINAL_PHASES
            and not gives_way(pod)
        ):
            for name, value in requests(pod["spec"]).items():
                left[name] = left.get(name, 0) - value
    return left


def short_of(pod: Object, node: Object, pods: Iterable[Object]) -> list[str]:
    """The resources that a node has not enough of for a pod."""
    left, wanted = room(node, pods), requests(pod["spec"])
    return [name for name in _RESOURCES if wanted.get(name, 0) > left[name]]
