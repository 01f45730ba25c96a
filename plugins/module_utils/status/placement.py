# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: which machines come first, whether the loss of a node can be borne, and the networks that machines are on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding, Thing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.model import (
    BAD,
    GOOD,
    UNKNOWN,
    WARN,
    Cell,
    Facts,
    Row,
    Section,
    listed,
    size,
)

_NOT_KNOWN = "not known: the cluster could not be asked"
_UNREAD = Cell("not known", UNKNOWN)
_BYTES = ("memory", "storage")


def section(facts: Facts) -> Section:
    """PriorityClasses in use, the loss of the worst node, the reserve for it, and quotas near their end."""
    heads = ("placement", "state", "figures")
    if not facts.asked:
        return Section("placement", "Placement", heads, note=_NOT_KNOWN)
    rows = [*_classes(facts), _loss(facts), *_reserve(facts), *_quotas(facts)]
    return Section("placement", "Placement", heads, tuple(rows), tuple(_findings(facts)))


def _classes(facts: Facts) -> Iterator[Row]:
    told = facts.details.get("priority_classes")
    if told is None:
        yield (Cell("PriorityClasses"), _UNREAD, Cell(""))
    for each in told or []:
        name = f"PriorityClass {each['name']}" if each["name"] else "no PriorityClass"
        state = Cell("it is not there", BAD) if each["value"] is None else Cell(f"value {each['value']}")
        yield (Cell(name), state, Cell(f"{each['machines']} machines"))


def _loss(facts: Facts) -> Row:
    """What kubevirt_info found, which has its own finding where the others cannot bear it."""
    capacity = facts.cluster.get("capacity")
    if not capacity:
        return (Cell("N+1"), _UNREAD, Cell(""))
    worst = capacity.get("node")
    if not worst:
        return (Cell("N+1"), Cell("no second node runs machines", WARN), Cell(""))
    if worst["fits"]:
        figures = f"{worst['machines']} machines ask for {_amounts(worst['requests'])}"
        return (Cell(f"N+1, loss of {worst['name']}"), Cell("yes", GOOD), Cell(figures))
    figures = f"{worst['unplaced_count']} of {worst['machines']} machines lack {_amounts(worst['short'])}"
    return (Cell(f"N+1, loss of {worst['name']}"), Cell("lack", BAD), Cell(figures))


def _reserve(facts: Facts) -> Iterator[Row]:
    told = facts.details.get("reserve")
    if not told:
        yield (Cell("reserve"), Cell("none given"), Cell(""))
        return
    if told["placeholders"] is None:
        yield (Cell("reserve"), _UNREAD, Cell(""))
        return
    for node in told["nodes"]:
        short = any(node["held"].get(name, 0) < value for name, value in told["wanted"].items())
        figures = f"holds {_amounts(node['held'])} of {_amounts(told['wanted'])}"
        yield (Cell(f"reserve on {node['name']}"), Cell("lack", WARN) if short else Cell("yes", GOOD), Cell(figures))
    waiting, count = told["waiting"], told["placeholders"]
    yield (Cell("placeholders"), Cell(f"{waiting} wait", WARN if waiting else GOOD), Cell(f"of {count}"))


def _near(facts: Facts) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Each quota that is near its end, and of what."""
    for quota in facts.details.get("quotas") or []:
        for name, hard in quota["hard"].items():
            if hard and quota["used"].get(name, 0) >= facts.limits.quota_share * hard:
                yield quota, name


def _quotas(facts: Facts) -> Iterator[Row]:
    if facts.details.get("quotas") is None:
        yield (Cell("quotas"), _UNREAD, Cell(""))
        return
    near = list(_near(facts))
    for quota, name in near:
        figures = f"{_quantity(name, quota['used'][name])} of {_quantity(name, quota['hard'][name])} {name}"
        share = f"{100 * quota['used'][name] / quota['hard'][name]:.0f} % used"
        yield (Cell(f"quota {quota['namespace']}/{quota['name']}"), Cell(share, WARN), Cell(figures))
    count = len(facts.details["quotas"])
    if not near:
        yield (
            Cell("quotas"),
            Cell("none near its end", GOOD) if count else Cell("none given"),
            Cell(f"of {count}" if count else ""),
        )


def _findings(facts: Facts) -> Iterator[Finding]:
    waiting = (facts.details.get("reserve") or {}).get("waiting")
    if waiting:
        yield Finding(
            "reserve-waits", f"{waiting} of {facts.details['reserve']['placeholders']} placeholders have no room"
        )
    for quota, name in _near(facts):
        thing = Thing("ResourceQuota", quota["name"], quota["namespace"])
        used, hard = (_quantity(name, quota[key][name]) for key in ("used", "hard"))
        yield Finding("quota-near-end", f"{used} of {hard} {name}", (thing,))


def _amounts(given: Mapping[str, float]) -> str:
    """CPU and memory, by which machines are placed."""
    return listed([f"{_quantity(name, given[name])} {name}" for name in ("cpu", "memory") if name in given], "nothing")


def _quantity(name: str, value: float) -> str:
    return size(value) if name.endswith(_BYTES) else f"{value:g}"


def networks(facts: Facts) -> Section:
    """The networks that machines can be given beside the pods' own, by namespace."""
    heads = ("namespace", "networks", "names")
    told = facts.details.get("networks") or {}
    note = ""
    if told.get("installed") is None:
        note = "not known" if facts.asked else _NOT_KNOWN
    elif not told["installed"]:
        note = "not laid out: the cluster has no NetworkAttachmentDefinitions"
    elif not told["namespaces"]:
        note = "none given"
    rows = tuple(
        (Cell(namespace), Cell(str(len(names)), GOOD), Cell(listed(names)))
        for namespace, names in sorted((told.get("namespaces") or {}).items())
    )
    return Section("networks", "VM networks", heads, rows, (), note)
