# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the facts that a decision rests on; all reads are under way at once."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import NotFound
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation import names
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.decision import (
    Etcd,
    EtcdMember,
    Facts,
    NodeFacts,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.lock import Lock
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import LEASE, NODE, POD, Resource

Object = dict[str, Any]
_READERS = 8


@dataclass(frozen=True)
class Scope:
    """What a recovery is about, beside what the API knows.

    path_ports and path_timeout: the direct path, tried only where ports are given; recover_cordoned: whether a cordon
    without the maintenance annotation does not hold the recovery back.
    """

    node: str
    stopped: bool = False
    enrolled_uuid: str = ""
    storage_hosts: tuple[str, ...] = ()
    etcd_members: int | None = None
    etcd_healthy: int | None = None
    path_ports: tuple[int, ...] = ()
    path_timeout: float = 1.0
    recover_cordoned: bool = False


def gather(client: Client, lock: Lock, scope: Scope) -> Facts:
    """The facts about a node and its cluster."""
    with ThreadPoolExecutor(_READERS) as pool:
        nodes = pool.submit(lambda: client.list(NODE).items)
        leases = pool.submit(lambda: client.list(LEASE, names.NODE_LEASES).items)
        etcd = pool.submit(lambda: client.list(POD, "kube-system", label_selector=names.ETCD_SELECTOR).items)
        holder = pool.submit(lock.other_holder)
        health_checks = pool.submit(_listed, client, names.HEALTH_CHECK)
        remediations = [pool.submit(_listed, client, resource) for resource in names.REMEDIATIONS]
        path = pool.submit(_path_answers, nodes.result(), scope)
        found = [entry for future in remediations for entry in future.result()]
        return Facts(
            node=scope.node,
            nodes=node_facts(nodes.result(), leases.result(), time.time(), scope.recover_cordoned),
            etcd=_etcd(etcd.result(), scope),
            storage_hosts=scope.storage_hosts,
            path_answers=path.result(),
            remediators=tuple(_in_charge(health_checks.result(), found, scope.node)),
            lock_holder=holder.result(),
            stopped=scope.stopped,
            enrolled_uuid=scope.enrolled_uuid,
        )


def node_facts(
    nodes: Sequence[Object], leases: Sequence[Object], now: float, recover_cordoned: bool = False
) -> tuple[NodeFacts, ...]:
    """Pure: what Node and Lease objects say of each node at `now`, seconds since the epoch.

    The newest renewal counts as now where it is later, so that a clock here that is behind makes nobody look alive
    for longer; one that is ahead makes all nodes look dead, which refuses.
    """
    by_name = {lease["metadata"]["name"]: lease.get("spec") or {} for lease in leases}
    renewed = {name: seconds(spec.get("renewTime")) for name, spec in by_name.items()}
    now = max([now, *(moment for moment in renewed.values() if moment is not None)])
    return tuple(_node(node, by_name, renewed, now, recover_cordoned) for node in nodes)


def _node(
    node: Object,
    leases: Mapping[str, Object],
    renewed: Mapping[str, float | None],
    now: float,
    recover_cordoned: bool,
) -> NodeFacts:
    meta, spec, status = node["metadata"], node.get("spec") or {}, node.get("status") or {}
    labels, name = meta.get("labels") or {}, meta["name"]
    ready = [entry.get("status") for entry in status.get("conditions") or [] if entry.get("type") == "Ready"]
    info = status.get("nodeInfo") or {}
    moment = renewed.get(name)
    cordoned = bool(spec.get("unschedulable"))
    maintenance = (meta.get("annotations") or {}).get(names.MAINTENANCE, "")
    if cordoned and not maintenance and not recover_cordoned:
        maintenance = "it is cordoned"
    return NodeFacts(
        name=name,
        ready=ready == ["True"],
        lease_silent=None if moment is None else now - moment,
        lease_duration=float((leases.get(name) or {}).get("leaseDurationSeconds") or 40),
        zone=labels.get(names.ZONE, ""),
        maintenance=maintenance,
        schedulable=not cordoned,
        control_plane=names.CONTROL_PLANE in labels,
        out_of_service=any(taint.get("key") == names.TAINT_KEY for taint in spec.get("taints") or []),
        system_uuid=info.get("systemUUID", ""),
        boot_id=info.get("bootID", ""),
    )


def seconds(moment: str | None) -> float | None:
    """A moment of the API (RFC 3339) in seconds since the epoch, None where there is none."""
    if not moment:
        return None
    whole, _dot, fraction = moment.rstrip("Z").partition(".")
    stamp = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return stamp.timestamp() + (float(f"0.{fraction}") if fraction else 0.0)


def _etcd(pods: Sequence[Object], scope: Scope) -> Etcd:
    members = tuple(EtcdMember(pod["spec"].get("nodeName", ""), conditions.holds(pod, "Ready")) for pod in pods)
    return Etcd(members, scope.etcd_members, scope.etcd_healthy)


def _listed(client: Client, resource: Resource) -> list[Object]:
    """The objects of a kind that may not be installed."""
    try:
        return [{"kind": resource.kind, **item} for item in client.list(resource).items]
    except NotFound:
        return []


def _in_charge(health_checks: Sequence[Object], remediations: Sequence[Object], node: str) -> list[str]:
    """Pure: who else may act on the node: a health check that is not paused, a remediation of this very node."""
    active = [check for check in health_checks if not (check.get("spec") or {}).get("pauseRequests")]
    mine = [entry for entry in remediations if entry["metadata"]["name"] == node]
    return [f"{entry['kind']} {entry['metadata']['name']}" for entry in (*active, *mine)]


def _path_answers(nodes: Sequence[Object], scope: Scope) -> bool | None:
    address = next((internal_address(node) for node in nodes if node["metadata"]["name"] == scope.node), None)
    if not scope.path_ports or not address:
        return None
    with ThreadPoolExecutor(len(scope.path_ports)) as pool:
        tries = [pool.submit(_answers, address, port, scope.path_timeout) for port in scope.path_ports]
        return any(attempt.result() for attempt in tries)


def internal_address(node: Mapping[str, Any]) -> str | None:
    """The node's InternalIP."""
    addresses = (node.get("status") or {}).get("addresses") or []
    return next((entry["address"] for entry in addresses if entry.get("type") == "InternalIP"), None)


def _answers(address: str, port: int, timeout: float) -> bool:
    """Whether the machine answers; a refused connection is an answer of a machine that runs."""
    try:
        with socket.create_connection((address, port), timeout):
            return True
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
