# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore is of, what it did, and what it measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.guest import Comparison
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restic_output import Snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restore_plan import NewDisk, Wanted
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure

ANSWERED, RUNS = "answered", "runs"


@dataclass
class Source:
    """A backup that is restored."""

    snapshot: Snapshot
    record: dict[str, Any]
    vm: dict[str, Any]
    claims: list[dict[str, Any]]


@dataclass
class Restored:
    """What a restore did. proof: `answered`, or `runs` where the guest is asked nothing; seconds: to its first answer."""

    wanted: Wanted
    source: Source
    disks: list[NewDisk]
    proof: str = ""
    answer: dict[str, Any] | None = None
    compared: Comparison = field(default_factory=Comparison)
    seconds: float | None = None
    write_seconds: float = 0.0
    replaced: bool = False
    removed: bool = False
    kubevirt_source: str = ""
    warnings: list[str] = field(default_factory=list)
    error: HaError | None = None

    def as_dict(self) -> dict[str, Any]:
        """As the module returns it."""
        return {
            "vm": self.wanted.vm,
            "namespace": self.wanted.namespace,
            "restored_as": self.wanted.name,
            "restored_namespace": self.wanted.target,
            "snapshot": self.source.snapshot.short,
            "taken_at": self.source.record["taken_at"],
            "consistency": self.source.record["consistency"],
            "disks": [{"claim": disk.claim, "volume": disk.persistent, "bytes": disk.bytes} for disk in self.disks],
            "proof": self.proof,
            "answer": self.answer,
            "answer_before": self.source.record.get("answer"),
            "writes_lost": self.compared.writes_lost,
            "counter_before": self.compared.counter_before,
            "counter_recovered": self.compared.counter_recovered,
            "restore_seconds": self.seconds,
            "write_seconds": round(self.write_seconds, 3),
            "replaced": self.replaced,
            "removed": self.removed,
            "kubevirt_source": self.kubevirt_source,
        }

    def figures(self) -> list[Figure]:
        """What it measured."""
        machine = {"machine": f"{self.wanted.namespace}/{self.wanted.vm}", "snapshot": self.source.snapshot.short}
        count = 1 if self.seconds is not None else 0
        why = str(self.error) if self.error else "the guest was asked nothing"
        counters = {"recorded": self.compared.counter_before, "restored": self.compared.counter_recovered}
        lost = self.compared.writes_lost
        return [
            Figure("restore_seconds", self.seconds, "s", self.wanted.timeout, count, why, more=machine),
            Figure("restore_writes_lost", lost, "writes", 0, count, why, more={**machine, **counters}),
        ]
