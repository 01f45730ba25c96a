# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the objects that parameters stand for, in the order in which they can be made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import pod_requests, quantity
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.cluster_placement.options import OWNER, preset_options
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import as_text
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.parameters import without_nulls
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.pod_requests import amounts

Object = dict[str, Any]
Values = Mapping[str, Any]

LABEL = "app.kubernetes.io/managed-by"
# Where owners of machines read presets; every user of the cluster may.
PRESETS_NAMESPACE, PRESETS_NAME = "kube-public", "kubevirt-ha-presets"
RESERVE = pod_requests.PLACEHOLDER
_SCHEDULABLE = "kubevirt.io/schedulable"
_HOSTNAME = "kubernetes.io/hostname"
_RBAC = "rbac.authorization.k8s.io"
_MIB = 2**20


def build(params: Values, nodes: Sequence[Values]) -> list[Object]:
    """All declared objects, each marked as owned; nodes: those of the cluster, by which the reserve is measured."""
    found = [*_classes(params), *_instancetypes(params), *_presets(params), *_of_namespaces(params)]
    if params.get("reserve"):
        found += _reserve(params, nodes)
    return [_owned(item) for item in (*found, *(params.get("objects") or []))]


def _owned(item: Values) -> Object:
    meta = dict(item.get("metadata") or {})
    return {**item, "metadata": {**meta, "labels": {**(meta.get("labels") or {}), LABEL: OWNER}}}


def _object(api_version: str, kind: str, name: str, namespace: str = "", **fields: Any) -> Object:
    meta = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **fields}


def _classes(params: Values) -> Iterator[Object]:
    for one in params.get("priority_classes") or []:
        yield priority_class(
            one["name"],
            one["value"],
            one.get("description") or "",
            default=bool(one.get("global_default")),
            policy=one.get("preemption_policy") or "PreemptLowerPriority",
        )


def priority_class(name: str, value: int, description: str, *, default: bool, policy: str) -> Object:
    """A PriorityClass."""
    fields: Object = {"value": value, "preemptionPolicy": policy}
    # The server leaves out what is false or empty.
    if default:
        fields["globalDefault"] = True
    if description:
        fields["description"] = description
    return _object("scheduling.k8s.io/v1", "PriorityClass", name, **fields)


def _instancetypes(params: Values) -> Iterator[Object]:
    for one in params.get("instancetypes") or []:
        memory: Object = {"guest": one["memory"]}
        if one.get("overcommit_percent") is not None:
            memory["overcommitPercent"] = one["overcommit_percent"]
        spec: Object = {"cpu": {"guest": one["cpu"]}, "memory": memory}
        if one.get("node_selector"):
            spec["nodeSelector"] = {str(key): as_text(value) for key, value in one["node_selector"].items()}
        yield _object("instancetype.kubevirt.io/v1beta1", "VirtualMachineClusterInstancetype", one["name"], spec=spec)


def _presets(params: Values) -> Iterator[Object]:
    presets = params.get("presets") or {}
    if not presets:
        return
    known = preset_options()
    data = {
        str(name): json.dumps(without_nulls(preset, known), sort_keys=True) for name, preset in sorted(presets.items())
    }
    yield _object("v1", "ConfigMap", PRESETS_NAME, PRESETS_NAMESPACE, data=data)
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [PRESETS_NAME], "verbs": ["get"]}
    yield _object(f"{_RBAC}/v1", "Role", PRESETS_NAME, PRESETS_NAMESPACE, rules=[rule])
    yield _object(
        f"{_RBAC}/v1",
        "RoleBinding",
        PRESETS_NAME,
        PRESETS_NAMESPACE,
        roleRef={"apiGroup": _RBAC, "kind": "Role", "name": PRESETS_NAME},
        subjects=[{"apiGroup": _RBAC, "kind": "Group", "name": "system:authenticated"}],
    )


def _of_namespaces(params: Values) -> Iterator[Object]:
    for entry in params.get("namespaces") or []:
        for quota in entry.get("quotas") or []:
            spec: Object = {"hard": _amounts(quota["hard"])}
            if quota.get("priority_classes"):
                scope = {"scopeName": "PriorityClass", "operator": "In", "values": list(quota["priority_classes"])}
                spec["scopeSelector"] = {"matchExpressions": [scope]}
            yield _object("v1", "ResourceQuota", quota["name"], entry["name"], spec=spec)
        limits = entry.get("limits") or {}
        fields = {"default": "default", "default_request": "defaultRequest", "max": "max", "min": "min"}
        given = {field: _amounts(limits[key]) for key, field in fields.items() if limits.get(key)}
        if given:
            yield _object("v1", "LimitRange", OWNER, entry["name"], spec={"limits": [{"type": "Container", **given}]})


def _amounts(given: Values) -> dict[str, str]:
    """Quantities as the server writes them, so that they compare equal."""
    return {
        str(key): quantity.render(quantity.parse(value), binary=str(value).strip().endswith("i"))
        for key, value in given.items()
    }


def own_namespaces(params: Values) -> list[str]:
    """The namespaces that are made where they are missing, and stay: those of machines' owners."""
    return [str(entry["name"]) for entry in params.get("namespaces") or []]


def machine_nodes(nodes: Iterable[Values]) -> list[Values]:
    """The nodes that KubeVirt runs machines on, now or when they are back."""
    return [node for node in nodes if _SCHEDULABLE in (node["metadata"].get("labels") or {})]


def share(nodes: Sequence[Values], resources: Sequence[str]) -> dict[str, int]:
    """What each of these nodes must keep free."""
    return pod_requests.share([amounts((node.get("status") or {}).get("allocatable")) for node in nodes], resources)


def _reserve(params: Values, nodes: Sequence[Values]) -> Iterator[Object]:
    """Placeholder pods of the lowest priority, which hold the room until a machine needs it."""
    given, namespace = params["reserve"], str(params["namespace"])
    hosts = machine_nodes(nodes)
    pieces = int(given["pieces"])
    part = {name: -(-value // pieces) for name, value in share(hosts, given["resources"]).items()}
    requests = {
        name: f"{value}m" if name == "cpu" else f"{-(-value // _MIB)}Mi" for name, value in sorted(part.items())
    }
    yield _object("v1", "Namespace", namespace)
    yield priority_class(
        RESERVE, given["priority"], "Placeholders that give way to virtual machines", default=False, policy="Never"
    )
    labels = {pod_requests.NAMED: RESERVE}
    container = {
        "name": "placeholder",
        "image": given["image"],
        "resources": {"requests": requests},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    runs_machines = {"matchExpressions": [{"key": _SCHEDULABLE, "operator": "In", "values": ["true"]}]}
    spread = {
        "maxSkew": 1,
        "topologyKey": _HOSTNAME,
        "whenUnsatisfiable": "DoNotSchedule",
        "nodeTaintsPolicy": "Honor",
        "labelSelector": {"matchLabels": labels},
    }
    pod = {
        "priorityClassName": RESERVE,
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [runs_machines]}}
        },
        "topologySpreadConstraints": [spread],
        "containers": [container],
    }
    spec = {
        "replicas": len(hosts) * pieces,
        "revisionHistoryLimit": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": labels},
        # Marked as owned: placeholders are no users of their class that keep it from being taken away.
        "template": {"metadata": {"labels": {**labels, LABEL: OWNER}}, "spec": pod},
    }
    yield _object("apps/v1", "Deployment", RESERVE, namespace, spec=spec)
