# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For how long an fsynced write waits when a storage node is cut off, at the fastest failure detection."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure
from nodes import Nodes, wait_until

WRITER = Path(__file__).with_name("writer.py")
MOUNT = "/srv/scenario"
# Seconds of writing: long enough for the worst stall and what comes after.
WRITING = 50


@contextmanager
def laid_out(nodes: Nodes, scenario: str) -> Iterator[None]:
    """A scenario's storage, gone again afterwards."""
    nodes.play(f"molecule/{scenario}/converge.yml", scenario)
    try:
        yield
    finally:
        nodes.play(f"molecule/{scenario}/cleanup.yml", scenario)


def stall(nodes: Nodes, victim: str) -> Figure:
    """The longest write of another node while the victim is lost, as a figure without name and limit."""
    where = next(name for name in nodes.names if name != victim)
    with WRITER.open() as program:
        writer = subprocess.Popen(
            nodes.ssh(where, "python3", "-", f"{MOUNT}/writer", str(WRITING)),
            stdin=program,
            stdout=subprocess.PIPE,
            text=True,
        )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "writing\n"
    with nodes.without(victim):
        said = json.loads(writer.communicate(timeout=300)[0])
    assert said["errors"] == []
    more = {"profile": "fastest", "writes": said["writes"], "lost": victim, "writer": where}
    return Figure("", said["longest"], "s", None, 1, more=more)


@pytest.mark.long
def test_a_write_on_glusterfs_waits_for_a_lost_node_at_most_so_long(nodes: Nodes, figures: list[Figure]) -> None:
    with laid_out(nodes, "shared_storage"):
        found = stall(nodes, nodes.names[-1])
    figures.append(Figure("glusterfs_write_stall_seconds", found.value, "s", 10, 1, more=found.more))
    assert figures[-1].passed, figures[-1].fault()


@pytest.mark.long
def test_a_write_on_cephfs_waits_for_the_node_of_the_active_mds_at_most_so_long(
    nodes: Nodes, figures: list[Figure]
) -> None:
    with laid_out(nodes, "shared_storage_ceph"):
        found = stall(nodes, _active_on_the_leader(nodes))
    figures.append(Figure("cephfs_write_stall_seconds", found.value, "s", 30, 1, more=found.more))
    assert figures[-1].passed, figures[-1].fault()


def _active_on_the_leader(nodes: Nodes) -> str:
    """The node of the leading monitor, its MDS made the active one: losing both at once is the worst case."""
    leader = nodes.names[0]  # the lowest address leads
    for name in nodes.names[1:]:
        nodes.run(name, f"systemctl stop ceph-mds@{name}")
    wait_until(lambda: _active(nodes) == leader, 60)
    for name in nodes.names[1:]:
        nodes.run(name, f"systemctl reset-failed ceph-mds@{name}; systemctl start ceph-mds@{name}")
    wait_until(lambda: "standby-replay" in _states(nodes), 60)
    return leader


def _active(nodes: Nodes) -> str:
    """The node whose MDS is active, empty where none is."""
    return next((name for name, state in _mds(nodes) if state == "active"), "")


def _states(nodes: Nodes) -> list[str]:
    return [state for _name, state in _mds(nodes)]


def _mds(nodes: Nodes) -> list[tuple[str, str]]:
    said = json.loads(nodes.run(nodes.names[0], "ceph fs status scenario --format json"))
    return [(str(mds["name"]), str(mds["state"])) for mds in said["mdsmap"]]
