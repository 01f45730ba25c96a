# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The descheduler moves a machine whose node no longer fits it, live, and only one that takes part; at first it only logs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import platform_lab as platform
import pytest

VERSION = "0.36.0"
SPACE, LABEL = "descheduled", "test.virtops/disk"
MOVES, STAYS = "moves", "stays"
FROM, TO = "n1", "n2"
PLACEMENT = "--namespace=kubevirt-ha-placement"
DEPLOYMENT = "deployment/kubevirt-ha-descheduler"
LOOKS = 2
INTERVAL = 15


def lay_out(**given: Any) -> None:
    """The role placement with a descheduler that looks often."""
    options = {
        "placement_descheduler": True,
        "placement_descheduler_image": f"registry.k8s.io/descheduler/descheduler:v{VERSION}",
        "placement_descheduler_interval": f"{INTERVAL}s",
        "placement_descheduler_min_age": "1s",
        **given,
    }
    played = platform.play("site", "--tags", "placement", "-e", json.dumps(options))
    assert played.code == 0, played.text[-6000:]


def said() -> str:
    """What both replicas have logged; one leads."""
    return platform.kubectl(
        PLACEMENT, "logs", "--selector=app.kubernetes.io/name=kubevirt-ha-descheduler", "--tail=-1", "--prefix"
    )


@pytest.fixture
def machines() -> Iterator[dict[str, str]]:
    """Two machines that want a label which is then taken from their node and given to another; one of them takes part."""
    platform.lay_out(lab_descheduler_version=VERSION)
    platform.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
    platform.kubectl("label", "node", FROM, f"{LABEL}=fast")
    try:
        defaults = {**platform.DISKLESS, "node_affinity": {LABEL: ["fast"]}}
        takes_part = {"template_annotations": {"descheduler.alpha.kubernetes.io/evict": "true"}}
        platform.vm(SPACE, defaults=defaults, vms=[{"name": MOVES, **takes_part}, {"name": STAYS}], wait_timeout=180)
        assert platform.places(SPACE) == {MOVES: FROM, STAYS: FROM}
        platform.kubectl("label", "node", FROM, f"{LABEL}-")
        platform.kubectl("label", "node", TO, f"{LABEL}=fast")
        yield platform.machines(SPACE)
    finally:
        for node in (FROM, TO):
            platform.kubectl("label", "node", node, f"{LABEL}-")
        platform.vm(SPACE, vms=[{"name": MOVES}, {"name": STAYS}], state="absent")
        platform.kubectl("delete", "namespace", SPACE)
        played = platform.play("site", "--tags", "placement")
        assert played.code == 0, played.text[-6000:]


def test_a_machine_that_takes_part_is_moved_live_once_it_is_no_dry_run(machines: dict[str, str]) -> None:
    lay_out()
    would = f'"Evicted pod in dry run mode" pod="{SPACE}/virt-launcher-{MOVES}-'
    platform.wait_until(lambda: would in said(), "the dry run names the machine", 120)
    time.sleep(LOOKS * INTERVAL)
    assert platform.places(SPACE) == {MOVES: FROM, STAYS: FROM}, "a dry run has moved machines"

    lay_out(placement_descheduler_dry_run=False)
    platform.wait_until(lambda: platform.places(SPACE) == {MOVES: TO, STAYS: FROM}, f"{MOVES} runs on {TO}", 180)
    time.sleep(LOOKS * INTERVAL)
    assert platform.places(SPACE) == {MOVES: TO, STAYS: FROM}
    assert platform.machines(SPACE) == machines, "a machine was restarted"
