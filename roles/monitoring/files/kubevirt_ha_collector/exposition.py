# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples and the file that the node exporter reads them from."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

PREFIX = "kubevirt_ha_"

# {name without the prefix: what it says}; every sample has its name here.
HELP = {
    "certificate_expiry_timestamp_seconds": "When a certificate ends.",
    "certificate_limit_seconds": "How long before its end a certificate is told.",
    "collector_success": "Whether a part of what is to be known could be found out.",
    "component_replicas_ready": "Replicas of a component of KubeVirt that are ready.",
    "component_replicas_wanted": "Replicas that a component of KubeVirt should have.",
    "etcd_backup_known": "Whether the cluster knows of a backup of etcd.",
    "etcd_backup_limit_seconds": "How old the newest backup of etcd may be.",
    "etcd_backup_timestamp_seconds": "When the newest backup of etcd was taken.",
    "expected_targets": "Targets that Prometheus should know of a job.",
    "gluster_brick_up": "Whether the process of a brick of this host runs.",
    "gluster_bricks_wanted": "Bricks that the volume has.",
    "gluster_heal_pending": "Files that a brick of this host knows to be behind on another.",
    "gluster_peer_connected": "Whether this host sees another of the pool.",
    "node_ready": "Whether Kubernetes counts a node as ready.",
    "shared_storage_mounted": "Whether the shared storage is mounted.",
    "vip_held": "Whether this host holds a virtual address.",
    "virt_handler_heartbeat_timestamp_seconds": "When virt-handler last said that it lives.",
    "vm_cannot_fail_over": "1 for a running machine that would not survive its node, or not leave it, by reason.",
}


@dataclass(frozen=True)
class Sample:
    """One line: the name without the prefix, its labels and its value."""

    name: str
    value: float
    labels: dict[str, str] = field(default_factory=dict)


@dataclass
class Collection:
    """Samples of several parts; one that fails leaves nothing and is told."""

    samples: list[Sample] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def part(self, name: str, look: Callable[[], Iterable[Sample]]) -> None:
        """Adds what `look` finds."""
        found: list[Sample] = []
        try:
            found = list(look())
        except (OSError, ValueError, KeyError) as error:
            self.faults.append(f"{name}: {error}")
        self.samples += [*found, Sample("collector_success", float(not self._failed(name)), {"part": name})]

    def _failed(self, name: str) -> bool:
        return any(fault.startswith(f"{name}: ") for fault in self.faults)


def text(samples: Iterable[Sample]) -> str:
    """The samples as Prometheus reads them."""
    families: dict[str, list[Sample]] = {}
    for sample in samples:
        families.setdefault(sample.name, []).append(sample)
    lines = []
    for name, members in sorted(families.items()):
        lines += [f"# HELP {PREFIX}{name} {HELP[name]}", f"# TYPE {PREFIX}{name} gauge"]
        lines += [f"{PREFIX}{name}{_labels(sample.labels)} {sample.value!r}" for sample in members]
    return "\n".join(lines) + "\n"


def _labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in sorted(labels.items()))
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def write(folder: str, name: str, samples: Iterable[Sample]) -> None:
    """Replaces `kubevirt_ha_NAME.prom` in one step: the exporter never reads half a file."""
    handle, draft = tempfile.mkstemp(dir=folder, prefix=f".{PREFIX}{name}.")
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text(samples))
            os.fchmod(file.fileno(), 0o644)
        os.replace(draft, os.path.join(folder, f"{PREFIX}{name}.prom"))
    except BaseException:
        os.unlink(draft)
        raise
