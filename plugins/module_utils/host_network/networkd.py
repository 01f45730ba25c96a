# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of systemd-networkd (systemd.netdev(5), systemd.network(5)). No I/O."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network import model
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network.model import Facts, Link

FOLDER = "/etc/systemd/network"
# Before the files of distributions and netplan (10-netplan-...): the first that matches a link configures it.
_OWN = f"{FOLDER}/05-kubevirt-ha-"
_BOND = {"lacp_rate": "LACPTransmitRate", "xmit_hash_policy": "TransmitHashPolicy"}


def files(made: Mapping[str, Link], facts: Facts) -> dict[str, str]:
    """Each file's text by its path."""
    written: dict[str, str] = {}
    for link in made.values():
        if link.kind:
            written[f"{_OWN}{link.name}.netdev"] = _text(_netdev(link))
        foreign = str(facts["network_files"].get(link.name) or "")
        if not link.declared and not link.master and foreign and not foreign.startswith(_OWN):
            # It only carries VLANs: what configures it stays, and learns of them.
            path = f"{FOLDER}/{os.path.basename(foreign)}.d/50-kubevirt-ha.conf"
            written[path] = _text([("Network", [("VLAN", name) for name in link.children])])
        else:
            written[f"{_OWN}{link.name}.network"] = _text(_network(link, made))
    return written


def _netdev(link: Link) -> list[tuple[str, list[tuple[str, Any]]]]:
    sections: list[tuple[str, list[tuple[str, Any]]]] = [("NetDev", [("Name", link.name), ("Kind", link.kind)])]
    if link.kind == "bond":
        more = [(_BOND[key], value) for key, value in sorted(link.options.items()) if key in _BOND]
        sections.append(("Bond", [("Mode", link.mode), ("MIIMonitorSec", f"{link.options['miimon']}ms"), *more]))
    elif link.kind == "vlan":
        sections.append(("VLAN", [("Id", link.id)]))
    else:
        filtering = [("VLANFiltering", "yes"), ("DefaultPVID", link.untagged)] if link.vlan_filtering else []
        sections.append(("Bridge", [("STP", _word(link.stp)), *filtering]))
    return sections


def _network(link: Link, made: Mapping[str, Link]) -> list[tuple[str, list[tuple[str, Any]]]]:
    # A link of virtual machines must not keep a host from booting.
    sections: list[tuple[str, list[tuple[str, Any]]]] = [
        ("Match", [("Name", link.name)]),
        ("Link", [*([("MTUBytes", link.mtu)] if link.mtu else []), ("RequiredForOnline", "no")]),
        ("Network", list(_of_network(link, made))),
    ]
    ids = model.bridged_vlans(link, made)
    return sections + [("BridgeVLAN", [("VLAN", model.span(pair))]) for pair in model.ranges(ids)]


def _of_network(link: Link, made: Mapping[str, Link]) -> Iterator[tuple[str, Any]]:
    master = made.get(link.master)
    if master is not None:
        yield "Bond" if master.kind == "bond" else "Bridge", link.master
        if master.options.get("primary") == link.name:
            yield "PrimarySlave", "yes"
    yield from (("VLAN", name) for name in link.children)
    yield from (("Address", address) for address in link.addresses)
    if link.gateway:
        yield "Gateway", link.gateway
    if not link.addresses:
        yield "LinkLocalAddressing", "no"
    yield "IPv6AcceptRA", "no"
    if link.kind in ("bond", "bridge"):
        yield "ConfigureWithoutCarrier", "yes"


def _text(sections: list[tuple[str, list[tuple[str, Any]]]]) -> str:
    blocks = [
        "\n".join([f"[{name}]", *(f"{key}={value}" for key, value in lines)]) for name, lines in sections if lines
    ]
    return "# Ansible managed: role network\n" + "\n\n".join(blocks) + "\n"


def _word(value: bool) -> str:
    return "yes" if value else "no"
