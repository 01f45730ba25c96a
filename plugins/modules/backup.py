#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup
short_description: Back up etcd, objects and virtual machines into a restic repository
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Backs up what the settings name, which may be a snapshot of etcd, restored into a member that is started and asked; the objects of
    namespaces as files; machines with their definition and disks, each in one snapshot of restic.
  - A running machine's disks are frozen by its guest agent, snapshotted by their storage, or read while it is paused; which it
    was is recorded. It is never held for longer than the settings allow, and never stays held, however the run ends.
  - Every fault is told before anything is changed. A part that fails does not stop the others, and the task fails at the end.
extends_documentation_fragment:
  - virtops.kubevirt_ha.backup
attributes:
  check_mode:
    description: Tells what would be backed up and how, and every fault.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
options:
  parts:
    description:
      - What is done; V(verify) reads a part of the repository.
    type: list
    elements: str
    choices: [etcd, objects, machines, verify]
    default: [etcd, objects, machines, verify]
  missing:
    description:
      - Whether machines and namespaces of the settings that do not exist, and machines whose disks have no file yet, fail the task or
        are warned of. Either way the others are backed up.
    type: str
    choices: [fail, warn]
    default: fail
seealso:
  - module: virtops.kubevirt_ha.backup_restore
  - module: virtops.kubevirt_ha.backup_verify
"""

EXAMPLES = r"""
- name: Back up the machines of a shop
  virtops.kubevirt_ha.backup:
    settings:
      repository: /srv/backup/restic
      password_file: /etc/kubevirt-ha/restic.password
      state_dir: /var/lib/kubevirt-ha/backup
      kubeconfig: /root/.kube/kubevirt_ha.config
      machines:
        - namespace: shop
          labels: backup=daily
          probe: {port: 8080, path: /}
      mount: /srv/kubevirt-ha/shared
      hosts:
        - name: n1
          command: [ssh, -o, BatchMode=yes, root@n1.example.net]
      keep: {last: 3, daily: 7, weekly: 4}
    parts: [machines]
"""

RETURN = r"""
plan:
  description: How each machine is read, C(method), what holds it meanwhile, C(hold), its C(disks), and what is C(skipped) and why.
  type: list
  elements: dict
  returned: success
machines:
  description:
    - What became of each machine, with C(consistency), C(frozen_seconds), C(snapshot), C(bytes), C(added_bytes), C(seconds), the
      guest's C(answer) right before, and C(error) where it failed.
  type: list
  elements: dict
  returned: always
etcd:
  description: The snapshot of etcd, with C(revision) and what the C(restored) member said.
  type: dict
  returned: always
objects:
  description: How many C(files) were written, by C(namespaces), and what could not be read.
  type: dict
  returned: always
verified:
  description: What the look at the repository found.
  type: dict
  returned: always
forgotten:
  description: How many old snapshots were forgotten.
  type: int
  returned: always
released:
  description: Machines that a run before had left held and that were let go.
  type: list
  elements: str
  returned: always
seconds:
  description: How long all of it took.
  type: float
  returned: always
kubevirt_source:
  description: What the operator's Deployment says its KubeVirt is.
  type: str
  returned: always
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
    service.take(Module(service.take_spec(), check=service.settings_faults))


if __name__ == "__main__":
    main()
