#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_restore
short_description: Restore snapshots of KubeVirt virtual machines, into the same machine or into a new one
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Creates and deletes KubeVirt's C(VirtualMachineRestore) objects, and waits until they are complete.
  - A restore is carried out once and goes by its name. The same task again changes nothing, however the machine has
    changed since; another name restores again.
  - What KubeVirt would wait for without end is refused before anything is made, such as a snapshot that failed, a machine
    that runs, and another machine under the target's name.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.wait
  - virtops.kubevirt_ha.bulk
options:
  items:
    description:
      - The restores. Each entry wins over O(defaults).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the restore.
        type: str
        required: true
      <<: &options
        namespace:
          description:
            - Namespace of the restore, the snapshot and the machine. Needed for each, here, in O(defaults) or for the
              whole task.
          type: str
        state:
          description:
            - Whether the restore is to exist. V(present) is the default. V(absent) deletes the restore object only, not
              what was restored.
          type: str
          choices: [present, absent]
        snapshot:
          description:
            - The snapshot to restore. Needed unless the restore is to be absent.
          type: str
        vm:
          description:
            - The machine to restore into, which is the one that was snapshotted, or one that does not exist yet and is
              then made, stopped. Needed unless the restore is to be absent.
          type: str
        stop:
          description:
            - Whether KubeVirt is to stop the machine where it runs. Without it a machine that runs is refused. It is not
              started again; the module M(virtops.kubevirt_ha.vm_power) does that.
          type: bool
        volume_restore_policy:
          description:
            - How the restored claims are called. V(RandomizeNames), KubeVirt's default, makes new claims and leaves the
              old ones behind; V(PrefixTargetName) calls them by machine and volume; V(InPlace) deletes the old claims and
              makes new ones under their names.
          type: str
          choices: [InPlace, PrefixTargetName, RandomizeNames]
        volume_ownership_policy:
          description:
            - Whether the restored claims are deleted along with the machine. V(Vm) is KubeVirt's default.
          type: str
          choices: ["None", Vm]
        volumes:
          description:
            - What is to be different for single volumes.
          type: list
          elements: dict
          suboptions:
            name:
              description:
                - Name of the volume in the machine's spec.
              type: str
              required: true
            restore_name:
              description:
                - Name of the restored claim.
              type: str
            labels:
              description:
                - Labels of the restored claim.
              type: dict
            annotations:
              description:
                - Annotations of the restored claim.
              type: dict
        patches:
          description:
            - JSON patches for a machine that is made, each a map of C(op), C(path) and C(value). Their paths lie below
              C(/spec/), C(/metadata/labels/) or C(/metadata/annotations/).
            - No value can hold a colon or a comma. KubeVirt's webhook cuts patches there.
          type: list
          elements: dict
        labels:
          description:
            - Labels of the restore object. A value of V(null) removes a label.
          type: dict
        annotations:
          description:
            - Annotations of the restore object. A value of V(null) removes an annotation.
          type: dict
  defaults:
    description:
      - What the restores in O(items) have in common.
    type: dict
    suboptions:
      <<: *options
  name:
    description:
      - Name of the restore, in the short form for one restore. The options below are then its own.
    type: str
  <<: *options
seealso:
  - module: virtops.kubevirt_ha.vm_snapshot
  - module: virtops.kubevirt_ha.vm_power
"""

EXAMPLES = r"""
- name: Put a database back to where it was
  virtops.kubevirt_ha.vm_restore:
    name: database-back-to-monday
    namespace: shop
    snapshot: database-20261123-0300
    vm: database
    stop: true

- name: Start it again
  virtops.kubevirt_ha.vm_power:
    name: database
    namespace: shop
    state: started

- name: Look into a snapshot with a machine beside
  virtops.kubevirt_ha.vm_restore:
    name: database-inspection
    namespace: shop
    snapshot: database-20261123-0300
    vm: database-inspection
    volume_restore_policy: PrefixTargetName
    patches:
      - op: replace
        path: /spec/template/spec/domain/devices/interfaces/0/macAddress
        value: 02-00-00-00-00-01
"""

RETURN = r"""
restores:
  description: The outcome of each restore, in the order they were given.
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
      description: Whether the restore was written, or would have been in check mode.
      type: bool
      returned: always
    action:
      description: One of V(created), V(changed), V(deleted), V(unchanged) and V(failed).
      type: str
      returned: always
    uid:
      description: UID of the object; none for a restore that is gone.
      type: str
      returned: always
    generation:
      description: Generation of the object's spec.
      type: int
      returned: always
    vm:
      description: The machine that was restored.
      type: str
      returned: always
    snapshot:
      description: The snapshot.
      type: str
      returned: always
    complete:
      description: Whether the restore is complete.
      type: bool
      returned: always
    reason:
      description: What KubeVirt does or waits for, or why it failed.
      type: str
      returned: always
    restored_at:
      description: When the restore was complete.
      type: str
      returned: always
    volumes:
      description: The volumes that were restored.
      type: list
      elements: dict
      returned: always
      contains:
        name:
          description: Name of the volume in the machine's spec.
          type: str
          returned: always
        claim:
          description: Name of its new claim.
          type: str
          returned: always
        data_volume:
          description: Name of the DataVolume that holds the claim, where one does.
          type: str
          returned: always
    deleted_data_volumes:
      description: The machine's DataVolumes that were deleted.
      type: list
      elements: str
      returned: always
    error:
      description: What failed, where, why, and the way out.
      type: dict
      returned: for a restore that failed
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

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.vm_restore import DECLARED


def main() -> None:
    """The module's entry."""
    DECLARED.main()


if __name__ == "__main__":
    main()
