# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what stands beside KubeVirt, one by one: priorities, the reserve, quotas, networks of machines, metrics-server.

What could not be read is None, which is not the same as none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions, pod_requests
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.capacity import numbers
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import Amounts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.view import View

_METRICS = "metrics.k8s.io"


def _unread(view: View, *sources: str) -> bool:
    """Whether one of the sources could not be read."""
    return not view.cluster.unread.keys().isdisjoint(sources)


def priority_classes(view: View) -> list[dict[str, Any]] | None:
    """Those that machines name, the highest first; an empty name is that of machines that name none."""
    if _unread(view, "priority_classes", "vms", "vmis"):
        return None
    counts: dict[str, int] = {}
    for machine in view.machines:
        counts[machine.guest.priority_class] = counts.get(machine.guest.priority_class, 0) + 1
    known = view.cluster.priority_classes
    default = next((each.value for each in known.values() if each.default), 0)
    values = {name: known[name].value if name in known else None if name else default for name in counts}
    names = sorted(counts, key=lambda name: (-(values[name] or 0), name))
    return [{"name": name, "value": values[name], "machines": counts[name]} for name in names]


def reserve(view: View) -> dict[str, Any] | None:
    """What the role's placeholders hold on each node, and what they should; None where there are none.

    Their number is None where pods or nodes could not be read, or pods only in namespaces that were named.
    """
    if _unread(view, "pods", "all_pods", "nodes"):
        return {"wanted": {}, "nodes": [], "placeholders": None, "waiting": None}
    pods = [pod for pod in view.cluster.pods if pod.labels.get(pod_requests.NAMED) == pod_requests.PLACEHOLDER]
    if not pods:
        return None
    resources = sorted({name for pod in pods for name in pod.requests} - {"pods"})
    held: dict[str, dict[str, int]] = {node.name: dict.fromkeys(resources, 0) for node in view.hosts}
    for pod in pods:
        for name in resources if pod.node in held else ():
            held[pod.node][name] += pod.requests.get(name, 0)
    return {
        "wanted": numbers(pod_requests.share([node.room for node in view.hosts], resources)),
        "nodes": [{"name": node, "held": numbers(amounts)} for node, amounts in sorted(held.items())],
        "placeholders": len(pods),
        "waiting": sum(not pod.node for pod in pods),
    }


def quotas(view: View) -> list[dict[str, Any]] | None:
    """How much of each ResourceQuota is used."""
    if _unread(view, "quotas"):
        return None
    return [
        {
            "namespace": quota.key[0],
            "name": quota.key[1],
            "hard": _counted(quota.hard),
            "used": _counted({name: value - quota.room[name] for name, value in quota.hard.items()}),
        }
        for quota in sorted(view.cluster.quotas, key=lambda quota: quota.key)
    ]


def _counted(amounts: Amounts) -> Mapping[str, float | int]:
    """A quota says requests.cpu where a node says cpu."""
    return {name: value / 1000 if name.endswith("cpu") else value for name, value in sorted(amounts.items())}


def networks(view: View) -> dict[str, Any]:
    """The NetworkAttachmentDefinitions by their namespaces."""
    found: dict[str, list[str]] = {}
    for namespace, name in sorted(view.cluster.networks):
        found.setdefault(namespace, []).append(name)
    unknown = _unread(view, "networks")
    return {"installed": None if unknown else "networks" not in view.cluster.absent, "namespaces": found}


def metrics_server(view: View) -> dict[str, Any]:
    """Whether the API of metrics is there and answers; None for what could not be read."""
    if "api_services" in view.cluster.unread:
        return {"installed": None, "available": None, "why": view.cluster.unread["api_services"].reason}
    items = [item for item in view.cluster.api_services if (item.get("spec") or {}).get("group") == _METRICS]
    bad = [item for item in items if not conditions.holds(item, "Available")]
    why = conditions.describe(conditions.find(bad[0], "Available")) or "it has no condition Available" if bad else ""
    return {"installed": bool(items), "available": bool(items) and not bad, "why": why}
