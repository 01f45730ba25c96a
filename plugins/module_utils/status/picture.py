# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the platform drawn: a box a node with what runs on it, red where it is lost."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status import control_plane, machines, nodes, storage
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.control_plane import SERVER
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.model import (
    BAD,
    GOOD,
    PLAIN,
    UNKNOWN,
    WARN,
    Cell,
    Facts,
    holders,
)

WIDTH, BOX, GAP, LINE, HEAD = 1120, 260, 20, 22, 30
_A_ROW = (WIDTH + GAP) // (BOX + GAP)
_LETTERS = 36
_MOST_MACHINES = 12

STYLE = """
.box { fill: #fff; stroke: #7d8a97; stroke-width: 1.5; } .box.lost { fill: #fdf0ef; stroke: #b3261e; stroke-width: 2.5; }
.head { fill: #e9eef3; } .head.lost { fill: #b3261e; } svg text.name { font-size: 13px; font-weight: 600; }
svg text.name.lost { fill: #fff; }
.chip { fill: #eef1f4; } .chip.good { fill: #a9d8b3; } .chip.warn { fill: #f4c474; } .chip.bad { fill: #eba39d; }
.chip.unknown { fill: #f3f5f7; stroke: #b9c3cd; stroke-dasharray: 3 2; }
"""


def picture(facts: Facts) -> str:
    """The drawing as SVG; empty where no node is known."""
    names = sorted({*(name for name, host in facts.hosts.items() if not host.get("watches")), *facts.nodes()})
    if not names:
        return ""
    boxes = [(name, list(chips(facts, name))) for name in names]
    parts: list[str] = []
    top = 2
    for begin in range(0, len(boxes), _A_ROW):
        row = boxes[begin : begin + _A_ROW]
        tall = HEAD + LINE * max(len(found) for _name, found in row) + 10
        for column, (name, found) in enumerate(row):
            parts += _box(name, found, column * (BOX + GAP) + 1, top, tall, nodes.is_lost(facts, name))
        top += tall + GAP
    return "\n".join(
        [f'<svg viewBox="0 0 {WIDTH} {top}" role="img" aria-label="The nodes and what runs on each">', *parts, "</svg>"]
    )


def chips(facts: Facts, name: str) -> Iterator[Cell]:
    """What a node's box shows: its VIPs, API server, etcd member, bricks and machines."""
    lost = nodes.is_lost(facts, name)
    for vip in facts.vips:
        found = holders(facts, str(vip["address"]))
        if name in found:
            yield Cell(f"VIP {vip['name']} {vip['address']}", GOOD if len(found) == 1 else BAD)
    yield from _control_plane(facts, name, lost)
    bricks, _info, _why = storage.known_volume(facts) if facts.storage.get("backend") == "glusterfs" else ([], {}, "")
    for brick in bricks:
        if storage.host_of_brick(facts, brick) == name:
            yield Cell(f"brick {'online' if brick['online'] else 'offline'}", GOOD if brick["online"] else BAD)
    there = machines.on_node(facts, name)
    for machine in there[:_MOST_MACHINES]:
        # The API goes on showing a machine as it was when its node fell silent.
        state = BAD if lost or not machine["ready"] else GOOD if machine["fails_over"] else WARN
        yield Cell(f"VM {machine['namespace']}/{machine['name']}", state)
    if len(there) > _MOST_MACHINES:
        yield Cell(f"and {len(there) - _MOST_MACHINES} more VMs", PLAIN)


def _control_plane(facts: Facts, name: str, lost: bool) -> Iterator[Cell]:
    if name not in dict(facts.of_group("control_plane")):
        return
    probe = facts.probe(SERVER + name)
    if probe:
        yield Cell("API server" if probe.get("up") else "API server, no answer", GOOD if probe.get("up") else BAD)
    members = {
        str(member["name"]): member
        for _name, host in facts.of_group("control_plane")
        for member in ((host.get("etcd") or {}).get("cluster") or {}).get("members") or []
    }
    if name in members:
        leads = control_plane.leader(facts) == name
        good = members[name]["reachable"] and not lost
        yield Cell("etcd, the leader" if leads else "etcd", GOOD if good else BAD)
    else:
        yield Cell("etcd, not known", UNKNOWN)


def _box(name: str, found: list[Cell], left: int, top: int, tall: int, lost: bool) -> Iterator[str]:
    kind = " lost" if lost else ""
    yield f'<rect class="box{kind}" x="{left}" y="{top}" width="{BOX}" height="{tall}" rx="6"/>'
    yield f'<rect class="head{kind}" x="{left}" y="{top}" width="{BOX}" height="{HEAD - 4}" rx="6"/>'
    shown = f"{name} - lost" if lost else name
    yield f'<text class="name{kind}" x="{left + 10}" y="{top + 18}">{escape(shown)}</text>'
    for number, cell in enumerate(found):
        at = top + HEAD + number * LINE
        text = cell.text if len(cell.text) <= _LETTERS else f"{cell.text[: _LETTERS - 1]}…"
        yield f'<rect class="chip {cell.state}" x="{left + 8}" y="{at}" width="{BOX - 16}" height="{LINE - 4}" rx="4"/>'
        yield f'<text x="{left + 14}" y="{at + 13}">{escape(text)}</text>'
