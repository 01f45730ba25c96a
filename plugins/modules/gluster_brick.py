#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gluster_brick
short_description: Replace the brick of a lost host of GlusterFS, and wait until the volume is healed
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Runs on a host of the pool that is alive. Makes the brick of a lost host anew at its place (C(reset-brick)), where a new
    machine has the old address, or puts one of another host in its stead (C(replace-brick)).
  - Refuses while another brick that holds the same files is down, and where files are in split brain. The data would have one
    copy only.
  - The new host must be in the pool. A new machine with the address of a lost one takes over its UUID for that,
    RV(peer_uuid).
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes
  - virtops.kubevirt_ha.wait
options:
  volume:
    description:
      - The volume's name.
    type: str
    required: true
  state:
    description:
      - V(planned) changes nothing and does not fail. It returns RV(faults) and RV(action).
      - V(replaced) replaces the brick. A new brick that serves is left alone.
      - V(healed) waits until all bricks serve and nothing is left to heal; a full heal is asked for where something is.
    type: str
    choices: [planned, replaced, healed]
    default: planned
  lost:
    description:
      - The address that the volume knows the lost host by.
    type: str
  new:
    description:
      - The address of the host that takes its place, by default O(lost).
    type: str
  path:
    description:
      - The folder of the new brick.
    type: path
  wait_timeout:
    description:
      - Seconds to wait at most, with O(state=healed).
    default: 600
requirements:
  - GlusterFS 10 or newer
"""

EXAMPLES = r"""
- name: Make the brick of a machine anew that was replaced
  virtops.kubevirt_ha.gluster_brick:
    volume: shared
    state: replaced
    lost: 10.77.0.12
    path: /var/lib/kubevirt-ha/brick

- name: Wait until it has all data
  virtops.kubevirt_ha.gluster_brick:
    volume: shared
    state: healed
"""

RETURN = r"""
faults:
  description: What stands against the replacement, a sentence each.
  type: list
  elements: str
  returned: unless with O(state=healed)
action:
  description: What is left to do, V(none), V(reset) or V(replace).
  type: str
  returned: unless with O(state=healed)
peer_uuid:
  description: The UUID by which the pool knows the lost host; empty where it does not.
  type: str
  returned: unless with O(state=healed)
pool:
  description:
    - The other members of the pool, each C(uuid) and C(host), which is empty for the one that was asked. Only where a brick is
      to be replaced.
  type: list
  elements: dict
  returned: unless with O(state=healed)
old_brick:
  description: The brick of the lost host; empty where the volume has none any more.
  type: str
  returned: unless with O(state=healed)
new_brick:
  description: The brick in its stead.
  type: str
  returned: unless with O(state=healed)
left:
  description: What is left to heal; empty unless in check mode.
  type: list
  elements: str
  returned: with O(state=healed)
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import gluster_brick
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def main() -> None:
    """The module's entry."""
    module = Module(gluster_brick.spec(), check=gluster_brick.faults)
    gluster = gluster_brick.Gluster(lambda command: module.run_command(list(command)))
    try:
        result = gluster_brick.Job(gluster, module.params, check=module.check_mode).run()
    except HaError as error:
        module.fail_with(error, changed=False)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
