#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_member
short_description: Take one member out of etcd, or ask whether the members serve
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Takes a member out of a cluster of etcd through the HTTP gateway of another one. Nothing but Python is needed on the
    host.
  - Removes one member and never another. A member that only has the same name is left alone where O(member_id) is given.
  - Refuses where the voting members that are left would have no quorum.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes
  - virtops.kubevirt_ha.etcd
options:
  state:
    description:
      - V(present) changes nothing. It fails unless O(name), or without it every member, has started, votes and serves.
      - V(absent) removes the member. One that is not there is no error.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - The member's name, which is the host's with kubeadm.
    type: str
  member_id:
    description:
      - The member's ID, a decimal number as in RV(cluster.members).
    type: str
  peer_url:
    description:
      - The URL that other members reach it at. The only thing that tells whose a member is that has not started yet.
    type: str
  only_lost:
    description:
      - Whether a member that still answers is refused, for the removal of one whose machine is lost.
    type: bool
    default: false
requirements:
  - python >= 3.9
  - etcd 3.5, 3.6 or 3.7 with its HTTP gateway, which is on by default
seealso:
  - module: virtops.kubevirt_ha.etcd_snapshot
"""

EXAMPLES = r"""
- name: Ask on a control plane of kubeadm whether etcd is whole
  virtops.kubevirt_ha.etcd_member:
  register: etcd

- name: Take out the member of a machine that is lost for good
  virtops.kubevirt_ha.etcd_member:
    state: absent
    name: n2
    peer_url: https://10.77.0.12:2380
    only_lost: true
"""

RETURN = r"""
removed:
  description: The member that was removed, or would be, with C(id), C(name) and C(peer_urls); none where it was not there.
  type: dict
  returned: success
cluster:
  description: Health of the cluster before the removal.
  type: dict
  returned: success, and where members lack something
  contains:
    id:
      description: The cluster's ID.
      type: str
      returned: always
    leader:
      description: Name of the leader.
      type: str
      returned: always
    healthy:
      description: Whether every member answers without a complaint and there is no alarm.
      type: bool
      returned: always
    alarms:
      description: Alarms with C(member) and C(alarm), which is V(NOSPACE) or V(CORRUPT).
      type: list
      elements: dict
      returned: always
    members:
      description:
        - Every member as in RV(virtops.kubevirt_ha.etcd_snapshot#module:cluster.members).
      type: list
      elements: dict
      returned: always
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import etcd_member
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd.options import Opener
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, end


def main() -> None:
    """The module's entry."""
    module = Module(etcd_member.spec(), check=etcd_member.faults)
    try:
        result = etcd_member.run(module.params, Opener(module.params), check=module.check_mode)
    except HaError as error:
        module.fail_with(error, changed=False)
    end(module, result)


if __name__ == "__main__":
    main()
