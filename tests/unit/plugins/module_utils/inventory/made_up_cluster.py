# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects as the API server gives them, and what the inventory makes of them."""

from __future__ import annotations

from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory import options, records
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory.hosts import Content, Host, arrange
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory.options import Settings

Object = dict[str, Any]


def settings(**given: Any) -> Settings:
    """The settings of a source with these options."""
    return options.settings(options.sound(given))


def interface(*ips: str, name: str | None = "default") -> Object:
    """An entry of status.interfaces."""
    return {"name": name, "ipAddress": ips[0] if ips else "", "ipAddresses": list(ips), "mac": "02:00:00:00:00:01"}


def vmi(name: str = "web-1", namespace: str = "shop", *, phase: str = "Running", **more: Any) -> Object:
    """A VirtualMachineInstance; `labels`, `annotations`, `conditions` (those that are True), `deleting`, else status or spec."""
    meta: Object = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": more.pop("labels", {})}
    meta["annotations"] = more.pop("annotations", {})
    if more.pop("deleting", False):
        meta["deletionTimestamp"] = "2026-11-24T10:00:00Z"
    networks = more.pop("networks", [{"name": "default", "pod": {}}])
    ports = more.pop("ports", [])
    spec: Object = {"networks": networks, "domain": {"devices": {"interfaces": [{"name": "default", "ports": ports}]}}}
    spec["hostname"] = more.pop("hostname", None)
    status: Object = {"phase": phase, "nodeName": "n1", "interfaces": [interface("10.244.1.7")]}
    status["conditions"] = [{"type": kind, "status": "True"} for kind in more.pop("conditions", ["Ready"])]
    return {"metadata": meta, "spec": spec, "status": {**status, **more}}


def vm(name: str = "web-1", namespace: str = "shop", **more: Any) -> Object:
    """A VirtualMachine; `labels`, `annotations`, `template_labels`, `template_annotations`, `preference`, else status."""
    template = {"labels": more.pop("template_labels", {}), "annotations": more.pop("template_annotations", {})}
    meta = {"name": name, "namespace": namespace, "uid": f"vm-{name}", "labels": more.pop("labels", {})}
    meta["annotations"] = more.pop("annotations", {})
    volumes = [{"name": "init", "cloudInitNoCloud": {"userData": "password: s3cret"}}]
    spec: Object = {"runStrategy": "Always", "template": {"metadata": template, "spec": {"volumes": volumes}}}
    if "preference" in more:
        spec["preference"] = {"name": more.pop("preference")}
    return {"metadata": meta, "spec": spec, "status": more}


def service(name: str = "web-1-ssh", namespace: str = "shop", **spec: Any) -> Object:
    """A Service that selects web-1 by its id; `ingress` is that of its load balancer."""
    ingress = spec.pop("ingress", [])
    base = {"type": "ClusterIP", "clusterIP": "10.96.0.9", "selector": {"vmi.kubevirt.io/id": "web-1"}}
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {**base, "ports": [port(22)], **spec},
        "status": {"loadBalancer": {"ingress": ingress}},
    }


def port(number: int, target: int | str | None = None, *, name: str | None = None, node: int | None = None) -> Object:
    """An entry of a Service's ports."""
    found: Object = {"name": name, "port": number, "targetPort": number if target is None else target}
    return {**found, "nodePort": node, "protocol": "TCP"}


def content(*found: Object, vms: tuple[Object, ...] = (), services: tuple[Object, ...] = ()) -> Content:
    """What a read keeps of instances, machines and Services."""
    kept = [records.service(item) for item in services]
    return Content(
        vms=[records.machine(item) for item in vms],
        vmis=[records.instance(item) for item in found],
        services=[item for item in kept if item],
    )


def hosts(found: Content, **given: Any) -> dict[str, Host]:
    """The hosts by their names; there must be nothing to warn of."""
    made, faults = arrange(found, settings(**given))
    assert faults == []
    return {host.name: host for host in made}


def variables(*found: Object, services: tuple[Object, ...] = (), **given: Any) -> Object:
    """The variables of the only host."""
    (host,) = hosts(content(*found, services=services), **given).values()
    return dict(host.variables)
