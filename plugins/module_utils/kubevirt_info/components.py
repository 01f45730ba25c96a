# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: KubeVirt's own parts: replicas, their spread, disruption budgets, virt-handler, what the CR says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding, Thing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import Budget, Node, Pod
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.view import View
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.placement import (
    label_selector,
    matches,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.platform_state import COMPONENTS, HANDLER, replicas

Object = Mapping[str, Any]
# KubeVirt makes budgets for these; virt-operator has none.
_WITH_BUDGET = ("virt-api", "virt-controller", "virt-exportproxy")
_COMPONENT = "kubevirt.io"
_SUBRESOURCES = "subresources.kubevirt.io"


@dataclass(frozen=True)
class Component:
    """A Deployment of KubeVirt's namespace and its pods."""

    name: str
    namespace: str
    wanted: int
    ready: int
    pods: tuple[Pod, ...]
    budgets: tuple[Budget, ...]

    @property
    def core(self) -> bool:
        return self.name in COMPONENTS

    @property
    def nodes(self) -> list[str]:
        """The nodes of its ready pods, each once."""
        return sorted({pod.node for pod in self.pods if pod.ready and pod.node})

    def finding(self, identifier: str, why: str, detail: str = "") -> Finding:
        return Finding(identifier, why, (Thing("Deployment", self.name, self.namespace, detail),))


def components(view: View) -> list[Component]:
    """The Deployments of KubeVirt, by name."""
    found = []
    for item in view.cluster.deployments:
        meta, spec = item["metadata"], item.get("spec") or {}
        name = str(meta["name"])
        if _COMPONENT not in (meta.get("labels") or {}) and not name.startswith("virt-"):
            continue
        selector = label_selector(spec.get("selector")) or ()
        pods = [pod for pod in _pods(view) if selector and matches(selector, pod.labels)]
        labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
        wanted, ready = replicas(item)
        budgets = tuple(each for each in _budgets(view) if each.selector is not None and matches(each.selector, labels))
        found.append(Component(name, view.cluster.namespace, wanted, ready, tuple(pods), budgets))
    return sorted(found, key=lambda component: component.name)


def _pods(view: View) -> Iterator[Pod]:
    return (pod for pod in view.cluster.pods if pod.namespace == view.cluster.namespace)


def _budgets(view: View) -> Iterator[Budget]:
    return (budget for budget in view.cluster.budgets if budget.key[0] == view.cluster.namespace)


def overview(view: View) -> dict[str, dict[str, Any]]:
    """The result's `components`: what there is of each part, and where."""
    found = {
        each.name: {
            "wanted": each.wanted,
            "ready": each.ready,
            "nodes": each.nodes,
            "failure_domains": sorted({view.domain(node) for node in each.nodes} - {""}),
            "disruptions_allowed": min((b.allowed for b in each.budgets if b.allowed is not None), default=None),
        }
        for each in components(view)
    }
    handler = _handler(view)
    if handler:
        wanted, ready = _handlers(handler)
        nodes = sorted({pod.node for pod in _pods(view) if _is_handler(pod) and pod.ready})
        found[HANDLER] = {"wanted": wanted, "ready": ready, "nodes": nodes}
    return found


def missing(view: View) -> Iterator[Finding]:
    """Core parts that are not there."""
    if view.cluster.kubevirt is None:
        return
    there = {component.name for component in components(view)}
    for name in COMPONENTS:
        if name not in there:
            yield Finding("component-missing", _of(view), (Thing("Deployment", name, view.cluster.namespace),))
    if _handler(view) is None:
        yield Finding("component-missing", _of(view), (Thing("DaemonSet", HANDLER, view.cluster.namespace),))


def _of(view: View) -> str:
    return f"namespace {view.cluster.namespace} does not have it"


def replica_counts(view: View) -> Iterator[Finding]:
    """Wanted and ready replicas; a core part needs a second one to take over."""
    for each in components(view):
        ready = f"{each.ready} of {each.wanted} replicas are ready"
        if each.core and each.wanted < 2:
            yield each.finding("component-single", "there is no second replica to take over", ready)
        elif not each.core and min(each.wanted, each.ready) < 2:
            yield each.finding("helper-single", "there is no second replica to take over", ready)
        elif each.ready < 2:
            yield each.finding("component-no-spare", "fewer than two replicas are ready", ready)
        elif each.ready < each.wanted:
            yield each.finding("component-not-ready", "replicas are not ready", ready)


def spread(view: View) -> Iterator[Finding]:
    """Ready replicas that the loss of one node, or of one failure domain, takes all at once."""
    several_domains = len(view.domains(view.cluster.nodes)) > 1
    for each in components(view):
        ready = [pod for pod in each.pods if pod.ready and pod.node]
        if len(ready) < 2:
            continue
        domains = {view.domain(node) for node in each.nodes}
        if len(each.nodes) == 1:
            yield each.finding("component-one-node", "the loss of one node takes all replicas", f"on {each.nodes[0]}")
        elif several_domains and len(domains) == 1 and "" not in domains:
            why = "the loss of one failure domain takes all replicas"
            yield each.finding("component-one-domain", why, f"in {domains.pop()}")


def disruption_budgets(view: View) -> Iterator[Finding]:
    """Whether a budget keeps one replica, and lets the others go."""
    for each in components(view):
        if each.wanted < 2:
            continue
        keeping = [budget for budget in each.budgets if _kept(budget, each.wanted) > 0]
        if each.name in _WITH_BUDGET and not keeping:
            yield each.finding("component-pdb-missing", "a drain of two nodes at once may take all replicas")
        for budget in keeping:
            why = _why_blocked(budget, each)
            if why:
                thing = Thing("PodDisruptionBudget", budget.key[1], budget.key[0], f"of {each.name}")
                yield Finding("component-pdb-blocks", why, (thing,))


def _kept(budget: Budget, pods: int) -> int:
    """How many of the pods a budget keeps."""
    if budget.min_available is not None:
        return _share(budget.min_available, pods)
    return pods - _share(budget.max_unavailable, pods) if budget.max_unavailable is not None else 0


def _share(value: int | str, pods: int) -> int:
    text = str(value)
    if text.endswith("%"):
        return ceil(pods * int(text[:-1]) / 100)
    return int(text)


def _why_blocked(budget: Budget, component: Component) -> str:
    if _kept(budget, component.wanted) >= component.wanted:
        return "it keeps every replica"
    return "it allows no disruption now" if budget.allowed == 0 else ""


def handlers(view: View) -> Iterator[Finding]:
    """virt-handler on each node that is Ready and has run it before; of others only the DaemonSet tells."""
    handler = _handler(view)
    if handler is None:
        return
    ready = {pod.node for pod in _pods(view) if _is_handler(pod) and pod.ready}
    without = [node for node in view.hosts if node.ready and node.name not in ready]
    for node in without:
        yield Finding("handler-not-ready", "the node has no ready pod of it", (_node(node),))
    wanted, there = _handlers(handler)
    if not without and there < wanted and all(node.ready for node in view.cluster.nodes):
        thing = Thing("DaemonSet", HANDLER, view.cluster.namespace, f"{there} of {wanted} pods are ready")
        yield Finding("handler-not-ready", "a node has never had a ready pod of it", (thing,))


def heartbeats(view: View) -> Iterator[Finding]:
    """virt-handlers that no longer write their heartbeat on their node."""
    limit = view.settings.heartbeat_seconds
    for node in view.hosts:
        if not node.ready:
            continue
        age = None if node.heartbeat is None else view.cluster.now - node.heartbeat
        if age is None or age > limit:
            detail = "it has never sent one" if age is None else f"the last one is {age:.0f} s old"
            yield Finding("handler-stale", f"heartbeats older than {limit:g} s are stale", (_node(node, detail),))


def _node(node: Node, detail: str = "") -> Thing:
    return Thing("Node", node.name, detail=detail)


def _handler(view: View) -> Object | None:
    return next((item for item in view.cluster.daemon_sets if item["metadata"]["name"] == HANDLER), None)


def _handlers(handler: Object) -> tuple[int, int]:
    status = handler.get("status") or {}
    return int(status.get("desiredNumberScheduled") or 0), int(status.get("numberReady") or 0)


def _is_handler(pod: Pod) -> bool:
    return pod.labels.get(_COMPONENT) == HANDLER


def custom_resource(view: View) -> Iterator[Finding]:
    """What the KubeVirt CR says of itself."""
    kubevirt = view.cluster.kubevirt
    if kubevirt is None:
        yield Finding("kubevirt-missing", "there is no KubeVirt custom resource")
        return
    thing = Thing("KubeVirt", str(kubevirt["metadata"]["name"]), str(kubevirt["metadata"].get("namespace") or ""))
    for identifier, kind, bad in (
        ("kubevirt-not-available", "Available", ("False", "Unknown", None)),
        ("kubevirt-degraded", "Degraded", ("True",)),
        ("kubevirt-updating", "Progressing", ("True",)),
    ):
        condition = conditions.find(kubevirt, kind)
        if condition.get("status") in bad:
            why = conditions.describe(condition)
            yield Finding(identifier, why or f"it has no condition {kind}", (thing,))


def early_availability(view: View) -> Iterator[Finding]:
    """The CR says Available before the last replica is ready."""
    if view.cluster.kubevirt is None or not conditions.holds(view.cluster.kubevirt, "Available"):
        return
    late = [each for each in components(view) if each.ready < each.wanted]
    for each in late:
        yield each.finding(
            "kubevirt-available-early", "replicas are missing", f"{each.ready} of {each.wanted} replicas are ready"
        )


def subresource_api(view: View) -> Iterator[Finding]:
    """Whether the API server reaches virt-api, for start, stop, pause, migrate and console."""
    for item in _own_services(view.cluster.api_services):
        if not conditions.holds(item, "Available"):
            condition = conditions.find(item, "Available")
            why = conditions.describe(condition)
            thing = Thing("APIService", str(item["metadata"]["name"]))
            yield Finding("kubevirt-api-unavailable", why or "it has no condition Available", (thing,))


def _own_services(items: Iterable[Object]) -> Iterator[Object]:
    return (item for item in items if (item.get("spec") or {}).get("group") == _SUBRESOURCES)
