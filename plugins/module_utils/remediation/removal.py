# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node may be taken out of the cluster for good, and what is left to do: pure, every reason is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.model import OFF, recognise
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.decision import NodeFacts

# What the playbooks call a person's word.
_CONFIRM = "replace_node_confirm or remove_node_confirm"


@dataclass(frozen=True)
class Record:
    """What was decided of a node: which object and which etcd member are to go. It outlives a run that was broken off.

    node_uid, etcd_member: empty where there was none.
    """

    node: str
    node_uid: str = ""
    system_uuid: str = ""
    etcd_member: str = ""
    by: str = ""
    proof: str = ""
    begun_at: str = ""

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Record:
        """From a ConfigMap's data; what is unknown is left out."""
        return cls(**{name: str(data.get(name) or "") for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    by: the node that takes its place, its own name where a new machine gets that; drained: it is alive and is emptied
    first, so that no proof is needed; confirm: what a person typed; identity: the machine as enrolled; proof: of node_fence;
    power_state: what its BMC said, where it was asked;
    answering_boot: boot ID of the machine that answers under the name now; etcd_member: its ID, where it has one.
    """

    node: str
    by: str = ""
    drained: bool = False
    confirm: str = ""
    identity: str = ""
    proof: Mapping[str, Any] = field(default_factory=dict)
    power_state: str = ""
    answering_boot: str = ""
    etcd_member: str = ""


@dataclass(frozen=True)
class Cluster:
    """What is known. uid: of each Node object; records: of all removals under way; launchers: machines on the node."""

    nodes: tuple[NodeFacts, ...]
    uids: Mapping[str, str]
    records: tuple[Record, ...] = ()
    launchers: tuple[str, ...] = ()
    fenced_boot: str = ""
    lock_holder: str = ""

    def find(self, name: str) -> NodeFacts | None:
        return next((node for node in self.nodes if node.name == name), None)

    def record_of(self, name: str) -> Record | None:
        return next((record for record in self.records if record.node == name), None)


@dataclass(frozen=True)
class Plan:
    """What is left to do: whether its machines are to be recovered first, the Node and the member that go, by ID."""

    faults: tuple[str, ...]
    recover: bool
    node_uid: str
    record: Record

    def as_dict(self) -> dict[str, Any]:
        """The plan in a module's result."""
        return {
            "recover": self.recover,
            "delete_node": bool(self.node_uid),
            "etcd_member": self.record.etcd_member,
            "proof": self.record.proof,
        }


def plan(cluster: Cluster, wish: Wish) -> Plan:
    """The plan of a removal; nothing may be done where it has faults."""
    known = cluster.record_of(wish.node)
    node = cluster.find(wish.node)
    found = list(_of_others(cluster, wish))
    proof = ""
    if wish.drained or known:
        proof = known.proof if known else "drained"
        if wish.drained and node is not None and node.looks_dead:
            found.append(
                f"node {wish.node} is down, so it cannot be drained: run replace_node, or remove_node with "
                "remove_node_lost=true, which want proof that it is off"
            )
    elif node is not None or wish.etcd_member:
        proof, against = prove(cluster, wish, node)
        found += against
    record = known or Record(
        node=wish.node,
        node_uid=cluster.uids.get(wish.node, ""),
        system_uuid=node.system_uuid if node else "",
        etcd_member=wish.etcd_member,
        by=wish.by,
        proof=proof,
    )
    if known and known.by != wish.by:
        by = f"replaced by {known.by}" if known.by else "taken out by remove_node"
        found.append(f"node {wish.node} is being {by} since {known.begun_at}: run that to its end first")
    there = bool(record.node_uid) and cluster.uids.get(wish.node) == record.node_uid
    if known and there and not wish.drained and node is not None and not node.looks_dead:
        found.append(
            f"node {wish.node} was to be taken out as lost since {known.begun_at} and is alive again: power it off, or give that up "
            f"(kubectl --namespace kube-system delete configmap kubevirt-ha-removal-{wish.node})"
        )
    recover = there and not wish.drained and node is not None and not node.out_of_service and bool(wish.proof)
    return Plan(tuple(found), recover, record.node_uid if there else "", record)


def prove(cluster: Cluster, wish: Wish, node: NodeFacts | None) -> tuple[str, list[str]]:
    """What proves that the lost machine is off, and what stands against it."""
    if node is not None and not node.looks_dead:
        way = (
            "re-admit it (readmit_node), or power it off"
            if node.out_of_service
            else "run remove_node, which drains it first"
        )
        return "", [f"node {wish.node} is alive, so it is not lost: {way}"]
    if wish.answering_boot and node is not None and wish.answering_boot in (node.boot_id, cluster.fenced_boot):
        why = f"the machine that answers as {wish.node} still runs the boot that was lost ({wish.answering_boot})"
        return "", [f"{why}: it is no new one; give it a new system, or re-admit the node with readmit_node"]
    machines = list(dict.fromkeys(filter(None, (wish.identity, node.system_uuid if node else ""))))
    if wish.confirm:
        shown = " or ".join(machines) or "not known"
        if not recognise(wish.confirm, machines):
            return "", [f"{_CONFIRM}: {wish.confirm} is not the lost machine of {wish.node}, which is {shown}"]
        # Of a new machine of the same name the BMC may be the same.
        if wish.power_state not in ("", OFF) and wish.by != wish.node:
            why = f"{_CONFIRM}: the BMC of {wish.node} reads it as {wish.power_state}, which no word stands against"
            return "", [f"{why}: power it off"]
        return f"a person confirmed that {wish.confirm} is off", []
    proof = wish.proof
    if proof and proof.get("node") == wish.node and proof.get("power_state") == OFF:
        return f"the BMC {proof.get('bmc')} read {proof.get('identity')} as {OFF}", []
    if node is not None and node.out_of_service and cluster.fenced_boot:
        return f"a recovery fenced its boot {cluster.fenced_boot}", []
    return "", [
        f"node {wish.node} is not proven off: power it off and run recover_node, which proves it by its BMC, or give its "
        f"serial or UUID ({' or '.join(machines) or 'as its BMC shows it'}) as {_CONFIRM}"
    ]


def _of_others(cluster: Cluster, wish: Wish) -> Iterator[str]:
    for record in cluster.records:
        if record.node != wish.node:
            yield f"node {record.node} is being taken out since {record.begun_at}: finish that first, one at a time"
    if cluster.lock_holder:
        yield f"a recovery is under way ({cluster.lock_holder}): run again when it is over"
    for node in cluster.nodes:
        if node.name in (wish.node, wish.by):
            continue
        if node.looks_dead:
            yield f"node {node.name} is down, too: bring it back first, the platform would not bear more"
        elif node.out_of_service:
            yield f"node {node.name} is out of service: re-admit it first (readmit_node)"


def deletion_faults(cluster: Cluster, wish: Wish) -> list[str]:
    """Why the Node object must not be deleted now; a Node's deletion tells Kubernetes that nothing runs there."""
    if wish.drained and cluster.launchers:
        return [f"virtual machines still run on node {wish.node}: {', '.join(cluster.launchers)}; drain it first"]
    return []
