# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what several checks look at: nodes that run machines, failure domains, and each machine with all that it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Thing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.groups import Groups
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import (
    CPU_MANAGER,
    CPU_MODEL,
    FAILOVER,
    SCHEDULABLE,
    Claim,
    Cluster,
    Disk,
    Guest,
    Node,
    Pod,
    Settings,
    Vm,
    Vmi,
    Volume,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.placement import (
    NodeTerms,
    Placement,
    Requirement,
)

HOST_CPU = ("host-model", "host-passthrough")
RESTARTED = ("Always", "RerunOnFailure")
# A pod that received a migration carries what its predecessor's CPU asked for; a fresh one would not.
_OF_MIGRATION = ("cpu-model-migration.node.kubevirt.io/", "host-model-required-features.node.kubevirt.io/")


@dataclass(frozen=True)
class Machine:
    """A machine that runs or should run: its VirtualMachine, its instance, the pod that it runs in, where there are any.

    placement: all its rules of nodes, those of its instance and those that KubeVirt adds.
    """

    key: Key
    guest: Guest
    placement: Placement
    vm: Vm | None = None
    vmi: Vmi | None = None
    pod: Pod | None = None

    def thing(self, detail: str = "") -> Thing:
        kind = "VirtualMachine" if self.vm else "VirtualMachineInstance"
        return Thing(kind, self.key[1], self.key[0], detail)

    @property
    def node(self) -> str:
        return self.vmi.node if self.vmi else ""


class View:
    """A cluster as the checks see it.

    hosts: the nodes that run machines, now or when they are back; strangers: machines that were not looked at, of which
    only their pods tell; groups: the rules of all machines about other pods.
    """

    def __init__(self, cluster: Cluster, settings: Settings) -> None:
        self.cluster = cluster
        self.settings = settings
        self.nodes = {node.name: node for node in cluster.nodes}
        self.hosts = [node for node in cluster.nodes if node.runs_machines]
        self.machines = list(_machines(cluster))
        self.strangers = list(_strangers(cluster, self.machines))
        rules = ((pod.namespace, pod.placement) for pod in cluster.pods)
        self.groups = Groups((name, term) for name, rule in rules for term in (*rule.apart, *rule.together))
        self._reach: dict[object, frozenset[str]] = {}
        self._states: dict[Key, list[Claim]] = {}
        for claim in cluster.claims.values():
            if claim.state_of:
                self._states.setdefault((claim.key[0], claim.state_of), []).append(claim)

    def domain(self, node: str) -> str:
        """The failure domain of a node, empty where it is not labelled."""
        return self.nodes[node].labels.get(self.settings.domain_label, "") if node in self.nodes else ""

    def domains(self, nodes: Iterable[Node]) -> dict[str, list[str]]:
        """Failure domain → names of these nodes; of labelled nodes only."""
        found: dict[str, list[str]] = {}
        for node in nodes:
            if self.domain(node.name):
                found.setdefault(self.domain(node.name), []).append(node.name)
        return found

    @property
    def everywhere(self) -> frozenset[str]:
        """The nodes that run machines without any rule."""
        return self.reach(Placement())

    def reach(self, placement: Placement) -> frozenset[str]:
        """The nodes that run machines and that these rules allow, whatever their state now."""
        return self._cached(
            placement,
            lambda node: (
                placement.allows(node.name, node.labels) and placement.tolerates(node.taints, lasting_only=True)
            ),
        )

    def reach_of(self, terms: NodeTerms | None) -> frozenset[str]:
        """The same for a volume's node affinity."""
        return self._cached(
            (terms,), lambda node: terms is None or any(term.holds(node.name, node.labels) for term in terms)
        )

    def offers(self, resource: str) -> frozenset[str]:
        """The nodes that run machines and have such a device."""
        return self._cached(resource, lambda node: node.room.get(resource, 0) > 0)

    def labelled(self, *keys: str) -> frozenset[str]:
        """The nodes that run machines and on which one of the labels is true."""
        return self._cached(keys, lambda node: any(node.labels.get(key) == "true" for key in keys))

    def _cached(self, key: object, test: Callable[[Node], bool]) -> frozenset[str]:
        if key not in self._reach:
            self._reach[key] = frozenset(node.name for node in self.hosts if test(node))
        return self._reach[key]

    def claims(self, machine: Machine) -> Iterator[tuple[Disk, Claim]]:
        """The claims of a machine's disks that are there."""
        for disk in machine.guest.disks:
            claim = self.cluster.claims.get((machine.key[0], disk.name))
            if disk.source == "claim" and claim is not None:
                yield disk, claim

    def states(self, machine: Machine) -> list[Claim]:
        """The claims that hold its TPM or EFI state."""
        return self._states.get(machine.key, []) if machine.guest.state else []

    def is_local(self, claim: Claim) -> bool:
        """Whether a claim's volume is one node's alone, as its class may say, bound or not. A path of whatever node is, unless
        it is said to be shared."""
        item = self.cluster.storage_classes.get(claim.storage_class, {})
        if ((item.get("metadata") or {}).get("annotations") or {}).get(FAILOVER) == "false":
            return True
        volume = self.cluster.volumes.get(claim.volume)
        return volume is not None and self.is_of_one_node(volume, shared=claim.shared)

    def is_of_one_node(self, volume: Volume, *, shared: bool = False) -> bool:
        """The same for a volume; shared: whether its claim says that several may have it at once."""
        if volume.host_path and volume.terms is None:
            return not (volume.shared or shared)
        return volume.terms is not None and len(self.reach_of(volume.terms)) < 2

    def volume_reach(self, machine: Machine) -> frozenset[str]:
        """The nodes that all its volumes let it run on."""
        found = self.reach_of(None)
        for claim in (*(claim for _disk, claim in self.claims(machine)), *self.states(machine)):
            volume = self.cluster.volumes.get(claim.volume)
            if volume is not None:
                found &= self.reach_of(volume.terms)
        return found


def _machines(cluster: Cluster) -> Iterator[Machine]:
    launchers = {(pod.vmi, pod.node): pod for pod in sorted(cluster.pods, key=lambda pod: not pod.target) if pod.vmi}
    for key in sorted({*cluster.vms, *cluster.vmis}):
        vm, vmi = cluster.vms.get(key), cluster.vmis.get(key)
        restarts = vm is not None and vm.strategy in RESTARTED and not _rests(vm)
        if not restarts and (vmi is None or vmi.leaving):
            continue
        guest = vmi.guest if vmi else vm.guest if vm else Guest()
        pod = launchers.get((vmi.uid, vmi.node)) if vmi and vmi.node else None
        yield Machine(key, guest, _placement(guest, pod), vm, vmi, pod)


def _strangers(cluster: Cluster, known: Iterable[Machine]) -> Iterator[Machine]:
    """Machines that only their launcher pod tells of, as their namespace was not looked at; they need room all the same."""
    uids = {machine.vmi.uid for machine in known if machine.vmi}
    found: dict[str, Pod] = {}
    for pod in sorted(cluster.pods, key=lambda pod: pod.target):
        if pod.vmi and pod.vmi not in uids and pod.node:
            found.setdefault(pod.vmi, pod)
    for pod in found.values():
        guest = Guest(placement=pod.placement)
        yield Machine((pod.namespace, pod.machine), guest, _placement(guest, pod), pod=pod)


def _rests(vm: Vm) -> bool:
    """Whether a machine is stopped and stays so under its strategy."""
    return vm.strategy == "RerunOnFailure" and vm.stopped and not vm.created


def _placement(guest: Guest, pod: Pod | None) -> Placement:
    """The guest's rules and those that KubeVirt adds; of its node labels those that a pod carries, where there is one."""
    own = guest.placement
    if pod is None:
        return own.with_selector((*own.selector, *_added(guest)))
    kept = tuple(
        rule for rule in pod.placement.selector if rule.key != SCHEDULABLE and not rule.key.startswith(_OF_MIGRATION)
    )
    return own.with_selector(kept)


def _added(guest: Guest) -> Iterator[Requirement]:
    if guest.cpu_model and guest.cpu_model not in HOST_CPU:
        yield Requirement(CPU_MODEL + guest.cpu_model, "In", ("true",))
    if guest.dedicated:
        yield Requirement(CPU_MANAGER, "In", ("true",))
