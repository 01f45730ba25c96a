# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the words of backups: how a disk is read, how consistent it is then, and what a backup records of itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# How disks are read: from the file on the shared file system, from a snapshot of the storage, by an export of a machine
# that is stopped.
COPY, SNAPSHOT, EXPORT = "copy", "snapshot", "export"
# What holds a running machine still for a copy: its guest agent, or a pause of its processors.
FREEZE, PAUSE, NOTHING = "freeze", "pause", ""
# How consistent a disk is: file systems frozen by the guest; snapshotted by the storage while the guest wrote; as after a
# power loss, at one moment for all of a machine's disks; not in use at all.
FROZEN, SNAPSHOTTED, CRASH_CONSISTENT, STOPPED = "frozen", "snapshot", "crash-consistent", "stopped"

MACHINE, ETCD, OBJECTS = "vm", "etcd", "objects"
# Parts of a run beside etcd and objects.
MACHINES, VERIFY = "machines", "verify"
PARTS = (ETCD, OBJECTS, MACHINES, VERIFY)
RECORD = "record.json"
MACHINE_FILE = "machine.json"
CLAIMS_FILE = "claims.json"
# Bytes that stay free beside what is written.
ROOM = 64 << 20

ANNOTATION_RESTORING = "kubevirt-ha.virtops/restoring"
ANNOTATION_RESTORED = "kubevirt-ha.virtops/restored-from"


@dataclass(frozen=True)
class Probe:
    """A question to the guest by HTTP, sent through the API server to its pod. port 0: nobody asks."""

    port: int = 0
    path: str = "/"


@dataclass(frozen=True)
class Disk:
    """A machine's disk. path: of its file on the shared file system, empty where it is not known to be on one."""

    volume: str
    claim: str
    size: int
    path: str = ""
    node: str = ""

    @property
    def folder(self) -> str:
        """Where its regions lie in the backup."""
        return f"disks/{self.claim}"


@dataclass(frozen=True)
class Plan:
    """How one machine is backed up. skipped: volumes that are not part of it, and why."""

    namespace: str
    name: str
    uid: str
    method: str
    hold: str
    disks: tuple[Disk, ...]
    probe: Probe = Probe()
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The machine as backups call it."""
        return f"{self.namespace}/{self.name}"

    def as_dict(self) -> dict[str, Any]:
        """As results show it."""
        return {
            "namespace": self.namespace,
            "name": self.name,
            "method": self.method,
            "hold": self.hold or "nothing",
            "disks": [asdict(disk) for disk in self.disks],
            "skipped": dict(self.skipped),
        }


@dataclass
class Record:
    """What a machine's backup says of itself. Seconds, bytes; answer: what the guest said right before it was held."""

    namespace: str
    name: str
    uid: str
    taken_at: str
    method: str
    consistency: str
    frozen_seconds: float | None
    disks: list[dict[str, Any]]
    probe: dict[str, Any]
    answer: dict[str, Any] | None
    skipped: dict[str, str]
    kubevirt_source: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The file's content."""
        return asdict(self)


def time_text(moment: float) -> str:
    """A time as records write it, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
