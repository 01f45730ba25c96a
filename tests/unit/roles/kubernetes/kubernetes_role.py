# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's variables and templates as Ansible renders them, without a host."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

REPOSITORY = Path(__file__).resolve().parents[4]
ROLE = REPOSITORY / "roles" / "kubernetes"
BINARIES = Path(os.environ.get("KUBEVIRT_HA_BINARIES", REPOSITORY / ".cache" / "lab" / "bin"))
HOST = {
    "inventory_hostname": "n1",
    "groups": {"control_plane": ["n1"]},
    "hostvars": {"n1": {"ansible_host": "192.0.2.11"}},
    "ansible_host": "192.0.2.11",
    "kubernetes_api_endpoint": "192.0.2.100:8443",
}


def value(expression: str, **given: Any) -> Any:
    """The value of an expression among the role's variables; `given` is what a user sets."""
    return _templar(given).template(trust_as_template("{{ " + expression + " }}"))


def text(template: str, **given: Any) -> str:
    """A template of the role as the module `template` renders it."""
    source = trust_as_template((ROLE / "templates" / template).read_text())
    return str(_templar(given).template(source, overrides={"trim_blocks": True, "keep_trailing_newline": True}))


def script(file: str, name: str, **given: Any) -> str:
    """What a task of the role, in a block or not, has a shell do."""
    tasks = DataLoader().load_from_file(str(ROLE / "tasks" / file), trusted_as_template=True)
    (found,) = [task for one in tasks for task in one.get("block", [one]) if task["name"] == name]
    return str(_templar(given).template(found["ansible.builtin.shell"]))


def inventory_faults(**given: Any) -> list[str]:
    """What the role finds wrong in an inventory."""
    (task,) = DataLoader().load_from_file(str(ROLE / "tasks" / "inventory.yml"), trusted_as_template=True)
    fact = task["ansible.builtin.set_fact"]
    return list(_templar({**task["vars"], **given}).template(fact["__kubernetes_inventory_faults"]))


def host_faults(**given: Any) -> list[str]:
    """What the role finds wrong with a host that is all right but for what is given."""
    tasks = DataLoader().load_from_file(str(ROLE / "tasks" / "faults.yml"), trusted_as_template=True)
    (task,) = [one for one in tasks if one["name"] == "List this host's faults"]
    said = {"machine": "x86_64", "memory_kib": 4 << 20, "address": 1, "encrypted": -1, "kernel": "6.1.0", "cgroup": 2}
    host = {"__kubernetes_host": {"stdout": json.dumps({**said, "running": ""})}, "__kubernetes_architecture": "amd64"}
    # What a task that was left out leaves.
    names = ("external_etcd", "disk", "release", "package_key_said", "package_list")
    skipped = {f"__kubernetes_{name}": {"skipped": True} for name in names}
    fact = task["ansible.builtin.set_fact"]
    return list(_templar({**task["vars"], **host, **skipped, **given}).template(fact["__kubernetes_faults"]))


@functools.cache
def _variables() -> dict[str, Any]:
    paths = [ROLE / name / "main.yml" for name in ("defaults", "vars")]
    return {
        key: found
        for path in paths
        for key, found in DataLoader().load_from_file(str(path), trusted_as_template=True).items()
    }


def _templar(given: dict[str, Any]) -> Templar:
    return Templar(loader=DataLoader(), variables={**_variables(), **HOST, **given})
