# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform on the stand-in's simulated nodes: all that the kubelets and controllers which are not there would have written."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Conflict
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    CONFIG_MAP,
    DAEMON_SET,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    ENDPOINT_SLICE,
    LEASE,
    NAMESPACE,
    NODE,
    POD,
    PRIORITY_CLASS,
    PVC,
    SECRET,
    STORAGE_CLASS,
    VM,
    VMI,
    Resource,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Object = dict[str, Any]

NODES = ("simulated-1", "simulated-2", "simulated-3")
READY = {"conditions": [{"type": "Ready", "status": "True"}]}
VIP = "10.77.0.100"
HEARTBEAT = "kubevirt.io/heartbeat"
CLUSTER_ROLE = Resource("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_BINDING = Resource(
    "rbac.authorization.k8s.io/v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False
)
ROLE_BINDING = Resource("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding")


def moment(age: float = 0.0) -> str:
    return datetime.fromtimestamp(time.time() - age, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def certificate(left: timedelta, life: timedelta = timedelta(days=100)) -> str:
    """A certificate that is valid for so long still, as base64 of its PEM."""
    key, end = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC) + left
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(end - life).not_valid_after(end)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return base64.b64encode(pem).decode()


class Platform:
    """Writes objects, and changes them for a while."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def make(self, resource: Resource, name: str, namespace: str | None = None, **parts: Any) -> None:
        """An object with its status; one of its name that is there already is kept."""
        status = parts.pop("status", None)
        labels, annotations = parts.pop("labels", {}), parts.pop("annotations", {})
        meta = {"name": name, "labels": labels, "annotations": annotations}
        with suppress(Conflict):
            self.client.create(
                resource,
                {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, **parts},
                namespace,
            )
        if status:
            self.client.patch(resource, name, {"status": status}, namespace, subresource="status")

    @contextmanager
    def made(self, resource: Resource, name: str, namespace: str | None = None, **parts: Any) -> Iterator[None]:
        self.make(resource, name, namespace, **parts)
        try:
            yield
        finally:
            self.client.delete(resource, name, namespace, grace_seconds=0)

    @contextmanager
    def changed(
        self,
        resource: Resource,
        name: str,
        body: Object,
        back: Object,
        namespace: str | None = None,
        sub: str | None = None,
    ) -> Iterator[None]:
        self.client.patch(resource, name, body, namespace, subresource=sub)
        try:
            yield
        finally:
            self.client.patch(resource, name, back, namespace, subresource=sub)

    @contextmanager
    def gone(self, resource: Resource, name: str, namespace: str | None = None) -> Iterator[None]:
        found = self.client.get(resource, name, namespace)
        self.client.delete(resource, name, namespace, grace_seconds=0)
        try:
            yield
        finally:
            meta = {
                key: found["metadata"][key] for key in ("name", "labels", "annotations") if key in found["metadata"]
            }
            kept = {key: value for key, value in found.items() if key not in ("metadata", "status")}
            self.client.create(resource, {**kept, "metadata": meta}, namespace)

    def pod(self, namespace: str, name: str, node: str, labels: Object) -> None:
        spec = {"nodeName": node, "containers": [{"name": "main", "image": "x"}]}
        self.make(POD, name, namespace, labels=labels, spec=spec, status=READY)

    def build(self) -> None:
        """Three control planes that run machines, KubeVirt's components spread over them, one note of a backup."""
        for number, name in enumerate(NODES, 1):
            self._node(name, number)
        self._etcd()
        for name, replicas in (("virt-api", 3), ("virt-controller", 3), ("virt-operator", 2)):
            self._component(name, replicas)
        self._handlers()
        self.leases()
        slices = [{"addresses": [f"10.77.0.1{number}"], "conditions": {"ready": True}} for number in (1, 2, 3)]
        labels = {"kubernetes.io/service-name": "kubernetes"}
        self.make(ENDPOINT_SLICE, "kubernetes", "default", labels=labels, addressType="IPv4", endpoints=slices)
        data = {"taken_at": moment(60), "hash": "9c1f", "location": "s3://backups/etcd"}
        self.make(CONFIG_MAP, "kubevirt-ha-etcd-backup", "kube-system", data=data)
        self.make(PRIORITY_CLASS, "important", value=1000)
        pair = {"tls.crt": certificate(timedelta(days=50)), "tls.key": base64.b64encode(b"hunter-key").decode()}
        self.make(SECRET, "kubevirt-virt-api-certs", "kubevirt", type="kubernetes.io/tls", data=pair)
        self.client.patch(STORAGE_CLASS, "simulated", {"allowVolumeExpansion": True})
        self.make(NAMESPACE, "shop")
        self.machine("web")

    def _node(self, name: str, number: int) -> None:
        # The API server taints a new node as not ready; who takes the taint away is not there.
        labels = {"node-role.kubernetes.io/control-plane": ""}
        self.client.patch(NODE, name, {"metadata": {"labels": labels}, "spec": {"taints": None}})
        address = [{"type": "InternalIP", "address": f"10.77.0.1{number}"}]
        self.client.patch(NODE, name, {"status": {"addresses": address}}, subresource="status")

    def _etcd(self) -> None:
        for name in NODES:
            self.pod("kube-system", f"etcd-{name}", name, {"component": "etcd", "tier": "control-plane"})

    def _component(self, name: str, replicas: int) -> None:
        labels = {"kubevirt.io": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": name, "image": "x"}]}}
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        status = {"replicas": replicas, "readyReplicas": replicas}
        self.make(DEPLOYMENT, name, "kubevirt", labels=labels, spec=spec, status=status)
        for node in NODES[:replicas]:
            self.pod("kubevirt", f"{name}-{node}", node, labels)
        if name != "virt-operator":
            budget = {"minAvailable": replicas - 1, "selector": {"matchLabels": labels}}
            self.make(DISRUPTION_BUDGET, f"{name}-pdb", "kubevirt", spec=budget)
            self._wait_for_budget(f"{name}-pdb")

    def _wait_for_budget(self, name: str) -> None:
        """The disruption controller is a real one, and says first that nothing may be disrupted."""
        end = time.monotonic() + 30
        while not (self.client.get(DISRUPTION_BUDGET, name, "kubevirt").get("status") or {}).get("disruptionsAllowed"):
            assert time.monotonic() < end, f"PodDisruptionBudget {name} allows nothing"
            time.sleep(0.2)

    def _handlers(self) -> None:
        labels = {"kubevirt.io": "virt-handler"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
        counts = ("currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady")
        status = {**dict.fromkeys(counts, len(NODES)), "numberMisscheduled": 0}
        spec = {"selector": {"matchLabels": labels}, "template": template}
        self.make(DAEMON_SET, "virt-handler", "kubevirt", labels=labels, spec=spec, status=status)
        for node in NODES:
            self.pod("kubevirt", f"virt-handler-{node}", node, labels)

    def leases(self) -> None:
        """The leases, all of them renewed just now and for an hour."""
        self.lease("kubevirt", "virt-controller", f"virt-controller-{NODES[0]}")
        self.lease("kubevirt", "virt-operator", f"virt-operator-{NODES[1]}")
        self.lease("kube-system", "kube-scheduler", f"{NODES[0]}_4711")
        self.lease("kube-system", "kube-controller-manager", f"{NODES[1]}_4711")

    def lease(self, namespace: str, name: str, holder: str) -> None:
        renewed = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": holder, "leaseDurationSeconds": 3600, "renewTime": renewed}
        self.make(LEASE, name, namespace, spec=spec)

    def machine(self, name: str, namespace: str = "shop", mode: str = "ReadWriteMany", **spec: Any) -> None:
        """A machine that runs, on a claim of the simulated class."""
        resources = {"requests": {"storage": "1Gi"}}
        claim = {"accessModes": [mode], "storageClassName": "simulated", "resources": resources}
        self.make(PVC, name, namespace, spec=claim)
        instance = {
            "evictionStrategy": "LiveMigrate",
            "priorityClassName": "important",
            "terminationGracePeriodSeconds": 1,
            "domain": {
                "cpu": {"model": "qemu64"},
                "memory": {"guest": "1Gi"},
                "devices": {
                    "disks": [{"name": "root", "disk": {"bus": "virtio"}}],
                    "interfaces": [{"name": "default", "masquerade": {}}],
                },
            },
            "networks": [{"name": "default", "pod": {}}],
            "volumes": [{"name": "root", "persistentVolumeClaim": {"claimName": name}}],
            **spec,
        }
        template = {"metadata": {"labels": {"app": name}}, "spec": instance}
        self.make(VM, name, namespace, spec={"runStrategy": "Always", "template": template})
        self.wait_for_machine(name, namespace)

    def wait_for_machine(self, name: str, namespace: str) -> None:
        end = time.monotonic() + 60
        while not (self.client.get(VM, name, namespace).get("status") or {}).get("ready"):
            assert time.monotonic() < end, f"VM {namespace}/{name} is not ready"
            time.sleep(0.2)

    def wait_until_gone(self, name: str, namespace: str, *resources: Resource) -> None:
        end = time.monotonic() + 60
        while left := [one.kind for one in resources if self.client.find(one, name, namespace)]:
            assert time.monotonic() < end, f"{left} {namespace}/{name} does not go"
            time.sleep(0.2)

    @contextmanager
    def ran(self, name: str, namespace: str = "shop", mode: str = "ReadWriteMany", **spec: Any) -> Iterator[None]:
        """A machine that is there for a while."""
        self.machine(name, namespace, mode, **spec)
        try:
            yield
        finally:
            # A claim goes only when a controller has seen that nothing uses it; the next one of its name must be a new one.
            self.client.delete(VM, name, namespace)
            self.wait_until_gone(name, namespace, VM, VMI)
            self.client.delete(PVC, name, namespace)
            self.wait_until_gone(name, namespace, PVC)


def write_heartbeat(folder: Path) -> None:
    """The heartbeat of a watcher that would act."""
    (folder / "heartbeat.json").write_text(f'{{"at": {time.time()}, "automatic": true, "api": "known", "nodes": {{}}}}')
