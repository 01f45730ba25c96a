# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's variables, templates and faults for a host of an inventory, without a host."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).resolve().parents[4] / "roles" / "load_balancer"
HOSTS = {"n1": "192.0.2.11", "n2": "192.0.2.12", "n3": "192.0.2.13"}
API = {
    "name": "api",
    "address": "192.0.2.100",
    "port": 8443,
    "backends": {"group": "control_plane", "port": 6443, "check": "/readyz"},
}
INGRESS = {
    "name": "ingress",
    "address": "192.0.2.101",
    "port": 443,
    "backends": {"group": "kvm_nodes", "port": 30443, "check": "/healthz", "check_kind": "http", "check_port": 10254},
}
# Shares the ingress's address.
VMS = {"name": "vms", "address": "192.0.2.101", "port": 2222, "backends": {"group": "kvm_nodes", "port": 30022}}


@cache
def _load(name: str) -> Any:
    return DataLoader().load_from_file(str(ROLE / name), trusted_as_template=True)


def _templar(given: dict[str, Any], host: str, **more: Any) -> Templar:
    members = list(HOSTS)
    variables = {
        **_load("defaults/main.yml"),
        **_load("vars/main.yml"),
        **more,
        "inventory_hostname": host,
        "ansible_host": HOSTS.get(host, ""),
        "groups": {"all": members, "load_balancers": members, "control_plane": members, "kvm_nodes": members[:2]},
        "hostvars": {name: {"ansible_host": address} for name, address in HOSTS.items()},
        "__load_balancer_link": "eth0",
        **given,
    }
    return Templar(DataLoader(), variables=variables)


def _task(file: str, name: str) -> dict[str, Any]:
    return next(task for task in _load(f"tasks/{file}.yml") if task["name"] == name)


def value(name: str, host: str = "n1", **given: Any) -> Any:
    """A variable of the role."""
    return _templar(given, host).template(trust_as_template("{{ " + name + " }}"))


def render(template: str, host: str = "n1", **given: Any) -> str:
    """A file as the role would write it."""
    text = (ROLE / "templates" / template).read_text()
    return str(_templar(given, host).template(trust_as_template(text)))


def inventory_faults(**given: Any) -> list[str]:
    """What preflight says of an inventory before it asks a host."""
    task = _task("inventory", "Find faults of the inventory")
    found = _templar(given, "localhost", **task["vars"]).template(
        task["ansible.builtin.set_fact"]["__load_balancer_inventory_faults"]
    )
    return list(found)


def host_faults(answers: list[str], heard: str = "[]", **given: Any) -> list[str]:
    """What preflight says of n1, which gave these answers: one of `ip` a VIP, and the VRRP adverts it heard."""
    asked = {"results": [{"stdout": answer} for answer in answers]}
    said = {"__load_balancer_asked": asked, "__load_balancer_heard": {"stdout": heard}, **given}
    said["hostvars"] = {
        name: {"ansible_host": address, **({"__load_balancer_asked": asked} if name == "n1" else {})}
        for name, address in HOSTS.items()
    }
    task = _task("faults", "List this host's faults")
    return list(
        _templar(said, "n1", **task["vars"]).template(task["ansible.builtin.set_fact"]["__load_balancer_faults"])
    )
