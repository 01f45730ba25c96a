# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: how far a rollout of KubeVirt has come, and whether its disruption budgets let a node be drained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions, placement, versions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform.resource import (
    LABEL,
    OPERATOR,
    REPLICATED,
)

Object = Mapping[str, Any]

MANAGED_BY = "app.kubernetes.io/managed-by"
NEEDED = ("virt-api", "virt-controller", "virt-handler", OPERATOR)
# Where KubeVirt puts its components unless it is told: on nodes with one of these labels.
CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
_TOLERATED = [{"key": "CriticalAddonsOnly", "operator": "Exists"}]
_TOLERATED_BY_DEFAULT = [
    *_TOLERATED,
    *({"key": key, "operator": "Exists", "effect": "NoSchedule"} for key in CONTROL_PLANE),
]


@dataclass(frozen=True)
class Wanted:
    """What a rollout is to end in. None and an empty version are not judged."""

    version: str = ""
    infra_replicas: int | None = None
    operator_replicas: int | None = None


def components(workloads: Sequence[Object]) -> list[Object]:
    """KubeVirt's Deployments and DaemonSets among the namespace's."""
    return [each for each in workloads if _is_component(each)]


def _is_component(workload: Object) -> bool:
    labels = workload["metadata"].get("labels") or {}
    return workload["metadata"]["name"] in NEEDED or (LABEL in labels and labels.get(MANAGED_BY) == OPERATOR)


def waiting_for(kubevirt: Object, workloads: Sequence[Object], wanted: Wanted) -> list[str]:
    """What is still to come, a clause each; empty where the rollout is over."""
    one_tag = not (kubevirt.get("spec") or {}).get("imageTag")
    return [*_of_kubevirt(kubevirt, wanted), *_of_components(components(workloads), wanted, one_tag)]


def _of_kubevirt(kubevirt: Object, wanted: Wanted) -> Iterator[str]:
    status = kubevirt.get("status") or {}
    observed, target = status.get("observedKubeVirtVersion"), status.get("targetKubeVirtVersion")
    if wanted.version and versions.numbers(observed) != versions.numbers(wanted.version):
        yield f"KubeVirt is {observed or 'not told yet'}, not {wanted.version}"
    elif observed != target:
        yield f"KubeVirt goes from {observed or 'nothing'} to {target}"
    generation = status.get("observedGeneration")
    if generation is not None and generation != kubevirt["metadata"].get("generation"):
        yield "the operator has not seen the newest KubeVirt object"
    if status.get("phase") != "Deployed":
        yield f"KubeVirt's phase is {status.get('phase') or 'not told yet'}"
    for kind, state in (("Available", "True"), ("Degraded", "False")):
        condition = conditions.find(dict(kubevirt), kind)
        if condition.get("status") != state:
            yield f"{kind} is {condition.get('status') or 'not told yet'} ({conditions.describe(condition) or 'no reason'})"


def _of_components(found: Sequence[Object], wanted: Wanted, one_tag: bool) -> Iterator[str]:
    """one_tag: whether the components' images carry the tag of the operator's."""
    names = {each["metadata"]["name"] for each in found}
    for name in NEEDED:
        if name not in names:
            yield f"{name} is not there"
    tag = next((_tag(each) for each in found if each["metadata"]["name"] == OPERATOR), "")
    for each in found:
        name, asked = each["metadata"]["name"], _asked(each)
        number = wanted.operator_replicas if name == OPERATOR else wanted.infra_replicas if name in REPLICATED else None
        if number is not None and asked != number:
            yield f"{name} asks for {asked} replicas, not {number}"
        own = _tag(each) if one_tag and name in (*NEEDED, *REPLICATED) else ""
        if tag and own and own != tag:
            yield f"{name} is of {own}, the operator of {tag}"
        text = _unready(each, asked)
        if text:
            yield f"{name} {text}"


def _unready(workload: Object, asked: int) -> str:
    """What is missing of a workload's replicas, empty where all are ready and of the newest generation."""
    status = workload.get("status") or {}
    if status.get("observedGeneration") != workload["metadata"].get("generation"):
        return "has not been looked at since its change"
    updated = status.get("updatedNumberScheduled", status.get("updatedReplicas")) or 0
    ready = status.get("numberReady", status.get("readyReplicas")) or 0
    if updated < asked:
        return f"has {updated} of {asked} replicas of its newest revision"
    if ready < asked:
        return f"has {ready} of {asked} replicas ready"
    return ""


def _asked(workload: Object) -> int:
    """How many pods a workload asks for; of a DaemonSet its controller says so."""
    if workload.get("kind") == "DaemonSet" or "desiredNumberScheduled" in (workload.get("status") or {}):
        return int((workload.get("status") or {}).get("desiredNumberScheduled") or 0)
    replicas = (workload.get("spec") or {}).get("replicas")
    return 1 if replicas is None else int(replicas)


def _tag(workload: Object) -> str:
    """The tag of the first container's image; empty where it is named by a digest."""
    containers = workload["spec"]["template"]["spec"].get("containers") or [{}]
    image = str(containers[0].get("image") or "")
    name = image.rsplit("/", 1)[-1]
    return name.split(":", 1)[1] if ":" in name and "@" not in name else ""


def budget_faults(workloads: Sequence[Object], budgets: Sequence[Object]) -> Iterator[str]:
    """Replicated components whose budget does not let one pod go and keep one, and those without a budget."""
    for each in components(workloads):
        asked = _asked(each)
        if each.get("kind") == "DaemonSet" or asked < 2:
            continue
        name = each["metadata"]["name"]
        labels = each["spec"]["template"]["metadata"].get("labels") or {}
        own = [budget for budget in budgets if _selects(budget, labels)]
        if not own:
            yield f"{name} has no PodDisruptionBudget: a drain may end all its {asked} replicas at once"
        for budget in own:
            kept = _kept(budget, asked)
            label = f"PodDisruptionBudget {budget['metadata']['name']}"
            if kept >= asked:
                yield f"{label} keeps all {asked} replicas of {name}: no node that runs one can be drained"
            elif kept < 1:
                yield f"{label} keeps no replica of {name}"


def _selects(budget: Object, labels: Mapping[str, Any]) -> bool:
    selector = placement.label_selector((budget.get("spec") or {}).get("selector"))
    return selector is not None and placement.matches(selector, labels)


def _kept(budget: Object, replicas: int) -> int:
    """How many replicas a budget keeps; Kubernetes rounds both percentages up."""
    spec = budget.get("spec") or {}
    if spec.get("maxUnavailable") is not None:
        return replicas - _share(spec["maxUnavailable"], replicas)
    return _share(spec.get("minAvailable") or 0, replicas)


def _share(value: Any, replicas: int) -> int:
    text = str(value)
    return -(-int(text[:-1]) * replicas // 100) if text.endswith("%") else int(text)


def nodes_for_components(nodes: Sequence[Object], given: Object) -> list[str]:
    """The nodes that KubeVirt's components may run on. A cordon, or that a node is not ready, is passing and does not count.

    given: spec.infra.nodePlacement; empty means KubeVirt's own choice, the control plane.
    """
    tolerations = [*_TOLERATED, *(given.get("tolerations") or [])] if given else _TOLERATED_BY_DEFAULT
    rules = placement.parse({**given, "tolerations": tolerations})
    found = []
    for node in nodes:
        name, labels = str(node["metadata"]["name"]), node["metadata"].get("labels") or {}
        if not given and not any(key in labels for key in CONTROL_PLANE):
            continue
        if rules.allows(name, labels) and rules.tolerates(placement.taints(node.get("spec") or {}), lasting_only=True):
            found.append(name)
    return sorted(found)


def machines(instances: Sequence[Object]) -> dict[str, Any]:
    """The running machines: how many there are, and which cannot be migrated to a new launcher, with the reason."""
    running = [each for each in instances if (each.get("status") or {}).get("phase") not in conditions.FINAL_PHASES]
    stuck = []
    for each in running:
        condition = conditions.find(dict(each), "LiveMigratable")
        if condition.get("status") == "False":
            stuck.append(
                {
                    "namespace": each["metadata"]["namespace"],
                    "name": each["metadata"]["name"],
                    "reason": conditions.describe(condition) or "KubeVirt does not say why",
                }
            )
    return {
        "running": len(running),
        "not_migratable": sorted(stuck, key=lambda found: (found["namespace"], found["name"])),
    }


def upgrade_faults(installed: str, target: str, option: str) -> Iterator[str]:
    """Why a version may not follow the one that runs: downgrades, and more than one minor at once."""
    now, then = versions.numbers(installed), versions.numbers(target)
    if now is None or then is None:
        return
    if then < now:
        yield (
            f"{option}: {target} is older than KubeVirt {installed}, which runs, and KubeVirt does not go back;"
            f" give {installed} or a newer one"
        )
    elif then[0] != now[0] or then[1] - now[1] > 1:
        step = f"{now[0]}.{now[1] + 1}"
        yield f"{option}: {target} is more than one minor version above KubeVirt {installed}, which runs; go to {step} first"
