# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host by what iproute2 tells of it: eth0 carries Ansible and the default route, eth1 to eth3 are free."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network.model import Link
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network.service import judge

Judge = Callable[..., dict[str, Any]]


def device(name: str, **more: Any) -> dict[str, Any]:
    return {"ifname": name, "mtu": 1500, "max_mtu": 9600, "flags": ["BROADCAST", "UP"], **more}


FACTS: dict[str, Any] = {
    "links": {
        "lo": device("lo"),
        **{name: device(name) for name in ("eth0", "eth1", "eth2", "eth3")},
        "br-old": device("br-old", linkinfo={"info_kind": "bridge", "info_data": {"vlan_filtering": 0}}),
    },
    "addresses": {"lo": ["127.0.0.1/8"], "eth0": ["192.0.2.11/24", "fe80::1/64"]},
    "vlans": {},
    "routes": [{"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"}],
    "connected": ["192.0.2.11"],
    "connection_address": "192.0.2.11",
    "backends": {"nmstate": False, "networkd": True, "ifupdown": False},
    "network_files": {"eth0": "/run/systemd/network/10-netplan-eth0.network"},
    "kinds": {"bond": True, "vlan": True, "bridge": True, "vlan_filtering": True},
    "files": {},
    "record": {},
}
WANTED: dict[str, Any] = {
    "prefix": "network_",
    "backend": "auto",
    "bonds": [
        {"name": "bond0", "ports": ["eth1", "eth2"], "mode": "802.3ad", "options": {"lacp_rate": "fast"}, "mtu": 9000}
    ],
    "vlans": [{"parent": "bond0", "id": 30, "mtu": 9000, "addresses": ["198.51.100.11/24"]}],
    "bridges": [
        {"name": "br-vm", "ports": ["bond0"], "vlan_filtering": True, "vlans": [100, "200-202"], "untagged": 10}
    ],
}


@pytest.fixture
def facts() -> dict[str, Any]:
    return copy.deepcopy(FACTS)


@pytest.fixture
def ask(facts: dict[str, Any]) -> Judge:
    """What the module says of the host for these wishes."""

    def asked(**wanted: Any) -> dict[str, Any]:
        return judge(facts, {"prefix": "network_", "backend": "auto", "migration_namespace": "kubevirt", **wanted})

    return asked


def settle(facts: dict[str, Any], result: dict[str, Any]) -> None:
    """Lets the host be what was planned: files, record, and links as the kernel would tell them."""
    facts["files"] = dict(result["plan"]["files"])
    facts["record"] = json.loads(facts["files"]["/etc/kubevirt-ha/network.json"])
    for name, said in facts["record"]["links"].items():
        link = {**asdict(Link(name)), **said}
        there = facts["links"].setdefault(name, device(name))
        there["mtu"] = link["mtu"] or there["mtu"]
        there.pop("master", None)
        if link["master"]:
            there["master"] = link["master"]
        facts["addresses"][name] = [*facts["addresses"].get(name, []), *link["addresses"]]
        data: dict[str, Any] = {}
        if link["kind"] == "bond":
            data = {"mode": link["mode"], "miimon": 100, "ad_lacp_rate": link["options"].get("lacp_rate")}
        elif link["kind"] == "vlan":
            data, there["link"] = {"id": link["id"]}, link["parent"]
        elif link["kind"] == "bridge":
            data = {
                "vlan_filtering": int(link["vlan_filtering"]),
                "vlan_default_pvid": link["untagged"],
                "stp_state": 0,
            }
        if link["kind"]:
            there["linkinfo"] = {"info_kind": link["kind"], "info_data": data}
        if link["vlan_filtering"]:
            facts["vlans"].update(
                {port: [vlan for vlan in link["vlans"] if vlan != link["untagged"]] for port in link["ports"]}
            )
