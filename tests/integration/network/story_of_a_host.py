# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside the host: wires it to an outside with a switch's bond and VLANs, lays out links, asks, plants drift, takes it all away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import machine_in_a_vlan
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network import read, service

WIRES = """
modprobe --all veth bridge 8021q; modprobe bonding max_bonds=0
ip netns add outside
for i in 1 2; do ip link add eth$i mtu 9000 type veth peer name sw$i netns outside mtu 9000; done
ip -n outside link add bond0 type bond mode 802.3ad lacp_rate fast miimon 100
for i in 1 2; do ip -n outside link set sw$i master bond0; ip -n outside link set sw$i up; done
ip -n outside link set bond0 mtu 9000 up
for id in 30 100 101 201; do ip -n outside link add link bond0 name v$id type vlan id $id; ip -n outside link set v$id up; done
ip -n outside address add 10.80.30.1/24 dev v30
ip -n outside address add 10.80.201.1/24 dev v201
"""
WANTED: dict[str, Any] = {
    "backend": "networkd",
    "bonds": [
        {"name": "bond0", "ports": ["eth1", "eth2"], "mode": "802.3ad", "options": {"lacp_rate": "fast"}, "mtu": 9000}
    ],
    "vlans": [
        {"parent": "bond0", "id": 30, "mtu": 9000, "addresses": ["10.80.30.2/24"]},
        {"name": "host201", "parent": "br-vm", "id": 201, "addresses": ["10.80.201.2/24"]},
    ],
    "bridges": [
        {"name": "br-vm", "ports": ["bond0"], "vlan_filtering": True, "vlans": [100, "200-202"], "untagged": 10}
    ],
}
DRIFTS = {
    "vlans": "bridge vlan delete dev bond0 vid 100; bridge vlan add dev bond0 vid 300",
    "mtu": "ip link set bond0 mtu 1500",
    "filtering": "ip link set br-vm type bridge vlan_filtering 0",
    "bond": "ip link delete bond0",
    "mode": "ip link delete bond0; ip link add bond0 type bond mode active-backup; ip link set bond0 up",
    "bridge": "ip link delete br-vm",
}


def sh(text: str) -> str:
    done = subprocess.run(["sh", "-c", text], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return f"{done.returncode} {done.stdout}".strip()


def run(words: list[str]) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def look(**wanted: Any) -> dict[str, Any]:
    facts = read.read(run, kinds=service.asked_kinds(wanted))
    return service.judge(facts, {"migration_namespace": "kubevirt", **wanted})


def apply(**wanted: Any) -> dict[str, Any]:
    """What the role does: files, commands, and a look until nothing differs."""
    first = look(**wanted)
    for path in first["plan"]["removed"]:
        Path(path).unlink()
    for path, text in first["plan"]["files"].items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    said = sh("set -e\n" + "\n".join(first["plan"]["apply"]))
    last = look(**wanted)
    for _attempt in range(20):
        if not last["differences"]:
            break
        time.sleep(1)
        last = look(**wanted)
    return {
        "faults": first["faults"],
        "before": first["differences"],
        "said": said,
        "after": last["differences"],
        "work": last["plan"]["work"],
    }


def ping(address: str, *, size: int = 56, space: str = "") -> bool:
    inside = f"ip netns exec {space} " if space else ""
    return any(sh(f"{inside}ping -c 1 -W 1 -M do -s {size} {address}").startswith("0 ") for _attempt in range(8))


def plug(script: str, act: str, vlan: int) -> str:
    tries = {"ACT": act, "TRIES": f"bridge br-vm {vlan} 1500 guest", "HOSTS": "9", "INDEX": "0"}
    done = subprocess.run(
        ["sh", "-c", script], env={**os.environ, **tries}, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def guests(script: str) -> dict[str, Any]:
    """A guest in a VLAN that the bridge carries, and one in another; each is asked for from outside, in its VLAN."""
    seen: dict[str, Any] = {}
    for vlan in (100, 101):
        seen[f"plugged_{vlan}"] = plug(script, "plug", vlan)
        address = sh("ip -n kvha-try-1 -o -4 address show dev try0").rsplit(" inet ", maxsplit=1)[-1].split("/")[0]
        sh(f"ip -n outside address add 198.19.0.1/15 dev v{vlan}")
        seen[f"reached_{vlan}"] = ping(address, size=1472, space="outside")
        sh(f"ip -n outside address delete 198.19.0.1/15 dev v{vlan}")
        plug(script, "unplug", vlan)
    return seen


def story(cache: Path) -> dict[str, Any]:
    script = (cache / "ansible_collections/virtops/kubevirt_ha/roles/network/files/try_attachments").read_text()
    seen: dict[str, Any] = {"kernel": os.uname().release, "wires": sh(f"set -e\n{WIRES}")}
    seen["layout"] = apply(**WANTED)
    seen["lacp"] = sh("grep --count 'churned' /proc/net/bonding/bond0; grep 'Number of ports' /proc/net/bonding/bond0")
    seen["bond_vlan"] = ping("10.80.30.2", size=8972, space="outside")
    seen["bond_vlan_too_large"] = ping("10.80.30.2", size=8973, space="outside")
    seen["bridge_vlan"] = ping("10.80.201.2", size=1472, space="outside")
    seen["guests"] = guests(script)
    seen["machine"] = machine_in_a_vlan.seen(cache, json.loads((cache / "attachment.json").read_text()))
    seen["drifts"] = {}
    for name, drift in DRIFTS.items():
        sh(drift)
        seen["drifts"][name] = {**apply(**WANTED), "bond_vlan": ping("10.80.30.2", size=8972, space="outside")}
    seen["restart"] = sh("systemctl restart systemd-networkd; sleep 5; networkctl list --no-legend")
    seen["after_restart"] = look(**WANTED)["differences"]
    seen["removed"] = apply(backend="networkd")
    seen["left"] = sh("ip -brief link | grep -E 'bond0|br-vm|host201'; ls /etc/systemd/network | grep kubevirt-ha")
    return seen


def main() -> None:
    try:
        seen = story(Path(sys.argv[1]))
    except Exception:
        seen = {"error": traceback.format_exc()}
    with open(sys.argv[2], "r+b") as result:
        result.write(json.dumps(seen, indent=1).encode())
        os.fsync(result.fileno())


main()
