# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory of machines is moved: no object says it, the node agents' metrics do while a migration runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import bulk
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import POD

Data = dict[str, Any]

_AGENTS = "kubevirt.io=virt-handler"
_PORT = 8443
_LINE = re.compile(
    r"^kubevirt_vmi_migration_data_(?P<what>bytes_total|processed_bytes|remaining_bytes)\{(?P<labels>[^}]*)\}"
    r" (?P<value>[-+.\deE]+)",
    re.MULTILINE,
)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_FIELDS = {
    "bytes_total": "total_bytes",
    "processed_bytes": "processed_bytes",
    "remaining_bytes": "remaining_bytes",
}


def unknown(why: str) -> Data:
    """No figures, and why there are none."""
    return {**dict.fromkeys(_FIELDS.values()), "source": None, "why": why}


def parse(text: str) -> dict[Key, dict[str, int]]:
    """The figures in bytes that metrics have of each machine that migrates."""
    found: dict[Key, dict[str, int]] = {}
    for match in _LINE.finditer(text):
        labels = dict(_LABEL.findall(match["labels"]))
        key = (labels.get("namespace", ""), labels.get("name", ""))
        found.setdefault(key, {})[_FIELDS[match["what"]]] = int(float(match["value"]))
    return found


def read(client: Client, sources: Mapping[Key, str], workers: int = 8) -> dict[Key, Data]:
    """The figures of machines that migrate, each given with the node it leaves. One LIST, and one GET a node."""
    if not sources:
        return {}
    try:
        agents = client.list(POD, label_selector=_AGENTS).items
    except HaError as error:
        return dict.fromkeys(sources, unknown(str(error)))
    pods = {str(pod["spec"].get("nodeName")): pod["metadata"] for pod in agents}
    nodes = sorted(set(sources.values()))

    def ask(node: str) -> dict[Key, dict[str, int]]:
        meta = pods[node]
        address = f"https:{meta['name']}:{_PORT}"
        return parse(client.text(POD, address, str(meta["namespace"]), "proxy/metrics"))

    known = [node for node in nodes if node in pods]
    answers = dict(zip(known, bulk.each(known, ask, workers)))
    return {key: _data(key, node, answers.get(node)) for key, node in sources.items()}


def _data(key: Key, node: str, answer: dict[Key, dict[str, int]] | HaError | None) -> Data:
    if answer is None:
        return unknown(f"no virt-handler was found on node {node}")
    if isinstance(answer, HaError):
        return unknown(str(answer))
    if key not in answer:
        return unknown(f"the metrics of virt-handler on node {node} have nothing on it")
    return {**unknown(""), **answer[key], "source": f"metrics of virt-handler on node {node}", "why": None}
