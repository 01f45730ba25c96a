# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of each backend, what differs, and the way back."""

from __future__ import annotations

import configparser
import json
from typing import Any

import pytest

from .conftest import WANTED, Judge, device, settle

NETWORKD = "/etc/systemd/network/05-kubevirt-ha-"


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_networkd_has_a_file_for_each_link(ask: Judge) -> None:
    files = ask(**WANTED)["plan"]["files"]
    assert sorted(path.replace(NETWORKD, "") for path in files if path.startswith(NETWORKD)) == [
        "bond0.30.netdev",
        "bond0.30.network",
        "bond0.netdev",
        "bond0.network",
        "br-vm.netdev",
        "br-vm.network",
        "eth1.network",
        "eth2.network",
    ]
    assert _lines(files[f"{NETWORKD}bond0.netdev"]) == [
        "[NetDev]", "Name=bond0", "Kind=bond", "[Bond]", "Mode=802.3ad", "MIIMonitorSec=100ms", "LACPTransmitRate=fast",
    ]  # fmt: skip
    assert _lines(files[f"{NETWORKD}eth1.network"]) == [
        "[Match]", "Name=eth1", "[Link]", "RequiredForOnline=no",
        "[Network]", "Bond=bond0", "LinkLocalAddressing=no", "IPv6AcceptRA=no",
    ]  # fmt: skip
    assert _lines(files[f"{NETWORKD}bond0.network"]) == [
        "[Match]", "Name=bond0", "[Link]", "MTUBytes=9000", "RequiredForOnline=no",
        "[Network]", "Bridge=br-vm", "VLAN=bond0.30", "LinkLocalAddressing=no", "IPv6AcceptRA=no", "ConfigureWithoutCarrier=yes",
        "[BridgeVLAN]", "VLAN=100", "[BridgeVLAN]", "VLAN=200-202",
    ]  # fmt: skip
    assert _lines(files[f"{NETWORKD}bond0.30.network"])[-3:] == [
        "[Network]",
        "Address=198.51.100.11/24",
        "IPv6AcceptRA=no",
    ]
    assert "DefaultPVID=10" in _lines(files[f"{NETWORKD}br-vm.netdev"])


def test_networkd_leaves_what_configures_a_parent(ask: Judge) -> None:
    files = ask(vlans=[{"parent": "eth0", "id": 7}], allow_management=True)["plan"]["files"]
    drop_in = "/etc/systemd/network/10-netplan-eth0.network.d/50-kubevirt-ha.conf"
    assert _lines(files[drop_in]) == ["[Network]", "VLAN=eth0.7"]
    assert f"{NETWORKD}eth0.network" not in files


def test_a_bridge_is_in_the_vlans_of_its_own_links(ask: Judge) -> None:
    wanted = {"bridges": WANTED["bridges"], "bonds": WANTED["bonds"], "vlans": [{"parent": "br-vm", "id": 200}]}
    text = ask(**wanted)["plan"]["files"][f"{NETWORKD}br-vm.network"]
    assert _lines(text)[-2:] == ["[BridgeVLAN]", "VLAN=200"]


def test_nmstate_has_one_state(facts: dict[str, Any], ask: Judge) -> None:
    facts["backends"]["nmstate"] = True
    plan = ask(**WANTED, apply_timeout=45)["plan"]
    assert plan["backend"] == "nmstate"
    state = json.loads(plan["files"]["/etc/kubevirt-ha/network.nmstate.json"])
    interfaces = {entry["name"]: entry for entry in state["interfaces"]}
    assert list(interfaces) == ["eth1", "eth2", "bond0", "bond0.30", "br-vm"]
    assert interfaces["bond0"]["link-aggregation"] == {
        "mode": "802.3ad",
        "options": {"miimon": 100, "lacp_rate": "fast"},
        "port": ["eth1", "eth2"],
    }
    assert interfaces["bond0.30"]["vlan"] == {"base-iface": "bond0", "id": 30}
    assert interfaces["bond0.30"]["ipv4"] == {
        "enabled": True,
        "dhcp": False,
        "address": [{"ip": "198.51.100.11", "prefix-length": 24}],
    }
    trunk = [{"id": 100}, {"id-range": {"min": 200, "max": 202}}]
    assert interfaces["br-vm"]["bridge"]["port"] == [
        {"name": "bond0", "vlan": {"mode": "trunk", "trunk-tags": trunk, "enable-native": True, "tag": 10}}
    ]
    assert plan["apply"] == ["nmstatectl apply --no-commit --timeout 45 /etc/kubevirt-ha/network.nmstate.json"]
    assert plan["confirm"] == ["nmstatectl commit || true"]
    assert plan["rollback"] == ["nmstatectl rollback || true"]


def test_nmstate_is_told_of_what_is_no_longer_wanted(facts: dict[str, Any], ask: Judge) -> None:
    facts["backends"]["nmstate"] = True
    settle(facts, ask(**WANTED))
    plan = ask(bonds=WANTED["bonds"], vlans=WANTED["vlans"])["plan"]
    assert '{"name": "br-vm", "state": "absent"}' in plan["apply"][0]
    assert "absent" not in plan["files"]["/etc/kubevirt-ha/network.nmstate.json"]


def test_ifupdown_has_one_file(facts: dict[str, Any], ask: Judge) -> None:
    facts["backends"].update(networkd=False, ifupdown=True)
    plan = ask(**WANTED)["plan"]
    text = plan["files"]["/etc/network/interfaces.d/kubevirt-ha"]
    assert [line.split()[1] for line in text.splitlines() if line.startswith("auto ")] == [
        "eth1", "eth2", "bond0", "bond0.30", "br-vm",
    ]  # fmt: skip
    assert "ip link add bond0 type bond mode 802.3ad lacp_rate fast miimon 100" in text
    assert "ip link add link bond0 name bond0.30 type vlan id 30" in text
    assert "    pre-up bridge vlan add dev bond0 vid 200-202" in text.splitlines()
    assert "    up ip address replace 198.51.100.11/24 dev bond0.30" in text.splitlines()
    assert plan["apply"] == ["ifup --force eth1 eth2 bond0 bond0.30 br-vm"]


@pytest.mark.parametrize("backend", ["networkd", "nmstate", "ifupdown"])
def test_a_second_run_has_nothing_to_do(facts: dict[str, Any], ask: Judge, backend: str) -> None:
    facts["backends"][backend] = True
    first = ask(**{**WANTED, "backend": backend})
    assert first["plan"]["work"]
    assert first["differences"]
    settle(facts, first)
    second = ask(**{**WANTED, "backend": backend})
    assert (second["faults"], second["differences"], second["plan"]["work"], second["plan"]["touched"]) == (
        [],
        [],
        False,
        [],
    )


@pytest.mark.parametrize(
    ("link", "change", "told", "applied"),
    [
        ("br-vm", {"flags": []}, "br-vm is down", "ip link set br-vm up"),
        ("bond0", {"mtu": 1500}, "bond0: mtu is 1500, not 9000", "networkctl reconfigure bond0"),
        ("eth1", {"master": None}, "eth1: it is a port of nothing, not of bond0", "networkctl reconfigure eth1"),
        (
            "bond0",
            {"linkinfo": {"info_kind": "bond", "info_data": {"mode": "active-backup"}}},
            "bond0: mode is active-backup, not 802.3ad",
            "ip link delete bond0",
        ),
        (
            "bond0.30",
            {"linkinfo": {"info_kind": "vlan", "info_data": {"id": 31}}},
            "bond0.30: it is VLAN 31 of bond0, not 30 of bond0",
            "ip link delete bond0.30",
        ),
        (
            "br-vm",
            {"linkinfo": {"info_kind": "bridge", "info_data": {"vlan_filtering": 0}}},
            "br-vm: vlan_filtering is 0, not 1",
            "ip link set br-vm type bridge stp_state 0 forward_delay 0 vlan_filtering 1 vlan_default_pvid 10",
        ),
    ],
)
def test_drift_is_found_and_only_that_repaired(
    facts: dict[str, Any], ask: Judge, link: str, change: dict[str, Any], told: str, applied: str
) -> None:
    settle(facts, ask(**WANTED))
    facts["links"][link].update(change)
    found = ask(**WANTED)
    assert found["differences"] == [told]
    assert found["plan"]["touched"] == [link]
    assert any(applied in line for line in found["plan"]["apply"]), found["plan"]["apply"]
    assert found["plan"]["files"] == facts["files"]


def test_a_port_is_put_back_only_when_networkd_is_done_with_it(facts: dict[str, Any], ask: Judge) -> None:
    settle(facts, ask(**WANTED))
    facts["links"]["eth1"].update(master=None)
    lines = ask(**WANTED)["plan"]["apply"]
    again = lines.index("networkctl reconfigure eth1")
    (settled,) = [number for number, line in enumerate(lines) if "networkctl --no-legend list eth1" in line]
    (put_back,) = [number for number, line in enumerate(lines) if "ip link set eth1 master bond0" in line]
    assert again < settled < put_back


def test_a_link_that_is_made_anew_gets_back_its_ports_and_vlans(facts: dict[str, Any], ask: Judge) -> None:
    settle(facts, ask(**WANTED))
    facts["links"]["bond0"]["linkinfo"]["info_data"]["mode"] = "active-backup"
    lines = ask(**WANTED)["plan"]["apply"]
    assert lines[0] == "ip link delete bond0 2>/dev/null || true"
    for name in ("eth1", "eth2"):
        assert any(f"ip link set {name} master bond0" in line for line in lines)
    assert any("ip link add link bond0 name bond0.30 type vlan id 30" in line for line in lines)


def test_vlans_of_ports_are_added_and_taken_away_but_not_those_of_virtual_machines(
    facts: dict[str, Any], ask: Judge
) -> None:
    settle(facts, ask(**WANTED))
    facts["links"]["veth7"] = device("veth7", master="br-vm")
    facts["vlans"] = {"bond0": [100, 201, 202, 300], "veth7": [999]}
    found = ask(**WANTED)
    assert found["differences"] == [
        "bond0: it is not in VLAN 200",
        "bond0: it is in VLAN 300, which was not asked for",
    ]
    assert "bridge vlan delete dev bond0 vid 300" in found["plan"]["apply"]
    assert "999" not in "".join(found["plan"]["apply"])


def test_addresses_that_were_not_asked_for_stay(facts: dict[str, Any], ask: Judge) -> None:
    settle(facts, ask(**WANTED))
    facts["addresses"]["bond0.30"].append("198.51.100.200/32")
    assert ask(**WANTED)["differences"] == []


def test_what_is_no_longer_wanted_goes(facts: dict[str, Any], ask: Judge) -> None:
    settle(facts, ask(**WANTED))
    plan = ask()["plan"]
    assert plan["files"] == {}
    assert plan["removed"] == sorted(facts["files"])
    assert plan["apply"] == [
        "ip link delete br-vm 2>/dev/null || true",
        "ip link delete bond0.30 2>/dev/null || true",
        "ip link delete bond0 2>/dev/null || true",
        "ip link set eth1 nomaster",
        "ip link set eth2 nomaster",
        "networkctl reload || { sleep 2; networkctl reload; }",
    ]


def test_a_bridge_with_virtual_machines_does_not_go(facts: dict[str, Any], ask: Judge) -> None:
    settle(facts, ask(**WANTED))
    facts["links"]["veth7"] = device("veth7", master="br-vm")
    assert ask()["faults"] == [
        "network_bridges: br-vm is no longer wanted, and veth7 of virtual machines are in it; move them away"
    ]


def test_the_way_back_makes_the_host_what_it_was(facts: dict[str, Any], ask: Judge) -> None:
    facts["links"]["eth1"].update(master="br-old", mtu=1400, flags=[])
    facts["addresses"]["eth2"] = ["203.0.113.9/24"]
    back = ask(**WANTED)["plan"]["rollback"]
    assert back[:4] == [
        "ip link delete br-vm 2>/dev/null || true",
        "ip link delete bond0.30 2>/dev/null || true",
        "ip link delete bond0 2>/dev/null || true",
        "networkctl reload || { sleep 2; networkctl reload; } || true",
    ]
    for line in (
        "ip link set eth1 master br-old || true",
        "ip link set eth1 mtu 1400 || true",
        "ip link set eth1 down || true",
        "ip address replace 203.0.113.9/24 dev eth2 || true",
        "ip route replace default via 192.0.2.1 dev eth0 || true",
    ):
        assert line in back
    assert not [line for line in back if line.startswith("ip link delete br-old")]


def test_networks_are_told_with_the_mtu_that_must_pass(ask: Judge) -> None:
    assert ask(**WANTED)["networks"] == [
        {"link": "bond0.30", "address": "198.51.100.11", "network": "198.51.100.0/24", "mtu": 9000}
    ]


def test_netdev_files_are_read_by_a_parser_of_their_kind(ask: Judge) -> None:
    for path, text in ask(**WANTED)["plan"]["files"].items():
        if path.endswith((".netdev", ".network")):
            parser = configparser.ConfigParser(strict=False)
            parser.read_string(text)
            assert parser.sections()
