# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage pools and volumes, networks, and node devices, each from its document. Sizes are bytes."""

from __future__ import annotations

from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.xmltools import (
    Element,
    attribute,
    number,
    parse,
    present,
    size,
    text,
)

_POOL_STATES = ("inactive", "building", "running", "degraded", "inaccessible")
_PLACE = ("domain", "bus", "slot", "function")


def pool(document: str, state: int) -> dict[str, Any]:
    """A storage pool; `state` is virStoragePoolInfo's. Raises HaError when the document is malformed."""
    root = parse(document, "a storage pool's document", "pool")
    source = root.find("source")
    return {
        "name": text(root, "name"),
        "uuid": text(root, "uuid"),
        "type": root.get("type"),
        "state": _POOL_STATES[state] if 0 <= state < len(_POOL_STATES) else f"unknown ({state})",
        "capacity_bytes": size(root, "capacity"),
        "allocation_bytes": size(root, "allocation"),
        "available_bytes": size(root, "available"),
        "target_path": text(root, "target/path"),
        "source": present(
            {
                "hosts": _attributes(source, "host", "name"),
                "devices": _attributes(source, "device", "path"),
                "dir": attribute(source, "dir", "path"),
                "name": text(source, "name"),
                "adapter": attribute(source, "adapter", "name"),
                "format": attribute(source, "format", "type"),
            }
        ),
    }


def volume(document: str) -> dict[str, Any]:
    """A storage volume with its backing file."""
    root = parse(document, "a storage volume's document", "volume")
    return {
        "name": text(root, "name"),
        "key": text(root, "key"),
        "type": root.get("type"),
        "path": text(root, "target/path"),
        "format": attribute(root, "target/format", "type"),
        "capacity_bytes": size(root, "capacity"),
        "allocation_bytes": size(root, "allocation"),
        "physical_bytes": size(root, "physical"),
        "backing_path": text(root, "backingStore/path"),
    }


def network(document: str) -> dict[str, Any]:
    """A network; one without <forward> is isolated."""
    root = parse(document, "a network's document", "network")
    forward = root.find("forward")
    return {
        "name": text(root, "name"),
        "uuid": text(root, "uuid"),
        "bridge": attribute(root, "bridge", "name"),
        "forward_mode": "isolated" if forward is None else forward.get("mode") or "nat",
        "forward_devices": _forward_devices(forward),
        "domain": attribute(root, "domain", "name"),
        "mtu": number(attribute(root, "mtu", "size")),
        "vlans": [number(tag.get("id")) for tag in root.iterfind("vlan/tag")],
        "portgroups": [str(group.get("name")) for group in root.iterfind("portgroup")],
        "ips": [_ip(address) for address in root.iterfind("ip")],
    }


def lease(given: dict[str, Any]) -> dict[str, Any]:
    """A DHCP lease from virNetworkGetDHCPLeases; `expires_at` is seconds since the epoch, 0 for never."""
    return {
        "mac": given.get("mac"),
        "ip": given.get("ipaddr"),
        "prefix": given.get("prefix"),
        "hostname": given.get("hostname"),
        "client_id": given.get("clientid"),
        "interface": given.get("iface"),
        "expires_at": given.get("expirytime"),
    }


def node_device(document: str) -> dict[str, Any]:
    """A PCI device of the host with its IOMMU group; `address` as lspci writes it."""
    root = parse(document, "a node device's document", "device")
    pci = root.find("capability[@type='pci']")
    group = pci.find("iommuGroup") if pci is not None else None
    functions = pci.find("capability[@type='virt_functions']") if pci is not None else None
    return {
        "name": text(root, "name"),
        "parent": text(root, "parent"),
        "driver": text(root, "driver/name"),
        "address": _address(pci),
        "class": text(pci, "class"),
        "vendor": {"id": attribute(pci, "vendor", "id"), "name": text(pci, "vendor")},
        "product": {"id": attribute(pci, "product", "id"), "name": text(pci, "product")},
        "numa_node": number(attribute(pci, "numa", "node")),
        "iommu_group": number(group.get("number")) if group is not None else None,
        "iommu_group_devices": [_address_of(entry) for entry in group.iterfind("address")] if group is not None else [],
        "virtual_functions_max": number(functions.get("maxCount")) if functions is not None else None,
        "virtual_functions": [_address_of(entry) for entry in functions.iterfind("address")]
        if functions is not None
        else [],
    }


def _attributes(node: Element | None, path: str, name: str) -> list[str] | None:
    found = [] if node is None else [str(child.get(name)) for child in node.iterfind(path)]
    return found or None


def _forward_devices(forward: Element | None) -> list[str]:
    """The devices a network forwards to; `dev` of <forward> repeats the first <interface>."""
    if forward is None:
        return []
    devices = [str(child.get("dev")) for child in forward.iterfind("interface")]
    return devices or ([str(forward.get("dev"))] if forward.get("dev") else [])


def _ip(node: Element) -> dict[str, Any]:
    return {
        "address": node.get("address"),
        "family": node.get("family") or "ipv4",
        "prefix": number(node.get("prefix")),
        "netmask": node.get("netmask"),
        "dhcp_ranges": [
            {"start": found.get("start"), "end": found.get("end")} for found in node.iterfind("dhcp/range")
        ],
        "dhcp_hosts": [
            {"mac": found.get("mac"), "name": found.get("name"), "ip": found.get("ip")}
            for found in node.iterfind("dhcp/host")
        ],
    }


def _address(pci: Element | None) -> str | None:
    return None if pci is None else _written({name: text(pci, name) for name in _PLACE})


def _address_of(node: Element) -> str | None:
    return _written({name: node.get(name) for name in _PLACE})


def _written(place: dict[str, str | None]) -> str | None:
    parts = [part for part in (number(place[name]) for name in _PLACE) if part is not None]
    return "{:04x}:{:02x}:{:02x}.{:x}".format(*parts) if len(parts) == len(_PLACE) else None
