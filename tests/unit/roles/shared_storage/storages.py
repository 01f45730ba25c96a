# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's variables, templates and faults for a host of an inventory, without a host."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).resolve().parents[4] / "roles" / "shared_storage"
HOSTS = {"n1": "192.0.2.11", "n2": "192.0.2.12", "n3": "192.0.2.13"}
CEPH = {
    "shared_storage_backend": "cephfs",
    "shared_storage_ceph_cluster_id": "11111111-2222-3333-4444-555555555555",
    "shared_storage_ceph_monitors": ["192.0.2.21:6789", "192.0.2.22:6789"],
    "shared_storage_ceph_filesystem": "vms",
    "shared_storage_ceph_pool": "vms-rbd",
    "shared_storage_ceph_key": "c2VjcmV0",
}
OWN_CEPH = {"shared_storage_backend": "cephfs", "shared_storage_ceph_cluster": "own"}
NFS = {
    "shared_storage_backend": "nfs",
    "shared_storage_nfs_server": "192.0.2.31",
    "shared_storage_nfs_share": "/export/vms",
}
CSI = {"shared_storage_backend": "csi", "shared_storage_classes": [{"name": "san"}]}


@cache
def _load(name: str) -> Any:
    return DataLoader().load_from_file(str(ROLE / name), trusted_as_template=True)


def _templar(given: dict[str, Any], host: str = "n1", **more: Any) -> Templar:
    nodes = list(HOSTS)
    variables = {
        **_load("defaults/main.yml"),
        **_load("vars/main.yml"),
        **more,
        "inventory_hostname": host,
        "ansible_host": HOSTS.get(host, ""),
        "groups": {"storage_nodes": nodes, "kvm_nodes": nodes},
        "hostvars": {name: {"ansible_host": address} for name, address in HOSTS.items()},
        "ansible_play_hosts": nodes,
        "ansible_play_hosts_all": nodes,
        "__shared_storage_there": [],
        **given,
    }
    return Templar(DataLoader(), variables=variables)


def _tasks(tasks: list[dict[str, Any]]) -> Any:
    for task in tasks:
        yield task
        yield from _tasks(task.get("block", []))


def _fact(file: str, name: str, fact: str, given: dict[str, Any]) -> list[str]:
    task = next(task for task in _tasks(_load(f"tasks/{file}.yml")) if task["name"] == name)
    return list(_templar(given, **task.get("vars", {})).template(task["ansible.builtin.set_fact"][fact]))


def value(name: str, host: str = "n1", **given: Any) -> Any:
    """A variable of the role, or an expression among them."""
    return _templar(given, host).template(trust_as_template("{{ " + name + " }}"))


def render(template: str, host: str = "n1", **given: Any) -> str:
    """A file as the role would write it."""
    source = trust_as_template((ROLE / "templates" / template).read_text())
    text = _templar(given, host).template(source, overrides={"trim_blocks": True, "keep_trailing_newline": True})
    return str(text or "")


def objects(template: str = "classes.yaml.j2", **given: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """(kind, name) → object, of a template with manifests."""
    found = yaml.safe_load_all(render(template, **given))
    return {(item["kind"], item["metadata"]["name"]): item for item in found if item}


def inventory_faults(**given: Any) -> list[str]:
    """What preflight says of an inventory before it asks a host."""
    return _fact("inventory", "Find faults of the inventory", "__shared_storage_inventory_faults", given)


def cluster_faults(
    classes: Any, snapshots: Any = (), profiles: Any = (), *, crd: bool = True, **given: Any
) -> list[str]:
    """What it says of given classes in a cluster with these objects; `classes` None: the cluster cannot be asked."""
    read = [
        {"resources": classes} if classes is not None else {"msg": "no route"},
        {"resources": list(snapshots), "api_found": crd},
        {"resources": list(profiles)},
    ]
    given = {**given, "__shared_storage_read": {"results": read}}
    return _fact("cluster", "Find faults of given classes", "__shared_storage_cluster_faults", given)


def host_faults(
    answer: dict[str, Any] | None = None, disks: Any = (), nfs: Any = None, holders: Any = (), **given: Any
) -> list[str]:
    """What it says of n1, which gave these answers.

    answer: of its place; disks: [(device, words)]; nfs: words; holders: names of the hosts that hold the volume.
    """
    place = {
        "address": 1,
        "on_root": False,
        "fuse": True,
        "mounted": False,
        "entries": 0,
        "volume": False,
        **(answer or {}),
    }
    given = {
        "hostvars": {
            name: {
                "ansible_host": address,
                "__shared_storage_host": {"stdout": json.dumps({"volume": name in holders})},
            }
            for name, address in HOSTS.items()
        },
        **given,
        "__shared_storage_host": {"stdout": json.dumps(place)} if answer is not None else {"skipped": True},
        "__shared_storage_disks": {"results": [{"item": device, "stdout": words} for device, words in disks]},
        "__shared_storage_nfs": {"skipped": True}
        if nfs is None
        else {"rc": 1 if nfs else 0, "stdout": nfs, "stderr": ""},
    }
    return _fact("faults", "List this host's faults", "__shared_storage_faults", given)
