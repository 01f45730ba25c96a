# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as its role describes it, read from one JSON file in the lab's folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class NodeConfig:
    """One node. ``bmc_port``: where its BMC listens, on the machine's bridge address."""

    name: str
    address: str
    bmc_port: int


@dataclass(frozen=True)
class LabConfig:
    """The whole lab. ``folder`` holds everything that it keeps; ``pager_port``: where alerts are sent to, on ``address``."""

    folder: Path
    bridge: str
    address: str
    prefix: int
    bmc_user: str
    nodes: tuple[NodeConfig, ...]
    pager_port: int = 8020

    @property
    def run(self) -> Path:
        return self.folder / "run"

    def node(self, name: str) -> NodeConfig:
        for node in self.nodes:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in self.nodes)
        raise SystemExit(f"lab: there is no node {name!r}; this lab has {known}")


def load(folder: Path) -> LabConfig:
    """Reads FOLDER/lab.json, which the lab role writes."""
    path = folder / "lab.json"
    if not path.exists():
        raise SystemExit(f"lab: {path} is missing: create the lab first (playbooks/lab.yml)")
    data = json.loads(path.read_text())
    nodes = tuple(NodeConfig(**node) for node in data.pop("nodes"))
    return LabConfig(folder=folder, nodes=nodes, **data)
