# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: how each pod and each machine leaves a node that is drained, and what stands against that.

What an eviction means for a machine depends on its eviction strategy: KubeVirt refuses it and migrates the machine, or
lets the pod go, which ends the guest. Read in the admission of KubeVirt 1.9.0 and recorded from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions, node_fit, vm_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import POD, VM, is_deleting

Object = Mapping[str, Any]

NON_MIGRATABLE = ["fail", "shutdown", "restart"]
# Run strategies under which KubeVirt restarts a machine when it is asked to.
_RESTARTS = frozenset({"Always", "Manual", "RerunOnFailure"})
_MIRROR = "kubernetes.io/config.mirror"
_DOMAIN = "kubevirt.io/domain"
_COMPONENT = "kubevirt.io"


@dataclass(frozen=True)
class Wishes:
    """What the task allows. `grace_period` is in seconds and is for pods; machines keep their own."""

    non_migratable: str = "fail"
    delete_emptydir_data: bool = False
    force: bool = False
    grace_period: int | None = None


@dataclass(frozen=True)
class Blocker:
    """One thing that a drain cannot or may not move."""

    kind: str
    namespace: str
    name: str
    why: str
    fix: str = ""

    def as_dict(self) -> dict[str, str]:
        """As results show it."""
        return {"kind": self.kind, "namespace": self.namespace, "name": self.name, "why": self.why, "fix": self.fix}

    def __str__(self) -> str:
        fix = f" ({self.fix})" if self.fix else ""
        return f"{self.kind} {self.namespace}/{self.name}: {self.why}{fix}"


@dataclass(frozen=True)
class Departure:
    """How a machine leaves.

    way: `migrate`, `external`, `evict`, `restart` or `shutdown`; fate: what is expected to become of it: `migrated`,
    `restarted`, `shut_down` or `external`; uid: of its instance; why: the reason where it is not migrated.
    """

    key: Key
    uid: str
    way: str
    fate: str
    why: str = ""
    run_strategy: str = ""


@dataclass
class Plan:
    """What a drain does with a node: machines and their departures, pods to evict, a count of the pods left, what blocks."""

    departures: list[Departure] = field(default_factory=list)
    pods: list[Object] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    blockers: list[Blocker] = field(default_factory=list)


@dataclass(frozen=True)
class Facts:
    """What a plan is made from.

    vmis, vms: by namespace and name, those of the machines on the node, and of these the machines that were read; nodes:
    all; leaving: the names of those that are drained; pods: of the whole cluster, None where they were not read.
    """

    vmis: Mapping[Key, Object] = field(default_factory=dict)
    vms: Mapping[Key, Object] = field(default_factory=dict)
    nodes: Sequence[Object] = ()
    leaving: frozenset[str] = frozenset()
    pods: Sequence[Object] | None = None


def kind_of(pod: Object) -> str:
    """`static`, `daemon_set`, `finished`, `machine`, `hotplug` (it goes with its machine's pod) or `ordinary`."""
    labels, owner = pod["metadata"].get("labels") or {}, controller_of(pod)
    if (pod.get("status") or {}).get("phase") in conditions.FINAL_PHASES:
        return "finished"
    if _MIRROR in (pod["metadata"].get("annotations") or {}) or owner.get("kind") == "Node":
        return "static"
    if owner.get("kind") == "DaemonSet":
        return "daemon_set"
    if labels.get(_COMPONENT) == "virt-launcher":
        return "machine"
    return "hotplug" if labels.get(_COMPONENT) == "hotplug-disk" else "ordinary"


def controller_of(item: Object) -> Object:
    """The owner that makes an object anew, empty where there is none."""
    owners = item["metadata"].get("ownerReferences") or []
    return next((dict(owner) for owner in owners if owner.get("controller")), {})


def machine_of(pod: Object) -> Key:
    """Namespace and name of the machine that a launcher pod runs."""
    meta = pod["metadata"]
    name = (meta.get("annotations") or {}).get(_DOMAIN) or controller_of(pod).get("name") or ""
    return str(meta.get("namespace", "")), str(name)


def pod_blockers(pod: Object, wishes: Wishes) -> Iterable[Blocker]:
    """Why an ordinary pod may not be evicted."""
    meta = pod["metadata"]
    if is_deleting(pod):
        return
    if not controller_of(pod) and not wishes.force:
        why = "no controller would make it anew"
        yield Blocker("Pod", meta["namespace"], meta["name"], why, "allow it with force, or delete it yourself")
    volumes = [str(found["name"]) for found in pod["spec"].get("volumes") or [] if "emptyDir" in found]
    if volumes and not wishes.delete_emptydir_data:
        why = f"the data in its emptyDir {', '.join(volumes)} would be lost"
        yield Blocker("Pod", meta["namespace"], meta["name"], why, "allow it with delete_emptydir_data")


def is_on(vmi: Object | None, node: str) -> bool:
    """Whether a machine's guest runs on the node, or is about to start there; not whether it migrates to or from it."""
    return vmi is not None and str((vmi.get("status") or {}).get("nodeName") or node) == node


def is_moved(vmi: Object, facts: Facts) -> bool:
    """Whether an eviction makes KubeVirt, or somebody, move the machine: its run strategy does not matter then."""
    return _strategy(vmi) == "External" or (
        _strategy(vmi) != "None" and not _not_migratable(vmi) and bool(_others(vmi, facts)[0])
    )


def plan(node: str, pods: Iterable[Object], facts: Facts, wishes: Wishes) -> Plan:
    """How everything leaves the node."""
    made = Plan()
    for pod in pods:
        kind = kind_of(pod)
        if kind == "ordinary":
            blockers = list(pod_blockers(pod, wishes))
            made.blockers += blockers
            if not blockers:
                made.pods.append(pod)
        elif kind == "machine":
            vmi = facts.vmis.get(machine_of(pod))
            if vmi is not None and is_on(vmi, node) and not is_deleting(vmi):
                _add(made, departure(vmi, pod, facts, wishes))
        else:
            made.counts[kind] += 1
    return made


def _add(made: Plan, found: Departure | Blocker) -> None:
    if isinstance(found, Blocker):
        made.blockers.append(found)
    else:
        made.departures.append(found)


def departure(vmi: Object, pod: Object, facts: Facts, wishes: Wishes) -> Departure | Blocker:
    """How a machine leaves its node, or why it may not."""
    strategy, stuck = _strategy(vmi), _not_migratable(vmi)
    if strategy == "External":
        return _departure(
            vmi, facts, "external", "external", "its eviction strategy External leaves it to somebody else"
        )
    fitting, why = _others(vmi, facts)
    if strategy in ("LiveMigrate", "LiveMigrateIfPossible") and not stuck and fitting:
        return _departure(vmi, facts, "migrate", "migrated")
    if strategy == "LiveMigrate" or (strategy == "LiveMigrateIfPossible" and not stuck):
        return _without_migration(vmi, pod, facts, wishes, stuck or f"no other node takes it: {why}")
    return _without_strategy(
        vmi, pod, facts, wishes, stuck or "its eviction strategy None ends it instead of moving it"
    )


def _departure(vmi: Object, facts: Facts, way: str, fate: str, why: str = "") -> Departure:
    key = _key(vmi)
    vm = facts.vms.get(key)
    return Departure(key, str(vmi["metadata"]["uid"]), way, fate, why, vm_state.run_strategy(vm) if vm else "")


def _key(vmi: Object) -> Key:
    return str(vmi["metadata"]["namespace"]), str(vmi["metadata"]["name"])


def _strategy(vmi: Object) -> str:
    """KubeVirt writes the cluster's strategy into each instance that states none."""
    return str((vmi.get("spec") or {}).get("evictionStrategy") or "None")


def _not_migratable(vmi: Object) -> str:
    """Why it is not migratable, empty where it is, or where that is not known since it has not begun to run."""
    found = conditions.find(vmi, "LiveMigratable")
    if found.get("status") != "False":
        return ""
    told = conditions.describe(found)
    return f"it is not live-migratable: {told}" if told else "it is not live-migratable"


def _others(vmi: Object, facts: Facts) -> tuple[list[Object], str]:
    return node_fit.elsewhere(vmi.get("spec") or {}, facts.nodes, facts.leaving)


def _without_strategy(vmi: Object, pod: Object, facts: Facts, wishes: Wishes, why: str) -> Departure | Blocker:
    """The pod's eviction is granted, and ends the guest: fine where it is started anew elsewhere."""
    vm = facts.vms.get(_key(vmi))
    maker = (controller_of(vmi) or {}).get("kind")
    if vm is None and maker not in (None, VM.kind):
        return _departure(vmi, facts, "evict", "shut_down", f"{why}; its {maker} makes another")
    if vm is None and wishes.force:
        return _departure(vmi, facts, "evict", "shut_down", f"{why}; no machine starts it anew")
    if vm is not None and vm_state.run_strategy(vm) == "Always":
        room = _no_room(vmi, pod, facts)
        if not room:
            return _departure(vmi, facts, "evict", "restarted", why)
        why = f"{why}, and no other node takes it: {room}"
    return _without_migration(vmi, pod, facts, wishes, why)


def _no_room(vmi: Object, pod: Object, facts: Facts) -> str:
    """Why no other node can take the machine once it has ended here."""
    fitting, why = _others(vmi, facts)
    if not fitting:
        return why
    if facts.pods is None:
        return ""
    short = {node_fit.name_of(node): node_fit.short_of(pod, node, facts.pods) for node in fitting}
    if not all(short.values()):
        return ""
    return "; ".join(f"{name} has not enough {' and '.join(found)}" for name, found in short.items())


def _without_migration(vmi: Object, pod: Object, facts: Facts, wishes: Wishes, why: str) -> Departure | Blocker:
    """What the task says is to become of machines that cannot be migrated."""
    vm = facts.vms.get(_key(vmi))
    if vm is None:
        fix = "allow its end with force" if _strategy(vmi) != "LiveMigrate" else "delete the instance yourself"
        return _blocker(vmi, f"{why}; no machine would start it anew", fix)
    if wishes.non_migratable == "shutdown":
        return _departure(vmi, facts, "shutdown", "shut_down", why)
    if wishes.non_migratable == "restart":
        return _restart(vmi, pod, vm, facts, why)
    strategy = vm_state.run_strategy(vm)
    comes_back = "" if strategy == "Always" else f"; run strategy {strategy} does not start it anew by itself"
    helps = not isinstance(_restart(vmi, pod, vm, facts, why), Blocker)
    return _blocker(vmi, why + comes_back, f"choose with non_migratable: shutdown{' or restart' if helps else ''}")


def _restart(vmi: Object, pod: Object, vm: Object, facts: Facts, why: str) -> Departure | Blocker:
    strategy, room = vm_state.run_strategy(vm), _no_room(vmi, pod, facts)
    if strategy not in _RESTARTS:
        fix = "set another run strategy with the module vm, or choose non_migratable: shutdown"
        return _blocker(vmi, f"{why}; KubeVirt restarts no machine with run strategy {strategy}", fix)
    if room:
        return _blocker(vmi, f"{why}; it cannot be restarted elsewhere: {room}", "choose non_migratable: shutdown")
    return _departure(vmi, facts, "restart", "restarted", why)


def _blocker(vmi: Object, why: str, fix: str) -> Blocker:
    namespace, name = _key(vmi)
    return Blocker(VM.kind, namespace, name, why, fix)


def left_pod(pod: Object, why: str) -> Blocker:
    """A pod that is still there."""
    return Blocker(POD.kind, str(pod["metadata"]["namespace"]), str(pod["metadata"]["name"]), why)
