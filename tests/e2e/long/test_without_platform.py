# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform is taken off its hosts and laid out again; last of all, as nothing of it is left meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

import drill_run
import external_etcd
import maintenance_run as maintained
import platform_lab as platform
import pytest
import yaml
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import ceph
from demo_run import LAB

ENDPOINT = "10.77.0.100:8443"
CONFIRMED = ("-e", f"uninstall_confirm={ENDPOINT}")
ALL = (*CONFIRMED, "-e", "uninstall_virtual_machines=true", "-e", "uninstall_data=true")

# Its packages are fetched and taken off again as the scenario of this storage does it.
SCENARIO = "../molecule/shared_storage_ceph"
OWN_CEPH = {
    "shared_storage_backend": "cephfs",
    "shared_storage_ceph_cluster": "own",
    "shared_storage_ceph_file_size": "6Gi",
    "shared_storage_failure_detection": "fastest",
}
WRITE_STALL_SECONDS = 30
NODES = ("n1", "n2", "n3")
# Whose OSD stands still; what is refused meanwhile, with as little patience as can be asked for.
LACKING = "n3"
REFUSED = {
    "failover_drill": {"failover_drill_times": {"whole_wait": 5}},
    "maintenance": {"maintenance_reboot": "always", "maintenance_whole_timeout": 5},
}


def test_machines_and_a_word_of_confirmation_stand_against_it() -> None:
    unconfirmed, refused = platform.play("uninstall"), platform.play("uninstall", *CONFIRMED)
    assert f"uninstall_confirm={ENDPOINT}" in " ".join(unconfirmed.text.split())
    assert "demo-1" in refused.text
    for played in (unconfirmed, refused):
        assert played.code != 0
        assert set(played.changed.values()) <= {0}


def test_nothing_of_it_is_left_though_the_run_is_killed() -> None:
    platform.break_off("uninstall", *ALL, at="TASK [virtops.kubevirt_ha.kubernetes :")
    played = platform.play("uninstall", *ALL)
    assert played.code == 0, played.text[-8000:]
    for name in NODES:
        left = platform.on_node(
            name,
            "ps -e -o comm= | grep -E '^(kubelet|etcd|kube-|haproxy|keepalived|gluster)' || echo none; ls /etc/kubernetes 2>/dev/null; true",
        )
        assert left.splitlines()[1:] == ["none"], left
    again = platform.play("uninstall", *ALL)
    assert (again.code, set(again.changed.values())) == (0, {0}), again.text[-6000:]


def test_it_is_laid_out_on_an_etcd_of_others(tmp_path: Path) -> None:
    addresses = {f"n{number}": f"10.77.0.1{number}" for number in (1, 2, 3)}
    external_etcd.make_certificates(tmp_path, addresses)
    given = ("-e", json.dumps(external_etcd.variables(tmp_path, addresses)))
    try:
        external_etcd.start(tmp_path, addresses)
        for name in ("site", "demo_vms"):
            played = platform.play(name, *given)
            assert played.code == 0, played.text[-8000:]
        again = platform.play("site", *given)
        assert (again.code, set(again.changed.values())) == (0, {0}), again.text[-6000:]
        assert platform.get("pods", "--namespace=kube-system", "--selector=component=etcd")["items"] == []
        external_etcd.stop("n3")
        platform.kubectl("create", "namespace", "written-with-two-members")
        kept = external_etcd.etcdctl(addresses) + " get --keys-only /registry/namespaces/written-with-two-members"
        assert "/registry/namespaces/written-with-two-members" in platform.on_node("n1", kept)
        told = platform.play("status", *given)
        assert "A member of etcd does not answer or complains" in " ".join(told.text.split()), told.text[-6000:]
        gone = platform.play("uninstall", *given, *ALL)
        assert gone.code == 0, gone.text[-6000:]
        # It is not the platform's: what was kept in it stays there.
        assert "/registry/namespaces/written-with-two-members" in platform.on_node("n1", kept)
    finally:
        platform.play("uninstall", *given, *ALL)
        for name in addresses:
            external_etcd.stop(name, data=True)


def test_it_is_laid_out_on_a_ceph_of_its_own_and_survives_each_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEVIRT_HA_LAB", str(LAB))
    # Recoveries are played by the watcher, with the inventory alone.
    inventory = tmp_path / "inventory.yml"
    given = yaml.safe_load(platform.INVENTORY.read_text())
    given["all"]["vars"].update(OWN_CEPH)
    inventory.write_text(yaml.safe_dump(given))
    try:
        for name in (f"{SCENARIO}/prepare", "site", "demo_vms"):
            played = platform.play(name, inventory=inventory)
            assert played.code == 0, played.text[-8000:]
        again = platform.play("site", inventory=inventory)
        assert (again.code, set(again.changed.values())) == (0, {0}), again.text[-6000:]
        without_an_osd_nothing_is_taken_away(inventory)
        drill = platform.play(
            "failover_drill", "-e", json.dumps(drill_run.each_node(WRITE_STALL_SECONDS)), inventory=inventory
        )
        assert drill.code == 0, drill.text[-8000:]
    finally:
        gone = platform.play("uninstall", *ALL, inventory=inventory)
        cleaned = platform.play(f"{SCENARIO}/cleanup")
    assert gone.code == 0, gone.text[-6000:]
    assert cleaned.code == 0, cleaned.text[-6000:]


def ceph_is_whole() -> bool:
    """Whether it complains of nothing but what lasts, such as a machine's disk that is filled by others."""
    _host, _found, told = platform.on_node(NODES[0], "ceph --connect-timeout 5 health --format json").partition("\n")
    return all(check.is_advice for check in ceph.health(told).checks)


def without_an_osd_nothing_is_taken_away(inventory: Path) -> None:
    """Neither drill nor maintenance begins; returns when the OSD is back and Ceph has all copies again."""
    boots = [maintained.boot_id(name) for name in NODES]
    platform.on_node(LACKING, "systemctl stop 'ceph-osd@*'")
    try:
        for name, given in REFUSED.items():
            played = platform.play(name, "-e", json.dumps(given), inventory=inventory)
            assert played.code != 0, played.text[-4000:]
            assert "OSD_DOWN" in " ".join(played.text.split()), played.text[-4000:]
            assert set(played.changed.values()) <= {0}, played.text[-4000:]
    finally:
        platform.on_node(LACKING, "systemctl start 'ceph-osd@*' --all")
    assert [maintained.boot_id(name) for name in NODES] == boots
    platform.wait_until(ceph_is_whole, "Ceph has all copies on all its OSDs", 180)


def test_it_is_laid_out_again() -> None:
    for name in ("site", "demo_vms"):
        played = platform.play(name)
        assert played.code == 0, played.text[-8000:]
    assert len(platform.machines()) == 3
