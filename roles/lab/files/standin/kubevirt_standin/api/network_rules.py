"""The rules of a VMI's networks and interfaces; pure."""

from __future__ import annotations

import re

from ..resources import Object
from .causes import cause

BINDINGS = ("bridge", "slirp", "masquerade", "sriov", "macvtap", "passt", "passtBinding", "binding")
MODELS = ("e1000", "e1000e", "igb", "ne2k_pci", "pcnet", "rtl8139", "virtio")
STATES = ("", "up", "down", "absent")
MAC = re.compile(r"^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$")


def network_causes(spec: Object, path: str) -> list[Object]:
    """What is wrong with networks and interfaces."""
    networks = {network["name"]: network for network in spec.get("networks") or []}
    interfaces = (spec["domain"].get("devices") or {}).get("interfaces") or []
    base = f"{path}.domain.devices.interfaces"
    found: list[Object] = []
    for name, network in networks.items():
        if sum(1 for kind in ("pod", "multus", "resourceClaim") if network.get(kind) is not None) > 1:
            index = list(networks).index(name)
            found.append(cause("Required", "should have only one network type", f"{path}.networks[{index}]"))
            return found
    found += _pod_networks(networks, interfaces, path)
    for index, item in enumerate(interfaces):
        found += _binding(item, networks.get(item["name"]), f"{base}[{index}]", index)
    found += _matches(networks, interfaces, path, base)
    for index, item in enumerate(interfaces):
        found += _details(item, f"{base}[{index}]")
    return found


def _pod_networks(networks: dict[str, Object], interfaces: list[Object], path: str) -> list[Object]:
    on_pod = [item for item in interfaces if "pod" in networks.get(item["name"], {})]
    names = {item["name"] for item in on_pod}
    if len(names) > 1:
        text = "more than one interface is connected to a pod network in " + f"{path}.interfaces"
        return [cause("Duplicate", text, f"{path}.interfaces")]
    return []


def _binding(item: Object, network: Object | None, field: str, index: int) -> list[Object]:
    bindings = [kind for kind in BINDINGS if item.get(kind) is not None]
    if "slirp" in bindings:
        text = "Slirp interface support has been discontinued since v1.3"
        return [cause("Invalid", text, f"spec.domain.devices.interfaces[{index}].slirp")]
    if len(bindings) != 1:
        text = f"logical {item['name']} interface must have exactly one binding method or binding plugin"
        return [cause("Invalid", text, field)]
    if bindings == ["masquerade"] and "pod" not in (network or {}):
        return [cause("Invalid", "Masquerade interface only implemented with pod network", f"{field}.name")]
    return []


def _matches(networks: dict[str, Object], interfaces: list[Object], path: str, base: str) -> list[Object]:
    """Each network has one interface, each interface a network."""
    found = []
    names = [item["name"] for item in interfaces]
    for index, name in enumerate(networks):
        if name not in names:
            field = f"{path}.networks[{index}].name"
            found.append(cause("Required", f"{field} '{name}' not found.", field))
    for index, name in enumerate(names):
        field = f"{base}[{index}].name"
        if name in names[:index]:
            found.append(cause("Duplicate", "Only one interface can be connected to one specific network", field))
        elif name not in networks:
            found.append(cause("Invalid", f"{field} '{name}' not found.", field))
    return found


def _details(item: Object, field: str) -> list[Object]:
    found = []
    if item.get("model") and item["model"] not in MODELS:
        text = f"interface {field}.name uses model {item['model']} that is not supported."
        found.append(cause("NotSupported", text, f"{field}.model"))
    if item.get("macAddress") and not MAC.match(item["macAddress"]):
        text = f"interface {field}.name has malformed MAC address ({item['macAddress']})."
        found.append(cause("Invalid", text, f"{field}.macAddress"))
    if item.get("state") is not None and item["state"] not in STATES:
        text = f"logical {item['name']} interface state value is unsupported: {item['state']}"
        found.append(cause("Invalid", text, f"{field}.state"))
    for index, port in enumerate(item.get("ports") or []):
        if not port.get("port"):
            found.append(cause("Required", "Port field is mandatory.", f"{field}.ports[{index}].port"))
        if port.get("protocol") and port["protocol"] not in ("TCP", "UDP"):
            found.append(
                cause("Invalid", "Unknown protocol, only TCP or UDP allowed", f"{field}.ports[{index}].protocol")
            )
    return found
