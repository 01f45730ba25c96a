# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real restic repository beside the stand-in, and a machine whose disk is a file of this host."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import PV, PVC, STORAGE_CLASS, VMI

Run = Callable[..., dict[str, Any]]
COLLECTIONS = os.environ.get("ANSIBLE_COLLECTIONS_PATH", str(Path(__file__).resolve().parents[3] / ".cache"))
MODULES = "ansible_collections.virtops.kubevirt_ha.plugins.modules"
PACKAGE = "restic"
CLASS = "directories"
MIB = 1 << 20
SIZE = 24 * MIB


@dataclass(frozen=True)
class Site:
    """A backup host with a repository that is there, beside a cluster whose machines are made as tests want them."""

    run: Run
    client: Any
    namespace: str
    settings: dict[str, Any]
    guest: dict[str, Any]
    disk: Callable[..., Path]
    folder: Path

    def machine(self, name: str = "v", claim: str = "data", run_strategy: str = "Always", **options: Any) -> None:
        """Makes a machine with a disk of that claim."""
        done = self.run(
            "vm",
            name=name,
            namespace=self.namespace,
            disks=[{"name": "data", "pvc": claim}],
            run_strategy=run_strategy,
            labels={"b": "1"},
            **self.guest,
            **options,
        )
        assert not done.get("failed"), done["msg"]

    def paused(self) -> bool:
        vmi = self.client.find(VMI, "v", self.namespace)
        return vmi is not None and conditions.holds(vmi, "Paused")

    def back_up(self, **options: Any) -> dict[str, Any]:
        """Runs the module for the machines, unless other options say otherwise."""
        return self.run("backup", **{"settings": self.settings, "parts": ["machines"], **options})

    def restore(self, **options: Any) -> dict[str, Any]:
        """Runs the module for the machine `v`, unless other options say otherwise."""
        return self.run(
            "backup_restore", **{"settings": self.settings, "namespace": self.namespace, "vm": "v", **options}
        )


def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)


def write(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def _install() -> str:
    """Installs restic where it is missing; returns why it cannot."""
    if shutil.which(PACKAGE):
        return ""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return f"needs {PACKAGE}, and root and apt-get to install it"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    options = ("-qqy", "--no-install-recommends", "--option", "DPkg::Lock::Timeout=300")
    for command in (("apt-get", "update", "-qq"), ("apt-get", "install", *options, PACKAGE)):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"needs {PACKAGE}: {' '.join(done.stderr.split())[-300:]}"
    return ""


@pytest.fixture(scope="session", autouse=True)
def restic() -> None:
    reason = _install()
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def cluster_options() -> list[str]:
    return ["--storage", "--cdi"]


@pytest.fixture
def module(module: Run, tmp_path: Path) -> Run:
    """As for all tests of modules; those of backups are told the cluster by their settings."""

    def run(which: str, /, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        if not which.startswith("backup"):
            return module(which, check=check, **arguments)
        path = tmp_path / f"{which}.json"
        path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_check_mode": check}}))
        environment = {**os.environ, "PYTHONPATH": COLLECTIONS.split(":")[0]}
        command = [sys.executable, "-m", f"{MODULES}.{which}", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=300)
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))

    return run


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """Settings of a backup host with a repository of its own, which is not made yet."""
    password = tmp_path / "password"
    password.write_text("sesame")
    password.chmod(0o600)
    return {
        "repository": str(tmp_path / "repository"),
        "password_file": str(password),
        "state_dir": str(tmp_path / "state"),
        "kubeconfig": "/nonexistent",
        "host": "backup-1",
        "keep": {"last": 2, "daily": 0, "weekly": 0},
        "verify_subset": "100%",
    }


@pytest.fixture
def disk(client: Any, namespace: str, tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Makes a claim that is bound to a folder of this host; its disk's file, which a guest may write to."""
    made: list[str] = []

    def make(name: str, *, size: int = SIZE, claimed: bool = True) -> Path:
        folder = tmp_path / "shared" / name
        folder.mkdir(parents=True)
        volume = f"{namespace}-{name}"
        made.append(volume)
        spec: dict[str, Any] = {
            "capacity": {"storage": str(size)},
            "accessModes": ["ReadWriteMany"],
            "storageClassName": CLASS,
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": str(folder)},
            "nodeAffinity": {
                "required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "x", "operator": "Exists"}]}]}
            },
        }
        client.create(PV, {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume}, "spec": spec})
        client.patch(PV, volume, {"status": {"phase": "Available"}}, subresource="status")
        if claimed:
            claim(client, namespace, name, volume, size)
            with (folder / "disk.img").open("wb") as file:
                file.truncate(size)
        return folder / "disk.img"

    yield make
    for name in made:
        client.delete(PV, name)


@pytest.fixture(scope="session")
def storage_class(client: Any) -> None:
    """What a cluster has that the stand-in without nodes may lack."""
    if client.find(STORAGE_CLASS, CLASS) is None:
        body = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": CLASS}}
        client.create(STORAGE_CLASS, {**body, "provisioner": "kubernetes.io/no-provisioner"})


@pytest.fixture
def site(
    module: Run,
    client: Any,
    namespace: str,
    settings: dict[str, Any],
    guest: dict[str, Any],
    disk: Callable[..., Path],
    tmp_path: Path,
    cluster: Path,
    storage_class: None,
) -> Site:
    found = {
        **settings,
        "kubeconfig": str(cluster),
        "machines": [{"namespace": namespace}],
        "mount": str(tmp_path / "shared"),
        "hosts": [{"name": "here"}],
        "disk_owner": f"{os.getuid()}:{os.getgid()}",
    }
    done = module("backup_repository", settings=found)
    assert done["changed"], done
    return Site(module, client, namespace, found, guest, disk, tmp_path)


def claim(client: Any, namespace: str, name: str, volume: str, size: int) -> None:
    """A claim that is bound by hand, since no controller of Kubernetes runs here."""
    spec = {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": str(size)}},
        "storageClassName": CLASS,
        "volumeName": volume,
    }
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": namespace}}
    client.create(PVC, {**body, "spec": spec}, namespace)
    bind(client, namespace, name, size)


def bind(client: Any, namespace: str, name: str, size: int) -> None:
    """What the controller of volumes does with a claim that names its volume."""
    status = {"phase": "Bound", "accessModes": ["ReadWriteMany"], "capacity": {"storage": str(size)}}
    client.patch(PVC, name, {"status": status}, namespace, subresource="status")
