# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `node_removal`: decides, keeps the decision in the cluster, and deletes one very Node object."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec, conditions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Conflict, Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation import names
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.gather import node_facts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.lock import Lock
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.removal import (
    Cluster,
    Plan,
    Record,
    Wish,
    deletion_faults,
    plan,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import CONFIG_MAP, LEASE, NODE, POD

STATES = ("planned", "begun", "removed", "completed")
NAMESPACE = "kube-system"
PREFIX = "kubevirt-ha-removal-"
_LABEL = "kubevirt-ha.virtops/removal"


def spec() -> argspec.ArgumentSpec:
    """The module's argument spec."""
    own = argspec.ArgumentSpec(
        {
            "node": {"type": "str", "required": True},
            "state": {"type": "str", "choices": list(STATES), "default": "planned"},
            "by": {"type": "str", "default": ""},
            "drained": {"type": "bool", "default": False},
            "confirm": {"type": "str", "default": ""},
            "identity": {"type": "str", "default": ""},
            "proof": {"type": "dict", "default": {}},
            "power_state": {"type": "str", "default": ""},
            "answering_boot": {"type": "str", "default": ""},
            "etcd_member": {"type": "str", "default": ""},
        }
    )
    return own.merge(argspec.connection())


def faults(params: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the parameters beyond their types."""
    if not params.get("node"):
        yield "node: is empty: give the node's name"
    if params.get("drained") and (params.get("confirm") or params.get("proof")):
        yield "drained: a node that is alive needs no confirm and no proof"


def wish_of(params: Mapping[str, Any]) -> Wish:
    """What the parameters ask for."""
    return Wish(**{name: params[name] for name in Wish.__dataclass_fields__})


class Removal:
    """One run of the module against one cluster. Only reads, where `check`."""

    def __init__(self, client: Client, params: Mapping[str, Any], *, check: bool) -> None:
        self._client = client
        self._state = params["state"]
        self._wish = wish_of(params)
        self._check = check

    def run(self) -> dict[str, Any]:
        """The module's result. Raises Refused with every reason where something stands against it."""
        if self._state == "completed":
            return self._completed()
        cluster = self._gather()
        found = plan(cluster, self._wish)
        if self._state == "planned":
            return {"changed": False, "faults": list(found.faults), "plan": found.as_dict()}
        if self._state == "begun":
            self._refuse(found.faults)
            return self._begun(cluster, found)
        return self._removed(cluster, found)

    def _begun(self, cluster: Cluster, found: Plan) -> dict[str, Any]:
        # A replacement by the same name is kept all the same: a later run finds the new machine alive.
        nothing = self._wish.by != self._wish.node and not (found.node_uid or found.record.etcd_member)
        if nothing or cluster.record_of(self._wish.node):
            return {"changed": False, "faults": [], "plan": found.as_dict()}
        record = replace(found.record, begun_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": PREFIX + record.node, "namespace": NAMESPACE, "labels": {_LABEL: "true"}},
            "data": asdict(record),
        }
        if not self._check:
            self._client.create(CONFIG_MAP, body, NAMESPACE)
        return {"changed": True, "faults": [], "plan": found.as_dict()}

    def _removed(self, cluster: Cluster, found: Plan) -> dict[str, Any]:
        decided = self._wish.drained or cluster.record_of(self._wish.node)
        if found.node_uid and not decided and not self._check:
            self._refuse([f"it was not decided to take node {self._wish.node} out: begin with state begun"])
        self._refuse(deletion_faults(cluster, self._wish))
        changed = bool(found.node_uid)
        if changed and not self._check:
            try:
                changed = self._client.delete(NODE, self._wish.node, uid=found.node_uid)
            except Conflict:  # another Node has the name by now
                changed = False
        return {"changed": changed, "faults": [], "plan": found.as_dict()}

    def _completed(self) -> dict[str, Any]:
        name = PREFIX + self._wish.node
        there = self._client.find(CONFIG_MAP, name, NAMESPACE)
        if there and not self._check:
            self._client.delete(CONFIG_MAP, name, NAMESPACE, uid=there["metadata"]["uid"])
        return {"changed": there is not None, "faults": []}

    def _refuse(self, against: Any) -> None:
        if against:
            raise Refused(
                f"node {self._wish.node} is not taken out", where=f"Node {self._wish.node}", why="; ".join(against)
            )

    def _gather(self) -> Cluster:
        nodes = self._client.list(NODE).items
        leases = self._client.list(LEASE, names.NODE_LEASES).items
        records = self._client.list(CONFIG_MAP, NAMESPACE, label_selector=f"{_LABEL}=true").items
        target: dict[str, Any] = next(
            (node for node in nodes if node["metadata"]["name"] == self._wish.node), {"metadata": {}}
        )
        return Cluster(
            nodes=node_facts(nodes, leases, time.time(), recover_cordoned=True),
            uids={node["metadata"]["name"]: node["metadata"]["uid"] for node in nodes},
            records=tuple(Record.parse(item.get("data") or {}) for item in records),
            launchers=self._launchers(),
            fenced_boot=(target["metadata"].get("annotations") or {}).get(names.FENCED_BOOT, ""),
            lock_holder=Lock(self._client, self._wish.node, "", 0).other_holder(),
        )

    def _launchers(self) -> tuple[str, ...]:
        key, value = names.LAUNCHER
        pods = self._client.list(
            POD, label_selector=f"{key}={value}", field_selector=f"spec.nodeName={self._wish.node}"
        )
        return tuple(
            f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            for pod in pods.items
            if (pod.get("status") or {}).get("phase") not in conditions.FINAL_PHASES
        )
