#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_network_facts
short_description: Compare a host's bonds, VLANs and bridges with what is wanted
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Reads links, addresses, routes and bridged VLANs by C(ip -json -details) and C(bridge -json). It never changes anything.
  - What the host cannot become is a fault, all faults are told at once; what is not yet so is a difference; C(plan) has
    the files of systemd-networkd, nmstate or ifupdown, and the commands that apply them and take them back.
notes:
  - Options are the variables of the role P(virtops.kubevirt_ha.network#role) without their prefix. A value of a wrong type is a
    fault among the others.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes.info
attributes:
  facts:
    description: Returns facts of the host that the task runs for.
    support: none
options:
  allow_management:
    description: Whether links may be changed that carry the default route or Ansible's connection.
    type: bool
    default: false
  apply_timeout:
    description: Seconds until what is applied is taken back unless it is confirmed.
    type: int
    default: 60
  attachments:
    description: A list of attachments of virtual machines, each C(name), C(namespace), C(type), C(bridge) or C(parent), C(vlan), C(mtu), C(ipam), C(options).
    type: raw
  backend:
    description: V(auto), V(nmstate), V(networkd) or V(ifupdown).
    type: raw
    default: auto
  bonds:
    description: A list of bonds, each C(name), C(ports), C(mode), C(options), C(mtu), C(addresses), C(gateway).
    type: raw
  bridges:
    description: A list of bridges, each C(name), C(ports), C(vlan_filtering), C(vlans), C(untagged), C(stp), C(mtu), C(addresses), C(gateway).
    type: raw
  connection_address:
    description: The address that Ansible reaches the host by, where it is known.
    type: str
  interfaces:
    description: A list of links that are there, each C(name), C(mtu), C(addresses), C(gateway).
    type: raw
  migration_attachment:
    description: The attachment that KubeVirt migrates by.
    type: raw
  migration_namespace:
    description: The namespace that it must be in.
    type: str
    default: kubevirt
  prefix:
    description: What stands before the names of options in faults, where the values are variables of a role.
    type: str
    default: ""
  ssh_port:
    description: The port of this host that Ansible connects to.
    type: int
    default: 22
  take_away:
    description:
      - Whether all that was made is to go, whatever else is asked for. Links that carry addresses of the host, or have ports that were not given to
        them here, stay as they are, and so does what is tied to them.
    type: bool
    default: false
  vlans:
    description: A list of VLANs, each C(name), C(parent), C(id), C(mtu), C(addresses), C(gateway).
    type: raw
"""

EXAMPLES = r"""
- name: Ask whether this host could have a bridge of VLANs
  virtops.kubevirt_ha.host_network_facts:
    bridges:
      - {name: br-vm, ports: [eth1], vlan_filtering: true, vlans: [100, "200-299"]}
  register: host
  failed_when: host.faults | length > 0

- name: Show what would be written
  ansible.builtin.debug:
    var: host.plan.files
"""

RETURN = r"""
faults:
  description: Why the host cannot become what is wanted, a sentence each that names the option and what is allowed instead.
  returned: success
  type: list
  elements: str
differences:
  description: What is not so now, a sentence each; empty where there are faults.
  returned: success
  type: list
  elements: str
networks:
  description: The addresses that were asked for, each C(link), C(address), C(network) and C(mtu).
  returned: success
  type: list
  elements: dict
stays:
  description: What O(take_away) leaves, a sentence for each link.
  returned: success
  type: list
  elements: str
plan:
  description: What to do; empty where there are faults.
  returned: success
  type: dict
  contains:
    backend: {description: "What configures the links.", type: str, returned: always}
    files: {description: "Texts of files by their paths.", type: dict, returned: always}
    kept: {description: "Files of before that are there.", type: list, elements: str, returned: always}
    removed: {description: "Files that are no longer wanted.", type: list, elements: str, returned: always}
    apply: {description: "Lines of a shell that make the links.", type: list, elements: str, returned: always}
    confirm: {description: "Lines of a shell that keep what was applied.", type: list, elements: str, returned: always}
    rollback: {description: "Lines of a shell that take it back, once the files of before are there.", type: list, elements: str, returned: always}
    touched: {description: "Links that are changed.", type: list, elements: str, returned: always}
    work: {description: "Whether there is anything to do.", type: bool, returned: always}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network import service

_RAW = ("attachments", "bonds", "bridges", "interfaces", "migration_attachment", "vlans")


def main() -> None:
    """The module's entry."""
    spec = {
        "allow_management": {"type": "bool", "default": False},
        "apply_timeout": {"type": "int", "default": 60},
        "backend": {"type": "raw", "default": "auto"},
        "connection_address": {"type": "str"},
        "migration_namespace": {"type": "str", "default": "kubevirt"},
        "prefix": {"type": "str", "default": ""},
        "ssh_port": {"type": "int", "default": 22},
        "take_away": {"type": "bool", "default": False},
        **{name: {"type": "raw"} for name in _RAW},
    }
    service.run(AnsibleModule(spec, supports_check_mode=True))


if __name__ == "__main__":
    main()
