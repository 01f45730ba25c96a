# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: which pods the machines' rules about other pods mean, found by label, as there may be a thousand groups."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import Pod
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.placement import PodTerm

# A term, and the namespace of the pods that have it.
Group = tuple[str, PodTerm]
# Group → node → number of pods.
Counts = dict[Group, dict[str, int]]


class Groups:
    """All rules about other pods."""

    def __init__(self, groups: Iterable[Group]) -> None:
        self._by_label: dict[tuple[str, str], list[Group]] = {}
        self._others: list[Group] = []
        for group in dict.fromkeys(groups):
            selector = group[1].selector or ()
            label = next(((one.key, one.values[0]) for one in selector if _is_plain(one.operator, one.values)), None)
            if label is None:
                self._others.append(group)
            else:
                self._by_label.setdefault(label, []).append(group)

    def about(self, pod: Pod) -> list[Group]:
        """The groups that a pod belongs to."""
        near = [group for label in pod.labels.items() for group in self._by_label.get(label, ())]
        return [group for group in (*near, *self._others) if group[1].means(group[0], pod.namespace, pod.labels)]

    def count(self, pods: Iterable[Pod]) -> Counts:
        """How many members of each group are on each node."""
        found: Counts = {}
        for pod in pods:
            if pod.node:
                for group in self.about(pod):
                    add(found, group, pod.node)
        return found


def _is_plain(operator: str, values: tuple[str, ...]) -> bool:
    return operator == "In" and len(values) == 1


def add(counts: Counts, group: Group, node: str) -> None:
    """One more member on a node."""
    nodes = counts.setdefault(group, {})
    nodes[node] = nodes.get(node, 0) + 1
