# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells whether a platform could bear the loss of any one part now."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redundancy_info
short_description: Tell whether a platform could bear the loss of any one part now
version_added: 0.1.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Looks at nodes, etcd, every API server, KubeVirt's components, the shared storage, the watcher, and the virtual
    machines with their guests, and names everything that is missing or on its way back.
  - Waits for it where O(wait_timeout) says so. Faults are returned and never fail the module.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes.info
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.drill
options:
  wait_timeout:
    description: Seconds to wait for redundancy to be whole; without it there is one look.
    type: int
seealso:
  - module: virtops.kubevirt_ha.failover_drill
"""

EXAMPLES = r"""
- name: Is it really highly available now?
  virtops.kubevirt_ha.redundancy_info:
    kubeconfig: ~/.kube/config
    nodes: [n1, n2, n3]
    etcd_members: 3
    api_servers:
      - {name: n1, address: 10.77.0.11}
      - {name: n2, address: 10.77.0.12}
      - {name: n3, address: 10.77.0.13}
    namespace: demo
    machines:
      - {name: demo-1, url: "http://10.77.0.100:30081/"}
    state_dir: /var/lib/kubevirt-ha/remediation
  register: redundancy
"""

RETURN = r"""
whole:
  description: Whether nothing is missing.
  type: bool
  returned: success
faults:
  description: What is missing or on its way back, a sentence each.
  type: list
  elements: str
  returned: success
  sample: [node n2 is not Ready (Ready is Unknown)]
machines:
  description: Node and UID of each machine's VMI, by the machine's name.
  type: dict
  returned: success
kubevirt_source:
  description: What the operator's Deployment says its KubeVirt is.
  type: str
  returned: success
versions:
  description: Versions by name.
  type: dict
  returned: success
"""

from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import resolve
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import options
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.survey import survey_until_whole
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run


def argument_spec() -> ArgumentSpec:
    """The connection, the platform, and how long to wait."""
    own = ArgumentSpec({"wait_timeout": {"type": "int"}})
    return own.merge(argspec.connection(), options.platform())


def main() -> None:
    """The module's entry."""
    module = Module(argument_spec())
    given = module.params

    def look(client: Client) -> dict[str, Any]:
        found = survey_until_whole(
            client,
            module.connection or resolve(given),
            options.platform_of(given),
            options.expected_of(given),
            float(given["wait_timeout"] or 0),
        )
        return {
            "changed": False,
            "whole": not found.faults,
            "faults": found.faults,
            "machines": found.machines,
            "kubevirt_source": found.kubevirt_source,
            "versions": found.versions,
        }

    run(module, look)


if __name__ == "__main__":
    main()
