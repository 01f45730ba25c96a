# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import maintenance
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.maintenance import DUE, NOTE, UPGRADE
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.gather import node_facts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.names import MAINTENANCE

BEGAN = "2026-03-01T10:00:00Z"
AT = 1772359200.0  # the same moment
BOUND = [{"persistentVolumeClaim": {"claimName": "data"}}]


def node(name: str, *, cordoned: bool = False, **annotations: str) -> dict[str, Any]:
    spec = {"unschedulable": True} if cordoned else {}
    status = {"nodeInfo": {"bootID": f"boot-{name}"}}
    return {"metadata": {"name": name, "annotations": annotations}, "spec": spec, "status": status}


def state(*nodes: dict[str, Any], targets: tuple[str, ...] = ("n1", "n2"), lock: str = "") -> maintenance.State:
    return maintenance.state(list(nodes), targets, lock, AT + 3600, 24)


def test_nothing_stands_in_the_way_of_nodes_without_a_note() -> None:
    found = state(node("n1"), node("n2", cordoned=True))
    assert (found.under_way, found.notes, found.left) == ([], {}, [])
    assert found.cordoned == ["n2"]
    assert found.boot_ids == {"n1": "boot-n1", "n2": "boot-n2"}


@pytest.mark.parametrize(
    ("nodes", "lock", "said"),
    [
        ([node("n1", **{UPGRADE: "uncordon"})], "", "n1: is being upgraded"),
        ([node("n1", **{MAINTENANCE: "disk swap"})], "", "n1: is in maintenance by somebody else (disk swap)"),
        ([node("n1"), node("n3", **{NOTE: "{}", MAINTENANCE: "x"})], "", "n3: its maintenance was broken off"),
        ([node("n1")], "n2@watcher", "a recovery is under way (n2@watcher)"),
    ],
)
def test_what_else_is_under_way_is_named(nodes: list[dict[str, Any]], lock: str, said: str) -> None:
    found = state(*nodes, targets=("n1",), lock=lock)
    assert len(found.under_way) == 1
    assert found.under_way[0].startswith(said)


def test_a_target_that_the_cluster_does_not_have_is_named() -> None:
    assert state(node("n1")).under_way == ["n2: the cluster has no such node"]


def test_a_maintenance_of_ours_is_gone_on_with() -> None:
    note = {"end": "uncordon", "boot_id": "old", "done": True}
    found = state(node("n1", **{NOTE: json.dumps(note), MAINTENANCE: "playbook"}), node("n2", **{DUE: BEGAN}))
    assert found.under_way == []
    assert found.notes == {"n1": note}
    assert found.left == ["n2"]


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '"uncordon"'])
def test_a_note_that_cannot_be_read_leaves_the_cordon_alone(text: str) -> None:
    assert state(node("n1", **{NOTE: text}), node("n2")).notes["n1"] == {"end": "leave", "boot_id": "", "done": False}


@pytest.mark.parametrize(("hours", "left"), [(2.0, ["n1"]), (0.5, [])])
def test_a_turn_to_come_is_forgotten_after_a_time(hours: float, left: list[str]) -> None:
    nodes = [node("n1", **{DUE: BEGAN}), node("n2", **{DUE: "soon"})]
    assert maintenance.state(nodes, ["n1", "n2"], "", AT + 3600, hours).left == left


def test_the_annotation_of_a_maintenance_holds_a_recovery_back() -> None:
    (found,) = node_facts([node("n1", **{MAINTENANCE: "playbook"})], [], AT)
    assert found.maintenance == "playbook"


def vmi(name: str, on: str, migrated: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    status: dict[str, Any] = {
        "phase": "Running",
        "nodeName": on,
        "conditions": [{"type": "LiveMigratable", "status": "True"}],
        "phaseTransitionTimestamps": [
            {"phase": "Scheduled", "phaseTransitionTimestamp": BEGAN},
            {"phase": "Running", "phaseTransitionTimestamp": "2026-03-01T10:00:09Z"},
        ],
    }
    if migrated:
        status["migrationState"] = migrated
    meta = {"namespace": "demo", "name": name, "creationTimestamp": "2026-03-01T09:59:00Z"}
    return {"metadata": meta, "spec": {"volumes": BOUND, **more}, "status": status}


MOVED = {
    "startTimestamp": "2026-03-01T12:00:00Z",
    "endTimestamp": "2026-03-01T12:00:03Z",
    "sourceNode": "n1",
    "targetNode": "n2",
    "completed": True,
}


def test_a_machine_opened_its_disks_when_it_was_scheduled_or_last_moved() -> None:
    first, moved, failed = maintenance.machines(
        [vmi("a", "n1"), vmi("b", "n2", MOVED), vmi("c", "n1", {**MOVED, "failed": True})]
    )
    assert first.opened == AT
    assert moved.opened == AT + 7200
    assert moved.migration == {"from": "n1", "to": "n2", "succeeded": True, "began": AT + 7200, "seconds": 3.0}
    assert failed.opened == AT


def test_machines_that_do_not_run_are_left_out() -> None:
    waiting = vmi("a", "n1")
    waiting["status"]["phase"] = "Scheduling"
    assert maintenance.machines([waiting]) == []


@pytest.mark.parametrize(
    ("restarted", "lost"),
    [
        ((), []),  # two of three bricks keep the locks
        (("n1",), ["demo-1"]),  # it would be left with those of n2 alone
        (("n3",), []),  # n3's brick is the one that stops
        (("n1", "n2"), ["demo-1"]),
    ],
)
def test_a_machine_that_would_lose_the_majority_of_its_locks_is_moved_first(
    restarted: tuple[str, ...], lost: list[str]
) -> None:
    bricks = {name: AT + 60 if name in restarted else AT - 60 for name in ("n1", "n2", "n3")}
    running = maintenance.machines([vmi("demo-1", "n2"), vmi("demo-2", "n3"), vmi("demo-3", "n1", volumes=[])])
    assert [machine.name for machine in maintenance.unlocked(running, bricks, "n3")] == lost


def test_a_machine_that_moved_since_has_its_locks() -> None:
    bricks = {"n1": AT + 60, "n2": AT - 60, "n3": AT - 60}
    assert maintenance.unlocked(maintenance.machines([vmi("a", "n2", MOVED)]), bricks, "n3") == []


def drained(name: str, fate: str = "migrated", **more: Any) -> dict[str, Any]:
    return {"namespace": "demo", "name": name, "from": "n1", "to": "n2", "fate": fate, **more}


def turn(*moves: dict[str, Any], seconds: float | None = 3.0, source: str = "n1") -> dict[str, Any]:
    migration = {"from": source, "to": "n2", "succeeded": True, "began": AT, "seconds": seconds}
    machines = [{"namespace": "demo", "name": move["name"], "node": "n2", "migration": migration} for move in moves]
    return {"drained": list(moves), "machines": machines}


def probe(name: str, gap: float | None, samples: int = 100) -> dict[str, Any]:
    return {"name": name, "longest_gap_seconds": gap, "samples": samples, "failures": 1}


def test_without_a_probe_the_longest_migration_stands_for_the_pause() -> None:
    found = maintenance.pauses([turn(drained("a"), seconds=2.0), turn(drained("a"), drained("b"), seconds=5.0)], [])
    figure = maintenance.figure(found, False, None)
    assert figure is not None
    assert (figure.value, figure.samples, figure.passed) == (5.0, 3, True)
    assert "migrationState" in figure.more["measured_by"]
    assert found["demo/a"]["migration_seconds"] == 5.0
    assert [move["migration_seconds"] for move in found["demo/a"]["moves"]] == [2.0, 5.0]


@pytest.mark.parametrize(
    "turns",
    [
        [turn(drained("a", "restarted"))],
        [turn(drained("a"), seconds=None)],
        [turn(drained("a"), source="n3")],  # its migration is another one
    ],
)
def test_what_is_not_known_is_no_figure(turns: list[dict[str, Any]]) -> None:
    figure = maintenance.figure(maintenance.pauses(turns, []), False, None)
    assert figure is not None
    assert figure.value is None
    assert "demo/a" in figure.fault()


def test_answers_of_machines_count_before_their_migrations() -> None:
    found = maintenance.pauses([turn(drained("a"))], [probe("a", 0.4), probe("demo/b", 1.25)])
    figure = maintenance.figure(found, True, 1.0)
    assert figure is not None
    assert (figure.value, figure.samples, figure.passed) == (1.25, 200, False)
    assert found["demo/a"]["pause_seconds"] == 0.4
    assert found["demo/b"]["moves"] == []


def test_a_machine_that_never_answered_is_no_figure() -> None:
    figure = maintenance.figure(maintenance.pauses([], [probe("demo/a", None)]), True, None)
    assert figure is not None
    assert "demo/a never answered" in figure.fault()


def test_where_nothing_moved_and_nobody_was_asked_there_is_no_figure() -> None:
    assert maintenance.figure({}, False, None) is None
