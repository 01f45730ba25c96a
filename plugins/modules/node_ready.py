#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_ready
short_description: Wait until nodes can hold virtual machines
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Waits until each node is Ready, in service, free of taints that keep machines away, marked by KubeVirt as one that takes
    machines, runs a ready virt-handler, and has cores and memory left. Names everything that is missing.
  - In check mode it looks once and does not fail.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes.info
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.wait
options:
  nodes:
    description:
      - Names of the nodes.
    type: list
    elements: str
    required: true
  labels:
    description:
      - Labels that each node must carry, such as that of the shared storage.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Wait until n4 can hold virtual machines
  virtops.kubevirt_ha.node_ready:
    nodes: [n4]
    labels:
      kubevirt-ha.virtops/shared-storage: "true"
"""

RETURN = r"""
faults:
  description: What is missing; empty unless in check mode.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import node_ready
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run


def main() -> None:
    """The module's entry."""
    module = Module(node_ready.spec())
    run(module, lambda client: node_ready.run(client, module.params, check=module.check_mode))


if __name__ == "__main__":
    main()
