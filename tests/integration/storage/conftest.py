# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines and claims for what KubeVirt does with storage: the stand-in snapshots and exports claims of its own class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import PVC, VM, Resource

Run = Callable[..., dict[str, Any]]
SNAPSHOT_CLASS = Resource(
    "snapshot.storage.k8s.io/v1", "volumesnapshotclasses", "VolumeSnapshotClass", namespaced=False
)
SIMULATED = "kubevirt-ha.virtops/simulated"


@pytest.fixture(scope="session")
def cluster_options() -> list[str]:
    return ["--storage", "--cdi"]


@pytest.fixture(scope="session", autouse=True)
def simulated_storage(client: Any) -> None:
    """Leaves these tests out on a cluster whose storage is not the stand-in's: they make it fail on demand."""
    if client.find(SNAPSHOT_CLASS, "simulated-snapshots") is None:
        pytest.skip("needs the stand-in with --storage: real storage does not fail on demand")


@pytest.fixture
def claim(client: Any, namespace: str) -> Callable[..., str]:
    """Makes a claim; one of a class without snapshots is bound by hand. Its name."""

    def make(name: str, *, snapshots: bool = True, mode: str = "ReadWriteOnce", **annotations: str) -> str:
        spec = {
            "accessModes": [mode],
            "resources": {"requests": {"storage": "3Mi"}},
            "storageClassName": "simulated" if snapshots else "without-snapshots",
        }
        marks = {f"{SIMULATED}-{key.replace('_', '-')}": value for key, value in annotations.items()}
        meta = {"name": name, "namespace": namespace, "annotations": marks}
        client.create(
            PVC, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}, namespace
        )
        if not snapshots:
            status = {"phase": "Bound", "accessModes": [mode], "capacity": {"storage": "3Mi"}}
            client.patch(PVC, name, {"status": status}, namespace, subresource="status")
        return name

    return make


@pytest.fixture
def machine(module: Run, client: Any, namespace: str) -> Callable[..., dict[str, Any]]:
    """Makes a machine with a container's disk and one disk for each claim; it is stopped unless told otherwise."""

    def make(name: str = "v", claims: tuple[str, ...] = (), run_strategy: str = "Halted", **options: Any) -> Any:
        disks = [{"name": "root", "container_disk": "registry.example.com/guest:1"}]
        disks += [{"name": f"disk-{claim}", "pvc": claim} for claim in claims]
        made = module(
            "vm",
            name=name,
            namespace=namespace,
            memory="64Mi",
            termination_grace_period=1,
            run_strategy=run_strategy,
            disks=disks,
            **options,
        )
        assert not made.get("failed"), made["msg"]
        return client.get(VM, name, namespace)

    return make
