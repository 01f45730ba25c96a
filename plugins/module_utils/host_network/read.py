# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads links, addresses, bridged VLANs and the backends' own files. It never writes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kvm_host import read as kernel

Run = Callable[[list[str]], str]
"""Runs a command and returns what it printed, empty where it failed or is missing."""

STATE = "etc/kubevirt-ha/network.json"
_OWNED = (
    ("etc/systemd/network", re.compile(r"^(05-kubevirt-ha-.*\.(netdev|network)|50-kubevirt-ha\.conf)$")),
    ("etc/network/interfaces.d", re.compile(r"^kubevirt-ha$")),
    ("etc/kubevirt-ha", re.compile(r"^network(\.nmstate)?\.json$")),
)
_MODULES = {"bond": "bonding", "vlan": "8021q", "bridge": "bridge"}
# Asked of the kernel in a network namespace of its own, which ends with the command.
_PROBES = {
    "bond": "ip link add kvha0 type bond",
    "bridge": "ip link add kvha0 type bridge",
    "vlan": "ip link add kvha1 type veth peer kvha0 && ip link add link kvha0 name kvha2 type vlan id 2",
    "vlan_filtering": "ip link add kvha0 type bridge vlan_filtering 1",
}


def read(run: Run, root: str = "/", *, kinds: Iterable[str] = (), port: int = 22) -> dict[str, Any]:
    """The facts of the host. `kinds`: what the kernel is asked for, keys of the probes; `port`: that sshd listens on."""
    links = _json(run(["ip", "-json", "-details", "link", "show"]))
    addresses = _json(run(["ip", "-json", "address", "show"]))
    routes = _json(run(["ip", "-json", "route", "show", "default"])) + _json(
        run(["ip", "-json", "-6", "route", "show", "default"])
    )
    return {
        "links": {link["ifname"]: link for link in links if "ifname" in link},
        "addresses": {
            link["ifname"]: [
                f"{info['local']}/{info['prefixlen']}" for info in link.get("addr_info") or [] if "local" in info
            ]
            for link in addresses
            if "ifname" in link
        },
        "vlans": _vlans(_json(run(["bridge", "-json", "vlan", "show"]))),
        "routes": [route for route in routes if "dev" in route],
        "connected": _connected(run(["ss", "-Htn", "state", "established"]), port),
        "backends": {
            "nmstate": bool(run(["nmstatectl", "--version"])),
            "networkd": run(["systemctl", "is-active", "systemd-networkd"]).strip() == "active",
            "ifupdown": bool(run(["ifup", "--version"])),
        },
        "network_files": {name: _network_file(root, link.get("ifindex")) for name, link in _named(links)},
        "kinds": {kind: _able(run, root, kind) for kind in kinds},
        "files": dict(_owned(root)),
        "record": _record(root),
    }


def _named(links: Iterable[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(link["ifname"], link) for link in links if "ifname" in link]


def _json(text: str) -> list[dict[str, Any]]:
    """A list of maps; iproute2 prints empty maps among them."""
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _vlans(listed: Iterable[Mapping[str, Any]]) -> dict[str, list[int]]:
    """The tagged VLANs of each port of a bridge: those that are not its untagged one."""
    found: dict[str, list[int]] = {}
    for link in listed:
        ids: set[int] = set()
        for entry in link.get("vlans") or []:
            if "PVID" not in (entry.get("flags") or []):
                ids |= set(range(entry["vlan"], entry.get("vlanEnd", entry["vlan"]) + 1))
        found[str(link.get("ifname"))] = sorted(ids)
    return found


def _connected(text: str, port: int) -> list[str]:
    """The addresses of this host that established connections to a port lead to."""
    found = set()
    for line in text.splitlines():
        address, _colon, number = (line.split() + ["", "", ""])[2].rpartition(":")
        if number == str(port):
            found.add(address.strip("[]").split("%")[0].replace("::ffff:", ""))
    return sorted(found)


def _network_file(root: str, index: Any) -> str:
    """The file that systemd-networkd has configured a link by; empty where it has not."""
    text = _text(os.path.join(root, f"run/systemd/netif/links/{index}"))
    match = re.search(r"^NETWORK_FILE=(.+)$", text, re.MULTILINE)
    return match.group(1) if match else ""


def _able(run: Run, root: str, kind: str) -> bool:
    """Whether the kernel can make such a link. Where a module would be loaded for the answer, that it is there will do."""
    module = _MODULES.get(kind)
    if module and kernel.read(root, modules=[module])["modules"][module] in ("loaded", "loadable"):
        return True
    return "kvha-able" in run(["unshare", "--net", "sh", "-c", f"{_PROBES[kind]} && echo kvha-able"])


def _owned(root: str) -> Iterable[tuple[str, str]]:
    for folder, pattern in _OWNED:
        for where, _folders, names in os.walk(os.path.join(root, folder)):
            for name in sorted(names):
                if pattern.match(name):
                    path = os.path.join(where, name)
                    yield "/" + os.path.relpath(path, root), _text(path)


def _record(root: str) -> dict[str, Any]:
    try:
        found = json.loads(_text(os.path.join(root, STATE)) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read()
    except OSError:
        return ""
