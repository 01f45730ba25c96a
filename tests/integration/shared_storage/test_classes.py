# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Classes of drivers that this machine cannot run, on a real kube-apiserver: rendered and taken, not mounted by anything."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Play = Callable[..., subprocess.CompletedProcess[str]]
CEPH = {
    "shared_storage_backend": "cephfs",
    "shared_storage_ceph_cluster_id": "11111111-2222-3333-4444-555555555555",
    "shared_storage_ceph_monitors": ["192.0.2.21:6789"],
    "shared_storage_ceph_filesystem": "vms",
    "shared_storage_ceph_pool": "vms-rbd",
    "shared_storage_ceph_key": "QVFCVEhFS0VZ",
    "shared_storage_classes": [
        {"name": "files", "snapshot_class": "files"},
        {"name": "disks", "mode": "block"},
        {"name": "local", "backend": "local-only", "volumes": {"count": 2, "size": "1Gi"}},
    ],
}
SNAPSHOT_CLASSES = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "volumesnapshotclasses.snapshot.storage.k8s.io",
        "annotations": {
            "api-approved.kubernetes.io": "https://github.com/kubernetes-csi/external-snapshotter/pull/665"
        },
    },
    "spec": {
        "group": "snapshot.storage.k8s.io",
        "names": {"kind": "VolumeSnapshotClass", "plural": "volumesnapshotclasses"},
        "scope": "Cluster",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


@pytest.fixture
def play(cluster: Path, tmp_path: Path) -> Play:
    """Plays the role for one host, this machine, with the variables given."""

    def run(**variables: Any) -> subprocess.CompletedProcess[str]:
        playbook, inventory = tmp_path / "play.yml", tmp_path / "inventory.json"
        role = [{"role": "virtops.kubevirt_ha.shared_storage"}]
        playbook.write_text(yaml.safe_dump([{"hosts": "kvm_nodes", "gather_facts": False, "roles": role}]))
        given = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "kubernetes_kubeconfig": str(cluster),
            "shared_storage_local_path": str(tmp_path / "local"),
            "shared_storage_owner": os.getuid(),
            **variables,
        }
        inventory.write_text(json.dumps({"kvm_nodes": {"hosts": {"n1": None}}, "all": {"vars": given}}))
        command = ["ansible-playbook", "-i", str(inventory), str(playbook)]
        return subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=300
        )

    return run


def test_classes_of_a_given_ceph_are_taken_once(play: Play, cluster: Path, tmp_path: Path) -> None:
    refused = play(**CEPH)
    assert refused.returncode != 0
    assert "needs the kind VolumeSnapshotClass, which the cluster does not have" in re.sub(r"\s+", " ", refused.stdout)

    driver = tmp_path / "driver.yaml"
    driver.write_text(yaml.safe_dump(SNAPSHOT_CLASSES))
    wanted = {**CEPH, "shared_storage_csi_manifests": [str(driver)]}
    taken = play(**wanted)
    if taken.returncode != 0:  # the kind is served a moment after its definition
        taken = play(**wanted)
    assert taken.returncode == 0, taken.stdout[-4000:]
    assert CEPH["shared_storage_ceph_key"] not in taken.stdout

    files = _get(cluster, "StorageClass", "files", api="storage.k8s.io/v1")
    assert files["provisioner"] == "cephfs.csi.ceph.com"
    assert files["allowVolumeExpansion"] is True
    assert (
        _get(cluster, "VolumeSnapshotClass", "files", api="snapshot.storage.k8s.io/v1")["driver"]
        == "cephfs.csi.ceph.com"
    )
    secret = _get(cluster, "Secret", "kubevirt-ha-ceph", "ceph-csi")
    assert base64.b64decode(secret["data"]["userKey"]).decode() == CEPH["shared_storage_ceph_key"]
    volume = _get(cluster, "PersistentVolume", "local-n1-0002")
    assert Path(volume["spec"]["local"]["path"]).is_dir()

    again = play(**wanted)
    assert re.search(r"changed=0 .*failed=0", again.stdout), again.stdout[-4000:]


def test_a_given_class_that_is_not_there_is_told_with_those_that_are(play: Play) -> None:
    nas = {
        "shared_storage_backend": "nfs",
        "shared_storage_nfs_server": "192.0.2.31",
        "shared_storage_nfs_share": "/export",
    }
    silent = play(**nas)
    assert "192.0.2.31:2049 does not answer as NFS" in re.sub(r"\s+", " ", silent.stdout)
    missing = play(shared_storage_backend="csi", shared_storage_classes=[{"name": "san", "default": True}])
    assert missing.returncode != 0
    said = re.sub(r"\s+", " ", missing.stdout)
    assert re.search(r"san: the cluster has no such StorageClass; it has [a-z, ]*simulated", said)
    assert "san: default is wanted, and simulated is the default already" in said


def _get(cluster: Path, kind: str, name: str, namespace: str = "", api: str = "v1") -> dict[str, Any]:
    """An object of the cluster, by the official client."""
    from kubernetes import config, dynamic

    found = dynamic.DynamicClient(config.new_client_from_config(str(cluster)))
    resource = found.resources.get(api_version=api, kind=kind)
    return dict(resource.get(name=name, **({"namespace": namespace} if namespace else {})).to_dict())
