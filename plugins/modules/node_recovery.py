#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_recovery
short_description: Recover what ran on a dead node, and re-admit the node
version_added: 0.1.0
author: The virtops.kubevirt_ha contributors (@virtops)
description:
  - Brings the virtual machines of a dead node back on other nodes, and only once the node is proven off.
  - It decides by itself, whoever calls it, and refuses with every reason named. The node must be silent on two
    independent signals and not be in maintenance; not too many nodes may look dead; etcd and the shared storage must
    keep their quorum without it; one recovery goes at a time; no other remediator may be in charge; and the stop
    switch must not be set.
  - It reads the power state from the BMC again before it acts.
  - Then it writes the out-of-service taints, releases the leases whose holders died with the node, deletes its pods
    by force, each under its UID, and waits until the virtual machines run elsewhere. VolumeAttachments are left to
    Kubernetes.
options:
  node:
    description: The node's name.
    type: str
    required: true
  state:
    description:
      - V(status) only tells what a recovery would be refused for.
      - V(prepared) decides, takes the lock of recoveries, and marks the node's pods but the launchers as not ready, so
        that no Service and no webhook waits on the lost node; it goes before the fencing.
      - V(recovered) needs O(proof) and O(bmc), and does all the rest.
      - V(abandoned) records O(reason) as the end of a recovery and gives the lock back, where the fencing failed.
      - V(readmitted) takes the taints away when the node has a new boot, no QEMU left over, a healed storage, and
        an etcd that has caught up.
    type: str
    choices: [status, prepared, recovered, abandoned, readmitted]
    required: true
  proof:
    description: What M(virtops.kubevirt_ha.node_fence) returned as RV(virtops.kubevirt_ha.node_fence#module:proof).
    type: dict
  proof_max_age:
    description: Seconds for which a proof counts; the power state is read again all the same.
    type: float
    default: 300
  bmc_timeout:
    description: Seconds for one read of the power state.
    type: float
    default: 10
  reason:
    description: Why the recovery was abandoned.
    type: str
  max_dead_share:
    description:
      - The share of a failure domain's nodes, and of all nodes, that may look dead; one always may.
      - A failure domain is what the label C(topology.kubernetes.io/zone) says.
    type: float
    default: 0.4
  storage_quorum_hosts:
    description: The nodes that hold the shared storage; more than half must be alive without the lost one.
    type: list
    elements: str
    default: []
  etcd_members:
    description: How many members etcd has, where the API does not show them as pods.
    type: int
  etcd_healthy_elsewhere:
    description: How many of them are healthy and not on the node.
    type: int
  path_ports:
    description: The TCP ports of the node's direct path. An answer on any, a refusal too, shows that it runs.
    type: list
    elements: int
    default: [10250, 22]
  path_timeout:
    description: Seconds to wait for an answer on the direct path.
    type: float
    default: 0.5
  recover_cordoned:
    description: Whether a node that is cordoned but not annotated as in maintenance is recovered too.
    type: bool
    default: false
  qemu_left_over:
    description: The process ids of QEMU that run on a node that came back; needed for O(state=readmitted).
    type: list
    elements: int
  storage_pending:
    description: How many objects the shared storage has still to heal; needed for O(state=readmitted).
    type: int
  etcd_caught_up:
    description: Whether the node's etcd member has caught up; by default its pod's readiness tells.
    type: bool
  state_dir:
    description: Where C(events.jsonl) is appended to, and where a file C(stop) forbids every recovery.
    type: path
  lock_holder:
    description: Who takes the lock; the name of this machine by default.
    type: str
  lock_seconds:
    description: Seconds after which the lock of a holder that died is free.
    type: int
    default: 180
  write_timeout:
    description: Seconds for which the taint is tried.
    type: float
    default: 30
  request_timeout:
    description: Seconds for one request to the API server; a short one finds the next API server behind the VIP soon.
    type: float
    default: 3
  request_patience:
    description: Seconds for which a request that failed is tried again.
    type: float
    default: 20
extends_documentation_fragment:
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.bmc
  - virtops.kubevirt_ha.wait
  - virtops.kubevirt_ha.bulk
attributes:
  check_mode:
    description: All is decided and the power state is read, nothing is written.
    support: full
  diff_mode:
    description: What is deleted is in the result.
    support: none
seealso:
  - module: virtops.kubevirt_ha.node_fence
"""

EXAMPLES = r"""
- name: See whether the node may be recovered, and take the lock
  virtops.kubevirt_ha.node_recovery:
    node: n2
    state: prepared
    storage_quorum_hosts: [n1, n2, n3]
    state_dir: /var/lib/kubevirt-ha/remediation

- name: Power it off, for certain
  virtops.kubevirt_ha.node_fence:
    node: n2
    state: "off"
    bmc: "{{ hostvars['n2'].node_remediation_bmc }}"
  register: fenced

- name: Bring its virtual machines back elsewhere
  virtops.kubevirt_ha.node_recovery:
    node: n2
    state: recovered
    proof: "{{ fenced.proof }}"
    bmc: "{{ hostvars['n2'].node_remediation_bmc }}"
    storage_quorum_hosts: [n1, n2, n3]
    state_dir: /var/lib/kubevirt-ha/remediation
"""

RETURN = r"""
node:
  description: The node's name.
  type: str
  returned: success
allowed:
  description: Whether a recovery is allowed.
  type: bool
  returned: with O(state=status) and O(state=prepared)
refusals:
  description: Every reason against a recovery.
  type: list
  elements: str
  returned: with O(state=status) and O(state=prepared)
nodes:
  description: What each node looks like.
  type: list
  elements: dict
  returned: with O(state=status)
phases:
  description: The events of this run as appended to C(events.jsonl); C(at) is in seconds since the epoch.
  type: list
  elements: dict
  returned: success
proof:
  description: The power state as read right before the pods were deleted.
  type: dict
  returned: with O(state=recovered)
pods_withdrawn:
  description: The pods that were marked as not ready, C(namespace/name).
  type: list
  elements: str
  returned: with O(state=prepared)
leases_released:
  description: The leases whose dead holder was taken out, C(namespace/name).
  type: list
  elements: str
  returned: with O(state=recovered)
pods_deleted:
  description: The pods that were deleted, C(namespace/name).
  type: list
  elements: str
  returned: with O(state=recovered)
virtual_machines:
  description: The virtual machines that run elsewhere now, with namespace, name, node and the moment.
  type: list
  elements: dict
  returned: with O(state=recovered)
not_restarted:
  description: Virtual machines of the node whose run strategy does not start them again, C(namespace/name).
  type: list
  elements: str
  returned: with O(state=recovered)
requests:
  description: How many requests were sent to the API server.
  type: dict
  returned: success
error:
  description: What failed, where, why, and the way out.
  type: dict
  returned: failure
"""

import socket
from collections.abc import Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import resolve
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, InputError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.argspec import bmc
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.model import Bmc
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.node_recovery import Recovery, Request
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.decision import Limits
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.gather import Scope

_STATES = ["status", "prepared", "recovered", "abandoned", "readmitted"]
_AS_GIVEN = ("node", "state", "proof", "proof_max_age", "bmc_timeout", "state_dir", "lock_seconds", "write_timeout")
_WAITING = ("wait", "wait_timeout", "workers")
_RETURNED = ("qemu_left_over", "storage_pending", "etcd_caught_up")


def argument_spec() -> argspec.ArgumentSpec:
    """The module's own options, the BMC's, and the fragments of the connection, of waiting, and of bulk work."""
    own = argspec.ArgumentSpec(
        {
            "node": {"type": "str", "required": True},
            "state": {"type": "str", "required": True, "choices": _STATES},
            "proof": {"type": "dict"},
            "proof_max_age": {"type": "float", "default": 300},
            "bmc_timeout": {"type": "float", "default": 10},
            "reason": {"type": "str"},
            "max_dead_share": {"type": "float", "default": 0.4},
            "storage_quorum_hosts": {"type": "list", "elements": "str", "default": []},
            "etcd_members": {"type": "int"},
            "etcd_healthy_elsewhere": {"type": "int"},
            "path_ports": {"type": "list", "elements": "int", "default": [10250, 22]},
            "path_timeout": {"type": "float", "default": 0.5},
            "recover_cordoned": {"type": "bool", "default": False},
            "qemu_left_over": {"type": "list", "elements": "int"},
            "storage_pending": {"type": "int"},
            "etcd_caught_up": {"type": "bool"},
            "state_dir": {"type": "path"},
            "lock_holder": {"type": "str"},
            "lock_seconds": {"type": "int", "default": 180},
            "write_timeout": {"type": "float", "default": 30},
            "request_timeout": {"type": "float", "default": 3},
            "request_patience": {"type": "float", "default": 20},
        },
        required_if=[("state", "recovered", ("proof", "bmc")), ("state", "abandoned", ("reason",))],
        required_together=[("etcd_members", "etcd_healthy_elsewhere")],
    )
    return own.merge(bmc(), argspec.connection(), argspec.wait(), argspec.bulk())


def faults(given: Mapping[str, Any]) -> list[str]:
    """What an argument spec cannot express."""
    try:
        if given["bmc"]:
            Bmc.parse(given["bmc"])
    except InputError as error:
        return error.faults
    return []


def request_of(given: Mapping[str, Any], *, check_mode: bool) -> Request:
    """What the parameters ask for."""
    scope = Scope(
        node=given["node"],
        storage_hosts=tuple(given["storage_quorum_hosts"]),
        etcd_members=given["etcd_members"],
        etcd_healthy=given["etcd_healthy_elsewhere"],
        path_ports=() if given["state"] in ("recovered", "readmitted") else tuple(given["path_ports"]),
        path_timeout=given["path_timeout"],
        recover_cordoned=given["recover_cordoned"],
    )
    return Request(
        **{name: given[name] for name in (*_AS_GIVEN, *_WAITING)},
        bmc=Bmc.parse(given["bmc"]) if given["bmc"] else None,
        scope=scope,
        limits=Limits(given["max_dead_share"]),
        returned={name: given[name] for name in _RETURNED},
        reason=given["reason"] or "",
        holder=given["lock_holder"] or socket.gethostname(),
        check_mode=check_mode,
    )


def main() -> None:
    """The module's entry."""
    module = Module(argument_spec(), check=faults)
    given = module.params
    try:
        client = Client(
            module.connection or resolve(given),
            workers=given["workers"],
            timeout=given["request_timeout"],
            patience=given["request_patience"],
        )
        result = Recovery(client, request_of(given, check_mode=module.check_mode)).run()
    except HaError as error:
        module.fail_with(error, node=given["node"])
    module.exit_json(**result)


if __name__ == "__main__":
    main()
