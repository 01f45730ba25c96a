# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's variables as Ansible renders them for a host of an inventory, and the checkers of what is rendered."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).resolve().parents[4] / "roles" / "monitoring"
HOSTS = {"n1": "192.0.2.11", "n2": "192.0.2.12", "n3": "192.0.2.13", "w1": "192.0.2.21"}
SERVERS = ["n1", "n2", "n3"]
GROUPS = {
    "all": list(HOSTS),
    "control_plane": SERVERS,
    "kvm_nodes": list(HOSTS),
    "load_balancers": SERVERS[:2],
    "storage_nodes": SERVERS,
    "monitoring_nodes": SERVERS,
}
TOKENS = {
    "result": {
        "results": [
            {
                "result": {
                    "kind": "Secret",
                    "metadata": {"name": f"kubevirt-ha-{name}"},
                    "data": {"token": "dG9rZW4=", "ca.crt": "Y2E="},
                }
            }
            for name in ("prometheus", "collector")
        ]
    }
}


@functools.cache
def _load(name: str) -> Any:
    return DataLoader().load_from_file(str(ROLE / name), trusted_as_template=True)


def _task(file: str, name: str) -> dict[str, Any]:
    return dict(next(task for task in _load(f"tasks/{file}.yml") if task["name"] == name))


def _templar(given: dict[str, Any], host: str) -> Templar:
    own: dict[str, Any] = {
        "inventory_hostname": host,
        "ansible_host": HOSTS.get(host, ""),
        "groups": GROUPS,
        "hostvars": {name: {"ansible_host": address, **given} for name, address in HOSTS.items()},
        "ansible_search_path": [str(ROLE)],
        "kubernetes_api_endpoint": "192.0.2.100:8443",
        "kubernetes_kubeconfig": "/root/admin.conf",
        "load_balancer_vips": [{"name": "api", "address": "192.0.2.100", "port": 8443}],
        "__monitoring_applied": TOKENS,
        "__monitoring_look": {"stdout_lines": []},
    }
    loader = DataLoader()
    loader.set_basedir(str(ROLE))
    variables = {**_load("defaults/main.yml"), **_load("vars/main.yml"), **own, **given}
    read = _task("inventory", "Find faults of the inventory")
    hosts = read["ansible.builtin.set_fact"]["__monitoring_hosts"]
    variables["__monitoring_hosts"] = Templar(loader, variables={**variables, **read["vars"]}).template(hosts)
    return Templar(loader, variables=variables)


def value(name: str, host: str = "n1", **given: Any) -> Any:
    """A variable of the role."""
    return _templar(given, host).template(trust_as_template("{{ " + name + " }}"))


_files: dict[str, dict[str, dict[str, Any]]] = {}


def files(host: str = "n1", **given: Any) -> dict[str, dict[str, Any]]:
    """What lies on a host, by path; rendered once a host and setting."""
    key = f"{host} {given!r}"
    if key not in _files:
        _files[key] = {entry["path"]: entry for entry in value("__monitoring_files", host, **given)}
    return _files[key]


def services(host: str = "n1", **given: Any) -> list[dict[str, Any]]:
    """What runs on a host and what reads again, as two tasks are given it."""
    rounds = _templar(given, host).template(_task("configure", "Run them")["loop"])
    return [entry for entries in rounds for entry in entries]


def task_value(file: str, name: str, fact: str, host: str = "n1", **given: Any) -> Any:
    """What a task of the role sets as a fact."""
    task = _task(file, name)
    return _templar({**task.get("vars", {}), **given}, host).template(task["ansible.builtin.set_fact"][fact])


def program(name: str) -> str:
    """A program of the nodes' system, or of this machine; the test is skipped where there is none."""
    for folder in Path(__file__).resolve().parents:
        path = folder / ".cache" / "lab" / "system" / "usr" / "bin" / name
        if path.is_file():
            return str(path)
    found = shutil.which(name)
    if not found:
        pytest.skip(f"there is no {name}: `make lab` brings it")
    return found


def check(command: list[str]) -> None:
    """Fails with the program's words where it refuses."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
