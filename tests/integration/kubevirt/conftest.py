# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bare kube-apiserver, the role played on it, and archives made up of one small image."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "lab" / "files"))

from role_play import Play, Played


@pytest.fixture(scope="session")
def cluster_options() -> list[str]:
    """No KubeVirt but the one that the role brings."""
    return ["--no-standin"]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Plays files of a role on this machine: `play("kubevirt", ["inventory", "push"], variable=...)`."""

    def run(role: str, files: list[str] | None = None, **variables: Any) -> Played:
        playbook, inventory = tmp_path / "play.yml", tmp_path / "inventory.json"
        tasks = [
            {"ansible.builtin.include_role": {"name": f"virtops.kubevirt_ha.{role}", "tasks_from": name}}
            for name in files or ["main"]
        ]
        playbook.write_text(
            yaml.safe_dump([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}])
        )
        given = {"ansible_python_interpreter": sys.executable, **variables}
        inventory.write_text(json.dumps({"all": {"vars": given, "hosts": {"localhost": None}}}))
        command = ["ansible-playbook", "-i", str(inventory), str(playbook)]
        return Played(
            subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=600)
        )

    return run


@pytest.fixture
def archive(tmp_path: Path) -> Callable[..., Path]:
    """Writes an archive whose references are all one small image; `cdi` adds CDI's manifests."""

    def make(registry: str = "quay.io/kubevirt", *, cdi: bool = False, version: str = "v1.9.0") -> Path:
        import made_up_manifests
        from oci_image import Image, layer_of_files, write

        folder = tmp_path / f"archive-{version}"
        (folder / "images").mkdir(parents=True)
        layer = layer_of_files(tmp_path / "layer", {"hello": (0o644, b"hello\n")})
        digest = write(folder / "images/one.tar", Image(f"{registry}/virt-operator:{version}", (layer,), {}))
        names = [f"{name}:{version}" for name in made_up_manifests.COMPONENTS]
        names += list(made_up_manifests.CDI_IMAGES if cdi else ())
        entry = {"file": "images/one.tar", "digest": digest}
        images = {f"{registry}/{name}": entry for name in names}
        (folder / "archive.json").write_text(json.dumps({"source": "made up", "version": version, "images": images}))
        for name, documents in made_up_manifests.files(registry, version, cdi=cdi).items():
            (folder / name).write_text(yaml.safe_dump_all(documents))
        return folder

    return make
