# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster made up of plain objects in which nothing is amiss, so that each test breaks one thing and sees just that."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import key_of
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info import capacity, checks
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import Backup, Cluster, Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.sources import (
    Scope,
    custom_resource,
    sources,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.view import View
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.x509 import Certificate

Object = dict[str, Any]

NOW = 1_790_000_000.0
DAY = 86400.0
GIB = 2**30
NODES = ("n1", "n2", "n3", "n4", "n5", "n6")
CONTROL_PLANES = ("n1", "n3", "n5")
HOST = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
VIP = "10.0.0.100"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def moment(age: float = 0.0) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - age))


def conditions(**states: str) -> list[Object]:
    return [{"type": kind, "status": state} for kind, state in states.items()]


def node(name: str, *, memory: str = "64Gi", cpu: str = "16", **labels: str) -> Object:
    """Two nodes a zone, the first of which carries the control plane."""
    number = int(name[1:])
    role = {"node-role.kubernetes.io/control-plane": ""} if name in CONTROL_PLANES else {}
    fixed = {HOST: name, ZONE: f"zone-{(number + 1) // 2}", "kubevirt.io/schedulable": "true", "cpumanager": "true"}
    models = {"cpu-model.node.kubevirt.io/Haswell": "true"}
    room = {"cpu": cpu, "memory": memory, "pods": "110", "devices.kubevirt.io/kvm": "1k", "example.com/gpu": "2"}
    return {
        "metadata": {
            "name": name,
            "labels": {**role, **fixed, **models, **labels},
            "annotations": {"kubevirt.io/heartbeat": moment(20)},
        },
        "spec": {},
        "status": {
            "conditions": conditions(Ready="True"),
            "allocatable": room,
            "addresses": [{"type": "InternalIP", "address": f"10.0.0.{number}"}],
            "nodeInfo": {"kubeletVersion": "v1.34.4", "kernelVersion": "6.1.0"},
        },
    }


def pod(namespace: str, name: str, on: str, labels: Object | None = None, **requests: str) -> Object:
    return {
        "metadata": {"namespace": namespace, "name": name, "labels": labels or {}},
        "spec": {"nodeName": on, "containers": [{"name": "main", "resources": {"requests": requests}}]},
        "status": {"conditions": conditions(Ready="True")},
    }


def deployment(name: str, replicas: int, labels: Object | None = None) -> Object:
    labels = {"kubevirt.io": name} if labels is None else labels
    return {
        "metadata": {"namespace": "kubevirt", "name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}},
        },
        "status": {"replicas": replicas, "readyReplicas": replicas},
    }


def budget(namespace: str, name: str, labels: Object, allowed: int | None = 1, **rule: Any) -> Object:
    return {
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"selector": {"matchLabels": labels}, **rule},
        "status": {} if allowed is None else {"disruptionsAllowed": allowed},
    }


def lease(namespace: str, name: str, holder: str, age: float = 3.0) -> Object:
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": moment(age)}
    return {"metadata": {"namespace": namespace, "name": name}, "spec": spec}


def claim(
    namespace: str, name: str, *modes: str, storage_class: str = "shared", labels: Object | None = None
) -> Object:
    return {
        "metadata": {"namespace": namespace, "name": name, "labels": labels or {}},
        "spec": {"accessModes": list(modes), "storageClassName": storage_class, "volumeName": f"pv-{namespace}-{name}"},
        "status": {"accessModes": list(modes)},
    }


def volume(namespace: str, name: str, *modes: str, on: str = "", **source: Any) -> Object:
    spec: Object = {"accessModes": list(modes), **(source or {"csi": {"driver": "d"}})}
    if on:
        rule = {"matchExpressions": [{"key": HOST, "operator": "In", "values": [on]}]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [rule]}}
    return {"metadata": {"name": f"pv-{namespace}-{name}"}, "spec": spec}


def instance_spec(name: str) -> Object:
    return {
        "evictionStrategy": "LiveMigrate",
        "priorityClassName": "important",
        "domain": {"cpu": {"model": "Haswell"}, "devices": {"disks": [{"name": "root", "disk": {"bus": "virtio"}}]}},
        "volumes": [{"name": "root", "persistentVolumeClaim": {"claimName": f"{name}-root"}}],
    }


@dataclass
class World:
    """Objects by the name of the source that reads them; `facts` are what no LIST tells."""

    objects: dict[str, list[Object]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    settings: Settings = Settings()

    def add(self, source: str, *items: Object) -> None:
        self.objects.setdefault(source, []).extend(copy.deepcopy(item) for item in items)

    def get(self, source: str, name: str) -> Object:
        return next(item for item in self.objects[source] if item["metadata"]["name"] == name)

    def remove(self, source: str, name: str) -> None:
        self.objects[source] = [item for item in self.objects[source] if item["metadata"]["name"] != name]

    def set(self, **limits: Any) -> None:
        self.settings = replace(self.settings, **limits)

    def machine(
        self, name: str, on: str, *, namespace: str = "shop", memory: str = "4Gi", labels: Object | None = None
    ) -> None:
        """A running machine with its instance, launcher pod, claim and volume."""
        spec, meta = instance_spec(name), {"namespace": namespace, "name": name}
        self.add(
            "vms",
            {
                "metadata": meta,
                "spec": {"runStrategy": "Always", "template": {"spec": spec}},
                "status": {"printableStatus": "Running", "created": True, "ready": True},
            },
        )
        owner = {"kind": "VirtualMachine", "name": name, "controller": True}
        self.add(
            "vmis",
            {
                "metadata": {**meta, "uid": f"uid-{name}", "ownerReferences": [owner]},
                "spec": spec,
                "status": {
                    "phase": "Running",
                    "nodeName": on,
                    "conditions": conditions(Ready="True", LiveMigratable="True", StorageLiveMigratable="True"),
                },
            },
        )
        labels = {"kubevirt.io": "virt-launcher", "kubevirt.io/created-by": f"uid-{name}", **(labels or {})}
        launcher = pod(namespace, f"virt-launcher-{name}", on, labels, cpu="1", memory=memory)
        launcher["metadata"]["annotations"] = {"kubevirt.io/domain": name}
        selector = {"kubevirt.io/schedulable": "true", "cpu-model.node.kubevirt.io/Haswell": "true"}
        launcher["spec"]["nodeSelector"] = selector
        self.add("pods", launcher)
        self.add("claims", claim(namespace, f"{name}-root", "ReadWriteMany"))
        self.add("volumes", volume(namespace, f"{name}-root", "ReadWriteMany"))

    def change_spec(self, name: str, **changes: Any) -> None:
        """Changes the spec of a machine, its instance and, as far as it is a rule of scheduling, its pod."""
        self.get("vms", name)["spec"]["template"]["spec"].update(copy.deepcopy(changes))
        for item in [one for one in self.objects["vmis"] if one["metadata"]["name"] == name]:
            item["spec"].update(copy.deepcopy(changes))
        for item in [one for one in self.objects["pods"] if one["metadata"]["name"] == f"virt-launcher-{name}"]:
            item["spec"].update({key: changes[key] for key in ("affinity", "tolerations") if key in changes})
            item["spec"]["nodeSelector"].update(changes.get("nodeSelector") or {})

    def refuse(self, name: str, kind: str, reason: str, message: str = "because") -> None:
        """Lets a condition of an instance be False."""
        found = self.get("vmis", name)["status"]["conditions"]
        found[:] = [one for one in found if one["type"] != kind]
        found.append({"type": kind, "status": "False", "reason": reason, "message": message})

    def halt(self, name: str, strategy: str = "Halted") -> None:
        """Stops a machine."""
        vm = self.get("vms", name)
        vm["spec"]["runStrategy"] = strategy
        vm["status"] = {"printableStatus": "Stopped"}
        self.remove("vmis", name)
        self.remove("pods", f"virt-launcher-{name}")

    def cluster(self) -> Cluster:
        """What would have been read of it."""
        cluster = Cluster(now=NOW, here=NOW, server_version="v1.34.4")
        scope = Scope(state_dir=self.settings.state_dir, details=True)
        for source in (custom_resource(), *sources(cluster, scope)):
            found = {key_of(item): source.trim(copy.deepcopy(item)) for item in self.objects.get(source.name, [])}
            source.store(cluster, found)
        for name, value in self.facts.items():
            setattr(cluster, name, value)
        return cluster

    def view(self) -> View:
        return View(self.cluster(), self.settings)

    def findings(self) -> list[Finding]:
        view = self.view()
        return [*checks.run(view), *capacity.findings(view, checks.losses(view))]

    def ids(self) -> set[str]:
        return {finding.id for finding in self.findings()}

    def one(self, identifier: str) -> Finding:
        """The finding of an identifier, of which there must be one."""
        (found,) = [finding for finding in self.findings() if finding.id == identifier]
        return found


def certificate(days: float = 200.0, life: float = 365.0, **more: Any) -> Certificate:
    end = NOW + days * DAY
    return Certificate("Secret", "kubevirt-virt-api-certs", "kubevirt", "tls.crt", end - life * DAY, end, **more)


def _add_platform(world: World) -> None:
    world.add("nodes", *(node(name) for name in NODES))
    labels = {"component": "etcd", "tier": "control-plane"}
    world.add("pods", *(pod("kube-system", f"etcd-{name}", name, labels) for name in CONTROL_PLANES))
    world.add("pods", pod("kube-system", "coredns-1", "n1", {"k8s-app": "kube-dns"}))
    for name, nodes in (
        ("virt-api", "135"),
        ("virt-controller", "135"),
        ("virt-operator", "24"),
        ("virt-exportproxy", "24"),
    ):
        world.add("deployments", deployment(name, len(nodes)))
        world.add("pods", *(pod("kubevirt", f"{name}-{on}", f"n{on}", {"kubevirt.io": name}) for on in nodes))
        if name != "virt-operator":
            keeps = len(nodes) - 1
            world.add("budgets", budget("kubevirt", f"{name}-pdb", {"kubevirt.io": name}, minAvailable=keeps))
    status = {"desiredNumberScheduled": len(NODES), "numberReady": len(NODES)}
    world.add("daemon_sets", {"metadata": {"namespace": "kubevirt", "name": "virt-handler"}, "status": status})
    world.add("pods", *(pod("kubevirt", f"virt-handler-{on}", on, {"kubevirt.io": "virt-handler"}) for on in NODES))
    world.add("leases", lease("kubevirt", "virt-controller", "virt-controller-1"))
    world.add("leases", lease("kubevirt", "virt-operator", "virt-operator-2"))
    world.add("system_leases", lease("kube-system", "kube-scheduler", "n1_4711"))
    world.add("system_leases", lease("kube-system", "kube-controller-manager", "n3_4711"))
    slices = [{"addresses": [f"10.0.0.{name[1:]}"], "conditions": {"ready": True}} for name in CONTROL_PLANES]
    world.add("endpoints", {"metadata": {"namespace": "default", "name": "kubernetes"}, "endpoints": slices})
    world.add(
        "kubevirts",
        {
            "metadata": {"namespace": "kubevirt", "name": "kubevirt"},
            "spec": {"configuration": {}},
            "status": {"conditions": conditions(Available="True", Progressing="False", Degraded="False")},
        },
    )
    world.add(
        "api_services",
        {
            "metadata": {"name": "v1.subresources.kubevirt.io"},
            "spec": {"group": "subresources.kubevirt.io"},
            "status": {"conditions": conditions(Available="True")},
        },
    )


def whole_world() -> World:
    """Six nodes in three zones, two machines, and nothing that is amiss."""
    world = World()
    _add_platform(world)
    world.add("storage_classes", {"metadata": {"name": "shared"}, "allowVolumeExpansion": True})
    sets = [{"accessModes": ["ReadWriteMany"]}, {"accessModes": ["ReadWriteOnce"]}]
    world.add("cdis", {"metadata": {"name": "cdi"}, "status": {"observedVersion": "v1.66.0"}})
    world.add("profiles", {"metadata": {"name": "shared"}, "status": {"claimPropertySets": sets}})
    world.add("snapshot_classes", {"metadata": {"name": "shared"}})
    world.add("priority_classes", {"metadata": {"name": "important"}, "value": 1000})
    world.add("health_checks", {"metadata": {"name": "workers"}})
    world.machine("web-1", "n1")
    world.machine("web-2", "n2")
    world.facts = {
        "certificates": [certificate()],
        "addresses": {"api.example.com": (VIP,)},
        "backup": Backup(NOW - 3600, True, "s3://backups/1"),
    }
    return world
