# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: N+1. Each node, and each failure domain, is taken away once, and its machines are packed onto the others.

First fit decreasing: the machine with the largest share of a node comes first, each onto the first node that has room
and that its rules allow. So a result of "fits" is certain, and one of "does not fit" close to it: kube-scheduler
spreads pods, and packs no better. Pods that are no machines stay where they are, and those of the lost nodes are not
counted, nor are placeholders, which give way. A machine that nothing starts again needs no room elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding, Thing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.groups import Counts, Group, add
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import Amounts, Node, Pod
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.view import RESTARTED, Machine, View

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SHOWN = ("cpu", "memory", "pods")
_NAMED = 5


@dataclass
class Loss:
    """What the loss of nodes means. lacks: machine → what it is short of on the node that comes closest, nothing where
    no node that it may run on takes machines now; pinned: no node is left that its rules of nodes allow; apart: none that
    rules about other machines allow."""

    name: str
    nodes: tuple[str, ...]
    machines: int = 0
    requests: dict[str, int] = field(default_factory=dict)
    lacks: dict[Key, dict[str, int]] = field(default_factory=dict)
    pinned: list[Key] = field(default_factory=list)
    apart: list[Key] = field(default_factory=list)

    @property
    def short(self) -> dict[str, int]:
        """Of each resource as much as is missing in all."""
        total: dict[str, int] = {}
        for lack in self.lacks.values():
            _add(total, lack)
        return total


class Board:
    """The nodes and what is on them, while machines are packed."""

    def __init__(self, packing: Packing, lost: frozenset[str]) -> None:
        self._nodes = packing.view.nodes
        self._groups = packing.groups
        self._lost = lost
        self._free = {name: dict(room) for name, room in packing.free.items() if name not in lost}
        # Of each group: members a node, and of each rule that keeps apart: pods a node that have it; as it was, and since.
        self._members: tuple[Counts, Counts] = (packing.members, {})
        self._keepers: tuple[Counts, Counts] = (packing.keepers, {})

    def room(self, node: str) -> dict[str, int]:
        return self._free[node]

    def put(self, node: str, pod: Pod, counted: Amounts) -> None:
        """Takes a pod onto a node; what it lacks there is not taken from anybody else."""
        room = self._free[node]
        for name, value in counted.items():
            room[name] = max(0, room.get(name, 0) - value)
        for group in self._groups.about(pod):
            add(self._members[1], group, node)
        for term in pod.placement.apart:
            add(self._keepers[1], (pod.namespace, term), node)

    def allows(self, node: str, pod: Pod) -> bool:
        """Whether the rules about other pods let it run there: its own, and those that keep others apart from it."""
        rules = pod.placement
        if any(self._near(node, self._members, (pod.namespace, term)) for term in rules.apart):
            return False
        if any(self._near(node, self._keepers, group) for group in self._groups.about(pod)):
            return False
        groups = [(pod.namespace, term) for term in rules.together]
        return all(self._near(node, self._members, group) or self._begins(pod, group) for group in groups)

    def _near(self, node: str, counts: tuple[Counts, Counts], group: Group) -> bool:
        """Whether one of the counted is in the same domain of the group's topology."""
        topology = group[1].topology
        value = self._nodes[node].labels.get(topology)
        return value is not None and any(
            self._nodes[name].labels.get(topology) == value for name in self._left(counts, group) if name in self._nodes
        )

    def _left(self, counts: tuple[Counts, Counts], group: Group) -> Iterator[str]:
        """The nodes that are not lost and on which there are some of the counted."""
        return (name for part in counts for name in part.get(group, ()) if name not in self._lost)

    def _begins(self, pod: Pod, group: Group) -> bool:
        """Whether nobody of a group that it belongs to runs anywhere, so that it may be the first."""
        return not any(self._left(self._members, group)) and group in self._groups.about(pod)


class Packing:
    """The state before any loss, and the losses from it."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._machines: dict[str, list[tuple[Machine, Pod]]] = {}
        for machine in (*view.machines, *view.strangers):
            if machine.pod is not None:
                self._machines.setdefault(machine.pod.node, []).append((machine, machine.pod))
        self._targets = [node for node in sorted(view.hosts, key=lambda node: node.name) if node.available]
        self.free = _free(self._targets, view.cluster.pods)
        self.groups = view.groups
        self.members = view.groups.count(view.cluster.pods)
        self.keepers: Counts = {}
        for name, pairs in self._machines.items():
            for _machine, pod in pairs:
                for term in pod.placement.apart:
                    add(self.keepers, (pod.namespace, term), name)
        self._largest = _largest(view.hosts)
        pairs = [pair for found in self._machines.values() for pair in found]
        self._candidates = {machine.key: self._allowed(machine) for machine, _pod in pairs}

    def lose(self, name: str, nodes: Iterable[str]) -> Loss:
        """Takes the nodes away and packs their machines."""
        lost = frozenset(nodes)
        loss = Loss(name, tuple(sorted(lost)))
        moving = [pair for node in loss.nodes for pair in self._machines.get(node, ()) if _comes_back(pair[0])]
        board = Board(self, lost)
        for machine, pod in sorted(moving, key=lambda pair: (-self._share(pair[1]), pair[0].key)):
            loss.machines += 1
            _add(loss.requests, pod.requests)
            self._place(board, machine, pod, loss)
        return loss

    def _place(self, board: Board, machine: Machine, pod: Pod, loss: Loss) -> None:
        allowed = [name for name in self._candidates[machine.key] if name not in loss.nodes]
        counted = self._counted(pod)
        for name in allowed:
            if not _lack(counted, board.room(name)) and board.allows(name, pod):
                board.put(name, pod, counted)
                return
        apart = [name for name in allowed if board.allows(name, pod)]
        if apart:
            lacks = {name: _lack(counted, board.room(name)) for name in apart}
            nearest = min(apart, key=lambda name: (self._weight(lacks[name]), name))
            loss.lacks[machine.key] = lacks[nearest]
            board.put(nearest, pod, counted)
        elif allowed:
            loss.apart.append(machine.key)
        elif self._reach(machine) - set(loss.nodes):
            loss.lacks[machine.key] = {}
        else:
            loss.pinned.append(machine.key)

    def _reach(self, machine: Machine) -> frozenset[str]:
        return self.view.reach(machine.placement) & self.view.volume_reach(machine)

    def _allowed(self, machine: Machine) -> tuple[str, ...]:
        """The nodes that take machines now, and that its rules of nodes and its volumes allow; in one order for all."""
        reach = self._reach(machine)
        return tuple(
            node.name for node in self._targets if node.name in reach and machine.placement.tolerates(node.taints)
        )

    def _counted(self, pod: Pod) -> dict[str, int]:
        """What it asks for, without what its own node does not offer either: there it runs all the same."""
        node = self.view.nodes.get(pod.node)
        offered: Amounts = node.room if node else {}
        return {name: value for name, value in pod.requests.items() if name in offered}

    def _share(self, pod: Pod) -> float:
        return max(
            (value / self._largest[name] for name, value in pod.requests.items() if self._largest.get(name)),
            default=0.0,
        )

    def _weight(self, amounts: Amounts) -> float:
        return sum(value / max(1, self._largest.get(name, 1)) for name, value in amounts.items())


def _comes_back(machine: Machine) -> bool:
    """Whether it is started again after the loss of its node; of a machine that was not looked at that is not known."""
    if machine.vm is not None:
        return machine.vm.strategy in RESTARTED
    return machine.vmi is None or bool(machine.vmi.owner)


def _free(nodes: Iterable[Node], pods: Iterable[Pod]) -> dict[str, dict[str, int]]:
    """What each node has left."""
    free = {node.name: dict(node.room) for node in nodes}
    for pod in pods:
        room = free.get(pod.node, {}) if not pod.gives_way else {}
        for name, value in pod.requests.items():
            if name in room:
                room[name] -= value
    return free


def _largest(nodes: Iterable[Node]) -> dict[str, int]:
    found: dict[str, int] = {}
    for node in nodes:
        for name, value in node.room.items():
            found[name] = max(found.get(name, 0), value)
    return found


def _lack(asked: Amounts, room: Amounts) -> dict[str, int]:
    short = {name: value - max(0, room.get(name, 0)) for name, value in asked.items() if value}
    return {name: value for name, value in short.items() if value > 0}


def _add(total: dict[str, int], more: Amounts) -> None:
    for name, value in more.items():
        total[name] = total.get(name, 0) + value


@dataclass(frozen=True)
class Capacity:
    """The losses of every node and of every failure domain; domains are empty where fewer than two are known."""

    nodes: Sequence[Loss] = ()
    domains: Sequence[Loss] = ()


def losses(view: View) -> Capacity:
    """Takes every node that has machines away, then every failure domain. One node alone has nobody to take over."""
    if len(view.hosts) < 2:
        return Capacity()
    packing = Packing(view)
    nodes = [packing.lose(node.name, [node.name]) for node in view.hosts]
    domains = view.domains(view.hosts)
    if len(domains) < 2:
        return Capacity(nodes)
    return Capacity(nodes, [packing.lose(name, members) for name, members in sorted(domains.items())])


def findings(view: View, capacity: Capacity) -> Iterator[Finding]:
    """One finding for nodes and one for failure domains, with every loss that the others cannot bear, and the worst of them."""
    for identifier, kind, found in (
        ("capacity-node", "Node", capacity.nodes),
        ("capacity-domain", "failure domain", capacity.domains),
    ):
        bad = [loss for loss in found if loss.lacks]
        hardest = worst(bad, view)
        if hardest is not None:
            things = tuple(Thing(kind, loss.name, detail=_sentence(loss)) for loss in bad)
            yield Finding(identifier, f"the worst loss is that of {hardest.name}: {_sentence(hardest)}", things)


def _sentence(loss: Loss) -> str:
    keys = sorted(loss.lacks)
    named = ", ".join("/".join(key) for key in keys[:_NAMED])
    named += f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    short = f"{text(loss.short)} are missing" if loss.short else "no node that they may run on takes machines now"
    return f"{len(keys)} of its {loss.machines} machines without room elsewhere, {short} ({named})"


def overview(view: View, capacity: Capacity, most: int) -> dict[str, Any]:
    """The result's `capacity`: what there is, and the worst losses."""
    return {
        "resources": {name: _totals(view, name) for name in _SHOWN},
        "node": _shown(worst(capacity.nodes, view), most),
        "failure_domain": _shown(worst(capacity.domains, view), most),
        "failure_domain_label": view.settings.domain_label,
    }


def worst(found: Sequence[Loss], view: View) -> Loss | None:
    """The loss with the most machines that have no place; where all have one, that of the most requests."""
    largest = _largest(view.hosts)

    def weight(loss: Loss) -> tuple[int, float]:
        requests = max(
            (value / largest[name] for name, value in loss.requests.items() if largest.get(name)), default=0.0
        )
        return len(loss.lacks), requests

    return max(found, key=weight, default=None)


def _shown(loss: Loss | None, most: int) -> dict[str, Any] | None:
    if loss is None:
        return None
    unplaced = [
        {"namespace": key[0], "name": key[1], "lacks": numbers(lack)} for key, lack in sorted(loss.lacks.items())
    ]
    return {
        "name": loss.name,
        "nodes": list(loss.nodes),
        "machines": loss.machines,
        "requests": numbers(loss.requests),
        "fits": not loss.lacks,
        "unplaced": unplaced[:most] if most else unplaced,
        "unplaced_count": len(unplaced),
        "short": numbers(loss.short),
        "bound_to_lost_nodes": len(loss.pinned),
        "kept_apart": len(loss.apart),
    }


def _totals(view: View, name: str) -> dict[str, float | int]:
    room = sum(node.room.get(name, 0) for node in view.hosts if node.available)
    names = {node.name for node in view.hosts if node.available}
    used = sum(pod.requests.get(name, 0) for pod in view.cluster.pods if pod.node in names and not pod.gives_way)
    shown = {"allocatable": room, "requested": used, "free": room - used}
    return {key: _number(name, value) for key, value in shown.items()}


def numbers(amounts: Amounts) -> dict[str, float | int]:
    """Amounts as the result has them: CPU in cores, memory in bytes."""
    return {name: _number(name, value) for name, value in sorted(amounts.items())}


def _number(name: str, value: int) -> float | int:
    return value / 1000 if name == "cpu" else value


def text(amounts: Amounts) -> str:
    """Amounts for people."""
    return ", ".join(f"{_text(name, value)} {name}" for name, value in sorted(amounts.items())) or "nothing"


def _text(name: str, value: int) -> str:
    if name == "cpu":
        return f"{value / 1000:g}"
    if name not in ("memory", "ephemeral-storage") and not name.startswith("hugepages-"):
        return str(value)
    size, unit = float(value), 0
    while size >= 1024 and unit < len(_BINARY) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.3g} {_BINARY[unit]}" if size < 1000 else f"{size:.0f} {_BINARY[unit]}"
