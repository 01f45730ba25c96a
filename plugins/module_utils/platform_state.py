# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what Deployments, Nodes and the KubeVirt CR say of the platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]

COMPONENTS = ("virt-api", "virt-controller", "virt-operator")
OPERATOR = "virt-operator"
HANDLER = "virt-handler"
SOURCE_ANNOTATION = "kubevirt-ha.virtops/source"


def replicas(deployment: Object) -> tuple[int, int]:
    """How many replicas a Deployment asks for, and how many are ready."""
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    return int(spec.get("replicas") or 0), int(status.get("readyReplicas") or 0)


def source_of(deployments: Sequence[Object]) -> str:
    """What the operator's Deployment says its KubeVirt is."""
    for item in deployments:
        if item["metadata"]["name"] == OPERATOR:
            return str((item["metadata"].get("annotations") or {}).get(SOURCE_ANNOTATION) or "unknown")
    return "unknown"


def versions(kubevirt: Object | None, nodes: Sequence[Object]) -> dict[str, str]:
    """Version by what it is of; several ones of the nodes are separated by commas."""
    infos = [(node.get("status") or {}).get("nodeInfo") or {} for node in nodes]
    found = {
        "kubevirt": {str(((kubevirt or {}).get("status") or {}).get("observedKubeVirtVersion") or "unknown")},
        "kubernetes": {str(info.get("kubeletVersion")) for info in infos if info.get("kubeletVersion")},
        "container runtime": {str(info.get("containerRuntimeVersion")) for info in infos},
        "kernel": {str(info.get("kernelVersion")) for info in infos},
    }
    return {name: ", ".join(sorted(texts)) for name, texts in found.items()}
