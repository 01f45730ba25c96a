#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubevirt_deployment
short_description: Bring the KubeVirt object to its definition
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Creates or changes the object of kind KubeVirt, by which the operator lays its components out. One read and at most one write.
  - What is not in the definition stays as it is. Node placements, certificate times and flags of components are taken whole, so that
    what somebody added below them goes. A field whose value is null is removed.
  - Waits while the operator's webhook is not up yet; what the API refuses fails at once.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.wait
options:
  definition:
    description:
      - The object, with C(metadata.name) and C(metadata.namespace).
    type: dict
    required: true
  wait_timeout:
    default: 60
seealso:
  - module: virtops.kubevirt_ha.kubevirt_deployment_info
"""

EXAMPLES = r"""
- name: Let three replicas of KubeVirt's components run
  virtops.kubevirt_ha.kubevirt_deployment:
    definition:
      apiVersion: kubevirt.io/v1
      kind: KubeVirt
      metadata: {name: kubevirt, namespace: kubevirt}
      spec: {infra: {replicas: 3}}
"""

RETURN = r"""
requests:
  description: How many requests were sent to the API server.
  type: dict
  returned: always
  sample: {reads: 1, writes: 0, watches: 0}
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import kubevirt_deployment
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run


def main() -> None:
    """The module's entry."""
    module = Module(kubevirt_deployment.spec(), check=kubevirt_deployment.faults)
    run(
        module,
        lambda client: kubevirt_deployment.apply(client, module.params, check=module.check_mode, diff=module._diff),
    )


if __name__ == "__main__":
    main()
