#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance_info
short_description: Tell what stands in the way of a maintenance of nodes, and what is left of one that was broken off
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Reads the annotations of all nodes, the lock of recoveries, and the running virtual machines.
  - Names what is under way beside the maintenance, such as an upgrade, a recovery or somebody else's maintenance. That is
    returned and never fails the module.
  - With O(bricks) it tells which machines must be migrated before another brick is stopped, since locks do not survive the
    restart of a brick.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes.info
  - virtops.kubevirt_ha.connection
options:
  nodes:
    description: Names of the nodes to be maintained.
    type: list
    elements: str
    required: true
  resume_hours:
    description: For how many hours the turns to come of a maintenance that was broken off count.
    type: float
    default: 24.0
  bricks:
    description: When the brick of each storage node was started, in seconds since the epoch.
    type: dict
    default: {}
  leaving:
    description: The node whose brick is to be stopped.
    type: str
seealso:
  - module: virtops.kubevirt_ha.node_drain
  - module: virtops.kubevirt_ha.redundancy_info
"""

EXAMPLES = r"""
- name: Is anything else under way?
  virtops.kubevirt_ha.maintenance_info:
    kubeconfig: ~/.kube/config
    nodes: [n1, n2, n3]
  register: maintenance

- name: Stop where there is
  ansible.builtin.assert:
    that: maintenance.under_way | length == 0
    fail_msg: "{{ maintenance.under_way }}"
"""

RETURN = r"""
under_way:
  description: What is under way beside the maintenance, a sentence each with its way out.
  type: list
  elements: str
  returned: success
  sample: ["n2: is being upgraded (annotation kubevirt-ha.virtops/upgrade): run the playbook upgrade again until it has ended"]
notes:
  description: Of each node whose maintenance was begun and has not ended, what was noted.
  type: dict
  returned: success
  sample: {n2: {end: uncordon, boot_id: 3c4b, done: false}}
left:
  description: Nodes whose turn is to come in a maintenance that was broken off.
  type: list
  elements: str
  returned: success
cordoned:
  description: Nodes that are cordoned.
  type: list
  elements: str
  returned: success
boot_ids:
  description: The boot ID that each node last reported.
  type: dict
  returned: success
machines:
  description: The machines that run, each with its node and its last migration.
  type: list
  elements: dict
  returned: success
unlocked:
  description: Machines that must be migrated before the brick of O(leaving) is stopped.
  type: list
  elements: dict
  returned: success
unlockable:
  description: The same of those that cannot be migrated, so that fencing alone guards their disks.
  type: list
  elements: dict
  returned: success
"""

import time
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec, maintenance
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import NotFound
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.lock import Lock
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import NODE, VMI


def argument_spec() -> ArgumentSpec:
    """The connection, the nodes, and what is known of their bricks."""
    own = ArgumentSpec(
        {
            "nodes": {"type": "list", "elements": "str", "required": True},
            "resume_hours": {"type": "float", "default": 24.0},
            "bricks": {"type": "dict", "default": {}},
            "leaving": {"type": "str"},
        }
    )
    return own.merge(argspec.connection())


def look(client: Client, given: dict[str, Any]) -> dict[str, Any]:
    """The module's result. Raises HaError where the API does not answer."""
    holder = Lock(client, "", "", 0).other_holder()
    nodes = client.list(NODE).items
    found = maintenance.state(nodes, given["nodes"], holder, time.time(), given["resume_hours"])
    try:
        running = maintenance.machines(client.list(VMI).items)
    except NotFound:
        running = []
    bricks = {name: float(started) for name, started in given["bricks"].items()}
    unlocked = maintenance.unlocked(running, bricks, given["leaving"] or "") if bricks else []
    return {
        "changed": False,
        "under_way": found.under_way,
        "notes": found.notes,
        "left": found.left,
        "cordoned": found.cordoned,
        "boot_ids": found.boot_ids,
        "machines": [machine.as_dict() for machine in running],
        "unlocked": [machine.as_dict() for machine in unlocked if machine.migratable],
        "unlockable": [machine.as_dict() for machine in unlocked if not machine.migratable],
    }


def main() -> None:
    """The module's entry."""
    module = Module(argument_spec())
    run(module, lambda client: look(client, module.params))


if __name__ == "__main__":
    main()
