# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a platform could bear the loss of any one part now. Pure: every fault from what was gathered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import ceph
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.platform_state import COMPONENTS, HANDLER, replicas

Object = Mapping[str, Any]
_CORDON = "node.kubernetes.io/unschedulable"
_ENTRIES = re.compile(r"^Number of entries: *(\S+)", re.MULTILINE)
_STATUS = re.compile(r"^Status: *(.+?) *$", re.MULTILINE)
_PEER = re.compile(r"^Hostname: *(\S+)(?:\n(?!Hostname).*)*?\nState: *(.+?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Expected:
    """What must be there: nodes by name, etcd members (0: not run in the cluster), taints that are no fault.

    cordoned: nodes whose cordon is none, either.
    """

    nodes: tuple[str, ...]
    etcd_members: int
    ignored_taints: tuple[str, ...] = ()
    heartbeat_seconds: float = 5.0
    watcher: bool = True
    cordoned: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What was gathered. A dictionary of answers is name → why it is bad, empty where it is good."""

    nodes: Sequence[Object] = ()
    etcd_pods: Sequence[Object] = ()
    api_servers: Mapping[str, str] = field(default_factory=dict)
    kubevirt: Object | None = None
    deployments: Sequence[Object] = ()
    daemon_sets: Sequence[Object] = ()
    machines: Mapping[str, Object | None] = field(default_factory=dict)
    guests: Mapping[str, str] = field(default_factory=dict)
    storage: Sequence[Mapping[str, str]] = ()
    heartbeat: Mapping[str, Any] | None = None
    now: float = 0.0


def faults(expected: Expected, seen: Seen) -> list[str]:
    """A sentence for each part that is missing or on its way back; empty where redundancy is whole."""
    found = [*_nodes(expected, seen), *_etcd(expected, seen)]
    found += [f"API server of {name}: {why}" for name, why in sorted(seen.api_servers.items()) if why]
    found += [*_kubevirt(expected, seen), *_machines(seen)]
    found += [fault for entry in seen.storage for fault in storage_faults(entry)]
    if expected.watcher:
        found += heartbeat_faults(seen.heartbeat, seen.now, expected.heartbeat_seconds)
    return found


def _nodes(expected: Expected, seen: Seen) -> Iterable[str]:
    nodes = {str(node["metadata"]["name"]): node for node in seen.nodes}
    for name in sorted({*expected.nodes, *nodes}):
        node = nodes.get(name)
        if node is None:
            yield f"node {name} is not in the cluster"
            continue
        ready = conditions.find(node, "Ready").get("status", "Unknown")
        if ready != "True":
            yield f"node {name} is not Ready (Ready is {ready})"
        spec = node.get("spec") or {}
        may_be_cordoned = name in expected.cordoned
        ignored = {*expected.ignored_taints, *([_CORDON] if may_be_cordoned else [])}
        keys = sorted({str(taint["key"]) for taint in spec.get("taints") or []} - ignored)
        if keys:
            yield f"node {name} is tainted with {', '.join(keys)}"
        elif spec.get("unschedulable") and not may_be_cordoned:
            yield f"node {name} is cordoned"


def _etcd(expected: Expected, seen: Seen) -> Iterable[str]:
    if not expected.etcd_members:
        return
    ready = [pod for pod in seen.etcd_pods if conditions.holds(pod, "Ready")]
    for pod in seen.etcd_pods:
        if pod not in ready:
            yield f"etcd member {pod['metadata']['name']} is not ready"
    if len(seen.etcd_pods) < expected.etcd_members:
        yield f"etcd has {len(seen.etcd_pods)} of its {expected.etcd_members} members"


def _kubevirt(expected: Expected, seen: Seen) -> Iterable[str]:
    if seen.kubevirt is None:
        yield "KubeVirt is not installed"
        return
    if not conditions.holds(seen.kubevirt, "Available"):
        yield "KubeVirt does not say that it is Available"
    deployments = {str(item["metadata"]["name"]): item for item in seen.deployments}
    for name in COMPONENTS:
        if name not in deployments:
            yield f"Deployment {name} is missing"
            continue
        wanted, ready = replicas(deployments[name])
        if ready < wanted:
            yield f"Deployment {name} has {ready} of {wanted} replicas ready"
        elif wanted < 2:
            yield f"Deployment {name} asks for {wanted} replica: there is no second one to take over"
    handler = next((item for item in seen.daemon_sets if item["metadata"]["name"] == HANDLER), None)
    status = (handler or {}).get("status") or {}
    # Not of all nodes: it bears no taint of control planes that run no machines, and the CR may place it elsewhere.
    ready, wanted = int(status.get("numberReady") or 0), int(status.get("desiredNumberScheduled") or 0)
    if not wanted or ready < wanted:
        yield f"DaemonSet {HANDLER} is ready on {ready} of {wanted} nodes"


def _machines(seen: Seen) -> Iterable[str]:
    for name, vmi in sorted(seen.machines.items()):
        if vmi is None:
            yield f"VM {name} has no VMI"
            continue
        phase = (vmi.get("status") or {}).get("phase")
        if phase != "Running" or not conditions.holds(vmi, "Ready"):
            yield f"VM {name} is not ready (phase {phase or 'none'})"
        elif seen.guests.get(name):
            yield f"guest of VM {name} does not serve: {seen.guests[name]}"


def storage_faults(entry: Mapping[str, str]) -> list[str]:
    """Faults in what a storage host said; `kind` is gluster_peers, gluster_heal or ceph_health, `text` the command's output.

    `why` may say why there is none.
    """
    host, kind, text = entry["host"], entry["kind"], entry["text"]
    because = f": {entry['why']}" if entry.get("why") else ""
    if kind == "gluster_peers":
        peers = _PEER.findall(text)
        lost = [f"storage peer {peer} of {host} is {state}" for peer, state in peers if "(Connected)" not in state]
        return lost if peers else [f"{host} tells of no storage peers{because}"]
    if kind == "gluster_heal":
        states, counts = _STATUS.findall(text), _ENTRIES.findall(text)
        found = [f"a brick is not connected, says {host}: {state}" for state in states if state != "Connected"]
        waiting = sum(int(count) for count in counts if count.isdigit())
        if waiting:
            found.append(f"{waiting} entries of the storage are still to be healed, says {host}")
        if not counts or (not found and not all(count.isdigit() for count in counts)):
            found.append(f"{host} does not tell whether the storage is healed{because}")
        return found
    if kind == "ceph_health":
        try:
            checks = ceph.health(text).checks
        except ValueError:
            return [f"{host} does not tell Ceph's health{because}"]
        return [_complaint(host, each) for each in checks if not each.is_advice]
    return [f"{host}: the kind {kind} of a storage check is not known"]


def _complaint(host: str, check: ceph.Check) -> str:
    told = f"Ceph, says {host}: {check.code}: {check.message}"
    if not check.may_be_muted:
        return told
    return f"{told}; mend it, or, if the site lives with it: ceph health mute {check.code} --sticky (on {host})"


def heartbeat_faults(heartbeat: Mapping[str, Any] | None, now: float, longest: float) -> list[str]:
    """Faults of the watcher, from its heartbeat and the time in seconds since the epoch."""
    if heartbeat is None:
        return ["the watcher has no heartbeat: nothing would recover a lost node"]
    age = now - float(heartbeat.get("at") or 0)
    if age > longest:
        return [f"the watcher's last heartbeat is {age:.0f} s old: nothing would recover a lost node"]
    found = []
    if heartbeat.get("automatic") is False:
        found.append("the watcher only watches: automatic recovery is off")
    if heartbeat.get("stopped"):
        found.append("the watcher's stop switch is set")
    if heartbeat.get("recovering"):
        found.append("the watcher is recovering a node")
    suspects = sorted(name for name, state in (heartbeat.get("nodes") or {}).items() if state.get("suspected"))
    if suspects:
        found.append(f"the watcher suspects {', '.join(suspects)}")
    if heartbeat.get("api", "known") != "known":
        found.append(f"the watcher does not know the nodes' leases: {heartbeat['api']}")
    return found
