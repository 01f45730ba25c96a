# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each node in turn is lost, on GlusterFS, with a machine of its own: one that had none was given one before."""

from __future__ import annotations

import json
from typing import Any

import drill_run
import platform_lab as platform
from demo_run import REPOSITORY

NODES = ("n1", "n2", "n3")
# The first of them has no machine when its turn comes.
EMPTY, ANOTHER = "n1", "n2"
# GlusterFS waits for a lost brick for a few seconds.
WRITE_STALL_SECONDS = 10


def reports() -> list[dict[str, Any]]:
    """Those of all drills that were, the newest last: their folders' names begin with the time."""
    paths = sorted((REPOSITORY / "reports").glob("*-node_power_loss/report.json"))
    return [json.loads(path.read_text()) for path in paths]


def test_each_node_is_lost_with_a_machine_of_its_own() -> None:
    for name, node in platform.places().items():
        if node == EMPTY:
            platform.migrate(name, ANOTHER)
    assert EMPTY not in platform.places().values()
    running, before = set(platform.machines()), len(reports())

    given = {**drill_run.PATIENT, **drill_run.each_node(WRITE_STALL_SECONDS)}
    played = platform.play("failover_drill", "-e", json.dumps(given))
    assert played.code == 0, played.text[-8000:]

    first_turn = played.text.partition(": Cut the node and record what follows]")[0]
    assert drill_run.MOVED.search(first_turn), first_turn[-4000:]
    drills = reports()[before:]
    assert [drill["node"] for drill in drills] == list(NODES)
    for drill in drills:
        assert drill["node"] in [machine["node"] for machine in drill["machines"]], drill["machines"]
    assert set(platform.machines()) == running
    figures = json.loads((REPOSITORY / "reports" / "platform.json").read_text())
    stall = figures["node_loss_write_stall_seconds"]
    assert (stall["storage"], stall["nodes"], stall["passed"]) == ("glusterfs", list(NODES), True), stall
