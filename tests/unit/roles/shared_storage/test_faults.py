# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of inventory, cluster and hosts: each is told by name, and what is right is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from storages import CEPH, CSI, NFS, OWN_CEPH, cluster_faults, host_faults, inventory_faults

TWO = {"storage_nodes": ["n1", "n2"], "kvm_nodes": ["n1", "n2", "n3"]}
FOUR = {"storage_nodes": ["n1", "n2", "n3", "n4"], "kvm_nodes": ["n1"]}
NONE: dict[str, list[str]] = {"kvm_nodes": ["n1"]}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"shared_storage_replicas": 2, "shared_storage_arbiter": "n3"},
        {"shared_storage_classes": [{"name": "shared", "default": True}, {"name": "local", "backend": "local-only"}]},
        CEPH,
        {**CEPH, "shared_storage_classes": [{"name": "block", "mode": "block", "snapshot_class": "block"}]},
        OWN_CEPH,
        NFS,
        {**NFS, "groups": NONE},
        CSI,
        {"shared_storage_backend": "local-only", "groups": NONE},
        {"shared_storage_csi_manifests": None},
        {"shared_storage_csi_manifests": ["/nonexistent/driver.yaml"], "__shared_storage_applies_manifests": False},
    ],
)
def test_a_right_inventory_has_no_fault(given: dict[str, Any]) -> None:
    assert inventory_faults(**given) == []


def _class(**keys: Any) -> dict[str, Any]:
    return {"shared_storage_classes": [{"name": "shared", **keys}]}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"shared_storage_backend": "zfs"},
            "shared_storage_backend: zfs is unknown; allowed are glusterfs, cephfs, nfs, csi, local-only",
        ),
        ({"groups": NONE}, "group storage_nodes is empty"),
        ({"groups": TWO}, "group storage_nodes has 2 hosts; a volume of 3 replicas needs 3"),
        ({"groups": FOUR}, "group storage_nodes has 4 hosts; a volume of 3 replicas needs 3"),
        ({"groups": TWO, "shared_storage_replicas": 2}, "2 copies have no majority when they lose each other"),
        ({"shared_storage_replicas": 2}, "name a third of the storage_nodes in shared_storage_arbiter"),
        ({"shared_storage_replicas": 5}, "shared_storage_replicas: 5 must be 3, or 2 with an arbiter"),
        ({"shared_storage_arbiter": "n3"}, "shared_storage_arbiter: n3 is for 2 copies"),
        (
            {"shared_storage_replicas": 2, "shared_storage_arbiter": "n9"},
            "shared_storage_arbiter: n9 is not in the group storage_nodes; allowed are n1, n2, n3",
        ),
        ({**OWN_CEPH, "groups": FOUR}, "group storage_nodes has 4 hosts; a Ceph needs 3, 5 or 7"),
        ({**OWN_CEPH, "groups": TWO}, "group storage_nodes has 2 hosts; a Ceph needs 3, 5 or 7"),
        ({**OWN_CEPH, "shared_storage_ceph_file_size": "20GB"}, "shared_storage_ceph_file_size: '20GB' is no quantity"),
        (
            {**CEPH, "shared_storage_ceph_cluster": "rook"},
            "shared_storage_ceph_cluster: rook is unknown; allowed are own",
        ),
        ({**CEPH, "shared_storage_ceph_cluster_id": ""}, "shared_storage_ceph_cluster_id is empty"),
        ({**CEPH, "shared_storage_ceph_monitors": ["mon1"]}, "shared_storage_ceph_monitors: ['mon1'] must be a list"),
        ({**CEPH, "shared_storage_ceph_monitors": []}, "shared_storage_ceph_monitors: [] must be a list"),
        ({**CEPH, "shared_storage_ceph_key": ""}, "shared_storage_ceph_key is empty"),
        ({**CEPH, "shared_storage_ceph_filesystem": ""}, "shared_storage_ceph_filesystem is empty"),
        ({**CEPH, **_class(mode="block"), "shared_storage_ceph_pool": ""}, "shared_storage_ceph_pool is empty"),
        ({**NFS, "shared_storage_nfs_server": ""}, "name the server and the folder it exports"),
        ({**NFS, "shared_storage_nfs_share": "vms"}, "name the server and the folder it exports"),
        (
            {**NFS, "shared_storage_csi_manifests": ["/nonexistent/nfs.yaml", "https://e.org/x"]},
            "/nonexistent/nfs.yaml: no file",
        ),
        ({"shared_storage_failure_detection": "hasty"}, "hasty is unknown; allowed are standard, fast, fastest"),
        ({"shared_storage_mount": "srv"}, "shared_storage_mount: 'srv' is no absolute path"),
        ({"shared_storage_heal_timeout": 0}, "shared_storage_heal_timeout: 0 must be seconds"),
        ({"shared_storage_classes": ["fast"]}, "shared_storage_classes: entry 1: must be {name, ...}"),
        (_class(rwx=True), "shared: rwx is unknown; allowed are name, backend"),
        (_class(mode="object"), "shared: mode object is unknown; allowed are filesystem, block"),
        (_class(mode="block"), "shared: mode block: glusterfs has files only"),
        ({**NFS, **_class(mode="block")}, "shared: mode block: nfs has files only"),
        (_class(snapshot_class="s"), "shared: snapshot_class: directories of a mount have no snapshots"),
        (_class(expansion=True), "shared: expansion: directories of a mount cannot grow"),
        (_class(backend="nfs"), "shared: backend nfs is not laid out here; allowed are glusterfs, csi, local-only"),
        (_class(volumes={"count": 0}), "shared: volumes: count must be 1 to 9999"),
        ({"shared_storage_classes": [{"name": "A b"}]}, "A b: name may have small letters"),
        (
            {"shared_storage_classes": [{"name": "a", "default": True}, {"name": "b", "default": True, "folder": "b"}]},
            "a, b are all the default",
        ),
        ({"shared_storage_classes": [{"name": "a"}, {"name": "b"}]}, "several classes share the folder volumes"),
        ({"shared_storage_classes": [{"name": "a"}, {"name": "a", "folder": "b"}]}, "a: the name is given twice"),
    ],
)
def test_a_fault_is_told_by_name(given: dict[str, Any], said: str) -> None:
    found = inventory_faults(**given)
    assert [fault for fault in found if said in fault], found
    assert len(found) == 1, found


def test_a_driver_outside_of_the_version_matrix_is_told_by_name(tmp_path: Path) -> None:
    driver = tmp_path / "driver.yaml"
    given = {**NFS, "kubernetes_version": "1.36.0", "shared_storage_csi_manifests": [str(driver)]}
    driver.write_text("image: busybox\n---\nspec:\n- image: 'registry.k8s.io/sig-storage/nfsplugin:v4.13.4'\n")
    assert inventory_faults(**given) == []
    driver.write_text('spec:\n  - name: nfs\n    image: "registry.k8s.io/sig-storage/nfsplugin:v4.5.0"\n')
    (fault,) = inventory_faults(**given)
    assert fault.startswith(
        "shared_storage_csi_manifests: csi-driver-nfs 4.5 (registry.k8s.io/sig-storage/nfsplugin:v4.5.0)"
    )
    assert "allowed are 4.13, 4.12, 4.11" in fault
    assert inventory_faults(**given, version_matrix_allow_untested="true") == []


def test_manifests_from_the_network_are_read_too() -> None:
    address = "https://example.org/driver.yaml"
    given = {**CEPH, "kubernetes_version": "1.36.0", "shared_storage_csi_manifests": [address]}
    content = '{\n  "image": "quay.io/cephcsi/cephcsi:v3.15.0",\n}'
    answer = {"item": address, "status": 200, "content": content}
    (fault,) = inventory_faults(**given, __shared_storage_fetched={"results": [answer]})
    assert "ceph-csi 3.15 (quay.io/cephcsi/cephcsi:v3.15.0) does not go with Kubernetes 1.36" in fault
    silent = {"item": address, "status": -1, "msg": "timed out"}
    (fault,) = inventory_faults(**given, __shared_storage_fetched={"results": [silent]})
    assert fault.startswith(
        "shared_storage_csi_manifests: https://example.org/driver.yaml does not answer (timed out);"
    )


def storage_class(name: str, *, default: bool = False, expansion: bool = True) -> dict[str, Any]:
    marks = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {
        "metadata": {"name": name, "annotations": marks},
        "provisioner": "san.example.org",
        "allowVolumeExpansion": expansion,
    }


def profile(name: str, *modes: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"claimPropertySets": [{"accessModes": list(modes)}]}}


def test_given_classes_that_can_what_is_wanted_have_no_fault() -> None:
    wanted = {**CSI, "shared_storage_classes": [{"name": "san", "expansion": True, "snapshot_class": "san"}]}
    snapshots = [{"metadata": {"name": "san"}, "driver": "san.example.org"}]
    profiles = [profile("san", "ReadWriteOnce", "ReadWriteMany")]
    assert (
        cluster_faults([storage_class("san"), storage_class("old", default=True)], snapshots, profiles, **wanted) == []
    )
    assert cluster_faults([storage_class("san")], **CSI) == []


@pytest.mark.parametrize(
    ("there", "wanted", "said"),
    [
        ({"classes": [storage_class("nas")]}, {}, "san: the cluster has no such StorageClass; it has nas"),
        ({"classes": []}, {}, "san: the cluster has no such StorageClass; it has none"),
        ({"classes": None}, {}, "the cluster cannot be asked for its classes: no route"),
        ({"classes": [storage_class("san", expansion=False)]}, {"expansion": True}, "no allowVolumeExpansion"),
        (
            {"classes": [storage_class("san")], "profiles": [profile("san", "ReadWriteOnce")]},
            {},
            "its StorageProfile offers ReadWriteOnce and no ReadWriteMany",
        ),
        (
            {"classes": [storage_class("san")]},
            {"snapshot_class": "s"},
            "s is no VolumeSnapshotClass of san.example.org",
        ),
        (
            {"classes": [storage_class("san")], "snapshots": [{"metadata": {"name": "s"}, "driver": "other"}]},
            {"snapshot_class": "s"},
            "s is no VolumeSnapshotClass of san.example.org; there are s",
        ),
        (
            {"classes": [storage_class("san"), storage_class("old", default=True)]},
            {"default": True},
            "san: default is wanted, and old is the default already",
        ),
        (
            {"classes": [], "crd": False},
            {"provisioner": "p", "snapshot_class": "s"},
            "needs the kind VolumeSnapshotClass, which the cluster does not have",
        ),
    ],
)
def test_what_a_given_class_lacks_is_told(there: dict[str, Any], wanted: dict[str, Any], said: str) -> None:
    found = cluster_faults(**there, **{**CSI, "shared_storage_classes": [{"name": "san", **wanted}]})
    assert [fault for fault in found if said in fault], found
    assert len(found) == 1, found


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"answer": {"address": 0}}, "shared_storage_address 192.0.2.11 is on no interface"),
        ({"answer": {"on_root": True}}, "shared_storage_brick /var/lib/kubevirt-ha/brick lies on the root file system"),
        ({"answer": {"on_root": True}, **OWN_CEPH}, "shared_storage_ceph_devices is empty, and a sparse file"),
        ({"answer": {"fuse": False}}, "/dev/fuse is missing"),
        ({"answer": {"entries": 4}}, "shared_storage_mount /srv/kubevirt-ha/shared is not mounted and holds 4 entries"),
        (
            {"answer": {}, "holders": ["n2", "n3"]},
            "shared_storage_volume: n2, n3 hold the volume shared, this host does not",
        ),
        (
            {"answer": {}, "disks": [("/dev/sdx", "is no block device of this host")], **OWN_CEPH},
            "shared_storage_ceph_devices: /dev/sdx is no block device of this host",
        ),
        (
            {"nfs": "192.0.2.31:2049 does not answer as NFS", **NFS},
            "shared_storage_nfs_server: 192.0.2.31:2049 does not",
        ),
    ],
)
def test_a_fault_of_a_host_is_told(asked: dict[str, Any], said: str) -> None:
    found = host_faults(**asked)
    assert [fault for fault in found if fault.startswith("n1: ") and said in fault], found
    assert len(found) == 1, found


@pytest.mark.parametrize(
    "asked",
    [
        {"answer": {"volume": True}, "holders": ["n1", "n2"]},
        {"answer": {}, "holders": ["n2", "n3"], "shared_storage_replace": {"lost": "", "new": "n1"}},
        {"answer": {}, "holders": ["n2", "n3"], "groups": {"storage_nodes": ["n2", "n3"], "kvm_nodes": ["n1"]}},
        {"answer": {}, "holders": ["n2", "n3"], **OWN_CEPH},
    ],
)
def test_a_host_that_should_not_or_is_about_to_hold_the_volume_is_no_fault(asked: dict[str, Any]) -> None:
    assert host_faults(**asked) == []


@pytest.mark.parametrize(
    "asked",
    [
        {"answer": {}},
        {"answer": {"on_root": True}, "shared_storage_brick_on_root": True},
        {
            "answer": {"on_root": True},
            "shared_storage_ceph_devices": ["/dev/sdx"],
            "disks": [("/dev/sdx", "")],
            **OWN_CEPH,
        },
        {"nfs": "", **NFS},
        CSI,
    ],
)
def test_a_right_host_has_no_fault(asked: dict[str, Any]) -> None:
    assert host_faults(**asked) == []
