# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attachments of virtual machines to this host's links: why one would not work here. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import names
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network import faults, model
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network.model import Facts, Link, Wanted

KEYS = ("name", "namespace", "type", "bridge", "parent", "vlan", "mtu", "ipam", "options")
# What each type is plugged into.
TYPES = {"bridge": "bridge", "macvlan": "parent"}


def of_attachments(facts: Facts, wanted: Wanted, made: Mapping[str, Link]) -> list[str]:
    """Why attachments are wrong, or would not work on this host; options as `<name>`."""
    listed = wanted.get("attachments")
    if listed is not None and not isinstance(listed, list):
        return [f"<attachments>: {listed!r} is no list of {{{', '.join(KEYS)}}}"]
    found = [
        f"<attachments>[{index}]: {entry!r} must be {{{', '.join(KEYS)}}}"
        for index, entry in enumerate(listed or [])
        if not isinstance(entry, Mapping)
    ]
    seen: set[tuple[str, str]] = set()
    for where, entry in model.entries("attachments", wanted):
        found += [f"{where}: {text}" for check in _CHECKS for text in check(entry, facts, made)]
        place = (str(entry.get("namespace") or "default"), str(entry.get("name")))
        found += [f"{where}: {'/'.join(place)} is given twice"] if place in seen else []
        seen.add(place)
    return found + list(_migration(wanted))


def _form(entry: Mapping[str, Any], _facts: Facts, _made: Mapping[str, Link]) -> Iterator[str]:
    unknown = sorted(map(str, set(entry) - set(KEYS)))
    yield from (f"{key} is unknown; there are {', '.join(KEYS)}" for key in unknown)
    for key, value in (("name", entry.get("name")), ("namespace", entry.get("namespace", "default"))):
        wrong = names.name_fault(value, subdomain=key == "name") if isinstance(value, str) else f"{value!r} is no name"
        if wrong:
            yield f"{key}: {wrong}"
    for key in ("ipam", "options"):
        if not isinstance(entry.get(key) or {}, Mapping):
            yield f"{key}: {entry[key]!r} must be a map, as the CNI plugin takes it"
    ipam = entry.get("ipam")
    if ipam and isinstance(ipam, Mapping) and not ipam.get("type"):
        yield "ipam: type is missing; name the IPAM plugin, such as whereabouts or static"


def _place(entry: Mapping[str, Any], facts: Facts, made: Mapping[str, Link]) -> Iterator[str]:
    kind = entry.get("type", "bridge")
    if kind not in TYPES:
        yield f"type {kind!r} is unknown; allowed are {', '.join(TYPES)}"
        return
    key = TYPES[kind]
    name = str(entry.get(key) or "")
    if not name:
        yield f"{key} is missing; name the link of the hosts that it is plugged into"
    elif kind == "macvlan":
        if name not in made and name not in facts["links"]:
            yield f"parent {name} does not exist on this host; it has {faults.offered(facts)}"
        if entry.get("vlan") is not None:
            yield f"vlan is for bridges; make a VLAN link of {name} by <vlans>, and name that as parent"
    elif name not in _bridges(facts, made):
        yield f"bridge {name} does not exist on this host; it has {', '.join(_bridges(facts, made)) or 'none'}"
    else:
        yield from _vlan(entry, name, facts, made)


def _vlan(entry: Mapping[str, Any], name: str, facts: Facts, made: Mapping[str, Link]) -> Iterator[str]:
    vlan = entry.get("vlan")
    if vlan is None:
        return
    if model.vlan_ids([vlan]) is None or "-" in str(vlan):
        yield f"vlan {vlan!r} must be a VLAN from {model.FIRST_VLAN} to {model.LAST_VLAN}"
        return
    link = made.get(name)
    now = ((facts["links"].get(name) or {}).get("linkinfo") or {}).get("info_data") or {}
    if not (link.vlan_filtering if link else now.get("vlan_filtering")):
        # The plugin would switch it on, and every other machine of the bridge would lose its VLANs.
        yield f"vlan {vlan}: bridge {name} has no VLAN filtering; set vlan_filtering: true in <bridges>, or leave vlan out"
    elif link and link.ports and int(vlan) not in (*link.vlans, link.untagged):
        yield f"vlan {vlan}: bridge {name} does not carry it; add it to the bridge's vlans in <bridges>"


def _mtu(entry: Mapping[str, Any], facts: Facts, made: Mapping[str, Link]) -> Iterator[str]:
    mtu, name = entry.get("mtu"), str(entry.get(TYPES.get(entry.get("type", "bridge"), "")) or "")
    if mtu is None:
        return
    if isinstance(mtu, bool) or not str(mtu).isdigit():
        yield f"mtu {mtu!r} must be a number"
        return
    link = made.get(name) or Link(name)
    most = faults.mtu(link, facts, made)
    if most and int(mtu) > most:
        yield f"mtu {mtu} is more than {most}, that of {name} on this host"


_CHECKS = (_form, _place, _mtu)


def _migration(wanted: Wanted) -> Iterator[str]:
    """KubeVirt's own pods get an address each in the migration network, on every node."""
    name, namespace = wanted.get("migration_attachment"), wanted.get("migration_namespace")
    if not name:
        return
    listed = [entry for _where, entry in model.entries("attachments", wanted) if entry.get("name") == name]
    inside = [entry for entry in listed if entry.get("namespace") == namespace]
    if not inside:
        hint = "its namespace must be that of KubeVirt" if listed else "it is none of <attachments>"
        yield f"<migration_attachment>: {name}: {hint}; add {{name: {name}, namespace: {namespace}}} to <attachments>"
        return
    ipam = inside[0].get("ipam")
    kind = ipam.get("type") if isinstance(ipam, Mapping) else None
    if not kind:
        yield f"<migration_attachment>: {name} has no ipam, and virt-handler needs an address in it; use whereabouts or dhcp"
    elif kind in ("host-local", "static"):
        yield (
            f"<migration_attachment>: {name}: ipam {kind} gives out the same addresses on each node;"
            " use whereabouts or dhcp, which know of one another"
        )


def _bridges(facts: Facts, made: Mapping[str, Link]) -> list[str]:
    there = {name for name, link in facts["links"].items() if (link.get("linkinfo") or {}).get("info_kind") == "bridge"}
    return sorted(there | {name for name, link in made.items() if link.kind == "bridge"})
