# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong inventories and wrong moments, on the demo's platform: every fault is told at once, nothing is changed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platform_lab as platform
import pytest
import yaml
from demo_run import LAB, Demo

Change = Callable[[dict[str, Any]], None]


def inventory(folder: Path, change: Change) -> Path:
    """The lab's inventory with something wrong in it."""
    content = yaml.safe_load(platform.INVENTORY.read_text())
    change(content["all"])
    path = folder / "inventory.yml"
    path.write_text(yaml.safe_dump(content))
    return path


def words(played: platform.Played) -> str:
    """The output without the line breaks that it was folded by."""
    return re.sub(r"\s+", " ", played.text)


def test_every_fault_of_an_inventory_is_told_before_anything_is_changed(demo: Demo, tmp_path: Path) -> None:
    def change(everything: dict[str, Any]) -> None:
        groups, common = everything["children"], everything["vars"]
        groups["storage_nodes"]["hosts"] = {}
        groups["control_plane"]["hosts"]["n2"]["kubernetes_node_address"] = "10.77.0.11"
        groups["control_plane"]["hosts"]["n3"]["node_remediation_bmc"]["url"] = "http://10.77.0.1:8013"
        api = common["load_balancer_vips"][0]
        common["load_balancer_vips"] = [
            {**api, "name": "elsewhere", "address": "203.0.113.7"},
            {**api, "name": "taken", "address": "10.77.0.1"},
        ]
        common["kubevirt_source"] = "nightly"

    played = platform.play("site", inventory=inventory(tmp_path, change))
    said = words(played)
    assert played.code != 0
    for fault in (
        "group storage_nodes is empty",
        "hosts n1 and n2 have one address, 10.77.0.11",
        "n3 has url http://10.77.0.1:8013, which must begin with https://",
        "elsewhere: 203.0.113.7 is in no subnet of this host",
        "taken: 10.77.0.1 is in use by",
        "kubevirt_source: nightly is unknown; allowed are archive, release",
        "Nothing was changed",
    ):
        assert fault in said, played.text[-6000:]
    assert set(played.changed.values()) == {0}


def test_every_fault_of_an_archive_is_told_before_anything_is_changed(demo: Demo, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    shutil.copytree(LAB / "archive", archive)
    about = json.loads((archive / "archive.json").read_text())
    first, second, *_others = about["images"]
    about["images"][first]["file"] = "images/none.tar"
    about["images"][second]["digest"] = "sha256:" + "0" * 64
    (archive / "archive.json").write_text(json.dumps(about))

    def change(everything: dict[str, Any]) -> None:
        everything["vars"]["kubevirt_archive"] = str(archive)

    played = platform.play("site", inventory=inventory(tmp_path, change))
    said = words(played)
    assert played.code != 0
    assert f"kubevirt_archive: {first}" in said, played.text[-6000:]
    assert f"kubevirt_archive: {second}" in said, played.text[-6000:]
    assert set(played.changed.values()) == {0}


@pytest.fixture
def cordoned(demo: Demo) -> Any:
    platform.kubectl("cordon", "n2")
    yield "n2"
    platform.kubectl("uncordon", "n2")


def test_no_drill_starts_while_redundancy_is_not_whole(cordoned: str) -> None:
    before = platform.get("virtualmachineinstances", "--namespace=demo")
    played = platform.play("failover_drill")
    assert played.code != 0
    assert "the drill does not start: redundancy is not whole" in words(played), played.text[-3000:]
    assert cordoned in words(played)
    uids = [[item["metadata"]["uid"] for item in found["items"]] for found in (before, _machines())]
    assert uids[0] == uids[1]


def _machines() -> dict[str, Any]:
    return platform.get("virtualmachineinstances", "--namespace=demo")
