# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Huge pages: what is wanted, whether memory and NUMA nodes hold it, and how the kernel is told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import quantity
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kvm_host.read import HUGEPAGES, NODES

Facts = Mapping[str, Any]
Wanted = Mapping[str, Any]
_MI = 1024**2


@dataclass(frozen=True)
class Page:
    """So many pages of a size in bytes, of one NUMA node or spread by the kernel over all."""

    size: int
    count: int
    node: int | None

    def __str__(self) -> str:
        return size_text(self.size) + ("" if self.node is None else f" on numa_node {self.node}")


def of(wanted: Wanted) -> list[Page]:
    """The pages wanted, where they have no faults."""
    return [
        Page(int(quantity.parse(entry["size"])), int(entry["count"]), entry.get("numa_node"))
        for entry in wanted.get("hugepages") or []
    ]


def size_text(size: int) -> str:
    """A size as Kubernetes writes it, such as 2Mi."""
    return quantity.render(Fraction(size), binary=True)


def path(page: Page) -> str:
    """The kernel's file of their number, below the root."""
    folder = HUGEPAGES if page.node is None else f"{NODES}/node{page.node}/hugepages"
    return f"{folder}/hugepages-{page.size // 1024}kB/nr_hugepages"


def total(facts: Facts, page: Page) -> int:
    """How many there are now."""
    nodes = (node for node in facts["numa_nodes"] if node["node"] == page.node)
    offered = facts["hugepages"] if page.node is None else next(nodes, {"hugepages": []})["hugepages"]
    return next((int(found["total"]) for found in offered if found["size_bytes"] == page.size), 0)


def boot_texts(pages: list[Page]) -> list[str]:
    """The kernel's parameters: `hugepagesz=1G hugepages=4`, by node `hugepages=0:2,1:2` (Linux 5.16 and newer)."""
    sizes = dict.fromkeys(page.size for page in pages)
    counts = {
        size: ",".join(
            str(page.count) if page.node is None else f"{page.node}:{page.count}" for page in pages if page.size == size
        )
        for size in sizes
    }
    return [f"hugepagesz={size_text(size).removesuffix('i')} hugepages={count}" for size, count in counts.items()]


def booted_with(facts: Facts, text: str) -> bool:
    """Whether the kernel was started with these parameters, one after the other."""
    return f" {text} " in f" {' '.join(facts['boot_parameters'])} "


def check(facts: Facts, value: Any, wanted: Wanted) -> Iterator[str]:
    """The faults of huge pages."""
    if not isinstance(value, list):
        yield f"{value!r} is no list of {{size, count, numa_node}}"
        return
    sizes = {size_text(offered["size_bytes"]): offered["size_bytes"] for offered in facts["hugepages"]}
    nodes = [node["node"] for node in facts["numa_nodes"]]
    pages: list[Page] = []
    for number, entry in enumerate(value, 1):
        wrong = list(_check_entry(entry, sizes, nodes))
        yield from (f"entry {number}: {text}" for text in wrong)
        if not wrong:
            pages += of({"hugepages": [entry]})
    if (
        wanted.get("hugepages_at_boot")
        and any(page.node is not None for page in pages)
        and kernel_numbers(facts["kernel"]) < [5, 16]
    ):
        yield f"numa_node: kernel {facts['kernel']} takes none at boot, 5.16 does; set <hugepages_at_boot> to false"
    for size in dict.fromkeys(page.size for page in pages):
        named = [page.node for page in pages if page.size == size]
        if len(set(named)) < len(named) or (None in named and len(named) > 1):
            yield f"{size_text(size)} is given {len(named)} times: give a size once, or once for each numa_node"
    yield from _beyond_memory(facts, pages, wanted)


def _check_entry(entry: Any, sizes: Mapping[str, int], nodes: list[int]) -> Iterator[str]:
    if (
        not isinstance(entry, dict)
        or set(entry) - {"size", "count", "numa_node"}
        or not {"size", "count"} <= set(entry)
    ):
        yield f"{entry!r} must be {{size, count}} or {{size, count, numa_node}}"
        return
    wrong = quantity.fault(entry["size"])
    if wrong:
        yield f"size: {wrong}"
    elif quantity.parse(entry["size"]) not in sizes.values():
        yield f"size: {entry['size']} is unknown; this host offers {', '.join(sizes) or 'none'}"
    if not whole(entry["count"]):
        yield f"count: {entry['count']!r} must be a whole number, 0 or more"
    node = entry.get("numa_node")
    if node is not None and (not whole(node) or node not in nodes):
        yield f"numa_node: {node!r} is none of this host's: {', '.join(map(str, nodes)) or 'it has none'}"


def _beyond_memory(facts: Facts, pages: list[Page], wanted: Wanted) -> Iterator[str]:
    """Pages that memory, or a node's memory, does not hold, less what is kept for the host."""
    kept, nodes = _kept(wanted), facts["numa_nodes"]
    limits = [_Limit("the host", int(facts["memory_bytes"]), kept, pages)]
    for node in nodes:
        here = [page for page in pages if page.node == node["node"]]
        limits.append(_Limit(f"numa_node {node['node']}", int(node["memory_bytes"]), kept // len(nodes), here))
    for page in pages:
        mine = [limit for limit in limits if page in limit.pages]
        if any(limit.room() < 0 for limit in mine):
            least = min(mine, key=lambda limit: limit.room())
            yield (
                f"{page}: {page.count} are more than memory holds beside the others; the largest allowed count is"
                f" {max(0, page.count + least.room() // page.size)} ({least.name} has {least.memory // _MI} MiB,"
                f" of which <host_memory> keeps {least.kept // _MI} MiB)"
            )


@dataclass
class _Limit:
    name: str
    memory: int
    kept: int
    pages: list[Page]

    def room(self) -> int:
        """What is left; below 0 where they are too many."""
        return self.memory - self.kept - sum(page.size * page.count for page in self.pages)


def _kept(wanted: Wanted) -> int:
    value = wanted.get("host_memory") or 0
    return 0 if quantity.fault(value, positive=False) else int(quantity.parse(value))


def kernel_numbers(version: str) -> list[int]:
    """The leading numbers of a release such as 6.1.0-18-amd64."""
    return [int(part) for part in re.split(r"[^\d.]", version)[0].split(".") if part]


def whole(value: Any) -> bool:
    """Whether it is a number of things."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
