#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubevirt_deployment_info
short_description: Tell or await how far a rollout of KubeVirt has come
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Tells which KubeVirt runs, what of its rollout is still to come, whether its disruption budgets let a node be drained, which nodes
    its components may run on, and which running virtual machines cannot be migrated to a new launcher.
  - With O(wait) it returns once nothing is still to come, or fails with all that is.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes.info
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.wait
options:
  name:
    description:
      - Name of the KubeVirt object.
    type: str
    default: kubevirt
  namespace:
    description:
      - Namespace of the KubeVirt object and its components.
    type: str
    default: kubevirt
  version:
    description:
      - The version that the rollout is to end in; empty means whichever the operator brings.
    type: str
    default: ""
  infra_replicas:
    description:
      - How many replicas virt-api, virt-controller and virt-exportproxy are to have.
    type: int
  operator_replicas:
    description:
      - How many replicas virt-operator is to have.
    type: int
  infra_node_placement:
    description:
      - What C(spec.infra.nodePlacement) is or will be, for RV(infra_nodes); empty means KubeVirt's own choice, the control plane.
    type: dict
    default: {}
  workloads:
    description:
      - Whether the rollout is over only when each virtual machine that can be migrated runs in a launcher of the new version.
    type: bool
    default: false
  wait:
    default: false
  wait_timeout:
    default: 600
seealso:
  - module: virtops.kubevirt_ha.kubevirt_deployment
"""

EXAMPLES = r"""
- name: Wait until KubeVirt 1.9.0 is rolled out
  virtops.kubevirt_ha.kubevirt_deployment_info:
    version: 1.9.0
    infra_replicas: 3
    wait: true
  register: kubevirt

- name: Refuse what a drain would break
  ansible.builtin.assert:
    that: kubevirt.budget_faults | length == 0
    fail_msg: "{{ kubevirt.budget_faults }}"
"""

RETURN = r"""
installed:
  description: Whether there is a KubeVirt object.
  type: bool
  returned: success
version:
  description: The version that runs, empty where there is none.
  type: str
  returned: success
  sample: v1.9.0
source:
  description: Where that KubeVirt came from, as the role kubevirt noted it.
  type: str
  returned: success
  sample: release
waiting_for:
  description: What of the rollout is still to come, a clause each.
  type: list
  elements: str
  returned: success
budget_faults:
  description: Components whose PodDisruptionBudget does not let one replica go and keep one, a sentence each.
  type: list
  elements: str
  returned: success
outdated:
  description: How many virtual machines run in launchers of another version.
  type: int
  returned: success
infra_nodes:
  description: Names of the nodes that KubeVirt's components may run on.
  type: list
  elements: str
  returned: success
machines:
  description: The virtual machines that run.
  type: dict
  returned: success
  contains:
    running:
      description: How many there are.
      type: int
    not_migratable:
      description: Those that cannot be migrated, each with C(namespace), C(name) and C(reason).
      type: list
      elements: dict
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import kubevirt_deployment
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run


def main() -> None:
    """The module's entry."""
    module = Module(kubevirt_deployment.info_spec(), check=kubevirt_deployment.info_faults)
    run(module, lambda client: kubevirt_deployment.look(client, module.params))


if __name__ == "__main__":
    main()
