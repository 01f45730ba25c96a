# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of an inventory, the lab's unless SHARED_STORAGE_INVENTORY names another: playbooks, commands, and power."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
COPIED = ROOT.parts[-3:] == ("ansible_collections", "virtops", "kubevirt_ha")
REPOSITORY = ROOT.parents[3] if COPIED else ROOT
INVENTORY = Path(os.environ.get("SHARED_STORAGE_INVENTORY", REPOSITORY / ".cache" / "lab" / "inventory.yml"))
SECONDS = 300


@dataclass(frozen=True)
class Nodes:
    """names: the storage nodes; variables: each host's."""

    names: tuple[str, ...]
    variables: dict[str, dict[str, Any]]
    platform: bool

    @classmethod
    def of_inventory(cls) -> Nodes:
        said = subprocess.run(
            ["ansible-inventory", "-i", str(INVENTORY), "--list"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        found = json.loads(said.stdout)
        hosts = tuple(found["storage_nodes"]["hosts"])
        return cls(hosts, found["_meta"]["hostvars"], "backup_hosts" in found)

    def play(self, path: str, scenario: str = "") -> None:
        """Plays a playbook of the repository."""
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "playbooks" / "ansible.cfg"),
            "MOLECULE_SCENARIO_DIRECTORY": str(ROOT / "molecule" / scenario),
            "KUBEVIRT_HA_LAB": str(INVENTORY.parent),
        }
        command = ["ansible-playbook", "-i", str(INVENTORY), str(ROOT / path)]
        command += [] if self.platform else ["-e", "kubernetes_kubeconfig=/nonexistent"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=SECONDS)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]

    def ssh(self, name: str, *command: str) -> list[str]:
        """The argv that runs a command on a node."""
        host = self.variables[name]
        options = str(host.get("ansible_ssh_common_args", "")).split()
        key = ["-i", str(host["ansible_ssh_private_key_file"])]
        return ["ssh", *key, *options, f"{host.get('ansible_user', 'root')}@{host['ansible_host']}", *command]

    def run(self, name: str, *command: str) -> str:
        done = subprocess.run(self.ssh(name, *command), capture_output=True, text=True, check=False, timeout=SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _power(self, what: str, name: str) -> None:
        command = [part.replace("{node}", name) for part in self.variables[name][f"failover_drill_{what}_command"]]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """A node cut off in the body: its link first, so that no peer gets a word, then its power. It is back afterwards."""
        self._power("cut_link", name)
        self._power("power_off", name)
        try:
            yield
        finally:
            self._power("power_on", name)
            wait_until(lambda: self._answers(name), 120)
            if self.platform:
                self.play("playbooks/readmit_nodes.yml")

    def _answers(self, name: str) -> bool:
        asked = subprocess.run(self.ssh(name, "true"), capture_output=True, check=False, timeout=SECONDS)
        return asked.returncode == 0


def wait_until(true: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, f"not within {seconds:.0f} s"
        time.sleep(1)
