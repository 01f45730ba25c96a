# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains' statistics: libvirt's flat names (`block.0.rd.bytes`) as nested maps and lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.xmltools import snake

# The groups that can be asked for, and libvirt-python's constant of each.
GROUPS = {
    "state": "VIR_DOMAIN_STATS_STATE",
    "cpu_total": "VIR_DOMAIN_STATS_CPU_TOTAL",
    "balloon": "VIR_DOMAIN_STATS_BALLOON",
    "vcpu": "VIR_DOMAIN_STATS_VCPU",
    "interface": "VIR_DOMAIN_STATS_INTERFACE",
    "block": "VIR_DOMAIN_STATS_BLOCK",
    "perf": "VIR_DOMAIN_STATS_PERF",
    "iothread": "VIR_DOMAIN_STATS_IOTHREAD",
    "memory": "VIR_DOMAIN_STATS_MEMORY",
    "dirtyrate": "VIR_DOMAIN_STATS_DIRTYRATE",
    "vm": "VIR_DOMAIN_STATS_VM",
}
DEFAULT_GROUPS = [name for name in GROUPS if name != "vm"]

_STATES = ("nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended")
_LIVE = frozenset({"running", "blocked", "paused", "pmsuspended"})
_LISTS = {"net": "interfaces"}
_MONITORED = re.compile(r"block\.\d+\.rd\.|balloon\.(?!current|maximum)")
_Tree = dict[str, Any]


def state_name(number: int | None) -> str:
    """libvirt's name of a domain's state."""
    return _STATES[number] if number is not None and 0 <= number < len(_STATES) else f"unknown ({number})"


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The statistics as a tree.

    `block.0.name` goes to ``blocks[].name``: numbered entries become a list under the plural, each with its `index`,
    which may have gaps; the count that libvirt sends with them is left out. What stands beside them stays
    (`vcpu.current` in ``vcpu``). Names are written in snake_case. A name that is a value and a prefix at once
    keeps its value under ``value``.
    """
    tree: _Tree = {}
    for name in sorted(flat):
        _place(tree, name.split("."), flat[name])
    shaped: dict[str, Any] = _shape(tree)
    return shaped


def domain(name: str, uuid: str, number: int, flat: Mapping[str, Any]) -> dict[str, Any]:
    """One domain's statistics with its name, UUID, id (None when it is not running) and state by name."""
    found = nest(flat)
    state = found.pop("state", {})
    code = state.get("state")
    if number < 0:
        found.pop("cpu", None)  # libvirt without cgroups gives its own daemon's time for a domain that does not run
    return {
        "name": name,
        "uuid": uuid,
        "id": number if number >= 0 else None,
        "state": state_name(code) if code is not None else None,
        "state_reason": state.get("reason"),
        **found,
    }


def says_nothing_more(flat: Mapping[str, Any], groups: Iterable[str]) -> bool:
    """Whether a live domain's answer has nothing but its state, though more was asked for: its driver knows no more."""
    live = state_name(flat.get("state.state")) in _LIVE or "state.state" not in flat
    return live and bool(set(groups) - {"state"}) and not any(key.split(".")[0] != "state" for key in flat)


def is_silent(flat: Mapping[str, Any], groups: Iterable[str]) -> bool:
    """Whether a live domain's answer lacks all that only its QEMU's monitor tells, though some of it was asked for.

    libvirt leaves that out without a word when the monitor is in use and the call does not wait for it.
    """
    live = state_name(flat.get("state.state")) in _LIVE
    asked = bool({"block", "balloon"} & set(groups))
    return live and asked and not any(_MONITORED.match(name) for name in flat)


def from_info(info: list[int]) -> dict[str, int]:
    """virDomainGetInfo's answer under the names that the bulk call uses; memory is KiB, time nanoseconds."""
    state, maximum, current, vcpus, time = info
    return {
        "state.state": state,
        "balloon.maximum": maximum,
        "balloon.current": current,
        "vcpu.current": vcpus,
        "cpu.time": time,
    }


def _place(tree: _Tree, path: list[str], value: Any) -> None:
    *branches, leaf = path
    for branch in branches:
        below = tree.setdefault(branch, {})
        if not isinstance(below, dict):
            below = tree[branch] = {"value": below}
        tree = below
    tree[leaf] = value


def _shape(tree: _Tree) -> Any:
    shaped: dict[str, Any] = {}
    for name, below in tree.items():
        key = snake(name)
        if not isinstance(below, dict):
            shaped[key] = below
            continue
        numbered = {int(index): entry for index, entry in below.items() if index.isdigit() and isinstance(entry, dict)}
        rest = {index: entry for index, entry in below.items() if not (index.isdigit() and isinstance(entry, dict))}
        if numbered or set(rest) == {"count"}:
            entries = [{"index": index, **_shape(numbered[index])} for index in sorted(numbered)]
            shaped[_LISTS.get(key, f"{key}s")] = entries
            rest.pop("count", None)
        if rest:
            shaped[key] = _shape(rest)
    return shaped
