# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill's report as a table for a terminal: what ran where, and the figures against their limits. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.columns import columns

_COMPONENT_LABELS = ("kubevirt.io", "component", "k8s-app")
_TITLES = {
    "rto_seconds": "RTO: power loss to the guest's answer",
    "rpo_writes_lost": "RPO: acknowledged writes lost",
    "writers_at_once": "writers of one disk at once",
    "api_gap_seconds": "API gap, through the VIP",
    "vip_gap_seconds": "VIP gap",
    "requests_failed_beyond_gap": "API requests failed beyond the gap allowed",
    "write_stall_seconds": "stall of writes on the other nodes",
    "alert_fired_seconds": "power loss to the alert of it",
    "alerts_delivered": "how often the alert was sent",
    "alert_cleared": "the alert was over after the node's return",
}


def places(pods: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Node → names of the components that run there, each once; of the pods given."""
    found: dict[str, set[str]] = {}
    for pod in pods:
        labels = pod["metadata"].get("labels") or {}
        name = next((str(labels[key]) for key in _COMPONENT_LABELS if labels.get(key)), "")
        node = str((pod.get("spec") or {}).get("nodeName") or "")
        if name and node:
            found.setdefault(node, set()).add(name)
    return {node: sorted(names) for node, names in sorted(found.items())}


def table(content: Mapping[str, Any], folder: str) -> str:
    """The text of summary.txt, from what report.json holds and the path of its folder."""
    verdict = "passed" if content["passed"] else "FAILED"
    lines = [
        f"Drill {content['scenario']} of {content['node']}: {verdict}",
        f"KubeVirt that ran: {content['kubevirt_source']} ({content['versions'].get('kubevirt', 'unknown version')})",
        "",
        *columns([("node", "ran before", "virtual machines")] + [_node(content, node) for node in content["places"]]),
        "",
        *columns([("figure", "value", "limit", "")] + [_figure(*item) for item in content["figures"].items()]),
        "",
        *(f"fault: {fault}" for fault in content["faults"]),
        *(f"note: {note}" for note in content["notes"]),
        f"report: {folder}/index.html",
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _node(content: Mapping[str, Any], node: str) -> tuple[str, ...]:
    lost = " (lost)" if node == content["node"] else ""
    machines = [_machine(each) for each in content["machines"] if each["node"] == node]
    return node + lost, ", ".join(content["places"][node]), ", ".join(machines) or "none"


def _machine(machine: Mapping[str, Any]) -> str:
    if not machine["lost"]:
        return str(machine["name"])
    if machine["recovery_seconds"] is None:
        return f"{machine['name']}, did not come back"
    return f"{machine['name']}, back on {machine['recovered_on']} after {machine['recovery_seconds']:.1f} s"


def _figure(name: str, entry: Mapping[str, Any]) -> tuple[str, ...]:
    value = "no data" if entry["value"] is None else f"{entry['value']:g} {entry['unit']}"
    if entry["limit"] is None:
        return _TITLES.get(name, name), value, "none", ""
    return _TITLES.get(name, name), value, f"{entry['limit']:g}", "" if entry["passed"] else "over its limit"
