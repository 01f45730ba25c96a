# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured: each group runs the contenders by turns and returns its figures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure

from kubevirt_bench import figures, playbooks, requests
from kubevirt_bench.figures import Side
from kubevirt_bench.measure import Run
from kubevirt_bench.stage import ROOT, Stage

LOOP = 50
# How many times as often what takes a second only is run: a hiccup of the machine weighs more there.
SHORT = 3
GROWTH = (100, 1000, 10000)
_RESOURCE = "virtualmachines"
_INSTANCES = "virtualmachineinstances"


@dataclass
class Bench:
    """What all groups share: the cluster, one whose instances stay as they are, how often each contender runs, and the
    lines of the picture."""

    stage: Stage
    still: Callable[[], AbstractContextManager[Stage]]
    repeats: int
    seconds: dict[str, dict[int, float]] = field(default_factory=dict)
    memory: dict[str, dict[int, float]] = field(default_factory=dict)

    def add(self, side: Side, work: Callable[[], Run]) -> None:
        """One more run of a contender."""
        run, counts = self.stage.counted(work)
        side.runs.append(run)
        side.requests = requests.on(counts, _RESOURCE)


def machines(bench: Bench, count: int) -> list[Figure]:
    """So many machines created and asked for again: ours, one task of kubernetes.core.k8s, the floor."""
    stage = bench.stage
    ours, peer, floor, ours_again, peer_again = (Side() for _turn in range(5))
    empty: list[Run] = []
    for _turn in range(bench.repeats):
        empty.append(stage.play(playbooks.empty()))
        mine, other, bare = (stage.namespace() for _turn in range(3))
        # Who comes first meets the colder API server: they take turns in that too.
        sides: list[tuple[Side, Callable[..., Run], Any]] = [
            (ours, stage.play, playbooks.ours(count, mine)),
            (peer, stage.play, playbooks.k8s(count, other)),
        ]
        sides.append((floor, stage.floor, [playbooks.machine(name, bare) for name in playbooks.names(count)]))
        again = [(ours_again, *sides[0][1:]), (peer_again, *sides[1][1:])]
        turn = len(empty) % 2
        for side, run, what in (sides if turn else sides[::-1]) + (again if turn else again[::-1]):
            bench.add(side, partial(run, what))
    return [
        figures.compared(f"create_{count}_ratio", ours, peer, empty, figures.CREATE_RATIO[count]),
        figures.over_floor(f"create_{count}_over_floor", ours, floor, empty),
        figures.compared(f"rerun_{count}_ratio", ours_again, peer_again, empty, figures.RERUN_RATIO[count]),
        *figures.rerun_requests(count, ours_again),
    ]


def loop(bench: Bench) -> list[Figure]:
    """Ours beside kubevirt.core.kubevirt_vm in a loop, once: it is slow."""
    stage, ours, peer = bench.stage, Side(), Side()
    empty = [stage.play(playbooks.empty())]
    mine, other = stage.namespace(), stage.namespace()
    bench.add(ours, lambda: stage.play(playbooks.ours(LOOP, mine)))
    bench.add(peer, lambda: stage.play(playbooks.kubevirt_vm(LOOP, other)))
    return [figures.compared(f"create_{LOOP}_kubevirt_vm_loop_ratio", ours, peer, empty, None)]


def inventory(bench: Bench) -> list[Figure]:
    """The whole cluster as an inventory: ours beside kubevirt.core.kubevirt."""
    names = ("inventory_ratio", "inventory_lists")
    if not (ROOT / "plugins/inventory/kubevirt.py").exists():
        why = "the collection has no inventory plugin"
        return [
            Figure(names[0], None, "times as fast", figures.INVENTORY_RATIO, why=why, at_least=True),
            Figure(names[1], None, "paged LISTs", figures.MOST_LISTS, why=why),
        ]
    with bench.still() as stage:
        return _inventory(bench, stage, names)


def _inventory(bench: Bench, stage: Stage, names: tuple[str, str]) -> list[Figure]:
    plugins = {"ours": "virtops.kubevirt_ha.kubevirt", "peer": "kubevirt.core.kubevirt"}
    sides, empty, lists = {name: Side() for name in plugins}, list[Run](), 0
    count, hosts = stage.instances(), {name: stage.hosts(plugin) for name, plugin in plugins.items()}
    # A cluster of one's own may hold what only one of them takes for a host; here all of it runs.
    if stage is not bench.stage and set(hosts.values()) != {count}:
        raise RuntimeError(f"not every instance became a host: {count} instances, hosts {hosts}")
    for _turn in range(bench.repeats * SHORT):
        empty.append(stage.play(playbooks.empty()))
        for name, side in sides.items():
            run, counts = stage.counted(partial(stage.inventory, plugins[name]))
            side.runs.append(run)
            side.requests = requests.on(counts, _INSTANCES)
            if name == "ours":
                lists = requests.paged_lists(counts, {_INSTANCES: count, _RESOURCE: 1, "services": 1}, figures.PAGE)
    found = figures.compared(
        names[0], sides["ours"], sides["peer"], empty, figures.INVENTORY_RATIO, instances=count, hosts=hosts
    )
    return [found, Figure(names[1], lists, "paged LISTs", figures.MOST_LISTS, samples=1)]


def growth(bench: Bench) -> list[Figure]:
    """Time and memory against the number of machines, of the module's process; created, then asked for again."""
    stage, found = bench.stage, []
    for count in GROWTH:
        namespace = stage.namespace()
        peaks = {}
        for name in ("created", "again"):
            run = stage.module(count, namespace)
            bench.seconds.setdefault(name, {})[count] = run.seconds
            bench.memory.setdefault(name, {})[count] = peaks[name] = run.peak_mb
            found.append(Figure(f"module_{name}_{count}_seconds", round(run.seconds, 2), "s", samples=1))
        limit = figures.MOST_MEMORY_MB if count == GROWTH[-1] else None
        peak = round(max(peaks.values()), 1)
        found.append(Figure(f"module_{count}_peak_memory", peak, "MB", limit, samples=2))
    whole = stage.play(playbooks.ours(GROWTH[-1], namespace))
    found.append(Figure(f"playbook_again_{GROWTH[-1]}_seconds", round(whole.seconds, 2), "s", samples=1))
    found.append(Figure(f"playbook_{GROWTH[-1]}_peak_memory", round(whole.peak_mb, 1), "MB", samples=1))
    return found


GROUPS: dict[str, Callable[[Bench], list[Figure]]] = {
    "machines-200": lambda bench: machines(bench, 200),
    "machines-1000": lambda bench: machines(bench, 1000),
    "loop": loop,
    "growth": growth,
    "inventory": inventory,
}
