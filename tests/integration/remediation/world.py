# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the cluster before a recovery: nodes, leases, pods, virtual machines; each test begins with it anew."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import NotFound
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation import names
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.lock import micro_time
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import LEASE, NODE, POD, VM, VMI

Object = dict[str, Any]
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


class World:
    """Writes and reads objects with few words."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def build(self) -> None:
        """Three control planes, n2 silent for a minute; a VM, components and leaders on it."""
        self.clear()
        for name in ("n1", "n2", "n3"):
            self.node(name)
            silent, lasts = (60, 4) if name == "n2" else (0, 300)
            self.lease(names.NODE_LEASES, name, name, silent=silent, lasts=lasts)
            labels = {"component": "etcd", "tier": "control-plane"}
            self.pod("kube-system", f"etcd-{name}", name, labels=labels, mirror=True)
        self.pod("shop", "virt-launcher-web-abcde", "n2", labels={"kubevirt.io": "virt-launcher"})
        self.pod("kubevirt", "virt-controller-1", "n2")
        self.pod("kubevirt", "virt-controller-2", "n1")
        self.pod("shop", "cache-0", "n2")
        self.lease("kube-system", "kube-scheduler", "n2_4711")
        self.lease("kube-system", "kube-controller-manager", "n1_4711")
        self.lease("kubevirt", "virt-controller", "virt-controller-1")
        self.lease("shop", "n20", "n20_4711")
        self.vm("web", "Always", "n2")
        self.vm("batch", "Manual", "n2")

    def clear(self) -> None:
        for resource in (NODE, POD, VM, VMI, LEASE):
            for item in self.client.list(resource).items:
                meta = item["metadata"]
                self.client.delete(resource, meta["name"], meta.get("namespace"), grace_seconds=0)

    def node(self, name: str) -> None:
        labels = {names.CONTROL_PLANE: "", names.HOSTNAME: name}
        self.client.create(NODE, {"metadata": {"name": name, "labels": labels}})
        info = dict.fromkeys(
            ("machineID", "systemUUID", "kernelVersion", "osImage", "containerRuntimeVersion", "kubeletVersion")
            + ("kubeProxyVersion", "operatingSystem", "architecture"),
            "",
        )
        address = [{"type": "InternalIP", "address": "127.0.0.1"}]
        status = {**READY, "nodeInfo": {**info, "bootID": f"boot-1-of-{name}"}, "addresses": address}
        self.client.patch(NODE, name, {"status": status}, subresource="status")

    def new_boot(self, name: str) -> None:
        self.client.patch(NODE, name, {"status": {"nodeInfo": {"bootID": f"boot-2-of-{name}"}}}, subresource="status")

    def lease(self, namespace: str, name: str, holder: str, *, silent: float = 0, lasts: int = 15) -> None:
        spec = {"holderIdentity": holder, "leaseDurationSeconds": lasts, "renewTime": micro_time(time.time() - silent)}
        body = {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
        try:
            self.client.patch(LEASE, name, {"spec": spec}, namespace)
        except NotFound:
            self.client.create(LEASE, body, namespace)

    def pod(self, namespace: str, name: str, node: str, *, labels: Object | None = None, mirror: bool = False) -> None:
        annotations = {names.MIRROR: "x"} if mirror else {}
        meta: Object = {"name": name, "namespace": namespace, "labels": labels or {}, "annotations": annotations}
        if mirror:
            uid = self.client.get(NODE, node)["metadata"]["uid"]
            owner = {"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid, "controller": True}
            meta["ownerReferences"] = [owner]
        spec = {"nodeName": node, "containers": [{"name": "main", "image": "x"}]}
        self.client.create(POD, {"metadata": meta, "spec": spec}, namespace)
        self.client.patch(POD, name, {"status": READY}, namespace, subresource="status")

    def vm(self, name: str, strategy: str, node: str) -> None:
        self.client.create(
            VM,
            {
                "apiVersion": "kubevirt.io/v1",
                "kind": "VirtualMachine",
                "metadata": {"name": name},
                "spec": {"runStrategy": strategy},
            },
            "shop",
        )
        self.vmi(name, node, "Running")

    def vmi(self, name: str, node: str, phase: str) -> None:
        """Makes the VMI anew, as KubeVirt does after its launcher is gone."""
        self.client.delete(VMI, name, "shop")
        meta = {"name": name, "labels": {names.VMI_NODE: node}}
        body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": meta}
        self.client.create(VMI, {**body, "status": {"phase": phase, "nodeName": node}}, "shop")

    def taints(self, node: str) -> set[tuple[str, str]]:
        spec = self.client.get(NODE, node).get("spec") or {}
        return {(taint["key"], taint["effect"]) for taint in spec.get("taints") or []}

    def pods(self) -> set[str]:
        return {pod["metadata"]["name"] for pod in self.client.list(POD).items}

    def ready(self, name: str) -> bool:
        pod = next(pod for pod in self.client.list(POD).items if pod["metadata"]["name"] == name)
        return {"type": "Ready", "status": "True"} in [
            {key: each[key] for key in ("type", "status")} for each in pod["status"]["conditions"]
        ]

    def holder(self, namespace: str, name: str) -> str:
        return str(self.client.get(LEASE, name, namespace)["spec"].get("holderIdentity"))
