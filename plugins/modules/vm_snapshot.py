#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_snapshot
short_description: Take and delete snapshots of KubeVirt virtual machines, and say what they hold
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Creates and deletes KubeVirt's C(VirtualMachineSnapshot) objects, and waits until they are ready to use.
  - A snapshot holds the machine's spec and, where their storage can, its volumes. KubeVirt counts a snapshot as successful
    that lacks volumes, or that was taken of a running guest without an agent to freeze its file systems. The result
    names both, and O(items[].require_all_volumes) and O(items[].require_consistent) make them failures.
  - A snapshot is never changed once it is there but for its labels and annotations. Another machine, deadline or
    deletion policy under the same name is refused.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.wait
  - virtops.kubevirt_ha.bulk
options:
  items:
    description:
      - The snapshots. Each entry wins over O(defaults).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the snapshot.
        type: str
        required: true
      <<: &options
        namespace:
          description:
            - Namespace of the snapshot and its machine. Needed for each, here, in O(defaults) or for the whole task.
          type: str
        state:
          description:
            - Whether the snapshot is to exist. V(present) is the default.
          type: str
          choices: [present, absent]
        vm:
          description:
            - The machine to snapshot. Needed unless the snapshot is to be absent.
          type: str
        deletion_policy:
          description:
            - Whether what the snapshot holds is deleted along with it. V(Delete) is KubeVirt's default.
          type: str
          choices: [Delete, Retain]
        failure_deadline:
          description:
            - Seconds after which KubeVirt gives the snapshot up; 0 for never. Its default is 300.
          type: int
        labels:
          description:
            - Labels of the snapshot. A value of V(null) removes a label.
          type: dict
        annotations:
          description:
            - Annotations of the snapshot. A value of V(null) removes an annotation.
          type: dict
        require_all_volumes:
          description:
            - Whether to fail where a volume with a claim is not part of the snapshot. Before one is taken the machine's
              status is asked, so that a machine whose storage cannot be snapshotted is not snapshotted at all.
            - Volumes without a claim, such as container disks, do not count.
          type: bool
        require_consistent:
          description:
            - Whether to fail where the machine ran and its file systems were not frozen. Before one is taken the machine's
              status is asked. A machine that is stopped is always consistent.
          type: bool
  defaults:
    description:
      - What the snapshots in O(items) have in common.
    type: dict
    suboptions:
      <<: *options
  name:
    description:
      - Name of the snapshot, in the short form for one snapshot. The options below are then its own.
    type: str
  <<: *options
seealso:
  - module: virtops.kubevirt_ha.vm_restore
  - module: virtops.kubevirt_ha.vm_clone
  - module: virtops.kubevirt_ha.vm_export
"""

EXAMPLES = r"""
- name: Snapshot a database, or fail where it would not be whole
  virtops.kubevirt_ha.vm_snapshot:
    name: "database-{{ now(fmt='%Y%m%d-%H%M') }}"
    namespace: shop
    vm: database
    require_all_volumes: true
    require_consistent: true

- name: Snapshot all web servers before an upgrade
  virtops.kubevirt_ha.vm_snapshot:
    namespace: shop
    defaults:
      failure_deadline: 600
      labels:
        before: upgrade-2
    items:
      - {name: web-1-before-upgrade-2, vm: web-1}
      - {name: web-2-before-upgrade-2, vm: web-2}

- name: Delete one
  virtops.kubevirt_ha.vm_snapshot:
    name: database-20261124-0300
    namespace: shop
    state: absent
"""

RETURN = r"""
snapshots:
  description: The outcome of each snapshot, in the order they were given.
  returned: unless the parameters have faults
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
    changed:
      description: Whether the snapshot was written, or would have been in check mode.
      type: bool
      returned: always
    action:
      description: One of V(created), V(changed), V(deleted), V(unchanged) and V(failed).
      type: str
      returned: always
    uid:
      description: UID of the object; none for a snapshot that is gone.
      type: str
      returned: always
    generation:
      description: Generation of the object's spec.
      type: int
      returned: always
    vm:
      description: The machine that was snapshotted.
      type: str
      returned: always
    phase:
      description: KubeVirt's phase, such as V(InProgress), V(Succeeded) or V(Failed).
      type: str
      returned: always
    ready:
      description: Whether the snapshot can be restored.
      type: bool
      returned: always
    reason:
      description: The phase with the reason, where there is one.
      type: str
      returned: always
    indications:
      description:
        - In which state the machine was, in KubeVirt's words such as V(Online), V(GuestAgent), V(NoGuestAgent), V(Paused),
          V(QuiesceTimeout) and V(PartialSnapshot). Empty for a machine that was stopped and is whole in the snapshot.
      type: list
      elements: str
      returned: always
    included_volumes:
      description: The volumes that the snapshot holds.
      type: list
      elements: str
      returned: always
    excluded_volumes:
      description: The volumes that it does not hold; container disks and cloud-init volumes are always among them.
      type: list
      elements: str
      returned: always
    created_at:
      description: When the volumes were snapshotted.
      type: str
      returned: always
    source_uid:
      description: UID of the machine.
      type: str
      returned: always
    content:
      description: Name of the C(VirtualMachineSnapshotContent).
      type: str
      returned: always
    error:
      description: What failed, where, why, and the way out.
      type: dict
      returned: for a snapshot that failed
requests:
  description: How many requests were sent. What only asks the server what it would do counts as a read.
  returned: unless the parameters have faults
  type: dict
  contains:
    reads:
      description: Reads.
      type: int
      returned: always
    writes:
      description: Writes.
      type: int
      returned: always
    watches:
      description: Watches.
      type: int
      returned: always
error:
  description: What failed, where, why, and the way out; C(faults) or C(failures) lists all where there are several.
  returned: on failure
  type: dict
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.vm_snapshot import DECLARED


def main() -> None:
    """The module's entry."""
    DECLARED.main()


if __name__ == "__main__":
    main()
