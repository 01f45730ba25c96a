#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_fence
short_description: Power a node off through its BMC, and prove it
version_added: 0.1.0
author: The virtops.kubevirt_ha contributors (@virtops)
description:
  - Switches a node off or on through its BMC with Debian's fence agents, or reads its power state.
  - A node counts as off only when the BMC answers for this very machine and an independent read after the action
    says so. Anything else fails, and the node must be taken as running.
  - The module runs where the BMC can be reached, mostly on the controller. The password travels by standard input or
    environment, never on a command line.
options:
  node:
    description: The node's name, for messages and the proof.
    type: str
    required: true
  state:
    description: The wanted power state; V(status) only reads it.
    type: str
    choices: ["off", "on", status]
    required: true
  timeout:
    description: Seconds until the wanted power state must have been read back.
    type: float
    default: 60
  read_timeout:
    description: Seconds for one read of the power state.
    type: float
    default: 10
extends_documentation_fragment:
  - virtops.kubevirt_ha.bmc
attributes:
  check_mode:
    description: The power state is read, nothing is switched, the change is predicted.
    support: full
  diff_mode:
    description: The power state before and after.
    support: full
requirements:
  - fence-agents, and with O(bmc.type=ipmi) ipmitool, where the module runs
"""

EXAMPLES = r"""
- name: Power n2 off, for certain
  virtops.kubevirt_ha.node_fence:
    node: n2
    state: "off"
    bmc:
      type: redfish
      url: https://bmc-n2.example.net
      user: fencing
      password_file: /etc/kubevirt-ha/bmc-password
      identity: 4c4c4544-0043-3510-8052-b4c04f4a3132
  register: fenced
"""

RETURN = r"""
node:
  description: The node's name.
  type: str
  returned: always
power_state:
  description: The power state as last read, in Redfish's words.
  type: str
  returned: success
  sample: "Off"
identity:
  description: What the machine was recognised by.
  type: str
  returned: success
read_at:
  description: When the power state was last read, in seconds since the epoch.
  type: float
  returned: success
proof:
  description: That the node is off.
  type: dict
  returned: when the power state was read as Off
  contains:
    node: {description: The node's name., type: str}
    power_state: {description: Always V(Off)., type: str}
    read_at: {description: Seconds since the epoch., type: float}
    identity: {description: What the machine was recognised by., type: str}
    bmc: {description: The BMC's url., type: str}
error:
  description: What failed, where, why, and the way out.
  type: dict
  returned: failure
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing import argspec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.model import Bmc
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.node_fence import Request, fence

_STATES = ["off", "on", "status"]


def argument_spec() -> ArgumentSpec:
    """The module's own options and the BMC's."""
    own = ArgumentSpec(
        {
            "node": {"type": "str", "required": True},
            "state": {"type": "str", "required": True, "choices": _STATES},
            "timeout": {"type": "float", "default": 60},
            "read_timeout": {"type": "float", "default": 10},
        },
        required_if=[("state", state, ["bmc"]) for state in _STATES],
    )
    return own.merge(argspec.bmc())


def main() -> None:
    """The module's entry."""
    module = AnsibleModule(**argument_spec().to_kwargs(), supports_check_mode=True)
    given = module.params
    try:
        request = Request(
            given["node"],
            Bmc.parse(given["bmc"]),
            given["state"],
            given["timeout"],
            given["read_timeout"],
            module.check_mode,
        )
        module.exit_json(**fence(request))
    except HaError as error:
        module.fail_json(msg=str(error), error=error.as_dict(), node=given["node"])


if __name__ == "__main__":
    main()
