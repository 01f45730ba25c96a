# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: nodes that are down or kept out, versions that lie apart, failure domains."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding, Thing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import SCHEDULABLE, Node
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.view import View

_MINOR = re.compile(r"^v?(\d+)\.(\d+)")


def _finding(identifier: str, why: str, node: Node, detail: str = "") -> Finding:
    return Finding(identifier, why, (Thing("Node", node.name, detail=detail),))


def states(view: View) -> Iterator[Finding]:
    """Nodes that are not Ready, and nodes that take no machines although they are."""
    for node in view.cluster.nodes:
        taints = [taint.key for taint in node.taints if taint.of_state]
        if not node.ready:
            yield _finding("node-not-ready", "the loss of another part may be one too many", node)
        elif node.cordoned or taints:
            detail = "cordoned" if node.cordoned else f"tainted with {', '.join(taints)}"
            yield _finding("node-cordoned", "its room does not count for a failover", node, detail)
        elif node.runs_machines and node.labels.get(SCHEDULABLE) != "true":
            yield _finding("node-vm-unschedulable", f"its label {SCHEDULABLE} is not true", node)


def hosts(view: View) -> Iterator[Finding]:
    """Whether a second node can run machines that tolerate nothing."""
    if len(view.everywhere) == 1:
        (name,) = view.everywhere
        yield _finding("vm-nodes-single", f"no other node has the label {SCHEDULABLE} and no taint", view.nodes[name])


def kubelets(view: View) -> Iterator[Finding]:
    """Kubelets of another minor version than the API server's, or than the newest of theirs where that is not known."""
    minors = {node.name: _minor(str(node.info.get("kubeletVersion") or "")) for node in view.cluster.nodes}
    known = [minor for minor in minors.values() if minor]
    wanted = _minor(view.cluster.server_version) or max(known, default=None)
    for node in view.cluster.nodes:
        if minors[node.name] and minors[node.name] != wanted:
            why = f"the API server has {view.cluster.server_version or 'a version that is not known'}"
            yield _finding("node-kubelet-skew", why, node, str(node.info["kubeletVersion"]))


def _minor(version: str) -> tuple[int, int] | None:
    match = _MINOR.match(version)
    return (int(match.group(1)), int(match.group(2))) if match else None


def kernels(view: View) -> Iterator[Finding]:
    """Nodes that run machines on different kernels."""
    found = {node.name: str(node.info.get("kernelVersion") or "") for node in view.hosts}
    different = sorted(set(found.values()) - {""})
    if len(different) > 1:
        for node in view.hosts:
            yield _finding("node-kernel-skew", f"{len(different)} kernels", node, found[node.name])


def domains(view: View) -> Iterator[Finding]:
    """Failure domains of the nodes that run machines."""
    label, found = view.settings.domain_label, view.domains(view.hosts)
    if len(found) < 2:
        if len(view.hosts) > 1:
            known = f"all labelled ones are in {min(found)}" if found else "none is labelled"
            yield Finding("domains-unknown", f"by label {label}: {known}")
        return
    for domain, names in sorted(found.items()):
        if len(names) == 1:
            thing = Thing("failure domain", domain, detail=f"node {names[0]}")
            yield Finding("domain-one-node", "the loss of the node is that of the domain", (thing,))
