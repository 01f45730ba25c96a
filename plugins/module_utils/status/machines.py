# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: KubeVirt's parts, and the virtual machines with what would become of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.model import (
    BAD,
    GOOD,
    PLAIN,
    WARN,
    Cell,
    Facts,
    Row,
    Section,
    listed,
)


def kubevirt(facts: Facts) -> Section:
    """Each part: replicas, and on how many nodes they are."""
    rows = tuple(_component(name, part) for name, part in sorted((facts.cluster.get("components") or {}).items()))
    version = (facts.cluster.get("versions") or {}).get("kubevirt") or "not known"
    source = (facts.cluster.get("kubevirt") or {}).get("source") or "not known"
    heads = ("component", "ready", "on", "may be disrupted")
    return Section("kubevirt", "KubeVirt", heads, rows, (), f"version {version}, source: {source}")


def _component(name: str, part: Mapping[str, Any]) -> Row:
    ready, wanted, nodes = int(part["ready"]), int(part["wanted"]), list(part["nodes"])
    state = GOOD if ready == wanted else WARN if ready > 1 else BAD
    spread = PLAIN if len(nodes) > 1 or wanted < 2 else WARN
    allowed = part.get("disruptions_allowed")
    return (
        Cell(name),
        Cell(f"{ready} of {wanted}", state),
        Cell(listed(nodes), spread),
        Cell("" if allowed is None else str(allowed)),
    )


def machines(facts: Facts) -> Section:
    """Each machine that runs or should: where, and what it could bear."""
    rows = tuple(_machine(machine) for machine in facts.details.get("machines") or [])
    heads = ("VM", "node", "state", "fails over", "migrates")
    note = "" if facts.asked else "not known: the cluster could not be asked"
    return Section("machines", "Virtual machines", heads, rows, (), note if note or rows else "none runs or should run")


def _machine(machine: Mapping[str, Any]) -> Row:
    return (
        Cell(f"{machine['namespace']}/{machine['name']}"),
        Cell(machine["node"] or "none"),
        Cell(machine["state"], GOOD if machine["ready"] else BAD),
        _able(machine["fails_over"], machine["fails_over_not"], BAD),
        _able(machine["migrates"], machine["migrates_not"], WARN),
    )


def _able(yes: bool, reasons: Iterable[str], otherwise: str) -> Cell:
    return Cell("yes", GOOD) if yes else Cell(f"no: {'; '.join(reasons)}", otherwise)


def on_node(facts: Facts, node: str) -> list[Mapping[str, Any]]:
    """The machines of a node."""
    return [machine for machine in facts.details.get("machines") or [] if machine["node"] == node]
