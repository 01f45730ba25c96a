# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the hosts and the cluster's nodes, one beside the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding, Thing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.model import (
    BAD,
    GOOD,
    PLAIN,
    UNKNOWN,
    WARN,
    Cell,
    Facts,
    Row,
    Section,
    listed,
)

HEADS = ("node", "host", "Ready", "roles", "Kubernetes", "runtime", "kernel", "KVM", "services")
_OF_CLUSTER = ("control_plane", "kvm_nodes")
_RUNS = "active"


def section(facts: Facts) -> Section:
    """A row for each host of the inventory and each node of the cluster."""
    nodes = facts.nodes()
    platform = {name: host for name, host in facts.hosts.items() if not host.get("watches")}
    names = sorted({*platform, *nodes})
    rows = tuple(_row(facts, name, platform.get(name), nodes.get(name)) for name in names)
    return Section("nodes", "Nodes", HEADS, rows, tuple(_findings(facts, platform, nodes)))


def _row(facts: Facts, name: str, host: Mapping[str, Any] | None, node: Mapping[str, Any] | None) -> Row:
    given = node or {}
    groups = [group for group in (host or {}).get("groups") or () if group != "kvm_nodes"]
    roles = given.get("roles") or [group.replace("_", "-") for group in groups]
    return (
        Cell(name, BAD if is_lost(facts, name) else PLAIN),
        _host(host),
        _ready(facts, host, node),
        Cell(listed(roles, "worker")),
        Cell(str(given.get("kubelet") or "").lstrip("v")),
        Cell(str(given.get("container_runtime") or "").replace("://", " ")),
        Cell(str(given.get("kernel") or "")),
        _kvm((host or {}).get("kvm") or {}),
        _services(facts.look(name).get("services")),
    )


def is_lost(facts: Facts, name: str) -> bool:
    """Whether a node is not there: its host does not answer, or the cluster says that it is not Ready."""
    host, node = facts.hosts.get(name), facts.nodes().get(name)
    return (host is not None and not host.get("reached")) or (node is not None and not node["ready"])


def _host(host: Mapping[str, Any] | None) -> Cell:
    if host is None:
        return Cell("not in the inventory", UNKNOWN)
    if not host.get("reached"):
        return Cell("no answer", BAD)
    return Cell("answers", GOOD) if host.get("look") else Cell("answers, no look", WARN)


def _ready(facts: Facts, host: Mapping[str, Any] | None, node: Mapping[str, Any] | None) -> Cell:
    if node is None:
        belongs = _belongs(host)
        if not facts.asked:
            return Cell("not known" if belongs else "", UNKNOWN if belongs else PLAIN)
        return Cell("not in the cluster", BAD) if belongs else Cell("no node")
    if not node["ready"]:
        return Cell("not Ready", BAD)
    wrong = [*node["pressures"], *(["cordoned"] if node["cordoned"] else [])]
    return Cell(f"Ready, {listed(wrong)}" if wrong else "Ready", WARN if wrong else GOOD)


def _belongs(host: Mapping[str, Any] | None) -> bool:
    return any(group in ((host or {}).get("groups") or ()) for group in _OF_CLUSTER)


def _kvm(kvm: Mapping[str, Any]) -> Cell:
    """Of hosts that were asked: how they run guests."""
    if not kvm:
        return Cell("")
    if kvm.get("virtualization") and kvm.get("kvm_modules"):
        return Cell(str(kvm["virtualization"]), GOOD)
    return Cell("emulation", WARN)


def _services(found: Mapping[str, str] | None) -> Cell:
    if found is None:
        return Cell("not known", UNKNOWN)
    down = [f"{name} {state}" for name, state in sorted(found.items()) if state != _RUNS]
    return Cell(listed(down), BAD) if down else Cell(f"{len(found)} of {len(found)} run", GOOD)


def _findings(
    facts: Facts, platform: Mapping[str, Mapping[str, Any]], nodes: Mapping[str, Mapping[str, Any]]
) -> Iterator[Finding]:
    if not facts.asked:
        why = str(facts.cluster.get("why") or "it was not asked")
        yield Finding("cluster-unknown", why)
    for name, host in sorted(platform.items()):
        thing = Thing("host", name, detail=str(host.get("why") or ""))
        if not host.get("reached"):
            yield Finding("host-unreachable", "Ansible does not reach it", (thing,))
        elif not host.get("look"):
            yield Finding("host-look-failed", "it answers, but the look at it failed", (thing,))
        elif facts.asked and name not in nodes and _belongs(host):
            yield Finding("node-missing", "the cluster does not know it", (Thing("host", name),))
        for unit, state in sorted((facts.look(name).get("services") or {}).items()):
            if state != _RUNS:
                yield Finding("service-not-running", f"{unit} is {state}", (Thing("host", name),))
    for name, node in sorted(nodes.items()):
        if node["pressures"]:
            yield Finding("node-pressure", listed(node["pressures"]), (Thing("Node", name),))
