# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recovers what ran on a dead node, and re-admits the node: decide → prove → taint → release → delete → wait."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import (
    ConnectionFailed,
    HaError,
    Refused,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.model import (
    OFF,
    Bmc,
    Proof,
    is_uuid,
    recognise,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.node_fence import prove_off
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation import actions, comeback, names
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.decision import (
    Facts,
    Limits,
    Return,
    readmission_refusals,
    refusals,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.events import Journal
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.gather import Scope, gather
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.lock import Lock
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import LEASE, NODE, POD

# Between the last read of the power state and the deletion of the first pod.
_STALE_PROOF = 2.0


@dataclass(frozen=True)
class Request:
    """What is asked for; times are seconds. The state is status, prepared, recovered, abandoned or readmitted."""

    node: str
    state: str
    bmc: Bmc | None = None
    proof: Mapping[str, Any] | None = None
    scope: Scope = field(default_factory=lambda: Scope(""))
    limits: Limits = Limits()
    returned: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    state_dir: str | None = None
    holder: str = ""
    lock_seconds: int = 180
    proof_max_age: float = 300
    bmc_timeout: float = 10
    write_timeout: float = 30
    wait: bool = True
    wait_timeout: float = 120
    workers: int = 8
    check_mode: bool = False


class Recovery:
    """One run of a request against one cluster."""

    def __init__(self, client: Client, request: Request) -> None:
        self._client = client
        self._request = request
        self._journal = Journal(None if request.check_mode else request.state_dir)
        self._lock = Lock(client, request.node, request.holder, request.lock_seconds)

    def run(self) -> dict[str, Any]:
        """The module's result. Raises HaError; what stopped a recovery is also in the events file."""
        request = self._request
        steps = {
            "status": self._status,
            "prepared": self._prepare,
            "recovered": self._recover,
            "abandoned": self._abandon,
            "readmitted": self._readmit,
        }
        try:
            result = steps[request.state]()
        except HaError as error:
            if request.state in ("prepared", "recovered"):
                self._give_up(error)
            raise
        return {
            "node": request.node,
            "phases": self._journal.phases,
            **result,
            "requests": self._client.requests.as_dict(),
        }

    def _give_up(self, error: HaError) -> None:
        event = "refused" if isinstance(error, Refused) else "failed"
        self._journal.record(self._request.node, event, reason=str(error))
        if not self._request.check_mode and not isinstance(error, ConnectionFailed):
            with contextlib.suppress(HaError):  # what went wrong first is what must be told; the lock runs out
                self._lock.release()

    # The states

    def _status(self) -> dict[str, Any]:
        facts = self._facts()
        against = refusals(facts, self._request.limits)
        return {"changed": False, "allowed": not against, "refusals": against, "nodes": _shown(facts)}

    def _prepare(self) -> dict[str, Any]:
        """Decides, takes the lock and withdraws what the node served, before anything is fenced."""
        node = self._request.node
        self._journal.record(node, "recovery_started")
        self._refuse_unless_allowed(proven_off=False)
        if self._request.check_mode:
            withdrawn = [_named(pod) for pod in actions.serving(self._pods())]
        else:
            self._lock.acquire()
            withdrawn = self._withdraw()
        self._journal.record(node, "fence_requested")
        return {"changed": bool(withdrawn), "allowed": True, "refusals": [], "pods_withdrawn": withdrawn}

    def _withdraw(self) -> list[str]:
        """It only saves time, so that its failure is recorded and stops nothing."""
        try:
            withdrawn = actions.withdraw(self._client, self._pods(), self._request.workers)
        except HaError as error:
            self._journal.record(self._request.node, "not_withdrawn", reason=str(error))
            return []
        self._journal.record(self._request.node, "withdrawn", pods=len(withdrawn))
        return withdrawn

    def _recover(self) -> dict[str, Any]:
        request = self._request
        self._refuse_wrong_proof()
        self._refuse_unless_allowed(proven_off=True)
        proof = self._prove()
        lost = comeback.on_node(self._client, request.node)
        if request.check_mode:
            return self._predicted(lost)
        self._lock.acquire()
        self._journal.record(request.node, "fence_proven", proof=proof.as_dict())
        result = self._act(proof, lost)
        result.update(self._wait(lost))
        self._lock.release()
        self._journal.record(request.node, "recovered", virtual_machines=len(result["virtual_machines"]))
        return result

    def _act(self, proof: Proof, lost: list[comeback.Lost]) -> dict[str, Any]:
        request, client = self._request, self._client
        tainted = actions.taint(client, request.node, time.monotonic() + request.write_timeout)
        self._journal.record(request.node, "tainted")
        pods = self._pods()
        released = actions.release_leases(client, self._dead_leases(pods), request.workers)
        self._journal.record(request.node, "leases_released", leases=released)
        if time.time() - proof.read_at > _STALE_PROOF:
            proof = self._prove()
        deleted = actions.delete_pods(client, pods, request.workers)
        self._journal.record(request.node, "pods_deleted", pods=len(deleted), virtual_machines=len(lost))
        return {
            "changed": bool(tainted or released or deleted),
            "proof": proof.as_dict(),
            "leases_released": released,
            "pods_deleted": deleted,
        }

    def _wait(self, lost: list[comeback.Lost]) -> dict[str, Any]:
        request = self._request
        known = comeback.with_strategies(self._client, lost, request.workers)
        back = comeback.wait(self._client, known, request.node, request.wait_timeout) if request.wait else []
        stays = [f"{entry.namespace}/{entry.name}" for entry in known if not entry.restarts]
        return {"virtual_machines": back, "not_restarted": stays}

    def _abandon(self) -> dict[str, Any]:
        """Records why a recovery ended between two states, and gives the lock back."""
        if not self._request.check_mode:
            self._journal.record(self._request.node, "failed", reason=self._request.reason)
            self._lock.release()
        return {"changed": not self._request.check_mode}

    def _readmit(self) -> dict[str, Any]:
        request, client = self._request, self._client
        node = client.get(NODE, request.node)
        if not _is_fenced(node):
            return {"changed": False}
        against = readmission_refusals(self._returned(node))
        if against:
            raise Refused(
                f"node {request.node} is not re-admitted",
                where=f"Node {request.node}",
                why="; ".join(against),
                fix="Put right what is named and run again",
            )
        changed = request.check_mode or actions.untaint(client, request.node, time.monotonic() + request.write_timeout)
        return {"changed": changed}

    # What they are made of

    def _facts(self) -> Facts:
        request = self._request
        identity = request.bmc.identity if request.bmc else ""
        scope = replace(
            request.scope,
            node=request.node,
            stopped=Journal(request.state_dir).stopped,
            enrolled_uuid=identity if is_uuid(identity) else "",
        )
        return gather(self._client, self._lock, scope)

    def _refuse_unless_allowed(self, *, proven_off: bool) -> None:
        against = refusals(self._facts(), self._request.limits, proven_off=proven_off)
        if against:
            raise Refused(
                f"node {self._request.node} is not recovered, its virtual machines are left alone",
                where=f"Node {self._request.node}",
                why="; ".join(against),
            )

    def _refuse_wrong_proof(self) -> None:
        faults = proof_faults(self._request, time.time())
        if faults:
            raise Refused(
                f"node {self._request.node} is not recovered, its virtual machines are left alone",
                where=f"Node {self._request.node}",
                why="; ".join(faults),
                fix="Fence the node with node_fence and give what it returns as proof",
            )

    def _prove(self) -> Proof:
        if self._request.bmc is None:
            raise Refused("bmc is missing", fix="Without it the power state cannot be read again")
        return prove_off(self._request.node, self._request.bmc, self._request.bmc_timeout)

    def _pods(self) -> list[dict[str, Any]]:
        return self._client.list(POD, field_selector=f"spec.nodeName={self._request.node}").items

    def _dead_leases(self, pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
        node = self._client.get(NODE, self._request.node)
        hostname = (node["metadata"].get("labels") or {}).get(names.HOSTNAME, "")
        return actions.held_by_dead(self._client.list(LEASE).items, self._request.node, hostname, pods)

    def _predicted(self, lost: list[comeback.Lost]) -> dict[str, Any]:
        pods = self._pods()
        doomed = [_named(pod) for rank in actions.in_order(pods) for pod in rank]
        leases = [_named(lease) for lease in self._dead_leases(pods)]
        node = self._client.get(NODE, self._request.node)
        return {
            "changed": bool(doomed or leases or not _is_fenced(node)),
            "leases_released": leases,
            "pods_deleted": doomed,
            "virtual_machines": [{"namespace": entry.namespace, "name": entry.name} for entry in lost],
        }

    def _returned(self, node: Mapping[str, Any]) -> Return:
        given = self._request.returned
        target = next(entry for entry in self._facts().nodes if entry.name == self._request.node)
        caught_up = given.get("etcd_caught_up")
        if caught_up is None:
            caught_up = self._etcd_is_ready()
        pending = given.get("storage_pending")
        qemu = given.get("qemu_left_over")
        return Return(
            node=target,
            boot_id_at_recovery=(node["metadata"].get("annotations") or {}).get(names.FENCED_BOOT, ""),
            qemu_left_over=None if qemu is None else tuple(qemu),
            storage_pending=pending,
            etcd_caught_up=caught_up,
        )

    def _etcd_is_ready(self) -> bool | None:
        """Whether the node's member is ready, which it is only once it serves linearizable reads; True without one."""
        members = self._client.list(POD, "kube-system", label_selector=names.ETCD_SELECTOR).items
        if not members:
            return None
        return all(
            conditions.holds(pod, "Ready") for pod in members if pod["spec"].get("nodeName") == self._request.node
        )


def proof_faults(request: Request, now: float) -> list[str]:
    """Pure: why what was given is no proof that this node is off; the power state is read again all the same."""
    proof, bmc = request.proof or {}, request.bmc
    if not proof:
        return ["there is no proof that it is off"]
    if bmc is None:
        return ["bmc is missing, so the proof cannot be read again"]
    faults = []
    if proof.get("node") != request.node:
        faults.append(f"the proof is of node {proof.get('node')}")
    if proof.get("power_state") != OFF:
        faults.append(f"the proof says {proof.get('power_state')}, not {OFF}")
    if not recognise(bmc.identity, [str(proof.get("identity") or "")]):
        faults.append(f"the proof is of machine {proof.get('identity')}, enrolled is {bmc.identity}")
    if proof.get("bmc") != bmc.url:
        faults.append(f"the proof is of BMC {proof.get('bmc')}, this node's is {bmc.url}")
    age = now - float(proof.get("read_at") or 0)
    if not -1 <= age <= request.proof_max_age:
        faults.append(f"the proof was read {age:.0f} s ago, at most {request.proof_max_age:.0f} s may have passed")
    return faults


def _named(obj: Mapping[str, Any]) -> str:
    return f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"


def _is_fenced(node: Mapping[str, Any]) -> bool:
    taints = (node.get("spec") or {}).get("taints") or []
    there = {taint.get("effect") for taint in taints if taint.get("key") == names.TAINT_KEY}
    return bool(there)


def _shown(facts: Facts) -> list[dict[str, Any]]:
    return [
        {
            "name": node.name,
            "ready": node.ready,
            "lease_silent_seconds": node.lease_silent,
            "looks_dead": node.looks_dead,
            "out_of_service": node.out_of_service,
            "maintenance": node.maintenance,
            "zone": node.zone,
        }
        for node in facts.nodes
    ]
