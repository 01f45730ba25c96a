# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster that is measured on, and the commands on it: playbooks, modules, inventories, the bare client."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kubevirt_bench import measure, playbooks, requests
from kubevirt_bench.floor import Bare
from kubevirt_bench.measure import Run

ROOT = Path(__file__).resolve().parents[3]
CACHE = ROOT / ".cache"
BIN = Path(sys.prefix) / "bin"
MODULE = "ansible_collections.virtops.kubevirt_ha.plugins.modules.vm"
_VMIS = "/apis/kubevirt.io/v1/virtualmachineinstances?limit=1"


class Stage:
    """Commands on one cluster; `folder` takes their files. Namespaces made here are deleted by close()."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self.kubeconfig, self.folder = kubeconfig, folder
        self.bare = Bare(str(kubeconfig))
        self._namespaces: list[str] = []
        self._run_name = f"bench-{int(time.time()):x}"
        (folder / "ansible.cfg").write_text("[defaults]\nretry_files_enabled = False\n")
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "K8S_AUTH_"))},
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(CACHE),
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "K8S_AUTH_KUBECONFIG": str(kubeconfig),
            "PYTHONPATH": os.pathsep.join([str(CACHE), str(Path(__file__).parents[1])]),
        }

    def namespace(self) -> str:
        """A new namespace."""
        name = f"{self._run_name}-{len(self._namespaces):03d}"
        self.bare.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        self._namespaces.append(name)
        return name

    def close(self) -> None:
        """Deletes what was made."""
        for name in self._namespaces:
            self.bare.send("DELETE", f"/api/v1/namespaces/{name}")

    def play(self, playbook: Sequence[dict[str, Any]], inventory: str = "localhost,") -> Run:
        """One run of ansible-playbook."""
        return self._command([str(BIN / "ansible-playbook"), "-i", inventory, self._file("play.json", playbook)])

    def module(self, count: int, namespace: str) -> Run:
        """Our module's process by itself."""
        arguments = {"ANSIBLE_MODULE_ARGS": playbooks.ours_arguments(count, namespace)}
        return self._command([sys.executable, "-m", MODULE, self._file("arguments.json", arguments)])

    def floor(self, items: Sequence[dict[str, Any]]) -> Run:
        """The bare client's process."""
        path = self._file("objects.json", list(items))
        return self._command([sys.executable, "-m", "kubevirt_bench.floor", str(self.kubeconfig), path])

    def inventory(self, plugin: str) -> Run:
        """One empty task on localhost, with the whole cluster as the inventory."""
        return self.play(playbooks.empty(), self._source(plugin))

    def hosts(self, plugin: str) -> int:
        """How many hosts the plugin makes of the cluster."""
        command = [str(BIN / "ansible-inventory"), "-i", self._source(plugin), "--list"]
        output = str(self.folder / "inventory.json")
        self._command([*command, "--output", output])
        return len(json.loads(Path(output).read_text("utf-8"))["_meta"]["hostvars"])

    def counted(self, work: Callable[[], Run]) -> tuple[Run, requests.Counts]:
        """A run, and the requests that the API server had meanwhile."""
        before = self._counts()
        found = work()
        return found, self._counts() - before

    def instances(self) -> int:
        """How many instances the cluster has."""
        page = json.loads(self.bare.send("GET", _VMIS))
        return len(page["items"]) + int(page["metadata"].get("remainingItemCount", 0))

    def _source(self, plugin: str) -> str:
        return self._file("bench.kubevirt.yml", {"plugin": plugin, "kubeconfig": str(self.kubeconfig)})

    def _counts(self) -> requests.Counts:
        return requests.parse(self.bare.send("GET", "/metrics").decode())

    def _file(self, name: str, content: Any) -> str:
        path = self.folder / name
        path.write_text(json.dumps(content))
        return str(path)

    def _command(self, command: Sequence[str]) -> Run:
        return measure.run(command, self._environment, self.folder)
