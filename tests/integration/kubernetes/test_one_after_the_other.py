# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's tasks on three hosts that are this machine, with programs in the place of kubeadm and the like that log what is asked."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT

HOSTS = ("n1", "n2", "n3")
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Apply",
                "ansible.builtin.include_role": {"name": str(ROOT / "roles" / "kubernetes"), "tasks_from": "apply"},
            }
        ],
    }
]
PROGRAMS = {
    "kubeadm": 'echo "$(basename "$PWD") kubeadm ${*: -1}" >>"$LOG"',
    "kubectl": "true",
    "ctr": 'case "$*" in *"containers list"*) echo one ;; *"tasks list"*) echo one 1 RUNNING ;; esac',
    # What a host whose name is in the file does not answer is its API server.
    "curl": 'case "${*: -1}" in *"$(cat "$DOWN"):6443"*) echo refused >>"$LOG"; exit 7 ;; *:6443*) echo "${*: -1} answers" >>"$LOG" ;; esac',
}


class Platform:
    """Three hosts with a configuration each that is newer than what their static pods run with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        programs, manifests = folder / "bin", folder / "manifests"
        programs.mkdir()
        manifests.mkdir()
        for name, body in PROGRAMS.items():
            (programs / name).write_text(f"#!/bin/bash\n{body}\n")
            (programs / name).chmod(0o700)
        for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
            (manifests / f"{name}.yaml").write_text("one\n")
        self.down, self.log = folder / "down", folder / "log"
        self.down.write_text("nobody")
        for host in HOSTS:
            (folder / host / "api-server").mkdir(parents=True)
            (folder / host / "kubeadm-init.applied").touch()
            os.utime(folder / host / "kubeadm-init.applied", (1, 1))
            (folder / host / "kubeadm-init.yaml").touch()
        variables: dict[str, Any] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "/usr/bin/python3",
            "kubernetes_node_address": "{{ inventory_hostname }}",
            "kubernetes_api_endpoint": "192.0.2.100:8443",
            "__kubernetes_state": "member",
        }
        inventory = {"all": {"vars": variables, "children": {"control_plane": {"hosts": dict.fromkeys(HOSTS, {})}}}}
        (folder / "inventory.json").write_text(json.dumps(inventory))
        (folder / "play.json").write_text(json.dumps(PLAY))
        self.environment = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "MANIFESTS": str(manifests),
            "LOG": str(self.log),
            "DOWN": str(self.down),
            "PATIENCE": "1",
        }

    def apply(self) -> tuple[int, list[str]]:
        """Runs the tasks; their code, and which API servers answered in which order."""
        self.log.write_text("")
        extra = json.dumps({"__kubernetes_folder": f"{self.folder}/{{{{ inventory_hostname }}}}"})
        done = subprocess.run(
            [
                "ansible-playbook",
                "-i",
                str(self.folder / "inventory.json"),
                "-e",
                extra,
                str(self.folder / "play.json"),
            ],
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert "unreachable=1" not in done.stdout, done.stdout
        lines = self.log.read_text().splitlines()
        print(done.stdout)  # shown where a test fails
        return done.returncode, [line.split("/")[2].split(":")[0] for line in lines if line.endswith("answers")]

    def stale(self) -> list[str]:
        """The hosts whose static pods are still older than their configuration."""
        return [host for host in HOSTS if (self.folder / host / "kubeadm-init.applied").stat().st_mtime == 1]


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """Three hosts with a new configuration."""
    return Platform(tmp_path)


# Which host comes first is Ansible's choice.
def test_every_host_has_its_turn_and_a_second_run_does_nothing(platform: Platform) -> None:
    code, answered = platform.apply()
    assert (code, sorted(answered)) == (0, sorted(HOSTS))
    assert platform.stale() == []
    assert platform.apply() == (0, [])


def test_the_first_fault_leaves_the_others_alone_and_the_next_run_goes_on(platform: Platform) -> None:
    platform.down.write_text("n2")
    code, answered = platform.apply()
    assert code != 0
    lines = platform.log.read_text().splitlines()
    assert {line.split()[-1] for line in lines[lines.index("refused") :]} == {"refused"}
    assert platform.stale() == [host for host in HOSTS if host not in answered]
    assert "n2" in platform.stale()
    left = platform.stale()
    platform.down.write_text("nobody")
    code, answered = platform.apply()
    assert (code, sorted(answered)) == (0, left)
