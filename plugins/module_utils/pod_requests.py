# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what pods ask of nodes and quotas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import ceil
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import quantity

Object = Mapping[str, Any]
# The value of NAMED on the role's own placeholders.
NAMED, PLACEHOLDER = "app.kubernetes.io/name", "kubevirt-ha-reserve"
_MIB = 2**20


@lru_cache(maxsize=4096)
def amount(resource: str, text: str) -> int:
    """A quantity in whole units, CPU in thousandths, rounded up; 0 where it is none."""
    try:
        value = quantity.parse(text)
    except ValueError:
        return 0
    return ceil(value * 1000 if resource.endswith("cpu") else value)


def amounts(quantities: Mapping[str, Any] | None) -> dict[str, int]:
    """A ResourceList."""
    return {name: amount(name, str(text)) for name, text in (quantities or {}).items()}


def gives_way(pod: Object) -> bool:
    """Whether a pod is a placeholder, whose room is a machine's as soon as one needs it: its priority is below 0."""
    labels = (pod.get("metadata") or {}).get("labels") or {}
    return int((pod.get("spec") or {}).get("priority") or 0) < 0 and labels.get("kubevirt.io") != "virt-launcher"


def share(rooms: Sequence[Mapping[str, int]], resources: Iterable[str]) -> dict[str, int]:
    """What each node must keep free so that the others hold all that ran on the largest one: the n-th part of its room.

    With v in use and r kept free on a node of room A, v is at most A - r, and the n - 1 others keep (n - 1) r: enough where
    r is A / n. CPU in thousandths, memory in whole MiB as bytes.
    """
    largest = {name: max((room.get(name, 0) for room in rooms), default=0) for name in resources}
    kept = {name: -(-value // max(1, len(rooms))) for name, value in largest.items()}
    return {name: -(-value // _MIB) * _MIB if name == "memory" else value for name, value in kept.items()}


def requests(spec: Object) -> dict[str, int]:
    """What a pod asks of a node, as kube-scheduler counts it: its containers together, or an init container with the
    sidecars before it where that is more; what the pod itself states wins; its overhead comes on top."""
    running: dict[str, int] = {}
    highest: dict[str, int] = {}
    for container in spec.get("initContainers") or []:
        asked = _asked(container)
        if container.get("restartPolicy") == "Always":
            _add(running, asked)
            asked = {}
        _raise(highest, _sum(running, asked))
    for container in spec.get("containers") or []:
        _add(running, _asked(container))
    _raise(highest, running)
    highest.update(_asked(spec))
    _add(highest, amounts(spec.get("overhead")))
    highest["pods"] = 1
    return highest


def _asked(container: Object) -> dict[str, int]:
    return amounts((container.get("resources") or {}).get("requests"))


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for name, value in more.items():
        total[name] = total.get(name, 0) + value


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    total = dict(one)
    _add(total, other)
    return total


def _raise(highest: dict[str, int], other: Mapping[str, int]) -> None:
    for name, value in other.items():
        highest[name] = max(highest.get(name, 0), value)
