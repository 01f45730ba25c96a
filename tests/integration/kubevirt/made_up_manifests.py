# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests of an archive, as small as they may be, and a program that plays the operators of them by writing statuses."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Iterator
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, NotFound
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    CDI,
    DAEMON_SET,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    KUBEVIRT,
    NODE,
    Resource,
)

Object = dict[str, Any]
COMPONENTS = ("virt-operator", "virt-api", "virt-controller", "virt-handler", "virt-launcher", "virt-exportproxy")
CDI_VERSION = "v1.66.0"
CDI_IMAGES = tuple(f"{name}:{CDI_VERSION}" for name in ("cdi-operator", "cdi-controller"))
CDI_COMPONENTS = ("cdi-apiserver", "cdi-deployment", "cdi-uploadproxy")
REPLICATED = ("virt-api", "virt-controller", "virt-exportproxy")
ANY = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def crd(group: str, kind: str, version: str, *, cluster: bool = False, spec: Object | None = None) -> Object:
    """A definition that takes everything below spec, or what `spec` says."""
    plural = kind.lower() + "s"
    schema = {"type": "object", "properties": {"spec": spec or ANY, "status": ANY}}
    one = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Cluster" if cluster else "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [{**one, "subresources": {"status": {}}}],
        },
    }


def deployment(name: str, namespace: str, image: str, replicas: int, env: Object | None = None) -> Object:
    """A Deployment of one container."""
    labels = {"kubevirt.io": name} if namespace == "kubevirt" else {"app": name}
    managed = {"app.kubernetes.io/managed-by": "virt-operator"}
    variables = [{"name": key, "value": value} for key, value in (env or {}).items()]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": {**labels, **managed}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": name, "image": image, "env": variables}]},
            },
        },
    }


def _namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def files(registry: str, version: str, *, cdi: bool) -> dict[str, list[Object]]:
    """The manifests by file."""
    operator = deployment("virt-operator", "kubevirt", f"{registry}/virt-operator:{version}", 2)
    resource = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "KubeVirt",
        "metadata": {"name": "kubevirt", "namespace": "kubevirt"},
        "spec": {"imagePullPolicy": "IfNotPresent"},
    }
    found = {
        "kubevirt-operator.yaml": [_namespace("kubevirt"), crd("kubevirt.io", "KubeVirt", "v1"), operator],
        "kubevirt-cr.yaml": [resource],
    }
    if cdi:
        variables = {"CONTROLLER_IMAGE": f"{registry}/cdi-controller:{CDI_VERSION}"}
        image = f"{registry}/cdi-operator:{CDI_VERSION}"
        found["cdi-operator.yaml"] = [
            _namespace("cdi"),
            crd("cdi.kubevirt.io", "CDI", "v1beta1", cluster=True),
            deployment("cdi-operator", "cdi", image, 1, variables),
        ]
        meta = {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "CDI", "metadata": {"name": "cdi"}}
        found["cdi-cr.yaml"] = [{**meta, "spec": {"imagePullPolicy": "IfNotPresent"}}]
    return found


class Operators:
    """Does as virt-operator and cdi-operator do: makes Deployments as their objects ask, and tells that all are ready.

    budgets: whether disruption budgets are made that let one pod go.
    """

    def __init__(self, client: Client, *, budgets: bool = True) -> None:
        self._client, self._budgets = client, budgets
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.3):
            with contextlib.suppress(HaError):
                self._kubevirt()
            with contextlib.suppress(HaError):
                self._cdi()

    def _kubevirt(self) -> None:
        cr = self._client.get(KUBEVIRT, "kubevirt", "kubevirt")
        replicas = int(cr["spec"]["infra"]["replicas"])
        own = self._client.get(DEPLOYMENT, "virt-operator", "kubevirt")["spec"]["template"]["spec"]["containers"][0]
        version = own["image"].rpartition(":")[2]
        image = "quay.io/kubevirt/{}:" + version
        for name in REPLICATED:
            self._make(DEPLOYMENT, deployment(name, "kubevirt", image.format(name), replicas))
            if self._budgets:
                selector = {"matchLabels": {"kubevirt.io": name}}
                spec = {"minAvailable": replicas - 1, "selector": selector}
                meta = {"name": f"{name}-pdb", "namespace": "kubevirt"}
                budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": spec}
                self._make(DISRUPTION_BUDGET, budget)
        handler = deployment("virt-handler", "kubevirt", image.format("virt-handler"), 1)
        del handler["spec"]["replicas"]
        self._make(DAEMON_SET, {**handler, "kind": "DaemonSet"})
        self._ready("kubevirt")
        conditions = [{"type": "Available", "status": "True"}, {"type": "Degraded", "status": "False"}]
        told = {"observedKubeVirtVersion": version, "targetKubeVirtVersion": version, "phase": "Deployed"}
        status = {**told, "conditions": conditions, "observedGeneration": cr["metadata"]["generation"]}
        self._client.patch(KUBEVIRT, "kubevirt", {"status": status}, "kubevirt", subresource="status")

    def _cdi(self) -> None:
        cr = self._client.get(CDI, "cdi")
        infra = cr["spec"]["infra"]
        asked = (infra["apiServerReplicas"], infra["deploymentReplicas"], infra["uploadProxyReplicas"])
        for name, replicas in zip(CDI_COMPONENTS, asked, strict=True):
            self._make(DEPLOYMENT, deployment(name, "cdi", "quay.io/kubevirt/cdi-controller:v1.9.0", replicas))
        self._ready("cdi")
        status = {"phase": "Deployed", "conditions": [{"type": "Available", "status": "True"}]}
        self._client.patch(CDI, "cdi", {"status": status}, subresource="status")

    def _make(self, resource: Resource, body: Object) -> None:
        meta = body["metadata"]
        found = self._client.find(resource, meta["name"], meta["namespace"])
        if found is None:
            self._client.create(resource, copy.deepcopy(body), meta["namespace"])
        elif _differs(found, body):
            change = {key: value for key, value in body["spec"].items() if key in ("replicas", "template")}
            self._client.patch(resource, meta["name"], {"spec": change}, meta["namespace"])

    def _ready(self, namespace: str) -> None:
        for resource in (DEPLOYMENT, DAEMON_SET):
            for item in self._client.list(resource, namespace).items:
                number = item["spec"].get("replicas", 1)
                status = {"observedGeneration": item["metadata"]["generation"]}
                if resource is DEPLOYMENT:
                    status |= {"replicas": number, "updatedReplicas": number, "readyReplicas": number}
                else:
                    names = ("currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled")
                    status |= {**dict.fromkeys(names, 1), "updatedNumberScheduled": 1, "numberReady": 1}
                with contextlib.suppress(NotFound):
                    self._client.patch(
                        resource, item["metadata"]["name"], {"status": status}, namespace, subresource="status"
                    )


def _differs(found: Object, body: Object) -> bool:
    """Whether replicas or image are others than asked for."""

    def told(item: Object) -> tuple[Any, Any]:
        containers = ((item["spec"].get("template") or {}).get("spec") or {}).get("containers") or [{}]
        return item["spec"].get("replicas"), containers[0].get("image")

    return told(found) != told(body)


def add_nodes(client: Client, number: int) -> None:
    """Control planes without a kubelet."""
    labels = {"node-role.kubernetes.io/control-plane": ""}
    for index in range(number):
        name = f"c{index}"
        if client.find(NODE, name) is None:
            client.create(NODE, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
