# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: all sections of a status in their order, and all findings: those of kubevirt_info and the sections' own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info import findings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Entry
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status import (
    care,
    control_plane,
    machines,
    monitoring,
    network,
    nodes,
    placement,
    storage,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.model import (
    BAD,
    GOOD,
    UNKNOWN,
    WARN,
    Facts,
    Section,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.rules import RULES

_BUILDERS = (
    nodes.section,
    control_plane.api,
    control_plane.etcd,
    control_plane.certificates,
    network.vips,
    network.backends,
    storage.volume,
    storage.classes,
    machines.kubevirt,
    machines.machines,
    placement.section,
    placement.networks,
    monitoring.section,
    care.watcher,
    care.backup,
    care.drill,
    care.versions,
    care.whole,
)
# The worst first.
_STATES = (BAD, UNKNOWN, WARN, GOOD)


@dataclass(frozen=True)
class Status:
    """The whole status. entries: findings as kubevirt_info returns them, the most severe first."""

    facts: Facts
    sections: tuple[Section, ...]
    entries: tuple[Entry, ...]

    @property
    def summary(self) -> dict[str, int]:
        """How many findings there are by severity."""
        return findings.summary(self.entries)

    @property
    def whole(self) -> bool:
        """Whether nothing is critical."""
        return not self.summary["critical"]


def build(facts: Facts, ignore: Collection[str] = ()) -> Status:
    """The status of these facts."""
    sections = tuple(builder(facts) for builder in _BUILDERS)
    own = findings.entries((finding for each in sections for finding in each.findings), ignore=ignore, rules=RULES)
    told = [entry for entry in facts.cluster.get("findings") or [] if entry["id"] not in ignore]
    return Status(facts, sections, tuple(findings.in_order([*told, *own])))


def state_of(section: Section) -> str:
    """The worst state of a section's cells."""
    states = {cell.state for row in section.rows for cell in row}
    return next((state for state in _STATES if state in states), "")


def as_json(status: Status) -> dict[str, Any]:
    """The content of status.json."""
    return {
        "whole": status.whole,
        "summary": status.summary,
        "findings": list(status.entries),
        "sections": {
            section.name: {
                "title": section.title,
                "state": state_of(section),
                "note": section.note,
                "rows": [
                    {
                        (head or "detail"): {"text": cell.text, "state": cell.state}
                        if cell.state
                        else {"text": cell.text}
                        for head, cell in zip(section.heads, row)
                    }
                    for row in section.rows
                ],
            }
            for section in status.sections
        },
    }
