#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vmi_info
short_description: Read KubeVirt virtual machine instances
version_added: 0.1.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Reads virtual machine instances by name, namespace or label, those of machines and those that stand alone.
  - One list, in pages of 500, over the narrowest scope that is permitted.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes.info
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.bulk
options:
  name:
    description:
      - Name of one instance; needs exactly one of O(namespaces).
    type: str
  namespaces:
    description:
      - Namespaces to look in. All of the cluster where none is given.
    type: list
    elements: str
    default: []
    aliases: [namespace]
  label_selectors:
    description:
      - Label selectors that must all hold, such as V(app=web) or V(tier in (gold,silver)).
    type: list
    elements: str
    default: []
  full:
    description:
      - Whether each entry holds the whole object, too, without cloud-init's data.
    type: bool
    default: false
  guest_agent:
    description:
      - Whether to ask each guest's agent, where one is connected; one read each.
    type: bool
    default: false
    version_added: 0.2.0
seealso:
  - module: virtops.kubevirt_ha.vm_info
"""

EXAMPLES = r"""
- name: Ask the guests of a shop who is logged in
  virtops.kubevirt_ha.vmi_info:
    namespaces: [shop]
    guest_agent: true
  register: guests

- name: Read the instances on one node
  virtops.kubevirt_ha.vmi_info:
    label_selectors: [kubevirt.io/nodeName=n1]
  register: on_n1
"""

RETURN = r"""
vmis:
  description: The instances, ordered by namespace and name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name.
      type: str
      returned: always
    namespace:
      description: Namespace.
      type: str
      returned: always
    created_at:
      description: When the object was created.
      type: str
      returned: always
    labels:
      description: Labels.
      type: dict
      returned: always
    annotations:
      description: Annotations.
      type: dict
      returned: always
    object:
      description: The whole object.
      type: dict
      returned: with O(full=true)
    uid:
      description: UID of the instance; another one after a restart.
      type: str
      returned: always
    phase:
      description: Phase, such as V(Running).
      type: str
      returned: always
    ready:
      description: Whether the instance is ready.
      type: bool
      returned: always
    paused:
      description: Whether it is paused.
      type: bool
      returned: always
    migratable:
      description: Whether it can be migrated live.
      type: bool
      returned: always
    deleting:
      description: Whether it is about to go.
      type: bool
      returned: always
    node:
      description: The node it is on.
      type: str
      returned: always
    ip:
      description: Its first address.
      type: str
      returned: always
    ips:
      description: All its addresses.
      type: list
      elements: str
      returned: always
    interfaces:
      description: Its interfaces with C(name), C(mac) and C(ips).
      type: list
      elements: dict
      returned: always
    guest_os:
      description: The guest's operating system, where the guest agent tells.
      type: str
      returned: always
    started_at:
      description: When it began to run.
      type: str
      returned: always
    reason:
      description: KubeVirt's reason for its state, where there is one.
      type: str
      returned: always
    vm:
      description: The machine it belongs to; none where it stands alone.
      type: str
      returned: always
    guest:
      description: What the guest's agent tells in KubeVirt's words, such as C(hostname), C(os), C(userList) and C(fsInfo);
        none where no agent is connected, C(error) where it did not answer.
      type: dict
      returned: with O(guest_agent=true)
requests:
  description: How many requests were sent.
  returned: unless the parameters have faults
  type: dict
  contains:
    reads:
      description: Reads.
      type: int
      returned: always
    writes:
      description: Writes, always 0.
      type: int
      returned: always
    watches:
      description: Watches, always 0.
      type: int
      returned: always
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import info
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def main() -> None:
    """The module's entry."""
    info.run_vmi_info(Module(info.vmi_spec(), check=info.faults))


if __name__ == "__main__":
    main()
