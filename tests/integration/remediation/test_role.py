# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role node_remediation on this machine: a second run changes nothing, a new configuration restarts the watcher."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import COLLECTIONS, NODES, Bmc, Cluster
from .world import World

Run = Callable[..., "subprocess.CompletedProcess[str]"]
PLAY = [
    {
        "name": "Watch",
        "hosts": "backup_hosts",
        "gather_facts": False,
        "tasks": [{"name": "Watch", "ansible.builtin.include_role": {"name": "virtops.kubevirt_ha.node_remediation"}}],
    }
]


@pytest.fixture
def apply(api_server: Cluster, bmc: Bmc, tmp_path: Path) -> Iterator[Run]:
    """Applies the role: keywords are its variables without `node_remediation_`, bmcs the nodes' BMCs."""
    state = tmp_path / "state"
    playbook = tmp_path / "play.json"
    playbook.write_text(json.dumps(PLAY))

    def run(*arguments: str, bmcs: dict[str, Any] | None = None, **variables: Any) -> subprocess.CompletedProcess[str]:
        shared = {"kubeconfig": str(api_server.kubeconfig), "state_dir": str(state), **variables}
        hosts: dict[str, Any] = {name: {} for name in NODES}
        for name, given in (bmcs if bmcs is not None else {name: bmc.of(name) for name in NODES}).items():
            hosts[name]["node_remediation_bmc"] = given
        for number, name in enumerate(NODES, 1):
            hosts[name]["ansible_host"] = f"127.0.0.{10 + number}"
        local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        groups = {"kvm_nodes": {"hosts": dict.fromkeys(NODES, {})}, "backup_hosts": {"hosts": {"here": local}}}
        prefixed = {f"node_remediation_{name}": value for name, value in shared.items()}
        inventory = tmp_path / "inventory.json"
        inventory.write_text(json.dumps({"all": {"vars": prefixed, "hosts": hosts, "children": groups}}))
        program = Path(sys.executable).parent / "ansible-playbook"
        env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS, "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"}
        command = [program, "-i", inventory, playbook, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=300)

    yield run
    run(state="stopped")


def _changed(done: subprocess.CompletedProcess[str]) -> int:
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"here .*changed=(\d+)", done.stdout)
    assert found, done.stdout
    return int(found.group(1))


def _pid(tmp_path: Path) -> int:
    return int(json.loads((tmp_path / "state" / "heartbeat.json").read_text())["pid"])


def _ended(pid: int, seconds: float = 10) -> bool:
    """Whether the process ends, or is but a zombie that the machine's first process has yet to reap."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.1)
    return False


def test_life_of_the_watcher(api_server: Cluster, apply: Run, tmp_path: Path) -> None:
    World(api_server.client).build()
    assert _changed(apply("--check")) >= 0
    assert not (tmp_path / "state" / "watcher.json").exists()

    assert _changed(apply()) > 0
    config = tmp_path / "state" / "watcher.json"
    assert config.stat().st_mode & 0o777 == 0o600
    written = json.loads(config.read_text())
    assert written["automatic"] is False
    assert written["profile"] == "standard"
    assert written["nodes"] == {"n1": "127.0.0.11", "n2": "127.0.0.12", "n3": "127.0.0.13"}
    assert json.loads((tmp_path / "state" / "enrolment.json").read_text()) == {name: name for name in NODES}
    first = _pid(tmp_path)
    assert Path(f"/proc/{first}").exists()

    assert _changed(apply()) == 0
    assert _changed(apply("--check")) == 0
    assert _pid(tmp_path) == first

    assert _changed(apply(failure_detection="fast")) > 0
    assert _ended(first)
    time.sleep(1.5)
    second = _pid(tmp_path)
    assert second != first
    assert _changed(apply(failure_detection="fast", state="stopped")) > 0
    assert _ended(second)
    assert _changed(apply(failure_detection="fast", state="stopped")) == 0


def test_faults_are_told_at_once(apply: Run, bmc: Bmc, tmp_path: Path) -> None:
    bmcs = {
        "n1": {**bmc.of("n1"), "identity": "n2", "password_file": str(tmp_path / "none")},
        "n2": {**bmc.of("n2"), "url": "http://127.0.0.1:8012"},
    }
    done = apply(bmcs=bmcs, kubeconfig=str(tmp_path / "kubeconfig"))
    assert done.returncode != 0
    told_all = ("missing for n3", "two nodes have one identity", "must begin with https://", "none does not exist")
    for told in (*told_all, "kubeconfig does not exist"):
        assert told in done.stdout, (told, done.stdout)
    assert not (tmp_path / "state").exists()


def test_bmc_of_another_machine_is_not_enrolled(apply: Run, bmc: Bmc, tmp_path: Path) -> None:
    bmcs = {name: bmc.of(name) for name in NODES}
    bmcs["n2"] = {**bmcs["n2"], "url": bmcs["n1"]["url"]}
    done = apply(bmcs=bmcs)
    assert done.returncode != 0
    assert "does not answer for this node" in done.stdout
    assert not (tmp_path / "state" / "watcher.json").exists()
