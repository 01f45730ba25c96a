# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""iproute2's commands that make links what they shall be, whatever they are now. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network import model
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network.model import Link


def make(link: Link, made: Mapping[str, Link]) -> Iterator[str]:
    """Commands that make a link what it shall be, whether it is there or not."""
    name = link.name
    if link.kind == "vlan":
        yield f"ip link show {name} >/dev/null 2>&1 || ip link add link {link.parent} name {name} type vlan id {link.id}"
    elif link.kind:
        yield f"ip link show {name} >/dev/null 2>&1 || ip link add {name} type {link.kind}{_options(link)}"
    if link.kind == "bridge":
        yield f"ip link set {name} type bridge{_options(link)}"
        if not link.vlan_filtering:  # a kernel without it takes no word of it
            filters = f"/sys/class/net/{name}/bridge/vlan_filtering"
            yield f'[ "$(cat {filters} 2>/dev/null)" != 1 ] || ip link set {name} type bridge vlan_filtering 0'
    master = made.get(link.master)
    if master is not None:
        # The first of the ports makes the master: they come before it. A bond takes no port that is up.
        above = master.name
        yield f"ip link show {above} >/dev/null 2>&1 || ip link add {above} type {master.kind}{_options(master)}"
        down = f"ip link set {name} down; " if master.kind == "bond" else ""
        there = f"ip -o link show {name} | grep -q ' master {above} '"
        yield f"{there} || {{ {down}ip link set {name} master {above}; }}"
    if link.options.get("primary"):
        yield f"ip link set {name} type bond primary {link.options['primary']}"
    if link.mtu:
        yield f"ip link set {name} mtu {link.mtu}"
    own_side = " self" if link.kind == "bridge" else ""
    for pair in model.ranges(model.bridged_vlans(link, made)):
        yield f"bridge vlan add dev {name} vid {model.span(pair)}{own_side}"


def _options(link: Link) -> str:
    if link.kind == "bond":
        given = [f" {key} {value}" for key, value in sorted(link.options.items()) if key != "primary"]
        return f" mode {link.mode}" + "".join(given)
    filtering = f" vlan_filtering 1 vlan_default_pvid {link.untagged}" if link.vlan_filtering else ""
    return f" stp_state {int(link.stp)} forward_delay {1500 if link.stp else 0}{filtering}"
