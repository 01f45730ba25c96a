# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a host's network cannot become what is wanted. No I/O.

Wishes are a role's variables as an inventory gives them, so their types are looked at here and every fault is told at once.
Options stand in messages as `<name>`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network import model
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network.model import Facts, Link, Wanted

BACKENDS = ("nmstate", "networkd", "ifupdown")
_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$")
_LEAST_MTU, _MOST_MTU = 1280, 65535
_LISTS = ("ports", "addresses", "vlans")
_LACKS = {
    "bond": "has no bonds; load its module bonding, or take the bond out",
    "bridge": "has no bridges; load its module bridge, or take the bridge out",
    "vlan": "has no VLANs; load its module 8021q, or take the VLAN out",
    "vlan_filtering": "has bridges without VLAN filtering; set vlan_filtering to false and give each VLAN a bridge",
}


def of_wishes(wanted: Wanted) -> list[str]:
    """What is wrong with the lists themselves: types, names, numbers, addresses. Links can be made of lists without any."""
    return [fault for option in model.KEYS for fault in _of_list(option, wanted)]


def sound(wanted: Wanted) -> tuple[dict[str, Any], set[str]]:
    """The wishes without the entries that have faults by themselves, and the names of those."""
    kept: dict[str, Any] = {**wanted}
    left_out: set[str] = set()
    for option in model.KEYS:
        good = [entry for _where, entry in model.entries(option, wanted) if not _of_entry(option, entry)]
        kept[option] = good
        left_out |= {str(entry.get("name")) for _where, entry in model.entries(option, wanted) if entry not in good}
    return kept, left_out


def of_host(facts: Facts, wanted: Wanted, made: Mapping[str, Link]) -> list[str]:
    """What does not fit together, or does not fit this host; for wishes that are right by themselves."""
    checks = (_bridge_vlans, _twice, _missing, _masters, _rings, _vlans, _mtus, _own_addresses, _abilities, _kinds)
    return [fault for check in checks for fault in check(facts, wanted, made)]


def guard(facts: Facts, touched: set[str]) -> list[str]:
    """The links that would be changed although they carry the way to this host."""
    return [
        f"<allow_management>: {name} would be changed, which carries {management(facts)[name]};"
        " set this to true where you can reach the host otherwise, or leave the link out"
        for name in sorted(touched & set(management(facts)))
    ]


def management(facts: Facts) -> dict[str, str]:
    """The links that carry the default route or a connection of Ansible, and what is below them: {name: what it carries}."""
    found = {route["dev"]: "the default route" for route in facts["routes"]}
    addresses = {*facts["connected"], str(facts.get("connection_address") or "")} - {""}
    for name, held in facts["addresses"].items():
        if addresses & {address.split("/")[0] for address in held} and name != "lo":
            found.setdefault(name, "Ansible's connection")
    while True:
        below = {
            name: found[upper]
            for upper in found
            for name, link in facts["links"].items()
            if name not in found and (link.get("master") == upper or facts["links"].get(upper, {}).get("link") == name)
        }
        if not below:
            return found
        found.update(below)


def offered(facts: Facts) -> str:
    """The names of links that others may be made of: not those of pods and virtual machines."""
    pods = {
        name
        for name, link in facts["links"].items()
        if (link.get("linkinfo") or {}).get("info_kind") in ("veth", "tun") and link.get("master")
    }
    return ", ".join(sorted(set(facts["links"]) - pods - {"lo"}))


def own_name(backend: Any, facts: Facts) -> str:
    """The backend that is meant; empty where there is none."""
    if backend in BACKENDS:
        return str(backend)
    return next((name for name in BACKENDS if facts["backends"].get(name)), "")


def _of_list(option: str, wanted: Wanted) -> Iterator[str]:
    listed = wanted.get(option)
    if listed is not None and not isinstance(listed, list):
        yield f"<{option}>: {listed!r} is no list of {{{', '.join(model.KEYS[option])}}}"
        return
    for index, entry in enumerate(listed or []):
        if not isinstance(entry, Mapping):
            yield f"<{option}>[{index}]: {entry!r} must be {{{', '.join(model.KEYS[option])}}}"
    for where, entry in model.entries(option, wanted):
        yield from (f"{where}: {text}" for text in _of_entry(option, entry))


def _of_entry(option: str, entry: Mapping[str, Any]) -> list[str]:
    return [text for check in _ENTRY for text in check(option, entry)]


def _entry_keys(option: str, entry: Mapping[str, Any]) -> Iterator[str]:
    unknown = sorted(map(str, set(entry) - set(model.KEYS[option])))
    yield from (f"{key} is unknown; there are {', '.join(model.KEYS[option])}" for key in unknown)


def _entry_name(option: str, entry: Mapping[str, Any]) -> Iterator[str]:
    if option == "vlans" and not entry.get("name"):
        if not entry.get("parent"):
            return  # which is told where a VLAN is looked at
        name = model.vlan_name(entry)
        if not _NAME.match(name):
            yield f"its name would be {name}, which is no name of a link; give name, 15 signs at most"
    elif not _NAME.match(str(entry.get("name") or "")):
        yield f"name {entry.get('name')!r} must be 1 to 15 letters, digits, '.', '_' and '-', such as br-vm"


def _entry_lists(option: str, entry: Mapping[str, Any]) -> Iterator[str]:
    for key in _LISTS:
        if key in model.KEYS[option] and entry.get(key) is not None and not isinstance(entry[key], list):
            yield f"{key} {entry[key]!r} must be a list"
    if option == "bonds" and not entry.get("ports"):
        yield "ports is missing; name the interfaces of the bond"


def _entry_mtu(_option: str, entry: Mapping[str, Any]) -> Iterator[str]:
    mtu = entry.get("mtu")
    if mtu is not None and _number(mtu, _LEAST_MTU, _MOST_MTU) is None:
        yield f"mtu {mtu!r} must be a number from {_LEAST_MTU} to {_MOST_MTU}"


def _entry_addresses(_option: str, entry: Mapping[str, Any]) -> Iterator[str]:
    for text in model.texts(entry.get("addresses")):
        if model.interface(text) is None:
            yield f"addresses: {text!r} is no address with its prefix, such as 192.0.2.11/24"
    gateway = entry.get("gateway")
    if gateway is None:
        return
    networks = [found.network for found in map(model.interface, model.texts(entry.get("addresses"))) if found]
    try:
        if not any(ipaddress.ip_address(str(gateway)) in network for network in networks):
            yield f"gateway {gateway} is in no network of its addresses"
    except ValueError:
        yield f"gateway {gateway!r} is no address"


def _entry_bond(option: str, entry: Mapping[str, Any]) -> Iterator[str]:
    if option != "bonds":
        return
    if entry.get("mode") not in (None, *model.BOND_MODES):
        yield f"mode {entry['mode']!r} is unknown; allowed are {', '.join(model.BOND_MODES)}"
    options = entry.get("options") or {}
    if not isinstance(options, Mapping):
        yield f"options {options!r} must be a map of {', '.join(model.BOND_OPTIONS)}"
        return
    for key, value in options.items():
        allowed = model.BOND_OPTIONS.get(key)
        if allowed is None:
            yield f"options.{key} is unknown; there are {', '.join(model.BOND_OPTIONS)}"
        elif allowed and value not in allowed:
            yield f"options.{key} {value!r} is unknown; allowed are {', '.join(allowed)}"
        elif key == "miimon" and _number(value, 0, 60000) is None:
            yield f"options.miimon {value!r} must be milliseconds from 0 to 60000"
        elif key == "primary" and value not in model.texts(entry.get("ports")):
            yield f"options.primary {value!r} is none of its ports"


def _entry_vlan(option: str, entry: Mapping[str, Any]) -> Iterator[str]:
    if option != "vlans":
        return
    if not entry.get("parent"):
        yield "parent is missing; name the link that carries the VLAN"
    if _number(entry.get("id"), model.FIRST_VLAN, model.LAST_VLAN) is None:
        yield f"id {entry.get('id')!r} must be a VLAN from {model.FIRST_VLAN} to {model.LAST_VLAN}"


def _entry_bridge(option: str, entry: Mapping[str, Any]) -> Iterator[str]:
    if option != "bridges":
        return
    for key in ("vlan_filtering", "stp"):
        if not isinstance(entry.get(key, False), bool):
            yield f"{key} {entry[key]!r} must be true or false"
    if isinstance(entry.get("vlans"), list) and model.vlan_ids(entry["vlans"]) is None:
        wrong = [value for value in entry["vlans"] if model.vlan_ids([value]) is None]
        yield (
            f"vlans: {', '.join(map(repr, wrong))} must be VLANs from {model.FIRST_VLAN} to {model.LAST_VLAN}"
            " or ranges of them, such as '200-299'"
        )
    if entry.get("untagged") is not None and _number(entry["untagged"], model.FIRST_VLAN, model.LAST_VLAN) is None:
        yield f"untagged {entry['untagged']!r} must be a VLAN from {model.FIRST_VLAN} to {model.LAST_VLAN}"
    given = [key for key in ("vlans", "untagged") if entry.get(key)]
    if given and not entry.get("vlan_filtering"):
        yield f"{' and '.join(given)} want vlan_filtering: true"


_ENTRY = (_entry_keys, _entry_name, _entry_lists, _entry_mtu, _entry_addresses, _entry_bond, _entry_vlan, _entry_bridge)


def of_backend(facts: Facts, wanted: Wanted, made: Mapping[str, Link]) -> Iterator[str]:
    """Why the backend cannot be used here."""
    backend = wanted.get("backend")
    offered = [name for name in BACKENDS if facts["backends"].get(name)]
    if backend not in ("auto", *BACKENDS):
        yield f"<backend>: {backend!r} is unknown; allowed are auto, {', '.join(BACKENDS)}"
    elif made and not own_name(backend, facts):
        yield "<backend>: this host has neither nmstatectl nor an active systemd-networkd nor ifup; install one of them"
    elif made and backend != "auto" and backend not in offered:
        yield f"<backend>: this host does not run {backend}; it has {', '.join(offered) or 'none of them'}"


def _bridge_vlans(facts: Facts, wanted: Wanted, made: Mapping[str, Link]) -> Iterator[str]:
    """nmstate puts ports of a bridge into VLANs, and not the bridge itself."""
    if own_name(wanted.get("backend"), facts) != "nmstate":
        return
    for link in made.values():
        parent = made.get(link.parent)
        if parent and model.bridged_vlans(parent, made) and parent.kind == "bridge":
            lower = f"name its port {parent.ports[0]}" if parent.ports else "name another link"
            yield f"{_where(link)}: nmstate puts no bridge into a VLAN; {lower} as parent instead of {parent.name}"


def _twice(_facts: Facts, wanted: Wanted, _made: Mapping[str, Link]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for option in model.KEYS:
        for where, entry in model.entries(option, wanted):
            name = model.vlan_name(entry) if option == "vlans" else str(entry["name"])
            if name in seen:
                yield f"{where}: {name} is {seen[name]}, too; give each link its own name"
            seen.setdefault(name, where)


def _missing(facts: Facts, _wanted: Wanted, made: Mapping[str, Link]) -> Iterator[str]:
    there = offered(facts)
    for link in made.values():
        for word, names in (("port", link.ports), ("parent", [link.parent] if link.parent else [])):
            for name in names:
                if not made[name].kind and name not in facts["links"]:
                    yield f"{_where(link)}: {word} {name} does not exist; this host has {there}"
        if link.declared and not link.kind and link.name not in facts["links"]:
            yield f"{_where(link)}: it does not exist; this host has {there}"


def _masters(_facts: Facts, _wanted: Wanted, made: Mapping[str, Link]) -> Iterator[str]:
    for name, port in made.items():
        masters = [link.name for link in made.values() if name in link.ports]
        if len(masters) > 1:
            yield f"{_where(made[masters[-1]])}: port {name} is one of {', '.join(masters[:-1])}, too; a port has one master"
        if not masters:
            continue
        if port.kind == "bridge":
            yield f"{_where(made[masters[0]])}: port {name} is a bridge; a bridge cannot be a port"
        if port.addresses:
            yield f"{_where(port)}: addresses: it is a port of {masters[0]}; give the addresses to that"
    for link in made.values():
        twice = sorted({name for name in link.ports if link.ports.count(name) > 1})
        yield from (f"{_where(link)}: port {name} is named twice" for name in twice)


def _rings(_facts: Facts, _wanted: Wanted, made: Mapping[str, Link]) -> Iterator[str]:
    for link in made.values():
        below, seen = [*link.ports, link.parent], set()
        while below:
            name = below.pop()
            if name == link.name:
                yield f"{_where(link)}: it is a port or parent of itself"
                break
            if name in made and name not in seen:
                seen.add(name)
                below += [*made[name].ports, made[name].parent]


def _vlans(_facts: Facts, _wanted: Wanted, made: Mapping[str, Link]) -> Iterator[str]:
    for link in made.values():
        twins = [
            other
            for other in made.values()
            if other.kind == "vlan" and (other.parent, other.id) == (link.parent, link.id)
        ]
        if link.kind == "vlan" and twins[0] is not link:
            yield f"{_where(link)}: VLAN {link.id} of {link.parent} is {twins[0].name}, too"


def _mtus(facts: Facts, _wanted: Wanted, made: Mapping[str, Link]) -> Iterator[str]:
    for link in made.values():
        if not link.mtu:
            continue
        most = facts["links"].get(link.name, {}).get("max_mtu") if not link.kind else None
        if most and link.mtu > most:
            yield f"{_where(link)}: mtu {link.mtu} is more than {most}, the most that it can"
        if link.kind == "bond":
            continue  # which sets the MTU of its ports
        for name in (*link.ports, *([link.parent] if link.parent else [])):
            lower = mtu(made[name], facts, made)
            if lower and lower < link.mtu:
                yield (
                    f"{_where(link)}: mtu {link.mtu} is more than {lower}, that of {name};"
                    f" give {name} an mtu of {link.mtu} in <{_option(made[name])}>, or lower this one"
                )


def mtu(link: Link, facts: Facts, made: Mapping[str, Link]) -> int:
    """The MTU that a link will have; 0 where it is not known."""
    master = made.get(link.master)
    if link.mtu or (master is not None and master.kind == "bond" and master.mtu):
        return int(link.mtu or (master.mtu if master else 0) or 0)
    now = facts["links"].get(link.name, {}).get("mtu")
    if now:
        return int(now)
    lower = [mtu(made[name], facts, made) for name in (*link.ports, link.parent) if name in made]
    return min(lower, default=0)


def _own_addresses(facts: Facts, _wanted: Wanted, made: Mapping[str, Link]) -> Iterator[str]:
    held = [
        (name, found)
        for name, texts in facts["addresses"].items()
        if name not in made or not (made[name].addresses or made[name].master)
        for found in map(model.interface, texts)
        if found and not found.network.is_link_local and not found.is_loopback
    ]
    asked = [(link, found) for link in made.values() for found in map(model.interface, link.addresses) if found]
    for index, (link, address) in enumerate(asked):
        others = [*held, *((other.name, found) for other, found in asked[:index])]
        for name, found in others:
            if found.version == address.version and found.network.overlaps(address.network):
                same = "has it, too" if found.ip == address.ip else f"is in that network, too, with {found}"
                if name != link.name or found.ip == address.ip:
                    yield f"{_where(link)}: addresses: {address}: {name} {same}; give each network one link"
                    break


def _abilities(facts: Facts, _wanted: Wanted, made: Mapping[str, Link]) -> Iterator[str]:
    for link in made.values():
        if link.kind and not facts["kinds"].get(link.kind, True):
            yield f"{_where(link)}: this host's kernel {_LACKS[link.kind]}"
        if link.vlan_filtering and not facts["kinds"].get("vlan_filtering", True):
            yield f"{_where(link)}: this host's kernel {_LACKS['vlan_filtering']}"


def _kinds(facts: Facts, _wanted: Wanted, made: Mapping[str, Link]) -> Iterator[str]:
    for link in made.values():
        there = facts["links"].get(link.name)
        kind = ((there or {}).get("linkinfo") or {}).get("info_kind", "")
        if there and link.kind and kind != link.kind:
            yield f"{_where(link)}: there is such a link already, {kind or 'a device'} and no {link.kind}; take another name"


def _where(link: Link) -> str:
    return f"<{_option(link)}>[{link.name}]"


def _option(link: Link) -> str:
    return next(option for option, kind in model.KINDS.items() if kind == link.kind)


def _number(value: Any, least: int, most: int) -> int | None:
    """A whole number in these bounds, also as an inventory's text; None where it is none."""
    if isinstance(value, bool) or not re.match(r"^\d+$", str(value)):
        return None
    return int(value) if least <= int(value) <= most else None
