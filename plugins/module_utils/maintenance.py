# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A maintenance of node after node: what is under way, what is left of it, whose locks it would cost, how long machines
paused. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.gather import seconds
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.names import MAINTENANCE
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure

Object = Mapping[str, Any]

# Annotations of a Node beside MAINTENANCE, which holds recoveries back and may be a person's.
NOTE = (
    "kubevirt-ha.virtops/maintenance-note"  # of a node under way, JSON: `end` of its cordon, `boot_id` before, `done`
)
DUE = "kubevirt-ha.virtops/maintenance-due"  # of a node whose turn is to come: when the maintenance of all began
UPGRADE = "kubevirt-ha.virtops/upgrade"
FIGURE = "maintenance_longest_pause_seconds"
# What clocks of hosts and API server may differ by.
_CLOCKS_SECONDS = 5.0
_DISKS = ("persistentVolumeClaim", "dataVolume")


@dataclass(frozen=True)
class State:
    """What is known of the maintenance of a cluster.

    notes: node → what its unfinished maintenance noted; left: the nodes of a maintenance that was broken off whose turn
    did not come; under_way: what else is, a sentence each with its way out.
    """

    notes: dict[str, dict[str, Any]]
    left: list[str]
    cordoned: list[str]
    boot_ids: dict[str, str]
    under_way: list[str]


def state(nodes: Sequence[Object], targets: Sequence[str], lock_holder: str, now: float, hours: float) -> State:
    """From all Nodes; `targets` are those to be maintained, `hours` how old the mark of a turn to come may be."""
    known = {str(node["metadata"]["name"]): node for node in nodes}
    notes = {name: _note(node) for name, node in known.items() if NOTE in _annotations(node)}
    left = [name for name, node in known.items() if _is_due(node, now, hours)]
    return State(
        notes=notes,
        left=sorted(left),
        cordoned=sorted(name for name, node in known.items() if (node.get("spec") or {}).get("unschedulable")),
        boot_ids={name: str(_info(node).get("bootID") or "") for name, node in known.items()},
        under_way=[
            *(fault for name in sorted(known) for fault in _node_faults(name, known[name], name in targets)),
            *(f"{name}: the cluster has no such node" for name in targets if name not in known),
            *([f"a recovery is under way ({lock_holder}): run again when it is over"] if lock_holder else []),
        ],
    )


def _annotations(node: Object) -> Mapping[str, str]:
    return node["metadata"].get("annotations") or {}


def _info(node: Object) -> Object:
    return (node.get("status") or {}).get("nodeInfo") or {}


def _note(node: Object) -> dict[str, Any]:
    """What the maintenance noted; one that cannot be read leaves the cordon alone, as the careful reading."""
    try:
        found = json.loads(_annotations(node)[NOTE])
    except ValueError:
        found = None
    return {"end": "leave", "boot_id": "", "done": False, **(found if isinstance(found, dict) else {})}


def _is_due(node: Object, now: float, hours: float) -> bool:
    try:
        began = seconds(_annotations(node).get(DUE))
    except ValueError:
        return False
    return began is not None and now - began < hours * 3600


def _node_faults(name: str, node: Object, target: bool) -> Iterator[str]:
    found = _annotations(node)
    if UPGRADE in found:
        yield f"{name}: is being upgraded (annotation {UPGRADE}): run the playbook upgrade again until it has ended"
    if NOTE in found and not target:
        yield f"{name}: its maintenance was broken off: run this again with it, which completes it"
    if MAINTENANCE in found and NOTE not in found:
        yield (
            f"{name}: is in maintenance by somebody else ({found[MAINTENANCE]}): wait until that has ended, or "
            f"kubectl annotate node {name} {MAINTENANCE}-"
        )


@dataclass(frozen=True)
class Machine:
    """A running machine; `opened`: when its QEMU opened its disks, in seconds since the epoch, or shortly before."""

    namespace: str
    name: str
    node: str
    opened: float
    shared: bool
    migratable: bool
    migration: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return {"namespace": self.namespace, "name": self.name, "node": self.node, "migration": self.migration}


def machines(vmis: Iterable[Object]) -> list[Machine]:
    """Those that run."""
    return [_machine(vmi) for vmi in vmis if (vmi.get("status") or {}).get("phase") == "Running"]


def _machine(vmi: Object) -> Machine:
    meta, status = vmi["metadata"], vmi.get("status") or {}
    last = migration(status.get("migrationState") or {})
    moved = last.get("began") if last.get("succeeded") else None
    began = {
        str(entry.get("phase")): seconds(entry.get("phaseTransitionTimestamp"))
        for entry in status.get("phaseTransitionTimestamps") or []
    }
    opened = moved or began.get("Scheduled") or seconds(meta.get("creationTimestamp")) or 0.0
    volumes = (vmi.get("spec") or {}).get("volumes") or []
    return Machine(
        namespace=str(meta["namespace"]),
        name=str(meta["name"]),
        node=str(status.get("nodeName") or ""),
        opened=opened,
        shared=any(key in volume for volume in volumes for key in _DISKS),
        migratable=conditions.holds(dict(vmi), "LiveMigratable"),
        migration=last,
    )


def migration(found: Object) -> dict[str, Any]:
    """A migrationState: from, to, whether it succeeded, when it began (seconds since the epoch), how long it took."""
    if not found:
        return {}
    began, ended = seconds(found.get("startTimestamp")), seconds(found.get("endTimestamp"))
    return {
        "from": found.get("sourceNode"),
        "to": found.get("targetNode"),
        "succeeded": bool(found.get("completed")) and not found.get("failed"),
        "began": began,
        "seconds": None if began is None or ended is None else round(ended - began, 3),
    }


def unlocked(running: Iterable[Machine], bricks: Mapping[str, float], leaving: str) -> list[Machine]:
    """Machines that would hold the locks of half of the bricks or fewer once the brick of the node `leaving` stops.

    Locks do not survive the restart of a brick. bricks: node → when its brick started, in seconds since the epoch. The
    machines of the node itself are not among them: they are moved away in any case.
    """
    found = []
    for machine in running:
        if not machine.shared or machine.node == leaving:
            continue
        held = [
            node for node, started in bricks.items() if node != leaving and started <= machine.opened - _CLOCKS_SECONDS
        ]
        if 2 * len(held) <= len(bricks):
            found.append(machine)
    return found


def pauses(turns: Sequence[Object], probes: Sequence[Object]) -> dict[str, dict[str, Any]]:
    """What each machine went through, by namespace and name, or by the probe's name where no machine has it.

    turns: one for each node drained: `drained`, the machines of node_drain's result, and `machines`, those running after
    it. probes: those of ha_probe's result. Each entry: `moves`, `migration_seconds` of the longest migration, and
    `pause_seconds`, the longest time without an answer where one was asked.
    """
    found: dict[str, dict[str, Any]] = {}
    for turn in turns:
        after = {f"{one['namespace']}/{one['name']}": one for one in turn["machines"]}
        for one in turn["drained"]:
            name = f"{one['namespace']}/{one['name']}"
            entry = found.setdefault(name, _entry())
            move = {"from": one["from"], "to": one["to"], "fate": one["fate"], "migration_seconds": None}
            last = (after.get(name) or {}).get("migration") or {}
            if one["fate"] == "migrated" and last.get("from") == one["from"]:
                move["migration_seconds"] = last.get("seconds")
            entry["moves"].append(move)
    for entry in found.values():
        lengths = [move["migration_seconds"] for move in entry["moves"] if move["migration_seconds"] is not None]
        entry["migration_seconds"] = max(lengths, default=None)
    for probe in probes:
        name = next((name for name in found if probe["name"] in (name, name.partition("/")[2])), probe["name"])
        found.setdefault(name, _entry()).update(
            pause_seconds=probe["longest_gap_seconds"], samples=probe["samples"], failures=probe["failures"]
        )
    return dict(sorted(found.items()))


def _entry() -> dict[str, Any]:
    return {"moves": [], "migration_seconds": None, "pause_seconds": None, "samples": 0, "failures": 0}


def figure(found: Mapping[str, Object], asked: bool, limit: float | None) -> Figure | None:
    """The longest pause, None where nothing moved and nobody was asked.

    Measured by the machines' answers where `asked`; else the longest migration stands for it, which no pause exceeds.
    """
    if asked:
        gaps = {name: one["pause_seconds"] for name, one in found.items() if one["samples"]}
        silent = sorted(name for name, gap in gaps.items() if gap is None)
        why = f"{', '.join(silent)} never answered" if silent else ""
        value = None if silent or not gaps else max(gaps.values())
        samples = sum(one["samples"] for one in found.values())
        how = "longest time between two answers of a machine over HTTP"
    else:
        moves = [(name, move) for name, one in found.items() for move in one["moves"]]
        if not moves:
            return None
        unknown = sorted({name for name, move in moves if move["migration_seconds"] is None})
        why = f"{', '.join(unknown)} did not migrate, or its VMI does not say how long it took" if unknown else ""
        value = None if unknown else max(move["migration_seconds"] for _name, move in moves)
        samples, how = len(moves), "longest migration by the VMIs' migrationState, which no pause exceeds"
    return Figure(FIGURE, value, "s", limit, samples, why, more={"measured_by": how, "machines": found})
