# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's variables and faults for a host of an inventory, without a host."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).resolve().parents[4] / "roles" / "maintenance"
HOSTS = ["n1", "n2", "n3"]
GROUPS = dict.fromkeys(("control_plane", "kvm_nodes", "load_balancers", "storage_nodes"), HOSTS)
BOOT = {
    "boot_id": "old",
    "since": "2026-03-01T10:00:00Z",
    "asked": False,
    "container": False,
    "kernel": "6.1.0-9-amd64",
    "newest": "6.1.0-9-amd64",
}
HOST = {"kubeadm": "", "packages": "", "halfway": "", "free_mib": 9000}
INFO: dict[str, Any] = {"under_way": [], "notes": {}, "left": [], "cordoned": []}


@cache
def load(name: str) -> Any:
    """What is in a YAML file of the role."""
    return DataLoader().load_from_file(str(ROLE / name), trusted_as_template=True)


def _templar(given: dict[str, Any], host: str, **more: Any) -> Templar:
    info = given.pop("info", {})
    hostvars = {name: {"inventory_hostname": name} for name in HOSTS}
    hostvars["n1"]["__maintenance_info"] = {**INFO, **info}  # type: ignore[assignment]
    for name, found in given.pop("hosts", {}).items():
        hostvars.setdefault(name, {"inventory_hostname": name}).update(found)
    variables = {
        **load("defaults/main.yml"),
        **load("vars/main.yml"),
        **more,
        "inventory_hostname": host,
        "groups": GROUPS,
        "hostvars": hostvars,
        "ansible_play_hosts_all": HOSTS,
        "__maintenance_booted": {"stdout": json.dumps({**BOOT, **given.pop("boot", {})})},
        **given,
    }
    return Templar(DataLoader(), variables=variables)


def value(name: str, host: str = "n2", **given: Any) -> Any:
    """A variable of the role; `info`, `boot` and `hosts` are what it found."""
    return _templar(given, host).template(trust_as_template("{{ " + name + " }}"))


def task(file: str, name: str) -> dict[str, Any]:
    """A task of one of its files, at its top."""
    return dict(next(one for one in load(f"tasks/{file}.yml") if one["name"] == name))


def _facts(file: str, name: str, fact: str, host: str, **given: Any) -> list[str]:
    found = task(file, name)
    return list(_templar(given, host, **found["vars"]).template(found["ansible.builtin.set_fact"][fact]))


def inventory_faults(**given: Any) -> list[str]:
    """What it says of an inventory before it asks a host."""
    return _facts("inventory", "Find faults of the inventory", "__maintenance_inventory_faults", "n1", **given)


def host_faults(said: dict[str, Any] | None = None, **given: Any) -> list[str]:
    """What it says of n2, which said this of itself."""
    given["__maintenance_host"] = {"stdout": json.dumps({**HOST, **(said or {})})}
    given = {"__maintenance_lists": {"skipped": True}, "__maintenance_simulated": {"rc": 0}, **given}
    return _facts("faults", "List this host's faults", "__maintenance_faults", "n2", **given)


def all_faults(**given: Any) -> list[str]:
    """What stops it before the first host is touched, from all that it found."""
    found = task("preflight", "Stop on any fault")
    nothing = {
        "__maintenance_inventory_faults": [],
        "__failover_drill_whole": {"faults": []},
        "__maintenance_ha": {"findings": []},
    }
    templar = _templar({**nothing, **given}, "n1", **found["vars"])
    return list(templar.template(trust_as_template("{{ __maintenance_all }}")))
