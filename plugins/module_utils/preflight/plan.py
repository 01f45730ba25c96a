# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: which port of which node each other node needs, from the groups that they are in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

CONTROL_PLANE, KVM_NODES, LOAD_BALANCERS, STORAGE_NODES, MONITORING_NODES = (
    "control_plane",
    "kvm_nodes",
    "load_balancers",
    "storage_nodes",
    "monitoring_nodes",
)
ALL = (CONTROL_PLANE, KVM_NODES, LOAD_BALANCERS, STORAGE_NODES, MONITORING_NODES)


@dataclass(frozen=True)
class Service:
    """A TCP port that hosts of the groups `served_by` open for those of `used_by`. network: which of a node's addresses."""

    name: str
    port: int
    served_by: tuple[str, ...]
    used_by: tuple[str, ...]
    network: str = "address"


@dataclass(frozen=True)
class Node:
    """A host of the inventory. address: among Kubernetes' nodes; the others where a role was given its own.

    held: ports that nobody can listen on now and nobody is asked for.
    """

    name: str
    groups: tuple[str, ...]
    address: str
    storage_address: str = ""
    balancer_address: str = ""
    held: tuple[int, ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Node:
        """From a module's parameter."""
        own = str(given["address"])
        return cls(
            str(given["name"]),
            tuple(given.get("groups") or ()),
            own,
            str(given.get("storage_address") or own),
            str(given.get("balancer_address") or own),
            tuple(given.get("held") or ()),
        )

    def on(self, network: str) -> str:
        """Its address on one of the networks."""
        return str(getattr(self, network))


# https://kubernetes.io/docs/reference/networking/ports-and-protocols/, GlusterFS' own, of whose bricks any port stands for all, as for Ceph's
# OSDs, and what Prometheus reads on every host.
SERVICES = (
    Service("kube-apiserver", 6443, (CONTROL_PLANE,), (CONTROL_PLANE, KVM_NODES, LOAD_BALANCERS, MONITORING_NODES)),
    Service("etcd for clients", 2379, (CONTROL_PLANE,), (CONTROL_PLANE,)),
    Service("etcd for peers", 2380, (CONTROL_PLANE,), (CONTROL_PLANE,)),
    Service("kubelet", 10250, (CONTROL_PLANE, KVM_NODES), (CONTROL_PLANE, MONITORING_NODES)),
    Service("glusterd", 24007, (STORAGE_NODES,), (STORAGE_NODES, KVM_NODES), "storage_address"),
    Service("GlusterFS brick", 49152, (STORAGE_NODES,), (STORAGE_NODES, KVM_NODES), "storage_address"),
    Service("Ceph monitor", 3300, (STORAGE_NODES,), (STORAGE_NODES, KVM_NODES), "storage_address"),
    Service("Ceph OSD", 6800, (STORAGE_NODES,), (STORAGE_NODES, KVM_NODES), "storage_address"),
    Service("node exporter", 9100, ALL, (MONITORING_NODES,)),
    Service("Alertmanager for peers", 9094, (MONITORING_NODES,), (MONITORING_NODES,)),
)


@dataclass(frozen=True)
class Question:
    """One connection to make: to which node's service, where."""

    node: str
    service: str
    address: str
    port: int


def services(ports: Mapping[str, int]) -> tuple[Service, ...]:
    """The table with the ports that the inventory gives services by their names; 0: nobody runs it."""
    given = (replace(each, port=int(ports.get(each.name, each.port))) for each in SERVICES)
    return tuple(each for each in given if each.port)


def opened(own: Node, nodes: Sequence[Node], ports: Mapping[str, int]) -> list[tuple[str, int]]:
    """(address, port) of each service of a node that another one needs."""
    return [
        (own.on(each.network), each.port)
        for each in services(ports)
        if _any(own.groups, each.served_by) and _needed(each, own, nodes)
    ]


def questions(own: Node | None, nodes: Sequence[Node], ports: Mapping[str, int]) -> list[Question]:
    """The connections that a node must be able to make; all that there are where it is none of the nodes."""
    return [
        Question(node.name, each.name, node.on(each.network), each.port)
        for node in nodes
        if own is None or node.name != own.name
        for each in services(ports)
        if _any(node.groups, each.served_by)
        and (_needed(each, node, nodes) if own is None else _any(own.groups, each.used_by))
        and each.port not in node.held
    ]


def vrrp_peers(own: Node | None, nodes: Sequence[Node]) -> list[Node]:
    """The load balancers beside this one; none where it is no load balancer."""
    if own is None or LOAD_BALANCERS not in own.groups:
        return []
    return [node for node in nodes if LOAD_BALANCERS in node.groups and node.name != own.name]


def neighbours(own: Node, nodes: Iterable[Node]) -> dict[str, str]:
    """Address → name of every other node, by all the addresses that it has."""
    return {
        address: node.name
        for node in nodes
        if node.name != own.name
        for address in (node.balancer_address, node.storage_address, node.address)
    }


def _needed(service: Service, by: Node, nodes: Iterable[Node]) -> bool:
    """Whether another node than the one that serves it needs a service."""
    return any(_any(node.groups, service.used_by) for node in nodes if node.name != by.name)


def _any(have: Iterable[str], wanted: Iterable[str]) -> bool:
    return not set(have).isdisjoint(wanted)
