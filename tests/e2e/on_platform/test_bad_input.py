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
from demo_run import LAB

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


def test_every_fault_of_an_inventory_is_told_before_anything_is_changed(tmp_path: Path) -> None:
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


# What is wrong at once with the inventory below: the hosts that tell it, and how. A version that no host has is no program's either.
FAULTS = {
    "inventory: group control_plane has 4 hosts": ("", "name 1, 3, 5 or 7, or set kubernetes_allow_even_control_plane"),
    "load_balancer_vips: taken: 10.77.0.1 is in use by": ("n1 n2 n3", "take a free address"),
    "preflight_storage_classes,": ("", "there is no StorageClass cefs in the cluster; it has"),
    "kvm_node_hugepages: 2Mi: 9999999 are more than memory holds": ("n1 n2 n3", "the largest allowed count is"),
    "kubernetes_version 1.36.0 is 2 minor versions above 1.34.": ("n1 n2 n3", "set a version 1.35 first"),
    "kubernetes_binaries_dir": ("n1 n2 n3 n4", "of version 1.36.0"),
    "kubernetes_etcd_fsync_limit_ms 1e-06: the disk of": ("n4", "an SSD of its own, or raise the limit"),
    "kubevirt_feature_gates: DownwardMetric is no feature gate": ("", "did you mean DownwardMetrics?"),
    "kubevirt_infra_replicas: 9 replicas cannot run on as many nodes": ("", "allowed are 1 to 4"),
}


def test_faults_of_inventory_cluster_and_hosts_are_told_in_one_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(everything: dict[str, Any]) -> None:
        groups, common = everything["children"], everything["vars"]
        # The lab's own host as one that has no etcd yet: only there its disk is measured.
        host = groups["backup_hosts"]["hosts"]["lab_host"]
        groups["control_plane"]["hosts"]["n4"] = {**host, "kubernetes_node_address": "10.77.0.1"}
        api = common["load_balancer_vips"][0]
        common["load_balancer_vips"] = [api, {**api, "name": "taken", "address": "10.77.0.1"}]
        common["preflight_storage_classes"] = ["cefs"]
        common["kvm_node_hugepages"] = [{"size": "2Mi", "count": 9999999}]
        common["kubernetes_version"] = "1.36.0"
        common["kubernetes_etcd_fsync_limit_ms"] = 0.000001
        common["kubevirt_feature_gates"] = ["DownwardMetric"]
        common["kubevirt_infra_replicas"] = 9
        common["preflight_skip"] = ["ports", "vrrp", "mtu", "clocks", "names"]  # n4 is no node

    monkeypatch.setenv("ANSIBLE_CALLBACK_RESULT_FORMAT", "json")
    played = platform.play("preflight", inventory=inventory(tmp_path, change))
    assert played.code != 0
    (found,) = re.findall(r"^fatal: \[localhost\]: FAILED! => (\{.*\})$", played.text, re.MULTILINE)
    said, *faults = json.loads(found)["msg"]
    expected = {
        (f"{host}: " if host else "") + start: way_out
        for start, (hosts, way_out) in FAULTS.items()
        for host in hosts.split() or [""]
    }
    told = {start: next((fault for fault in faults if fault.startswith(start)), "") for start in expected}
    assert {start: fault for start, fault in told.items() if expected[start] not in fault} == {}, faults
    assert sorted(faults) == sorted(told.values())
    assert said == f"Nothing was changed. Faults: {len(expected)}"
    assert set(played.changed.values()) == {0}


def test_every_fault_of_an_archive_is_told_before_anything_is_changed(tmp_path: Path) -> None:
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
def cordoned() -> Any:
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
