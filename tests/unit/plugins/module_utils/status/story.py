# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of three nodes on which nothing is amiss, so that each test breaks one thing and sees just that."""

from __future__ import annotations

import copy
import time
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.build import Status, build
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.model import Facts
from ceph_answers import ceph

NOW = 1_790_000_000.0
NODES = ("n1", "n2", "n3")
GROUPS = ["control_plane", "kvm_nodes", "load_balancers", "storage_nodes"]
ADDRESSES = {"n1": "192.0.2.11", "n2": "192.0.2.12", "n3": "192.0.2.13"}
VIP = {"name": "api", "address": "192.0.2.100", "port": 8443}
MOUNT, BRICK = "/srv/shared", "/srv/brick"
QUORUM = {"cluster.quorum-type": "auto", "cluster.server-quorum-type": "server"}
Object = dict[str, Any]


def peers(state: str = "Peer in Cluster (Connected)") -> str:
    return f"Number of Peers: 1\n\nHostname: 192.0.2.12\nUuid: 0\nState: {state}\n"


def heal(waiting: int = 0) -> str:
    return f"Brick 192.0.2.11:{BRICK}\nStatus: Connected\nNumber of entries: {waiting}\n"


def volume_status(offline: str = "", *, without: str = "") -> str:
    nodes = "".join(
        f"<node><hostname>{address}</hostname><path>{BRICK}</path><status>{int(name != offline)}</status></node>"
        for name, address in ADDRESSES.items()
        if name != without
    )
    daemon = "<node><hostname>Self-heal Daemon</hostname><path>localhost</path><status>1</status></node>"
    return f"<cliOutput><volStatus><volumes><volume>{nodes}{daemon}</volume></volumes></volStatus></cliOutput>"


def volume_info(state: str = "Started") -> str:
    bricks = "".join(f"<brick><name>{address}:{BRICK}</name></brick>" for address in ADDRESSES.values())
    options = "".join(f"<option><name>{k}</name><value>{v}</value></option>" for k, v in QUORUM.items())
    return (
        f"<cliOutput><volInfo><volumes><volume><name>shared</name><statusStr>{state}</statusStr>"
        f"<replicaCount>3</replicaCount><bricks>{bricks}</bricks><options>{options}</options></volume></volumes>"
        "</volInfo></cliOutput>"
    )


def said(text: str, why: str = "") -> Object:
    return {"text": text, "why": why}


def member(name: str, **more: Any) -> Object:
    state = {"reachable": True, "leader": name == "n2", "learner": False, "version": "3.7.3", "errors": []}
    sizes = {"db_size": 20 << 20, "db_size_in_use": 10 << 20, "db_size_quota": None}
    return {"id": name, "name": name, **state, **sizes, **more}


def etcd() -> Object:
    return {"leader": "n2", "healthy": True, "alarms": [], "members": [member(name) for name in NODES]}


def host(name: str) -> Object:
    servers = [{"backend": "api", "server": each, "status": "UP", "check": "L7OK"} for each in NODES]
    return {
        "groups": list(GROUPS),
        "address": ADDRESSES[name],
        "storage_address": ADDRESSES[name],
        "reached": True,
        "why": "",
        "look": {
            "addresses": ["127.0.0.1", ADDRESSES[name], *([VIP["address"]] if name == "n1" else [])],
            "services": {"kubelet": "active", "haproxy": "active"},
            "certificates": [{"path": "/etc/kubernetes/pki/apiserver.crt", "days_left": 300.0, "why": ""}],
            "balancer": {"servers": servers, "why": ""},
            "etcd_fsync": {"p99_ms": 8.0, "writes": 1000, "why": ""},
            "gluster": {
                "peers": said(peers()),
                "heal": said(heal()),
                "status": said(volume_status()),
                "info": said(volume_info()),
            },
            "ceph": said(ceph()),
            "mounts": {MOUNT: "fuse.glusterfs"},
        },
        "etcd": {"cluster": etcd()},
        "kvm": {"virtualization": "vmx", "kvm_modules": ["kvm_intel"]},
    }


def node(name: str) -> Object:
    return {
        "name": name,
        "ready": True,
        "cordoned": False,
        "pressures": [],
        "taints": [],
        "roles": ["control-plane"],
        "runs_machines": True,
        "kubelet": "v1.34.4",
        "container_runtime": "containerd://1.6.39",
        "kernel": "6.1.0",
    }


def machine(name: str, on: str) -> Object:
    able = {"fails_over": True, "fails_over_not": [], "migrates": True, "migrates_not": []}
    return {"namespace": "demo", "name": name, "node": on, "runs": True, "ready": True, "state": "Running", **able}


def cluster() -> Object:
    part = {"wanted": 3, "ready": 3, "nodes": list(NODES), "disruptions_allowed": 1}
    shared = {
        "name": "shared",
        "provisioner": "kubernetes.io/no-provisioner",
        "default": False,
        "volumes": 20,
        "bound": 3,
    }
    return {
        "findings": [],
        "components": {"virt-controller": part},
        "kubevirt": {"source": "release"},
        "versions": {
            "kubelet": "v1.34.4",
            "container_runtime": "containerd://1.6.39",
            "kubevirt": "v1.9.0",
            "cdi": "v1.66.0",
        },
        "details": {
            "nodes": [node(name) for name in NODES],
            "machines": [machine(f"demo-{name[1]}", name) for name in NODES],
            "storage_classes": [
                {
                    **shared,
                    "access_modes": ["ReadWriteMany"],
                    "survives": "shared",
                    "locks_survive_restarts": "true",
                }
            ],
            "certificates": [
                {"kind": "Secret", "namespace": "kubevirt", "name": "c", "field": "tls.crt", "days_left": 0.7}
            ],
            "etcd_backup": {"age_seconds": 3600, "location": "/var/backups/etcd", "verified": True},
            "backups": backups(),
            "priority_classes": [{"name": "important", "value": 1000, "machines": 3}],
            "reserve": {
                "wanted": {"cpu": 2.0, "memory": 4 << 30},
                "nodes": [{"name": name, "held": {"cpu": 2.0, "memory": 4 << 30}} for name in NODES],
                "placeholders": 12,
                "waiting": 0,
            },
            "quotas": [
                {"namespace": "demo", "name": "q", "hard": {"requests.memory": 8 << 30}, "used": {"requests.memory": 0}}
            ],
            "networks": {"installed": True, "namespaces": {"demo": ["front", "storage"]}},
            "metrics_server": {"installed": True, "available": True, "why": ""},
        },
        "capacity": {"node": {"name": "n1", "machines": 1, "requests": {"cpu": 1.0, "memory": 2 << 30}, "fits": True}},
    }


def prometheus(**more: Any) -> Object:
    return {"targets": 24, "up": 24, "down": [], "alerts": [], "why": "", **more}


def alert(name: str, severity: str = "warning", begun: float = 300, **labels: str) -> Object:
    return {"labels": {"alertname": name, "severity": severity, **labels}, "since": NOW - begun}


def backups() -> Object:
    """What the backup host says: a whole run, two machines, a restore three days ago, a sound repository."""
    return {
        "run": {"at": ago(1800), "failures": {}},
        "selected": ["demo/demo-1", "demo/demo-2"],
        "machines": {"demo/demo-1": {"taken_at": ago(7200)}, "demo/demo-2": {"taken_at": ago(3600)}},
        "proven": {"at": ago(3 * 86400), "machine": "demo/demo-1"},
        "checked": {"at": ago(60), "sound": True, "subset": "5%", "affected": []},
    }


def ago(seconds: float) -> str:
    """A time so long before the story's."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - seconds))


def probe(name: str, up: bool = True) -> Object:
    error = None if up else {"kind": "refused", "message": "connection refused"}
    return {"name": name, "up": up, "latency_seconds": {"median": 0.012} if up else None, "last_error": error}


class Platform:
    """Facts to break; each part is a plain dictionary or list."""

    def __init__(self) -> None:
        self.hosts: dict[str, Object] = {name: host(name) for name in NODES}
        self.cluster = cluster()
        names = ("api through the VIP", *(f"API server of {name}" for name in NODES), "VIP api")
        self.probes = {name: probe(name) for name in names}
        self.storage = {"backend": "glusterfs", "volume": "shared", "mount": MOUNT}
        self.redundancy: Object = {"whole": True, "faults": []}
        beat = {"at": NOW - 1, "automatic": True, "nodes": {}, "api": "known"}
        self.monitoring: Object = {
            "look": {
                "prometheus": {name: prometheus() for name in NODES},
                "alertmanagers": {name: {"state": "ready", "peers": 3, "why": ""} for name in NODES},
            }
        }
        look = {"heartbeat": beat, "now": NOW, "stop_switch": False, "events": []}
        self.watcher: Object = {"host": "lab", "look": look, "why": ""}
        self.drill: Object = {
            "scenario": "node_power_loss",
            "node": "n2",
            "passed": True,
            "t0": "2026-09-20T12:00:00.000Z",
            "rto_seconds": 21.5,
            "rpo_writes_lost": 0,
            "kubevirt_source": "release",
            "faults": [],
        }

    def look(self, name: str) -> Object:
        found: Object = self.hosts[name]["look"]
        return found

    def lose(self, name: str) -> None:
        """What is seen of a node that lost its power: it holds nothing, others tell of it."""
        self.hosts[name].update(reached=False, why="timed out", look={}, etcd={}, kvm={})
        self.probes[f"API server of {name}"] = probe(f"API server of {name}", False)
        next(each for each in self.cluster["details"]["nodes"] if each["name"] == name)["ready"] = False
        for left in self.hosts.values():
            if left["etcd"]:
                left["etcd"]["cluster"] = {
                    **etcd(),
                    "members": [
                        member(each, reachable=each != name, errors=["no answer"] if each == name else [])
                        for each in NODES
                    ],
                }
                left["look"]["gluster"]["status"] = said(volume_status(without=name))

    @property
    def facts(self) -> Facts:
        given = copy.deepcopy(self)
        return Facts(
            hosts=given.hosts,
            cluster=given.cluster,
            probes=list(given.probes.values()),
            vips=[VIP],
            redundancy=given.redundancy,
            watcher=given.watcher,
            storage=given.storage,
            monitoring=given.monitoring,
            drill=given.drill,
            drill_place="reports/latest/report.json",
            api_endpoint="192.0.2.100:8443",
            now=NOW,
        )

    @property
    def status(self) -> Status:
        return build(self.facts)
