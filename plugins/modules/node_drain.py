#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_drain
short_description: Drain, cordon and uncordon nodes that run KubeVirt virtual machines
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Cordons a node, evicts what runs on it, and waits until every virtual machine and every pod has left; or takes nodes out
    of service and back without moving anything.
  - KubeVirt refuses the eviction of a machine that it migrates instead. That refusal is taken for what it is, the begin of
    an evacuation, and the migration is followed to its end. The result tells what became of each machine.
  - All that blocks a drain is named before anything is changed, on all nodes given. Machines that cannot be migrated and are
    not started anew elsewhere by themselves, machines that no other node takes, pods without a controller, and pods with
    data in an C(emptyDir).
  - PodDisruptionBudgets are honoured. An eviction that one does not allow is asked for again until O(timeout), and the error
    names the budget and what it holds on to.
  - Pods of DaemonSets, static pods and pods that have finished stay.
  - A drain that was interrupted can be run again and goes on. A node that is cordoned and empty is left alone.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.bulk
options:
  nodes:
    description:
      - Names of the nodes. Machines must find room outside of all of them; yet one may be moved to a node whose turn comes
        later, and from there again.
    type: list
    elements: str
    required: true
  state:
    description:
      - V(drained) cordons a node and moves everything away.
      - V(cordoned) only sees to it that nothing new is sent there.
      - V(uncordoned) puts the node back into service. What was moved away does not come back by itself.
    type: str
    choices: [drained, cordoned, uncordoned]
    default: drained
  serial:
    description:
      - How many nodes are drained at once. The next ones follow once these are drained, and are left alone once one has
        failed.
    type: int
    default: 1
  non_migratable:
    description:
      - What is done with a machine that cannot be migrated, or whose eviction strategy C(None) ends it while its run strategy
        does not start it anew by itself.
      - V(fail) names them all and changes nothing.
      - V(shutdown) stops them as M(virtops.kubevirt_ha.vm_power) does. That makes C(Always) and C(Once) machines C(Halted);
        the result has the run strategy from before.
      - V(restart) restarts them on another node. A machine that no other node can take is never ended for that, it blocks.
      - A machine with the eviction strategy C(None) or C(LiveMigrateIfPossible) and the run strategy C(Always) is ended and
        started anew elsewhere in any case, for that is what its owner chose.
    type: str
    choices: [fail, shutdown, restart]
    default: fail
  delete_emptydir_data:
    description:
      - Whether pods with an C(emptyDir) may be evicted, which loses its data. Machines' own pods are not meant.
    type: bool
    default: false
  force:
    description:
      - Whether pods without a controller, and instances without a machine, may be evicted. Nothing makes them anew.
    type: bool
    default: false
  grace_period:
    description:
      - Seconds that pods are given to end, instead of their own. Machines keep theirs.
    type: int
  pod_selector:
    description:
      - A label selector. Only pods that it matches are evicted and counted.
    type: str
  timeout:
    description:
      - Seconds that one node may take.
    type: int
    default: 900
  unschedulable_grace:
    description:
      - Seconds that the scheduler may find no node for a machine before it counts as blocked.
    type: int
    default: 60
  migration_attempts:
    description:
      - How many migrations of a machine may fail before it counts as blocked. KubeVirt tries again by itself, after 20
        seconds first and after twice as long each time.
    type: int
    default: 3
  on_failure:
    description:
      - What becomes of a node that this task cordoned and could not drain. V(leave) leaves it cordoned, V(uncordon) puts it
        back into service. What has been moved stays moved.
    type: str
    choices: [leave, uncordon]
    default: leave
  cancel_evacuations:
    description:
      - Whether the evacuations of machines that are still there are cancelled where the node cannot be drained. Else KubeVirt
        goes on trying.
    type: bool
    default: false
  progress_path:
    description:
      - A file that a line of JSON is appended to for everything that happens, as it happens, for a module shows nothing
        before its end. Each has C(at) (seconds since the epoch), C(node) and C(event).
    type: path
seealso:
  - module: virtops.kubevirt_ha.vm_migration
  - module: virtops.kubevirt_ha.vm_power
"""

EXAMPLES = r"""
- name: Drain a node before its maintenance
  virtops.kubevirt_ha.node_drain:
    nodes: [node-2]
    delete_emptydir_data: true

- name: Say what would become of every machine, and what blocks
  virtops.kubevirt_ha.node_drain:
    nodes: [node-2]
    delete_emptydir_data: true
  check_mode: true

- name: Drain two nodes one after the other, and shut down what cannot be migrated
  virtops.kubevirt_ha.node_drain:
    nodes: [node-2, node-3]
    non_migratable: shutdown
    delete_emptydir_data: true
    timeout: 1800
    progress_path: /var/tmp/drain.jsonl

- name: Put a node back into service
  virtops.kubevirt_ha.node_drain:
    nodes: [node-2]
    state: uncordoned
"""

RETURN = r"""
nodes:
  description: One entry for each node, in the order given.
  returned: unless the parameters have faults or a node does not exist
  type: list
  elements: dict
  contains:
    name:
      description: Name of the node.
      type: str
      returned: always
    changed:
      description: Whether the node or something on it was changed, or would be in check mode.
      type: bool
      returned: always
    cordoned:
      description: Whether the node is cordoned now.
      type: bool
      returned: always
    vms:
      description: The machines that were on the node. In check mode what is expected to become of them.
      type: list
      elements: dict
      returned: always
      contains:
        namespace:
          description: Namespace.
          type: str
          returned: always
        name:
          description: Name.
          type: str
          returned: always
        fate:
          description: What became of it. V(migrated), V(restarted) elsewhere as a new instance, V(shut_down), V(blocked),
            V(waiting) where time was over first; V(external) in check mode, where somebody else is to move it.
          type: str
          returned: always
        from:
          description: The node it was on.
          type: str
          returned: always
        to:
          description: The node it is on now; none where it runs on no other.
          type: str
          returned: always
        seconds:
          description: Seconds from its first eviction to its end here.
          type: float
          returned: always
        migration:
          description: Name of the migration that moved it.
          type: str
          returned: always
        reason:
          description: Why it is blocked or waits; or why it was not migrated.
          type: str
          returned: always
        run_strategy:
          description: Run strategy. None where the machine was not read, since it is just migrated.
          type: str
          returned: always
        run_strategy_before:
          description: Run strategy from before the drain; another one where shutting it down changed it.
          type: str
          returned: always
    pods:
      description: How many other pods were evicted, stay by their nature, or are left.
      type: dict
      returned: always
      contains:
        evicted:
          description: Evicted, or would be in check mode.
          type: int
          returned: always
        daemon_set:
          description: Those of DaemonSets.
          type: int
          returned: always
        static:
          description: Static pods.
          type: int
          returned: always
        finished:
          description: Pods that have finished.
          type: int
          returned: always
        hotplug:
          description: Pods of hot-plugged volumes, which go with their machines.
          type: int
          returned: always
        left:
          description: Those that should have left and are still there.
          type: int
          returned: always
    blocked_by:
      description: What blocks the drain, or is left. In check mode also what would not be evicted just now.
      type: list
      elements: dict
      returned: always
      contains:
        kind:
          description: V(VirtualMachine) or V(Pod).
          type: str
          returned: always
        namespace:
          description: Namespace.
          type: str
          returned: always
        name:
          description: Name.
          type: str
          returned: always
        why:
          description: Why.
          type: str
          returned: always
        fix:
          description: The way out.
          type: str
          returned: always
    seconds:
      description: Seconds that the drain took. None where there was nothing to do.
      type: float
      returned: always
    error:
      description: What failed, where, why, and what to do about it.
      type: dict
      returned: on failure of this node
requests:
  description: How many requests were sent.
  returned: unless the parameters have faults
  type: dict
  contains:
    reads:
      description: Reads; an eviction that is only asked about counts as one.
      type: int
      returned: always
    writes:
      description: Writes; an eviction that is refused counts as one.
      type: int
      returned: always
    watches:
      description: Watches.
      type: int
      returned: always
error:
  description: What failed, where, why, and what to do about it; C(failures) has one entry for each node that failed.
  returned: on failure
  type: dict
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import drain_module
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def main() -> None:
    """The module's entry."""
    drain_module.run_module(Module(drain_module.spec(), check=drain_module.faults))


if __name__ == "__main__":
    main()
