# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the objects that role `kubevirt` applies: the operator's manifests, the KubeVirt object, and CDI's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import durations, quantity

Object = dict[str, Any]
Settings = Mapping[str, Any]

OPERATOR = "virt-operator"
HOSTNAME = "kubernetes.io/hostname"
LABEL = "kubevirt.io"
# The components whose pods can be changed, and the name of the container in each.
CONTAINERS = {
    "virt-api": "virt-api",
    "virt-controller": "virt-controller",
    "virt-handler": "virt-handler",
    "virt-exportproxy": "exportproxy",
    OPERATOR: OPERATOR,
}
# Those of which the KubeVirt object counts the replicas.
REPLICATED = ("virt-api", "virt-controller", "virt-exportproxy")
# Below these the object holds what is asked for and nothing else.
EXACT = (
    ("spec", "infra", "nodePlacement"),
    ("spec", "workloads", "nodePlacement"),
    ("spec", "certificateRotateStrategy", "selfSigned"),
    ("spec", "customizeComponents", "flags"),
)


def operator_objects(documents: Iterable[Object], settings: Settings, annotations: Mapping[str, str]) -> list[Object]:
    """The operator's manifests with its replicas, spread, resources and a disruption budget; `annotations` go on its Deployment."""
    objects: list[Object] = []
    budgets = False
    for document in documents:
        if not document:
            continue
        if document.get("kind") == "Deployment" and document["metadata"]["name"] == OPERATOR:
            document = _operator(document, settings, annotations)
        budgets = budgets or document.get("kind") == "PodDisruptionBudget"
        objects.append(document)
    deployment = next((each for each in objects if each.get("kind") == "Deployment"), None)
    if deployment and not budgets:
        objects.append(_budget(deployment, int(settings["operator_replicas"])))
    return objects


def _operator(deployment: Object, settings: Settings, annotations: Mapping[str, str]) -> Object:
    meta, spec = deployment["metadata"], deployment["spec"]
    pod: Object = dict(spec["template"]["spec"])
    pod["topologySpreadConstraints"] = [spread(OPERATOR, str(settings["infra_spread"]))]
    asked = settings["component_resources"].get(OPERATOR)
    if asked:
        first, *others = pod["containers"]
        pod["containers"] = [{**first, "resources": {**(first.get("resources") or {}), **asked}}, *others]
    return {
        **deployment,
        "metadata": {**meta, "annotations": {**(meta.get("annotations") or {}), **annotations}},
        "spec": {
            **spec,
            "replicas": int(settings["operator_replicas"]),
            "template": {**spec["template"], "spec": pod},
        },
    }


def _budget(deployment: Object, replicas: int) -> Object:
    """Lets one replica go and keeps the others; with one replica it lets that go, or no node could be drained."""
    meta = deployment["metadata"]
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": f"{OPERATOR}-pdb", "namespace": meta["namespace"], "labels": {LABEL: f"{OPERATOR}-pdb"}},
        "spec": {"minAvailable": replicas - 1, "selector": deployment["spec"]["selector"]},
    }


def spread(component: str, strength: str) -> Object:
    """A replica a node. `required` counts each revision for itself, so that a rollout is not held up by the old pods."""
    return {
        "maxSkew": 1,
        "topologyKey": HOSTNAME,
        "whenUnsatisfiable": "DoNotSchedule" if strength == "required" else "ScheduleAnyway",
        "labelSelector": {"matchLabels": {LABEL: component}},
        "matchLabelKeys": ["pod-template-hash"],
    }


def kubevirt(base: Object, settings: Settings, profile: Mapping[str, Any], overrides: Mapping[str, Any]) -> Object:
    """The KubeVirt object: the source's own, then what the settings say, then the overrides, whose lists are appended.

    profile: {env: what API clients of the components get, a list of {name, value}; flags: of virt-controller}.
    """
    asked: Object = {
        "spec": {
            "infra": {
                "replicas": int(settings["infra_replicas"]),
                "nodePlacement": dict(settings["infra_node_placement"]) or None,
            },
            "workloads": {"nodePlacement": dict(settings["workloads_node_placement"]) or None},
            "workloadUpdateStrategy": workload_updates(settings),
            "certificateRotateStrategy": {"selfSigned": certificates(settings)},
            "configuration": {
                "evictionStrategy": str(settings["eviction_strategy"]),
                "migrations": migrations(settings),
                "developerConfiguration": {"featureGates": list(settings["feature_gates"])},
            },
            "customizeComponents": {
                "patches": _patches(settings, profile),
                "flags": {"controller": dict(profile["flags"])} if profile["flags"] else None,
            },
        }
    }
    if settings["disabled_feature_gates"]:
        asked["spec"]["configuration"]["developerConfiguration"]["disabledFeatureGates"] = list(
            settings["disabled_feature_gates"]
        )
    return combine(combine(base, asked, append=False), overrides, append=True)


def combine(under: Any, over: Any, *, append: bool) -> Any:
    """Two maps as one, the second winning; lists are replaced, or appended without those that are there already."""
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        merged = dict(under)
        for key, value in over.items():
            merged[key] = combine(merged[key], value, append=append) if key in merged else value
        return merged
    if append and isinstance(under, list) and isinstance(over, list):
        return [*(each for each in under if each not in over), *over]
    return over


def migrations(settings: Settings) -> Object:
    """The limits of live migrations, in the words of both the KubeVirt object and HyperConverged but for the names below."""
    bandwidth = settings["migration_bandwidth"]
    return {
        "parallelMigrationsPerCluster": int(settings["migrations_per_cluster"]),
        "parallelOutboundMigrationsPerNode": int(settings["migrations_per_node"]),
        "bandwidthPerMigration": canonical_quantity(bandwidth) if bandwidth not in ("", None) else None,
        "completionTimeoutPerGiB": int(settings["migration_completion_timeout"]),
        "progressTimeout": int(settings["migration_progress_timeout"]),
        "allowAutoConverge": truth(settings["migration_auto_converge"]),
        "allowPostCopy": truth(settings["migration_post_copy"]),
        "network": str(settings["migration_network"] or "") or None,
    }


def certificates(settings: Settings) -> Object:
    """How long the CA and the certificates of servers last, and when each is renewed."""
    return {
        kind: {
            "duration": canonical_duration(settings[f"certificate_{kind}_duration"]),
            "renewBefore": canonical_duration(settings[f"certificate_{kind}_renew_before"]),
        }
        for kind in ("ca", "server")
    }


def workload_updates(settings: Settings) -> Object:
    """How running machines come to a new launcher after an update."""
    return {
        "workloadUpdateMethods": list(settings["workload_update_methods"]),
        "batchEvictionSize": int(settings["workload_update_batch_size"]),
        "batchEvictionInterval": canonical_duration(settings["workload_update_batch_interval"]),
    }


def _patches(settings: Settings, profile: Mapping[str, Any]) -> list[Object]:
    return [
        _patch(name, "DaemonSet" if name == "virt-handler" else "Deployment", pod)
        for name in CONTAINERS
        if name != OPERATOR
        for pod in [_pod_patch(name, settings, profile)]
        if pod
    ]


def _pod_patch(name: str, settings: Settings, profile: Mapping[str, Any]) -> Object:
    container: Object = {}
    # An export proxy asks the API for little and is not on the way of a recovery.
    if profile["env"] and name != "virt-exportproxy":
        container["env"] = list(profile["env"])
    if settings["component_resources"].get(name):
        container["resources"] = settings["component_resources"][name]
    pod: Object = {"containers": [{"name": CONTAINERS[name], **container}]} if container else {}
    if name in REPLICATED:
        pod["topologySpreadConstraints"] = [spread(name, str(settings["infra_spread"]))]
    return pod


def _patch(name: str, kind: str, pod: Object) -> Object:
    text = json.dumps({"spec": {"template": {"spec": pod}}})
    return {"resourceName": name, "resourceType": kind, "type": "strategic", "patch": text}


def cdi(base: Object, settings: Settings) -> Object:
    """CDI's object: the source's own with replicas and the placement of KubeVirt's components and machines."""
    replicas = int(settings["cdi_replicas"])
    infra: Object = {
        "deploymentReplicas": replicas,
        "apiServerReplicas": replicas,
        "uploadProxyReplicas": replicas,
        **settings["infra_node_placement"],
    }
    asked: Object = {"spec": {"infra": infra, "workload": dict(settings["workloads_node_placement"])}}
    return dict(combine(base, asked, append=False))


def canonical_duration(value: Any) -> str:
    """A duration as Go writes it, so that what the server keeps is what was asked for."""
    return durations.write(int(durations.parse(value)))


def canonical_quantity(value: Any) -> str:
    """A quantity as Kubernetes writes it."""
    return quantity.render(quantity.parse(value), binary="i" in str(value))


def truth(value: Any) -> bool:
    """Whether a value, also one as text, means yes."""
    return str(value).strip().lower() in ("true", "yes", "on", "1")
