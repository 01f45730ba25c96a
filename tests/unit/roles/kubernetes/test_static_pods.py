# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that brings static pods up to date, with programs in the place of ctr, curl and kubeadm that log what is asked of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from .kubernetes_role import ROLE

COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
# Containers are files named by their component that hold their number; a kubelet would start a new one where one ends.
CTR = """#!/bin/bash
all=$*
case $all in
  *"containers list"*) name=${all##*==}; echo "$name-$(cat "$STATE/$name")"; echo "$name-ended" ;;
  *"tasks list"*) for name in $COMPONENTS; do echo "$name-$(cat "$STATE/$name") 1 RUNNING"; done ;;
  *"tasks kill"*) name=${all##* }; name=${name%-*}; echo "kill $name" >>"$STATE/log"; echo $(($(cat "$STATE/$name") + 1)) >"$STATE/$name" ;;
esac
"""
CURL = """#!/bin/bash
case "$*" in *:2381/*) name=etcd ;; *:6443/*) name=kube-apiserver ;; *:10257/*) name=kube-controller-manager ;; *) name=kube-scheduler ;; esac
[[ ! -e $STATE/$name.down ]] && echo "ready $name" >>"$STATE/log"
"""
KUBEADM = """#!/bin/bash
name=kube-$4
echo "manifest $name" >>"$STATE/log"
[[ ! -e $STATE/$name.new ]] || { echo new >"$MANIFESTS/$name.yaml"; echo $(($(cat "$STATE/$name") + 1)) >"$STATE/$name"; }
"""


class Host:
    """A host with four static pods."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "STATE": str(folder),
            "MANIFESTS": str(folder),
            "COMPONENTS": " ".join(COMPONENTS),
            "PATIENCE": "1",
            "PATH": f"{folder}:{os.environ['PATH']}",
        }
        for name, source in (("ctr", CTR), ("curl", CURL), ("kubeadm", KUBEADM)):
            (folder / name).write_text(source)
            (folder / name).chmod(0o700)
        for name in COMPONENTS:
            (folder / name).write_text("1")
            (folder / f"{name}.yaml").write_text("old\n")

    def update(self, *new: str) -> tuple[int, list[str]]:
        """The script's code and what it did, in order."""
        command = [str(ROLE / "files" / "static_pods.sh"), "192.0.2.11:6443", "/config", *new]
        done = subprocess.run(["bash", *command], env=self.environment, capture_output=True, text=True, check=False)
        return done.returncode, (self.folder / "log").read_text().splitlines()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host whose pods are all ready."""
    return Host(tmp_path)


def test_new_certificates_start_every_pod_anew_each_ready_before_the_next(host: Host) -> None:
    assert host.update("certificates") == (
        0,
        [line for name in COMPONENTS for line in (f"kill {name}", f"ready {name}")],
    )


def test_new_files_start_the_api_server_alone(host: Host) -> None:
    code, log = host.update("files")
    assert code == 0
    assert [line for line in log if line.startswith("kill")] == ["kill kube-apiserver"]


def test_a_pod_with_a_new_manifest_is_left_to_the_kubelet_and_waited_for(host: Host) -> None:
    (host.folder / "kube-scheduler.new").touch()
    code, log = host.update("configuration")
    assert code == 0
    assert [line for line in log if line.startswith("kill")] == []
    assert log[-2:] == ["manifest kube-scheduler", "ready kube-scheduler"]


def test_a_new_manifest_and_new_files_start_the_api_server_once(host: Host) -> None:
    (host.folder / "kube-apiserver.new").touch()
    assert host.update("configuration", "files")[0] == 0
    assert (host.folder / "kube-apiserver").read_text() == "2\n"


def test_the_first_pod_that_is_not_ready_again_stops_the_rest(host: Host) -> None:
    (host.folder / "kube-apiserver.down").touch()
    code, log = host.update("certificates")
    assert code != 0
    assert [line for line in log if line.startswith("kill")] == ["kill etcd", "kill kube-apiserver"]


def test_the_old_container_does_not_pass_for_the_new_one(host: Host) -> None:
    # A kubelet that starts nothing: the old container still answers.
    ctr = (host.folder / "ctr").read_text().replace("+ 1", "+ 0")
    (host.folder / "ctr").write_text(ctr)
    code, log = host.update("certificates")
    assert (code != 0, log) == (True, ["kill etcd"])
