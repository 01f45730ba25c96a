# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the playbooks, module arguments and objects that are measured; all of them ask for the same machines."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

IMAGE = "registry.example.com/guest:1"
INVENTORY_NAMESPACES = 50
_DEVICES = {
    "disks": [{"name": "root", "disk": {"bus": "virtio"}}],
    "interfaces": [{"name": "default", "masquerade": {}}],
}
_INSTANCE = {
    "domain": {"memory": {"guest": "64Mi"}, "devices": _DEVICES},
    "networks": [{"name": "default", "pod": {}}],
    "volumes": [{"name": "root", "containerDisk": {"image": IMAGE}}],
}
_SPEC = {"runStrategy": "Halted", "template": {"metadata": {"labels": {"app": "bench"}}, "spec": _INSTANCE}}


def names(count: int) -> list[str]:
    """The machines' names."""
    return [f"vm-{index:05d}" for index in range(count)]


def machine(name: str, namespace: str) -> Object:
    """One machine, stopped, as an object of KubeVirt's API."""
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": meta, "spec": _SPEC}


def running_instance(index: int, namespaces: list[str]) -> Object:
    """One stand-alone instance that runs, in one of the namespaces by turns."""
    meta = {
        "name": f"vmi-{index:05d}",
        "namespace": namespaces[index % len(namespaces)],
        "labels": {"app": f"app-{index % 20}", "tier": "web" if index % 2 else "db"},
    }
    address = f"10.{index // 65536 % 256}.{index // 256 % 256}.{index % 256}"
    interface = {"name": "default", "ipAddress": address, "ipAddresses": [address], "mac": "02:00:00:00:00:01"}
    status = {
        "phase": "Running",
        "nodeName": f"node-{index % 20}",
        "interfaces": [interface],
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "LiveMigratable", "status": "True"}],
        "guestOSInfo": {"id": "fedora", "name": "Fedora Linux"},
    }
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": meta,
        "spec": _INSTANCE,
        "status": status,
    }


def ours_arguments(count: int, namespace: str) -> Object:
    """The arguments of `virtops.kubevirt_ha.vm`."""
    defaults = {
        "run_strategy": "Halted",
        "memory": "64Mi",
        "template_labels": {"app": "bench"},
        "disks": [{"name": "root", "container_disk": IMAGE}],
        "networks": [{"name": "default", "pod": True}],
    }
    vms = [{"name": name} for name in names(count)]
    return {"namespace": namespace, "wait": False, "defaults": defaults, "vms": vms}


def ours(count: int, namespace: str) -> list[Object]:
    """One task of `virtops.kubevirt_ha.vm`."""
    return _play({"virtops.kubevirt_ha.vm": ours_arguments(count, namespace)})


def k8s(count: int, namespace: str) -> list[Object]:
    """One task of `kubernetes.core.k8s` with the list of objects."""
    objects = [machine(name, namespace) for name in names(count)]
    return _play({"kubernetes.core.k8s": {"state": "present", "definition": objects}})


def kubevirt_vm(count: int, namespace: str) -> list[Object]:
    """One task of `kubevirt.core.kubevirt_vm` in a loop, for it takes one machine."""
    arguments = {
        "name": "{{ item }}",
        "namespace": namespace,
        "run_strategy": "Halted",
        "labels": {"app": "bench"},
        "spec": _INSTANCE,
        "wait": False,
    }
    return _play({"kubevirt.core.kubevirt_vm": arguments, "loop": names(count)})


def empty() -> list[Object]:
    """One task that does nothing: what Ansible itself takes."""
    return _play({"ansible.builtin.ping": {}})


def _play(task: Object) -> list[Object]:
    python = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    return [{"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": python, "tasks": [task]}]
