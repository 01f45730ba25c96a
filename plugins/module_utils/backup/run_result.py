# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run did, and what it measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.checking import Checked
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.machine import Outcome
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import Plan
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, ManyFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure


@dataclass
class Result:
    """What a run did."""

    plans: list[Plan] = field(default_factory=list)
    selected: list[str] = field(default_factory=list)
    machines: list[Outcome] = field(default_factory=list)
    etcd: dict[str, Any] | None = None
    objects: dict[str, Any] | None = None
    checked: Checked | None = None
    forgotten: int = 0
    released: list[str] = field(default_factory=list)
    seconds: float = 0.0
    kubevirt_source: str = ""
    warnings: list[str] = field(default_factory=list)
    errors: list[HaError] = field(default_factory=list)
    failed: dict[str, list[str]] = field(default_factory=dict)
    total: int = 0

    def fail(self, part: str, error: HaError) -> None:
        """Notes what a part failed with, for now and for whoever looks at the cluster later."""
        self.errors.append(error)
        self.failed.setdefault(part, []).append(str(error))

    @property
    def failure(self) -> HaError | None:
        """What to fail with; None where all succeeded."""
        if not self.errors:
            return None
        return self.errors[0] if self.total <= 1 else ManyFailed(self.errors, self.total, of="parts", done="backed up")

    def as_dict(self) -> dict[str, Any]:
        """As the module returns it."""
        return {
            "plan": [one.as_dict() for one in self.plans],
            "machines": [one.as_dict() for one in self.machines],
            "etcd": self.etcd,
            "objects": self.objects,
            "verified": self.checked.as_dict() if self.checked else None,
            "forgotten": self.forgotten,
            "released": self.released,
            "seconds": round(self.seconds, 3),
            "kubevirt_source": self.kubevirt_source,
        }


def figures(result: Result, max_frozen_seconds: float) -> list[Figure]:
    """What a run measured."""
    done = [one for one in result.machines if not one.error]
    found = [
        Figure("backup_seconds", round(result.seconds, 3), "s", samples=1),
        Figure("backup_bytes", sum(one.bytes for one in done), "bytes", samples=len(done)),
        Figure("backup_added_bytes", sum(one.added for one in done), "bytes", samples=len(done)),
    ]
    if result.selected:
        held = {one.plan.key: one.record.frozen_seconds for one in done if one.record}
        times = {key: value for key, value in held.items() if value is not None}
        value = max(times.values(), default=0.0) if done else None
        limit = max_frozen_seconds
        why = "no machine was backed up"
        more = {"machines": times}
        found.append(Figure("backup_frozen_seconds", value, "s", limit, len(times), why, more=more))
        expected = len(result.selected)
        found.append(Figure("backup_machines", len(done), "machines", expected, expected, at_least=True))
    if result.etcd:
        proof = result.etcd["restored"]
        seconds = proof["seconds"] if proof else None
        why = "neither etcd nor etcdutl is on the backup host"
        found.append(Figure("backup_etcd_restore_seconds", seconds, "s", samples=1 if proof else 0, why=why))
    return found + ([figure_of_check(result.checked)] if result.checked else [])


def figure_of_check(checked: Checked) -> Figure:
    """What a look at the repository measured."""
    return Figure("backup_damaged_parts", checked.count if not checked.sound else 0, "parts", 0, 1)
