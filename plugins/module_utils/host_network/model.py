# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wanted links, from the variables of a role. No I/O."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Union

Wanted = Mapping[str, Any]
Facts = Mapping[str, Any]
Network = Union[ipaddress.IPv4Interface, ipaddress.IPv6Interface]

# What each list's entries may have.
KEYS: dict[str, tuple[str, ...]] = {
    "interfaces": ("name", "mtu", "addresses", "gateway"),
    "bonds": ("name", "ports", "mode", "options", "mtu", "addresses", "gateway"),
    "vlans": ("name", "parent", "id", "mtu", "addresses", "gateway"),
    "bridges": ("name", "ports", "vlan_filtering", "vlans", "untagged", "stp", "mtu", "addresses", "gateway"),
}
KINDS = {"interfaces": "", "bonds": "bond", "vlans": "vlan", "bridges": "bridge"}
# The kernel's own names, as iproute2 has them.
BOND_MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")
BOND_OPTIONS: dict[str, tuple[str, ...]] = {
    "lacp_rate": ("slow", "fast"),
    "miimon": (),
    "primary": (),
    "xmit_hash_policy": ("layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4", "vlan+srcmac"),
}
FIRST_VLAN, LAST_VLAN = 1, 4094
# The kernel's own, for bridges that say nothing else.
UNTAGGED = 1
MIIMON = 100
_RANGE = re.compile(r"^(\d+)(?:-(\d+))?$")


@dataclass
class Link:
    """One wanted link. `kind` is empty where it must be there already; `ports` name links, `vlans` are ids."""

    name: str
    kind: str = ""
    mtu: int | None = None
    addresses: list[str] = field(default_factory=list)
    gateway: str | None = None
    ports: list[str] = field(default_factory=list)
    # A bond's.
    mode: str = "active-backup"
    options: dict[str, Any] = field(default_factory=dict)
    # A VLAN's.
    parent: str = ""
    id: int = 0
    # A bridge's.
    vlan_filtering: bool = False
    vlans: list[int] = field(default_factory=list)
    untagged: int = UNTAGGED
    stp: bool = False
    # What others make of it: the bond or bridge that it is a port of, the VLANs on it, whether it was declared itself.
    master: str = ""
    children: list[str] = field(default_factory=list)
    declared: bool = True


def links(wanted: Wanted) -> dict[str, Link]:
    """All links by name, those that are only ports or parents too; for wishes without faults. Ports come before masters."""
    made = {link.name: link for option in KINDS for link in _declared(option, wanted)}
    for link in list(made.values()):
        for port in link.ports:
            made.setdefault(port, Link(port, declared=False)).master = link.name
        if link.parent:
            made.setdefault(link.parent, Link(link.parent, declared=False)).children.append(link.name)
    return dict(sorted(made.items(), key=lambda item: (_depth(item[1], made), item[0])))


def entries(option: str, wanted: Wanted) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each well-formed entry of a list, and where it stands as messages say it."""
    listed = wanted.get(option)
    for index, entry in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(entry, Mapping):
            yield f"<{option}>[{entry.get('name') or index}]", entry


def texts(value: Any) -> list[str]:
    """The texts of a list; what is no list has none."""
    return [str(text) for text in value] if isinstance(value, list) else []


def vlan_name(entry: Mapping[str, Any]) -> str:
    """A VLAN's name; `parent.id` where none was given."""
    return str(entry.get("name") or f"{entry.get('parent')}.{entry.get('id')}")


def vlan_ids(values: Any) -> list[int] | None:
    """The ids of a list such as [100, "200-299"], sorted; None where one is no id or range from 1 to 4094."""
    found: set[int] = set()
    for value in values if isinstance(values, list) else []:
        match = None if isinstance(value, bool) else _RANGE.match(str(value))
        if not match:
            return None
        first, last = int(match.group(1)), int(match.group(2) or match.group(1))
        if not FIRST_VLAN <= first <= last <= LAST_VLAN:
            return None
        found |= set(range(first, last + 1))
    return sorted(found)


def ranges(ids: list[int]) -> list[tuple[int, int]]:
    """Sorted ids as ranges, first and last."""
    found: list[tuple[int, int]] = []
    for number in ids:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def span(pair: tuple[int, int]) -> str:
    """A range as all tools write it."""
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}-{pair[1]}"


def interface(text: Any) -> Network | None:
    """An address with its prefix, None where it is none or has no prefix."""
    try:
        return ipaddress.ip_interface(text) if "/" in str(text) else None
    except ValueError:
        return None


def bridged_vlans(link: Link, made: Mapping[str, Link]) -> list[int]:
    """The tagged VLANs that a port of a filtering bridge, or the bridge itself for its own VLAN links, must be in."""
    if link.kind == "bridge" and link.vlan_filtering:
        return sorted({made[child].id for child in link.children} - {link.untagged})
    master = made.get(link.master)
    if master is not None and master.kind == "bridge" and master.vlan_filtering:
        return [number for number in master.vlans if number != master.untagged]
    return []


def _declared(option: str, wanted: Wanted) -> Iterator[Link]:
    for _where, entry in entries(option, wanted):
        link = Link(
            name=vlan_name(entry) if option == "vlans" else str(entry["name"]),
            kind=KINDS[option],
            mtu=int(entry["mtu"]) if entry.get("mtu") else None,
            addresses=[str(interface(text)) for text in texts(entry.get("addresses"))],
            gateway=entry.get("gateway") or None,
            ports=texts(entry.get("ports")),
            parent=str(entry.get("parent") or ""),
        )
        if link.kind == "bond":
            link.mode = entry.get("mode") or link.mode
            link.options = {"miimon": MIIMON, **(entry.get("options") or {})}
        elif link.kind == "vlan":
            link.id = int(entry["id"])
        elif link.kind == "bridge":
            link.vlan_filtering = bool(entry.get("vlan_filtering"))
            link.vlans = vlan_ids(entry.get("vlans")) or []
            link.untagged = int(entry.get("untagged") or UNTAGGED)
            link.stp = bool(entry.get("stp"))
        yield link


def _depth(link: Link, made: Mapping[str, Link], seen: frozenset[str] = frozenset()) -> int:
    """How many links lie below this one; a ring, which is a fault, ends."""
    below = [made[name] for name in (*link.ports, link.parent) if name in made and name not in seen]
    return 1 + max((_depth(other, made, seen | {link.name}) for other in below), default=-1)
