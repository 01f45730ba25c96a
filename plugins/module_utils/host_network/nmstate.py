# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The desired state of nmstate (nmstate.io), which NetworkManager keeps. No I/O."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network import model
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network.model import Facts, Link

FILE = "/etc/kubevirt-ha/network.nmstate.json"
_TYPES = {"bond": "bond", "vlan": "vlan", "bridge": "linux-bridge"}


def files(made: Mapping[str, Link], facts: Facts) -> dict[str, str]:
    """The state's text by its path."""
    return {FILE: json.dumps(state(made, facts), indent=2) + "\n"} if made else {}


def apply(made: Mapping[str, Link], facts: Facts, gone: list[str], timeout: int) -> Iterator[str]:
    """Lines of a shell. `gone`: links of the role that are no longer wanted, which are in no file."""
    command = f"nmstatectl apply --no-commit --timeout {timeout}"
    if not gone:
        yield f"{command} {FILE}"
        return
    yield f"printf %s {shlex.quote(json.dumps(state(made, facts, gone)))} >/run/kubevirt-ha-network.json"
    yield f"{command} /run/kubevirt-ha-network.json"


def state(made: Mapping[str, Link], facts: Facts, gone: Iterable[str] = ()) -> dict[str, Any]:
    """The desired state."""
    interfaces = [_interface(link, made, facts) for link in made.values()]
    interfaces += [{"name": name, "state": "absent"} for name in gone]
    routes = [_route(link) for link in made.values() if link.gateway]
    return {"interfaces": interfaces, **({"routes": {"config": routes}} if routes else {})}


def _interface(link: Link, made: Mapping[str, Link], facts: Facts) -> dict[str, Any]:
    kind = ((facts["links"].get(link.name) or {}).get("linkinfo") or {}).get("info_kind", "")
    found: dict[str, Any] = {
        "name": link.name,
        "type": _TYPES.get(link.kind) or ("veth" if kind == "veth" else "ethernet"),
        "state": "up",
    }
    if link.mtu:
        found["mtu"] = link.mtu
    if link.declared or link.master:  # what only carries VLANs keeps its addresses
        found["ipv4"] = _addresses(link, 4)
        found["ipv6"] = _addresses(link, 6)
    return {**found, **_OWN[link.kind](link, made)}


def _addresses(link: Link, version: int) -> dict[str, Any]:
    held = [found for found in map(model.interface, link.addresses) if found and found.version == version]
    if not held:
        return {"enabled": False}
    listed = [{"ip": str(found.ip), "prefix-length": found.network.prefixlen} for found in held]
    more = {"autoconf": False} if version == 6 else {}
    return {"enabled": True, "dhcp": False, **more, "address": listed}


def _physical(_link: Link, _made: Mapping[str, Link]) -> dict[str, Any]:
    return {}


def _bond(link: Link, _made: Mapping[str, Link]) -> dict[str, Any]:
    return {"link-aggregation": {"mode": link.mode, "options": link.options, "port": link.ports}}


def _vlan(link: Link, _made: Mapping[str, Link]) -> dict[str, Any]:
    return {"vlan": {"base-iface": link.parent, "id": link.id}}


def _bridge(link: Link, made: Mapping[str, Link]) -> dict[str, Any]:
    options: dict[str, Any] = {"stp": {"enabled": link.stp}}
    if not link.vlan_filtering:
        return {"bridge": {"options": options, "port": [{"name": name, "vlan": {}} for name in link.ports]}}
    options["vlan-default-pvid"] = link.untagged
    ports = [{"name": name, "vlan": _trunk(link, model.bridged_vlans(made[name], made))} for name in link.ports]
    return {"bridge": {"options": options, "port": ports}}


def _trunk(bridge: Link, ids: list[int]) -> dict[str, Any]:
    tags = [
        {"id": first} if first == last else {"id-range": {"min": first, "max": last}}
        for first, last in model.ranges(ids)
    ]
    return {"mode": "trunk", "trunk-tags": tags, "enable-native": True, "tag": bridge.untagged}


_OWN = {"": _physical, "bond": _bond, "vlan": _vlan, "bridge": _bridge}


def _route(link: Link) -> dict[str, Any]:
    gateway = str(link.gateway)
    return {
        "destination": "::/0" if ":" in gateway else "0.0.0.0/0",
        "next-hop-address": gateway,
        "next-hop-interface": link.name,
    }
