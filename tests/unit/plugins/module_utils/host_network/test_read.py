# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read from the host's commands and files."""

from __future__ import annotations

import json
from pathlib import Path

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network import read as reader

# As iproute2 6.1 prints them.
SAID = {
    "ip -json -details link show": json.dumps([{"ifname": "eth0", "ifindex": 2, "mtu": 1500}, {}]),
    "ip -json address show": json.dumps(
        [{"ifname": "eth0", "addr_info": [{"family": "inet", "local": "192.0.2.11", "prefixlen": 24}, {}]}, {}]
    ),
    "ip -json route show default": json.dumps([{"dst": "default", "gateway": "192.0.2.1", "dev": "eth0", "flags": []}]),
    "bridge -json vlan show": json.dumps(
        [
            {"ifname": "eth1", "vlans": [{"vlan": 1, "flags": ["PVID", "Egress Untagged"]}, {"vlan": 5}]},
            {"ifname": "eth2", "vlans": [{"vlan": 10, "vlanEnd": 12}]},
        ]
    ),
    "ss -Htn state established": "0 0 192.0.2.11:22 192.0.2.1:50000\n0 0 10.0.0.1:6443 10.0.0.2:22\n"
    "0 0 [::ffff:192.0.2.12]:22 [::ffff:192.0.2.1]:5\n",
    "systemctl is-active systemd-networkd": "active\n",
}


def _run(words: list[str]) -> str:
    if words[0] == "unshare":
        return "kvha-able\n" if "type bridge vlan_filtering" in words[-1] else ""
    return SAID.get(" ".join(words), "")


def test_what_the_host_tells(tmp_path: Path) -> None:
    netif = tmp_path / "run/systemd/netif/links"
    netif.mkdir(parents=True)
    (netif / "2").write_text("ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/80-x.network\n")
    owned = tmp_path / "etc/systemd/network/80-x.network.d"
    owned.mkdir(parents=True)
    (owned / "50-kubevirt-ha.conf").write_text("[Network]\n")
    (owned.parent / "05-kubevirt-ha-br0.netdev").write_text("[NetDev]\n")
    (owned.parent / "80-x.network").write_text("[Match]\n")
    record = tmp_path / reader.STATE
    record.parent.mkdir(parents=True)
    record.write_text('{"links": {}}')
    (tmp_path / "sys/module/bonding").mkdir(parents=True)

    facts = reader.read(_run, str(tmp_path), kinds=["bond", "vlan", "vlan_filtering"])
    assert list(facts["links"]) == ["eth0"]
    assert facts["addresses"] == {"eth0": ["192.0.2.11/24"]}
    assert [route["dev"] for route in facts["routes"]] == ["eth0"]
    assert facts["vlans"] == {"eth1": [5], "eth2": [10, 11, 12]}
    assert facts["connected"] == ["192.0.2.11", "192.0.2.12"]
    assert facts["backends"] == {"nmstate": False, "networkd": True, "ifupdown": False}
    assert facts["network_files"] == {"eth0": "/etc/systemd/network/80-x.network"}
    assert facts["kinds"] == {"bond": True, "vlan": False, "vlan_filtering": True}
    assert sorted(facts["files"]) == [
        "/etc/kubevirt-ha/network.json",
        "/etc/systemd/network/05-kubevirt-ha-br0.netdev",
        "/etc/systemd/network/80-x.network.d/50-kubevirt-ha.conf",
    ]
    assert facts["record"] == {"links": {}}


def test_a_host_that_tells_nothing(tmp_path: Path) -> None:
    facts = reader.read(lambda _words: "", str(tmp_path))
    assert (facts["links"], facts["routes"], facts["files"], facts["record"]) == ({}, [], {}, {})
