#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_restore
short_description: Bring a virtual machine back out of a backup, and ask its guest
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Writes the disks into new claims, makes the machine, starts it and asks its guest. What the guest says is compared with what
    it said right before its backup. Only then the backup counts as proven.
  - Under another name it gets another firmware UUID and other MAC addresses, none of the template's labels, so that no Service
    leads to it, and the pod network alone, so that both can run.
  - A machine that runs is never restored over. Every fault is told before anything is changed.
extends_documentation_fragment:
  - virtops.kubevirt_ha.backup
attributes:
  check_mode:
    description: Tells what would be restored to where, and every fault.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
options:
  vm:
    description: The machine that was backed up.
    type: str
    required: true
  namespace:
    description: Its namespace then.
    type: str
    required: true
  name:
    description: What it is called now; its own name where this is not given.
    type: str
  target_namespace:
    description: The namespace it comes back to; its own where this is not given.
    type: str
  snapshot:
    description: V(latest), or 4 or more digits of restic's identifier.
    type: str
    default: latest
  replace:
    description: Whether a stopped machine of that name is replaced. Its claims stay.
    type: bool
    default: false
  keep_labels:
    description: Whether the template's labels are kept. By default they are where the machine comes back under its own name.
    type: bool
  keep_networks:
    description: The same of networks beside the pod network.
    type: bool
  probe:
    description: The question to the guest, instead of the one that was recorded.
    type: dict
    suboptions:
      port:
        description: Port of the guest's HTTP server.
        type: int
      path:
        description: Path that is asked.
        type: str
        default: /
  timeout:
    description: Seconds until the guest must have answered.
    type: int
    default: 300
  remove:
    description: Whether the restored machine and its disks are taken away again after the proof.
    type: bool
    default: false
seealso:
  - module: virtops.kubevirt_ha.backup
"""

EXAMPLES = r"""
- name: Prove last night's backup beside the machine
  virtops.kubevirt_ha.backup_restore:
    settings: "{{ my_backup_settings }}"
    namespace: shop
    vm: database
    name: database-proof
    remove: true
"""

RETURN = r"""
restored_as:
  description: Name of the machine.
  type: str
  returned: success
snapshot:
  description: The snapshot it is from.
  type: str
  returned: success
consistency:
  description: V(frozen), V(snapshot), V(crash-consistent) or V(stopped).
  type: str
  returned: success
disks:
  description: The claims that were written.
  type: list
  elements: dict
  returned: success
proof:
  description: V(answered), or V(runs) where nobody asked the guest.
  type: str
  returned: success
answer:
  description: The guest's first answer.
  type: dict
  returned: success
writes_lost:
  description: How many acknowledged writes the restored disk lacks; none where the guest tells no counter.
  type: int
  returned: success
restore_seconds:
  description: From the first change to the guest's first answer.
  type: float
  returned: success
figures:
  description: What was measured, for M(virtops.kubevirt_ha.backup_report).
  type: list
  elements: dict
  returned: always
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import service
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def main() -> None:
    """The module's entry."""
    service.bring_back(Module(service.restore_spec(), check=service.settings_faults))


if __name__ == "__main__":
    main()
