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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import PV, PVC

Run = Callable[..., dict[str, Any]]
COLLECTIONS = os.environ.get("ANSIBLE_COLLECTIONS_PATH", str(Path(__file__).resolve().parents[3] / ".cache"))
MODULES = "ansible_collections.virtops.kubevirt_ha.plugins.modules"
PACKAGE = "restic"
MIB = 1 << 20


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
def disk(client: Any, namespace: str, tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes a claim that is bound to a folder of this host; its disk's file, which a guest may write to."""
    made: list[str] = []

    def make(name: str, *, size: int = 24 * MIB, claimed: bool = True) -> Path:
        folder = tmp_path / "shared" / name
        folder.mkdir(parents=True)
        volume = f"{namespace}-{name}"
        made.append(volume)
        spec: dict[str, Any] = {
            "capacity": {"storage": str(size)},
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "directories",
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


def claim(client: Any, namespace: str, name: str, volume: str, size: int) -> None:
    """A claim that is bound by hand, since no controller of Kubernetes runs here."""
    spec = {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": str(size)}},
        "storageClassName": "directories",
        "volumeName": volume,
    }
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": namespace}}
    client.create(PVC, {**body, "spec": spec}, namespace)
    bind(client, namespace, name, size)


def bind(client: Any, namespace: str, name: str, size: int) -> None:
    """What the controller of volumes does with a claim that names its volume."""
    status = {"phase": "Bound", "accessModes": ["ReadWriteMany"], "capacity": {"storage": str(size)}}
    client.patch(PVC, name, {"status": status}, namespace, subresource="status")
