# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus shall ask inside the cluster, as files that it watches: Debian's is built without Kubernetes' own discovery."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]
Target = dict[str, Any]
_GUESTS = "kubevirt-ha.virtops/guest-metrics"
_SLICE_OF = "kubernetes.io/service-name"
_OVER = ("Succeeded", "Failed")
# virt-exportproxy is not among them: it serves disks.
_KUBEVIRT = ("virt-api", "virt-controller", "virt-handler", "virt-operator")


@dataclass(frozen=True)
class Wanted:
    """Pods of one job: those of a namespace whose label has one of these values, by the port of that name."""

    job: str
    namespace: str
    label: str
    values: tuple[str, ...]
    port: str


def jobs(kubevirt: str) -> tuple[Wanted, ...]:
    """The jobs of pods; kubevirt: the namespace of KubeVirt."""
    return (
        Wanted("kubevirt", kubevirt, "kubevirt.io", _KUBEVIRT, "metrics"),
        Wanted("metrics-server", "kube-system", "k8s-app", ("metrics-server",), "https"),
        Wanted("coredns", "kube-system", "k8s-app", ("kube-dns",), "metrics"),
    )


def kubelets(nodes: Iterable[Object]) -> Iterator[Target]:
    """The kubelet of each node."""
    for node in nodes:
        status = node.get("status") or {}
        addresses = [one["address"] for one in status.get("addresses") or [] if one["type"] == "InternalIP"]
        port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port")
        if addresses and port:
            yield _target(addresses[0], port, {"host": node["metadata"]["name"]})


def pods(found: Iterable[Object], wanted: Wanted) -> Iterator[Target]:
    """The pods of a job that have an address and are not over."""
    for pod in found:
        meta, status = pod["metadata"], pod.get("status") or {}
        component = (meta.get("labels") or {}).get(wanted.label) or ""
        if component not in wanted.values or status.get("phase") in _OVER or not status.get("podIP"):
            continue
        labels = {"host": str(pod["spec"].get("nodeName") or ""), "pod": meta["name"], "component": component}
        for container in pod["spec"].get("containers") or []:
            for port in container.get("ports") or []:
                if port.get("name") == wanted.port:
                    yield _target(status["podIP"], port["containerPort"], labels)


def guests(services: Iterable[Object], slices: Iterable[Object]) -> Iterator[Target]:
    """What stands behind the Services of one namespace that ask for it by their label."""
    asked = {
        one["metadata"]["name"] for one in services if (one["metadata"].get("labels") or {}).get(_GUESTS) == "true"
    }
    for one in slices:
        meta = one["metadata"]
        service = (meta.get("labels") or {}).get(_SLICE_OF)
        if service not in asked:
            continue
        labels = {"guest": str(service), "guest_namespace": meta["namespace"]}
        for endpoint in one.get("endpoints") or []:
            for port in one.get("ports") or []:
                yield from (_target(address, port["port"], labels) for address in endpoint.get("addresses") or [])


def _target(address: str, port: int, labels: dict[str, str]) -> Target:
    shown = f"[{address}]" if ":" in address else address
    return {"targets": [f"{shown}:{port}"], "labels": labels}


def write(folder: str, job: str, targets: Iterable[Target]) -> bool:
    """Replaces `JOB.json` in one step where it differs; Prometheus reads it again then."""
    path = os.path.join(folder, f"{job}.json")
    wanted = json.dumps(sorted(targets, key=lambda target: str(target["targets"])), indent=1, sort_keys=True) + "\n"
    try:
        with open(path, encoding="utf-8") as file:
            if file.read() == wanted:
                return False
    except FileNotFoundError:
        pass
    handle, draft = tempfile.mkstemp(dir=folder, prefix=".", suffix=".draft")
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(wanted)
            os.fchmod(file.fileno(), 0o644)
        os.replace(draft, path)
    except BaseException:  # a full disk would fill with drafts
        os.unlink(draft)
        raise
    return True
