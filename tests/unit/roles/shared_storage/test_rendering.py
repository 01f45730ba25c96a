# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Classes of every backend, the mount, and the tables behind them, as the role renders them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from storages import CEPH, CSI, NFS, OWN_CEPH, ROLE, objects, render, value

OPTIONS = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]


def test_a_mounted_file_system_is_offered_as_volumes_of_many_nodes() -> None:
    found = objects(shared_storage_volumes={"count": 2, "size": "5Gi"})
    assert sorted(name for kind, name in found if kind == "PersistentVolume") == ["shared-0001", "shared-0002"]
    volume = found["PersistentVolume", "shared-0002"]["spec"]
    assert volume["accessModes"] == ["ReadWriteOnce", "ReadWriteMany"]
    assert volume["local"] == {"path": "/srv/kubevirt-ha/shared/volumes/0002"}
    marks = found["StorageClass", "shared"]["metadata"]["annotations"]
    assert marks["kubevirt-ha.virtops/failover"] == "true"
    assert marks["kubevirt-ha.virtops/locks-survive-restarts"] == "false"
    assert "storageclass.kubernetes.io/is-default-class" not in marks
    assert "allowVolumeExpansion" not in found["StorageClass", "shared"]


def test_volumes_that_are_there_are_left_alone() -> None:
    found = objects(shared_storage_volumes={"count": 2, "size": "5Gi"}, __shared_storage_there=["shared-0001"])
    assert [name for kind, name in found if kind == "PersistentVolume"] == ["shared-0002"]


def test_local_disks_are_told_apart() -> None:
    classes = [{"name": "shared"}, {"name": "local", "backend": "local-only", "volumes": {"count": 1}}]
    found = objects(shared_storage_classes=classes, shared_storage_volumes={"count": 1, "size": "5Gi"})
    local = found["StorageClass", "local"]
    assert local["metadata"]["annotations"]["kubevirt-ha.virtops/failover"] == "false"
    assert local["volumeBindingMode"] == "WaitForFirstConsumer"
    volume = found["PersistentVolume", "local-n2-0001"]["spec"]
    assert volume["accessModes"] == ["ReadWriteOnce"]
    term = volume["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]
    assert (term["key"], term["values"]) == ("kubernetes.io/hostname", ["n2"])
    assert volume["local"]["path"] in value("__shared_storage_local_folders", shared_storage_classes=classes)


def test_a_given_ceph_has_filesystem_and_block_classes_with_their_secrets() -> None:
    classes = [
        {"name": "files", "default": True, "snapshot_class": "files"},
        {"name": "disks", "mode": "block", "parameters": {"imageFeatures": "layering,exclusive-lock"}},
    ]
    found = objects(**CEPH, shared_storage_classes=classes)
    files, disks = found["StorageClass", "files"], found["StorageClass", "disks"]
    assert (files["provisioner"], disks["provisioner"]) == ("cephfs.csi.ceph.com", "rbd.csi.ceph.com")
    assert files["parameters"]["fsName"] == "vms"
    assert disks["parameters"]["pool"] == "vms-rbd"
    assert disks["parameters"]["imageFeatures"] == "layering,exclusive-lock"
    assert files["allowVolumeExpansion"] is True
    assert files["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
    assert files["metadata"]["annotations"]["storageclass.kubevirt.io/is-default-virt-class"] == "true"
    snapshots = found["VolumeSnapshotClass", "files"]
    assert snapshots["driver"] == files["provisioner"]
    support = objects("ceph_csi.yaml.j2", **CEPH)
    secret = support["Secret", files["parameters"]["csi.storage.k8s.io/node-stage-secret-name"]]
    assert secret["metadata"]["namespace"] == files["parameters"]["csi.storage.k8s.io/node-stage-secret-namespace"]
    assert snapshots["parameters"]["csi.storage.k8s.io/snapshotter-secret-name"] == secret["metadata"]["name"]
    clusters = json.loads(support["ConfigMap", "ceph-csi-config"]["data"]["config.json"])
    assert clusters == [
        {"clusterID": files["parameters"]["clusterID"], "monitors": CEPH["shared_storage_ceph_monitors"]}
    ]


def test_nfs_is_offered_with_its_server_and_version() -> None:
    found = objects(
        **NFS, shared_storage_classes=[{"name": "nas", "snapshot_class": "nas", "reclaim_policy": "Retain"}]
    )
    nas = found["StorageClass", "nas"]
    assert nas["provisioner"] == "nfs.csi.k8s.io"
    assert nas["parameters"] == {"server": "192.0.2.31", "share": "/export/vms"}
    assert nas["mountOptions"] == ["nfsvers=4.1", "hard"]
    assert nas["reclaimPolicy"] == "Retain"
    assert "parameters" not in found["VolumeSnapshotClass", "nas"]


def test_a_given_class_is_not_written_and_one_with_a_provisioner_is() -> None:
    assert objects(**CSI) == {}
    found = objects(**{**CSI, "shared_storage_classes": [{"name": "san", "provisioner": "san.example.org"}]})
    assert found["StorageClass", "san"]["provisioner"] == "san.example.org"


def test_the_mount_is_refused_on_a_bare_folder_and_asks_every_server() -> None:
    unit = render("mount.service.j2")
    assert "chattr +i /srv/kubevirt-ha/shared" in unit
    assert unit.count("--volfile-server") == 3
    assert "ceph-fuse" not in unit
    ceph = render("mount.service.j2", **OWN_CEPH)
    assert "/usr/bin/ceph-fuse --id kubevirt-ha --client_fs shared" in ceph
    assert "chattr +i /srv/kubevirt-ha/shared" in ceph


def test_a_second_volume_has_a_mount_of_its_own() -> None:
    assert value("__shared_storage_unit") == "kubevirt-ha-shared-storage.service"
    assert value("__shared_storage_unit", shared_storage_volume="b") == "kubevirt-ha-shared-storage-b.service"


def test_ceph_hosts_know_all_monitors_and_servers_their_own_address() -> None:
    config = render("ceph.conf.j2", **OWN_CEPH)
    assert config.count(":3300/0") == 3
    assert "public_addr = 192.0.2.11" in config
    outside = render("ceph.conf.j2", "n9", **OWN_CEPH, groups={"storage_nodes": ["n1", "n2", "n3"]})
    assert "public_addr" not in outside


def test_the_id_of_a_cluster_is_the_same_in_each_run() -> None:
    assert value("__shared_storage_ceph_fsid") == value("__shared_storage_ceph_fsid", "n2")
    assert value("__shared_storage_ceph_fsid") != value("__shared_storage_ceph_fsid", shared_storage_volume="b")
    disks = [
        osd["uuid"]
        for host in ("n1", "n2")
        for osd in value("__shared_storage_ceph_osds", host, shared_storage_ceph_devices=["/a", "/b"])
    ]
    assert len(set(disks)) == 4


@pytest.mark.parametrize("profile", ["standard", "fast", "fastest"])
def test_no_grace_collides_with_the_monitors_clock_and_clients_find_the_new_mds_in_time(profile: str) -> None:
    row = value("__shared_storage_ceph_profiles")[profile]
    # Monitors start every grace anew where their tick is late by more than this.
    assert row["tick"] < row["grace"] - row["beacon"]
    # Ceph refuses less.
    assert row["session"] >= 30
    # A client that comes later is evicted: it must have left a silent monitor by then, and asked the next.
    assert row["reconnect"] > row["ping"] + 1
    assert row["heartbeat"] * 2 < row["down"]
    config = value("__shared_storage_ceph_config", **OWN_CEPH, shared_storage_failure_detection=profile)
    # While a monitor is lost another grace holds, a minute by default.
    assert config["mds_beacon_mon_down_grace"] == config["mds_beacon_grace"] == row["grace"]


def test_what_differs_in_cephs_database_is_what_was_asked_for_and_is_not_there() -> None:
    config = {**value("__shared_storage_ceph_config", **OWN_CEPH)}
    there = [
        {"section": "global", "name": option, "value": f"{wanted}.000000" if isinstance(wanted, int) else wanted}
        for option, wanted in config.items()
    ]
    assert _differs(there) == []
    there[1]["value"] = "60.000000"
    assert [entry["option"] for entry in _differs(there)] == [there[1]["name"]]
    assert [entry["option"] for entry in _differs(there[:1] + there[2:])] == [there[1]["name"]]


def _differs(there: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list(
        value("__shared_storage_ceph_differ", **OWN_CEPH, __shared_storage_ceph_now={"stdout": json.dumps(there)})
    )


def test_the_arbiter_is_the_last_brick() -> None:
    bricks = value("__shared_storage_bricks", shared_storage_replicas=2, shared_storage_arbiter="n1")
    assert [brick.split(":")[0] for brick in bricks] == ["192.0.2.12", "192.0.2.13", "192.0.2.11"]


def test_what_differs_on_a_volume_is_told() -> None:
    group = {"content": "Y2x1c3Rlci5lYWdlci1sb2NrPWVuYWJsZQo="}  # cluster.eager-lock=enable
    info = {"rc": 0, "stdout": "", "stdout_lines": ["Status: Started", "cluster.eager-lock: enable"]}
    wanted = value("__shared_storage_options", __shared_storage_group=group)
    info["stdout_lines"] += [f"{option}: {setting}" for option, setting in wanted.items() if "quorum" not in option]
    info["stdout"] = "\n".join(info["stdout_lines"])
    found = value("__shared_storage_changes", __shared_storage_group=group, __shared_storage_info=info)
    assert sorted(found) == ["cluster.quorum-type: auto", "cluster.server-quorum-type: server"]


def test_defaults_and_argument_specs_list_the_same() -> None:
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    assert list(defaults) == list(OPTIONS)
    keys = list(OPTIONS["shared_storage_classes"]["options"])
    assert sorted(keys) == sorted(value("__shared_storage_class_keys"))
    assert OPTIONS["shared_storage_backend"]["choices"] == list(value("__shared_storage_backends"))
