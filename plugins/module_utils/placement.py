# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the scheduling rules of a pod or an instance, and whether labels and taints meet them, as kube-scheduler reads them.

Hashable throughout, so that machines made from one template share the answer. Left out are preferences, which forbid
nothing, and topology spread constraints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

Object = Mapping[str, Any]
Labels = Mapping[str, str]

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_REPELLING = ("NoSchedule", "NoExecute")
# Taints that Kubernetes sets on a node's state; they pass, and say nothing about who may run there.
_STATE_TAINTS = "node.kubernetes.io/"


@dataclass(frozen=True)
class Requirement:
    """One expression of a selector: key, operator, values."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def holds(self, labels: Labels) -> bool:
        value = labels.get(self.key)
        if self.operator in ("In", "NotIn"):
            return (value in self.values) == (self.operator == "In")
        if self.operator in ("Exists", "DoesNotExist"):
            return (value is not None) == (self.operator == "Exists")
        return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        """Gt and Lt, of whole numbers."""
        try:
            number, bound = int(str(value)), int(self.values[0])
        except (IndexError, ValueError):
            return False
        return number > bound if self.operator == "Gt" else number < bound


# Of labels: all must hold; an empty selector holds everywhere.
Selector = tuple[Requirement, ...]


@dataclass(frozen=True)
class NodeTerm:
    """One term of a node affinity; a term without expressions matches nothing."""

    expressions: Selector
    fields: Selector = ()

    def holds(self, name: str, labels: Labels) -> bool:
        if not self.expressions and not self.fields:
            return False
        return matches(self.expressions, labels) and matches(self.fields, {"metadata.name": name})


NodeTerms = tuple[NodeTerm, ...]


@dataclass(frozen=True)
class PodTerm:
    """One required term of a pod affinity or anti-affinity. namespaces: empty for the pod's own, None for all."""

    topology: str
    selector: Selector | None
    namespaces: tuple[str, ...] | None = ()

    def means(self, own: str, namespace: str, labels: Labels) -> bool:
        """Whether the term, of a pod in namespace `own`, is about a pod of these labels."""
        if self.selector is None:
            return False
        if self.namespaces is not None and namespace not in (self.namespaces or (own,)):
            return False
        return matches(self.selector, labels)


@dataclass(frozen=True)
class Taint:
    key: str
    value: str
    effect: str

    @property
    def repels(self) -> bool:
        return self.effect in _REPELLING

    @property
    def of_state(self) -> bool:
        """Whether it keeps pods away for as long as the node is in a state, such as out of service or short of disk."""
        return self.repels and self.key.startswith(_STATE_TAINTS)


@dataclass(frozen=True)
class Toleration:
    key: str
    operator: str
    value: str
    effect: str

    def covers(self, taint: Taint) -> bool:
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        return self.operator == "Exists" or self.value == taint.value


@dataclass(frozen=True)
class Placement:
    """Where a pod may run. terms: any of them must hold, None where there is no rule; apart, together: pod rules."""

    selector: Selector = ()
    terms: NodeTerms | None = None
    tolerations: tuple[Toleration, ...] = ()
    apart: tuple[PodTerm, ...] = ()
    together: tuple[PodTerm, ...] = ()

    @property
    def narrows(self) -> bool:
        """Whether it has rules of nodes beside the taints that it tolerates."""
        return bool(self.selector) or self.terms is not None

    def allows(self, name: str, labels: Labels) -> bool:
        """Whether selector and node affinity let it run on a node, whatever the node's taints."""
        if not matches(self.selector, labels):
            return False
        return self.terms is None or any(term.holds(name, labels) for term in self.terms)

    def tolerates(self, taints: Iterable[Taint], *, lasting_only: bool = False) -> bool:
        """Whether no taint keeps it away; `lasting_only` leaves out those of the node's state."""
        for taint in taints:
            if not taint.repels or (lasting_only and taint.of_state):
                continue
            if not any(toleration.covers(taint) for toleration in self.tolerations):
                return False
        return True

    def with_selector(self, selector: Selector) -> Placement:
        """The same with another selector."""
        return replace(self, selector=selector)


def matches(selector: Selector, labels: Labels) -> bool:
    """Whether all expressions hold."""
    return all(requirement.holds(labels) for requirement in selector)


def parse(spec: Object) -> Placement:
    """The rules of a pod's or an instance's spec."""
    affinity = spec.get("affinity") or {}
    return Placement(
        selector=labels_selector(spec.get("nodeSelector") or {}),
        terms=node_terms((affinity.get("nodeAffinity") or {}).get(_REQUIRED)),
        tolerations=tuple(_toleration(item) for item in spec.get("tolerations") or []),
        apart=_pod_terms(affinity.get("podAntiAffinity")),
        together=_pod_terms(affinity.get("podAffinity")),
    )


def labels_selector(labels: Mapping[str, Any]) -> Selector:
    """A selector that asks for these labels."""
    return tuple(Requirement(str(key), "In", (str(value),)) for key, value in sorted(labels.items()))


def label_selector(selector: Object | None) -> Selector | None:
    """A LabelSelector; None, which selects nothing, where there is none."""
    if selector is None:
        return None
    return labels_selector(selector.get("matchLabels") or {}) + _requirements(selector.get("matchExpressions"))


def node_terms(affinity: Object | None) -> NodeTerms | None:
    """The terms of a required node affinity, of a pod or a PersistentVolume; None where there is none."""
    if not affinity:
        return None
    return tuple(
        NodeTerm(_requirements(term.get("matchExpressions")), _requirements(term.get("matchFields")))
        for term in affinity.get("nodeSelectorTerms") or []
    )


def taints(spec: Object) -> tuple[Taint, ...]:
    """The taints of a Node's spec."""
    return tuple(
        Taint(str(item.get("key")), str(item.get("value") or ""), str(item.get("effect")))
        for item in spec.get("taints") or []
    )


def _toleration(item: Object) -> Toleration:
    operator = str(item.get("operator") or "Equal")
    return Toleration(str(item.get("key") or ""), operator, str(item.get("value") or ""), str(item.get("effect") or ""))


def _requirements(items: Iterable[Object] | None) -> Selector:
    return tuple(
        Requirement(str(item["key"]), str(item["operator"]), tuple(str(value) for value in item.get("values") or []))
        for item in items or []
    )


def _pod_terms(rule: Object | None) -> tuple[PodTerm, ...]:
    return tuple(
        PodTerm(
            str(term.get("topologyKey") or ""),
            label_selector(term.get("labelSelector")),
            None if term.get("namespaceSelector") is not None else tuple(term.get("namespaces") or ()),
        )
        for term in (rule or {}).get(_REQUIRED) or []
    )
