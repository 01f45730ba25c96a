#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: placement
short_description: Declare priority classes, node labels and taints, presets, quotas and the reserve of a cluster
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Brings what decides where virtual machines run, and which come first, to what is declared. Each kind costs one list; only
    what differs is written, by one request an object.
  - Objects are owned by their label C(app.kubernetes.io/managed-by=kubevirt-ha-placement). One that is declared no more is
    taken away; objects without the label are never touched, and a name that one of them has is refused.
  - Of nodes only the labels and taints are changed that are declared here, or were before.
  - Faults of the parameters, and what of the cluster stands against them, fail the task before anything is changed.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.bulk
options:
  state:
    description:
      - V(absent) takes all away that is owned, and refuses to while a machine or a pod names one of the priority classes.
    type: str
    choices: [present, absent]
    default: present
  force:
    description:
      - Takes priority classes away although machines or pods name them. What runs goes on; it cannot start again until it names
        another class, or none.
    type: bool
    default: false
  namespace:
    description:
      - Namespace of the reserve's placeholders. It is made with them and goes with them.
    type: str
    default: kubevirt-ha-placement
  priority_classes:
    description:
      - Priority classes. The higher value comes first. A changed value makes the class anew; pods that run keep theirs.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: [Name.]
        type: str
        required: true
      value:
        description: ["Value, of at most 1000000000; higher ones are Kubernetes' own."]
        type: int
        required: true
      description:
        description: [What it is for.]
        type: str
      global_default:
        description: [Whether pods without a class get it. One of the cluster's classes may be so.]
        type: bool
      preemption_policy:
        description: ["V(Never) has its pods wait for room instead of ending others. V(PreemptLowerPriority) is the default."]
        type: str
        choices: [Never, PreemptLowerPriority]
  node_labels:
    description:
      - Labels by node. A value of V(null) takes a label away that somebody else has set.
    type: dict
    default: {}
  node_taints:
    description:
      - Lists of taints by node, each with C(key), C(effect) and perhaps C(value).
    type: dict
    default: {}
  instancetypes:
    description:
      - Instance types of the cluster, KubeVirt's C(VirtualMachineClusterInstancetype).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: [Name.]
        type: str
        required: true
      cpu:
        description: [CPUs of the guest.]
        type: int
        required: true
      memory:
        description: ["Memory of the guest, such as V(4Gi)."]
        type: str
        required: true
      overcommit_percent:
        description: [How much less than the guest's memory is asked of the node, in percent.]
        type: int
      node_selector:
        description: [Labels that the node must have.]
        type: dict
  presets:
    description:
      - Options of the module M(virtops.kubevirt_ha.vm) by the name of a preset, which
        O(virtops.kubevirt_ha.vm#module:preset) takes. Kept in ConfigMap C(kube-public/kubevirt-ha-presets), which every
        user of the cluster may read.
    type: dict
    default: {}
  namespaces:
    description:
      - Quotas and limits of namespaces. A namespace that is missing is made, and is never taken away.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: [Name of the namespace.]
        type: str
        required: true
      quotas:
        description: [ResourceQuotas of the namespace.]
        type: list
        elements: dict
        suboptions:
          name:
            description: [Name.]
            type: str
            required: true
          hard:
            description: ["Amounts by resource, such as C(requests.memory) or C(pods)."]
            type: dict
            required: true
          priority_classes:
            description: [Only pods of these classes are counted.]
            type: list
            elements: str
      limits:
        description: [LimitRange for the containers of the namespace; launchers have containers beside the guest's.]
        type: dict
        suboptions:
          default:
            description: [Limits of containers that have none.]
            type: dict
          default_request:
            description: [Requests of containers that have none.]
            type: dict
          max:
            description: [The most that a container may ask for.]
            type: dict
          min:
            description: [The least that a container may ask for.]
            type: dict
  reserve:
    description:
      - Keeps room on the nodes for the machines of the largest one by placeholder pods, which every machine preempts. Each node
        keeps the n-th part of the largest one's room, n being the number of nodes that run machines.
    type: dict
    suboptions:
      image:
        description: [An image that does nothing, such as Kubernetes' C(pause).]
        type: str
        required: true
      priority:
        description: [Priority of the placeholders, below 0.]
        type: int
        default: -1000
      pieces:
        description: [Placeholders a node. More of them give way in smaller steps.]
        type: int
        default: 4
      resources:
        description: [What is kept.]
        type: list
        elements: str
        choices: [cpu, memory]
        default: [cpu, memory]
  objects:
    description:
      - Further objects that are owned alike, as manifests. Namespaces, service accounts, roles and bindings, config maps,
        deployments, and the kinds that the other options stand for.
    type: list
    elements: dict
    default: []
seealso:
  - module: virtops.kubevirt_ha.vm
  - module: virtops.kubevirt_ha.kubevirt_info
"""

EXAMPLES = r"""
- name: Let the shop's database come first, and keep n3 for it
  virtops.kubevirt_ha.placement:
    priority_classes:
      - name: shop-first
        value: 100000
    node_labels:
      n3: {example.com/disks: fast}
    node_taints:
      n3: [{key: example.com/dedicated, value: shop, effect: NoSchedule}]
    presets:
      database:
        priority_class: shop-first
        requests: {cpu: 2, memory: 8Gi}
        limits: {cpu: 4, memory: 8Gi}
        node_affinity: {example.com/disks: [fast]}
        tolerations: [{key: example.com/dedicated, operator: Exists}]

- name: Create a machine by it
  virtops.kubevirt_ha.vm:
    namespace: shop
    name: db-1
    preset: database
    memory: 8Gi
"""

RETURN = r"""
counts:
  description: How many objects were V(created), V(changed), V(replaced), V(deleted), V(failed) or V(unchanged), nodes counted in.
  type: dict
  returned: success, or when some failed
objects:
  description: What was written, or would be in check mode, with C(object) and C(action).
  type: list
  elements: dict
  returned: success, or when some failed
reserve:
  description:
    - What each node keeps free (C(cpu) in cores, C(memory) in bytes), and of the placeholders how many are C(wanted) and how many
      C(held) their room when the task began. V(null) without O(reserve).
  type: dict
  returned: success, or when some failed
requests:
  description: How many requests were sent, as C(reads), C(writes) and C(watches).
  type: dict
  returned: always
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.cluster_placement import options, service
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def main() -> None:
    """The module's entry."""
    service.run_module(Module(options.spec(), check=options.faults))


if __name__ == "__main__":
    main()
