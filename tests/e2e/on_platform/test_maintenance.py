# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node of the demo's platform is rebooted with its machines running on, and nothing is begun in a wrong moment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import platform_lab as platform
import pytest
from demo_run import REPOSITORY
from maintenance_run import NOTES, PROBES, boot_id, node, notes

NODE = "n3"
# Seconds that a machine may give no answer: one live migration, and the load balancer that goes with the node.
PAUSE = 10


def test_a_node_is_rebooted_and_its_machines_run_on() -> None:
    before, running = boot_id(NODE), platform.machines()
    given = json.dumps(
        {"maintenance_reboot": "always", "maintenance_probe_urls": PROBES, "maintenance_pause_limit": PAUSE}
    )
    played = platform.play("maintenance", "--limit", NODE, "--extra-vars", given)
    assert played.code == 0, played.text[-6000:]
    assert boot_id(NODE) != before
    assert platform.machines() == running
    assert "unschedulable" not in node(NODE)["spec"]
    assert notes(NODE) == []
    figure = json.loads((REPOSITORY / "reports" / "platform.json").read_text())["maintenance_longest_pause_seconds"]
    assert (figure["limit"], figure["passed"]) == (PAUSE, True), figure
    assert figure["samples"] > 0


def test_a_second_run_has_nothing_to_do() -> None:
    played = platform.play("maintenance")
    assert played.code == 0, played.text[-6000:]
    assert set(played.changed.values()) == {0}


@pytest.fixture
def upgraded() -> Iterator[str]:
    platform.kubectl("annotate", "node", "n1", f"{NOTES}upgrade=uncordon")
    yield "n1"
    platform.kubectl("annotate", "node", "n1", f"{NOTES}upgrade-")


def test_no_maintenance_begins_beside_an_upgrade(upgraded: str) -> None:
    played = platform.play("maintenance", "--limit", NODE, "--extra-vars", "maintenance_reboot=always")
    assert played.code != 0
    assert f"{upgraded}: is being upgraded" in re.sub(r"\s+", " ", played.text), played.text[-3000:]
    assert set(played.changed.values()) == {0}
    assert notes(NODE) == []
