# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of drill.options.platform() and drill.options.budget()."""

from __future__ import annotations


class ModuleDocFragment:
    """What a platform consists of."""

    DOCUMENTATION = r"""
options:
  nodes:
    description: Names of all nodes that the cluster must have.
    type: list
    elements: str
    required: true
  etcd_members:
    description: How many etcd members must be ready in the cluster; V(0) where etcd runs elsewhere.
    type: int
    default: 0
  ignored_taints:
    description: Keys of taints that are no fault, such as those of dedicated control planes.
    type: list
    elements: str
    default: []
  cordoned:
    description: Names of nodes whose cordon is no fault, such as those under maintenance.
    type: list
    elements: str
    default: []
    version_added: 0.3.0
  api_servers:
    description: Each API server behind the VIP.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: What it is called in reports., type: str, required: true}
      address: {description: Where it is reached., type: str, required: true}
      port: {description: Its port., type: int, default: 6443}
  namespace:
    description: The namespace of the drill's virtual machines.
    type: str
    required: true
  machines:
    description:
      - The virtual machines that serve their counter.
      - The URL must stay the same wherever the machine runs, so it is never a pod's address.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: The virtual machine., type: str, required: true}
      url: {description: Where its guest answers., type: str, required: true}
  kubevirt_namespace:
    description: Where KubeVirt is installed.
    type: str
    default: kubevirt
  storage:
    description: What storage hosts said of their storage, as read just before.
    type: list
    elements: dict
    default: []
    suboptions:
      host: {description: The host., type: str, required: true}
      kind:
        description:
          - V(gluster_peers) for C(gluster peer status), V(gluster_heal) for C(gluster volume heal VOLUME info), V(ceph_health) for
            C(ceph health detail --format json).
        type: str
        choices: [gluster_peers, gluster_heal, ceph_health]
        required: true
      text: {description: The command's output., type: str, required: true}
      why: {description: Why there is none; a fault repeats it., type: str, default: ""}
  watcher:
    description: Whether a watcher must be alive and allowed to recover.
    type: bool
    default: true
  state_dir:
    description: The watcher's state directory, with C(heartbeat.json) and C(events.jsonl).
    type: path
  heartbeat_seconds:
    description: The oldest heartbeat that counts as alive.
    type: float
    default: 5.0
"""

    BUDGET = r"""
options:
  budget:
    description: The highest values that the figures may have.
    type: dict
    suboptions:
      rto_seconds:
        description: Seconds from the loss to the slowest guest's answer from another node.
        type: float
        default: 40.0
      rpo_writes_lost:
        description: Acknowledged writes lost, summed over the machines.
        type: int
        default: 0
      writers_at_once:
        description: QEMU processes with one disk open at one time.
        type: int
        default: 1
      api_gap_seconds:
        description: Seconds between two good answers of the API through the VIP.
        type: float
        default: 3.0
      vip_gap_seconds:
        description: Seconds between two accepted connections of the VIP.
        type: float
        default: 3.0
      write_stall_seconds:
        description: Seconds in which a machine of another node acknowledged no write, as its answers tell; asked only where there is one.
        type: float
        default: 30.0
      requests_failed_beyond_gap:
        description: Requests to the API that failed though they were not made within O(budget.api_gap_seconds) after the cut; no limit by default.
        type: int
"""
