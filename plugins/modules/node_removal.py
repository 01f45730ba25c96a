#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_removal
short_description: Take one very node out of a cluster, and only when it is proven off or drained
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Decides whether a lost node may be taken out of the cluster for good, keeps the decision in a ConfigMap of C(kube-system),
    and deletes its Node object by its UID. A new node of the same name is never touched.
  - A lost node must be proven off by its BMC, by a recovery that fenced it, or by a person who names the machine. Deleting a
    Node tells Kubernetes that nothing runs there, so that its virtual machines start elsewhere.
  - Refuses while another node is down or out of service, while a recovery is under way, or while another node is being taken
    out.
  - What was decided outlives a run that was broken off. The next one finds it and needs no proof again.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes
  - virtops.kubevirt_ha.connection
options:
  node:
    description:
      - The node's name.
    type: str
    required: true
  state:
    description:
      - V(planned) changes nothing and does not fail. It returns RV(faults) and RV(plan).
      - V(begun) keeps the decision, or fails with every reason against it.
      - V(removed) deletes the Node object.
      - V(completed) forgets the decision.
    type: str
    choices: [planned, begun, removed, completed]
    default: planned
  by:
    description:
      - The node that takes its place, its own name where a new machine gets that.
    type: str
    default: ""
  drained:
    description:
      - Whether the node is alive and was drained, so that no proof and no decision is needed.
    type: bool
    default: false
  confirm:
    description:
      - A person's word that the lost machine is off, which is its serial or UUID as in O(identity) or as its Node tells.
    type: str
    default: ""
  identity:
    description:
      - The machine as it was enrolled.
    type: str
    default: ""
  proof:
    description:
      - What M(virtops.kubevirt_ha.node_fence) returned as RV(virtops.kubevirt_ha.node_fence#module:proof).
    type: dict
    default: {}
  power_state:
    description:
      - What its BMC said of it, where it was asked. A person's word does not stand against anything but V(Off), unless O(by) is the
        node's own name.
    type: str
    default: ""
  answering_boot:
    description:
      - The boot ID of the machine that answers under the node's name now. That of the lost one is refused.
    type: str
    default: ""
  etcd_member:
    description:
      - The ID of the node's member of etcd, which is kept with the decision.
    type: str
    default: ""
seealso:
  - module: virtops.kubevirt_ha.etcd_member
  - module: virtops.kubevirt_ha.node_fence
"""

EXAMPLES = r"""
- name: Ask what stands against replacing n2
  virtops.kubevirt_ha.node_removal:
    node: n2
    by: n2
  register: removal

- name: Delete the Node of the machine that is lost
  virtops.kubevirt_ha.node_removal:
    node: n2
    by: n2
    state: removed
"""

RETURN = r"""
faults:
  description: What stands against it, a sentence each.
  type: list
  elements: str
  returned: success
plan:
  description: What is left to do.
  type: dict
  returned: success, unless with O(state=completed)
  contains:
    recover:
      description: Whether its virtual machines are to be recovered first.
      type: bool
      returned: always
    delete_node:
      description: Whether the Node object of the lost machine is still there.
      type: bool
      returned: always
    etcd_member:
      description: ID of the member of etcd that goes, empty where there is none.
      type: str
      returned: always
    proof:
      description: What proves that the machine is off.
      type: str
      returned: always
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import node_removal
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run


def main() -> None:
    """The module's entry."""
    module = Module(node_removal.spec(), check=node_removal.faults)
    run(module, lambda client: node_removal.Removal(client, module.params, check=module.check_mode).run())


if __name__ == "__main__":
    main()
