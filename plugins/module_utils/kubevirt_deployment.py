# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules `kubevirt_deployment` and `kubevirt_deployment_info`: the KubeVirt object, and how far its rollout has come."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec, plan, platform_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import (
    ApiError,
    Conflict,
    HaError,
    NotFound,
    WaitFailed,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform import resource, rollout, settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    DAEMON_SET,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    KUBEVIRT,
    NODE,
    VMI,
)

Object = dict[str, Any]
_POLL_SECONDS = 1.0


def spec() -> argspec.ArgumentSpec:
    """The argument spec of `kubevirt_deployment`."""
    own = argspec.ArgumentSpec({"definition": {"type": "dict", "required": True}})
    return own.merge(argspec.connection(), argspec.wait(timeout=60))


def info_spec() -> argspec.ArgumentSpec:
    """The argument spec of `kubevirt_deployment_info`."""
    own = argspec.ArgumentSpec(
        {
            "name": {"type": "str", "default": "kubevirt"},
            "namespace": {"type": "str", "default": "kubevirt"},
            "version": {"type": "str", "default": ""},
            "infra_replicas": {"type": "int"},
            "operator_replicas": {"type": "int"},
            "infra_node_placement": {"type": "dict", "default": {}},
            "workloads": {"type": "bool", "default": False},
        }
    )
    return own.merge(argspec.connection(), argspec.wait(default=False, timeout=600))


def faults(params: Mapping[str, Any]) -> Sequence[str]:
    """What the argument spec cannot say of `kubevirt_deployment`."""
    definition = params["definition"] or {}
    meta = definition.get("metadata")
    meta = meta if isinstance(meta, Mapping) else {}
    if definition.get("kind") != KUBEVIRT.kind or not meta.get("name") or not meta.get("namespace"):
        return ["definition: must be an object of kind KubeVirt with metadata.name and metadata.namespace"]
    return []


def info_faults(params: Mapping[str, Any]) -> Sequence[str]:
    """The same of `kubevirt_deployment_info`."""
    return list(settings.placement_faults("infra_node_placement", params["infra_node_placement"] or {}))


def wanted_object(current: Mapping[str, Any], definition: Mapping[str, Any]) -> Object:
    """Pure: the object as it should become. What is not in the definition stays, but below the paths of `resource.EXACT`."""
    merged: Object = plan.merge(dict(current), dict(definition))
    for path in resource.EXACT:
        asked = _below(definition, path)
        if asked is not None:
            _put(merged, path, asked)
    return merged


def apply(client: Client, params: Mapping[str, Any], *, check: bool, diff: bool) -> Object:
    """Brings the KubeVirt object to its definition. An operator that is not up yet is waited for, a refusal is not."""
    until = time.monotonic() + (params["wait_timeout"] if params["wait"] and not check else 0)
    while True:
        try:
            return _apply(client, params["definition"], check=check, diff=diff)
        except ApiError as error:
            # The kind is not served yet, its webhook has no pod yet, or the operator has just written it.
            early = (
                isinstance(error, (NotFound, Conflict)) or error.status >= 500 or "failed calling webhook" in str(error)
            )
            if not early or time.monotonic() >= until:
                raise
            time.sleep(_POLL_SECONDS)


def _apply(client: Client, definition: Mapping[str, Any], *, check: bool, diff: bool) -> Object:
    name, namespace = definition["metadata"]["name"], definition["metadata"]["namespace"]
    current = client.find(KUBEVIRT, name, namespace)
    after = wanted_object(current or {}, definition)
    patch = plan.merge_patch(current or {}, after)
    result: Object = {"changed": bool(patch)}
    if diff and patch:
        result["diff"] = {"before": _shown(current), "after": _shown(after)}
    if check or not patch:
        return result
    if current is None:
        client.create(KUBEVIRT, after, namespace)
    else:
        # Lists are replaced whole: not over somebody else's change.
        client.patch(
            KUBEVIRT,
            name,
            {
                **patch,
                "metadata": {**patch.get("metadata", {}), "resourceVersion": current["metadata"]["resourceVersion"]},
            },
            namespace,
        )
    return result


def _shown(item: Mapping[str, Any] | None) -> Object:
    meta = (item or {}).get("metadata") or {}
    kept = {key: meta[key] for key in ("labels", "annotations") if meta.get(key)}
    return {"metadata": kept, "spec": (item or {}).get("spec") or {}}


def _below(item: Mapping[str, Any], path: Sequence[str]) -> Any:
    here: Any = item
    for key in path:
        here = here.get(key) if isinstance(here, Mapping) else None
    return here


def _put(item: Object, path: Sequence[str], value: Any) -> None:
    """Puts a value at a path; the maps on the way are copied, for they may be another object's."""
    here = item
    for key in path[:-1]:
        here[key] = dict(here.get(key) or {})
        here = here[key]
    here[path[-1]] = plan.merge(None, value)


def look(client: Client, params: Mapping[str, Any]) -> Object:
    """The result of `kubevirt_deployment_info`. Raises WaitFailed where the rollout is not over in time."""
    until = time.monotonic() + (params["wait_timeout"] if params["wait"] else 0)
    while True:
        try:
            found = _look(client, params)
        except HaError as error:
            if not params["wait"] or time.monotonic() >= until:
                raise
            found = {"waiting_for": [f"the API does not answer: {error}"]}
        if not params["wait"] or not found["waiting_for"]:
            break
        if time.monotonic() >= until:
            raise WaitFailed(
                "KubeVirt's rollout is not over",
                where=f"namespace {params['namespace']}",
                why="; ".join(found["waiting_for"]),
                fix="Look at the events and pods of the namespace, and at the log of virt-operator",
            )
        time.sleep(_POLL_SECONDS)
    return {"changed": False, **found, **_surroundings(client, params)}


def _look(client: Client, params: Mapping[str, Any]) -> Object:
    kubevirt = client.find(KUBEVIRT, params["name"], params["namespace"])
    if kubevirt is None:
        return {
            "installed": False,
            "version": "",
            "source": "",
            "outdated": 0,
            "waiting_for": ["there is no KubeVirt object"],
            "budget_faults": [],
        }
    workloads = [
        *client.list(DEPLOYMENT, params["namespace"]).items,
        *({**each, "kind": "DaemonSet"} for each in client.list(DAEMON_SET, params["namespace"]).items),
    ]
    budgets = client.list(DISRUPTION_BUDGET, params["namespace"]).items
    wanted = rollout.Wanted(params["version"], params["infra_replicas"], params["operator_replicas"])
    status = kubevirt.get("status") or {}
    outdated = int(status.get("outdatedVirtualMachineInstanceWorkloads") or 0)
    waiting = rollout.waiting_for(kubevirt, workloads, wanted)
    if params["workloads"] and not waiting and outdated:
        stuck = len(rollout.machines(client.list(VMI).items)["not_migratable"])
        if outdated > stuck:
            waiting = [
                f"{outdated} virtual machines run in launchers of another version, {stuck} of them cannot be migrated"
            ]
    return {
        "installed": True,
        "version": str(status.get("observedKubeVirtVersion") or ""),
        "source": platform_state.source_of(workloads),
        "outdated": outdated,
        "waiting_for": waiting,
        "budget_faults": list(rollout.budget_faults(workloads, budgets)),
    }


def _surroundings(client: Client, params: Mapping[str, Any]) -> Object:
    nodes = rollout.nodes_for_components(client.list(NODE).items, params["infra_node_placement"])
    try:
        machines = rollout.machines(client.list(VMI).items)
    except NotFound:
        machines = {"running": 0, "not_migratable": []}
    return {"infra_nodes": nodes, "machines": machines}
