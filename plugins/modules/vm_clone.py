#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_clone
short_description: Clone KubeVirt virtual machines and snapshots of them
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Creates and deletes KubeVirt's C(VirtualMachineClone) objects, and waits until the new machine is there, with claims of
    its own. It is stopped at first.
  - A clone is made once. A machine that a clone or a restore has made under this name is left alone, also where the clone
    object is gone; any other machine under this name is an error.
  - What KubeVirt would wait for without end is refused before anything is made, such as volumes without snapshots and
    values that its webhook for restores cannot read. A clone that fails or hangs is reported with the reason, from
    KubeVirt's events where its status does not tell it.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.wait
  - virtops.kubevirt_ha.bulk
options:
  items:
    description:
      - The clones. Each entry wins over O(defaults).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the new machine, and of the clone object.
        type: str
        required: true
      <<: &options
        namespace:
          description:
            - Namespace of the source and the new machine. Needed for each, here, in O(defaults) or for the whole task.
          type: str
        state:
          description:
            - Whether the clone is to exist. V(present) is the default. V(absent) deletes the clone object only; delete the
              machine with the module M(virtops.kubevirt_ha.vm), and KubeVirt deletes the clone object along with it.
          type: str
          choices: [present, absent]
        vm:
          description:
            - The machine to clone. It may run. Either this or O(items[].snapshot) is needed unless the clone is to be
              absent.
          type: str
        snapshot:
          description:
            - The snapshot to make the machine of.
          type: str
        label_filters:
          description:
            - Which of the source's labels the new machine gets, by regular expressions over their keys. Those that begin
              with V(!) leave labels out. All where it is not given.
          type: list
          elements: str
        annotation_filters:
          description:
            - The same for annotations.
          type: list
          elements: str
        template_label_filters:
          description:
            - The same for the labels of the machine's template, which its instances get.
          type: list
          elements: str
        template_annotation_filters:
          description:
            - The same for the annotations of the machine's template.
          type: list
          elements: str
        new_mac_addresses:
          description:
            - MAC addresses by the names of the interfaces. The others get new ones.
            - They are written with dashes. KubeVirt 1.9 never finishes a clone with colons in them.
          type: dict
        new_smbios_serial:
          description:
            - Serial number of the new machine. A new one where it is not given.
          type: str
        volume_name_policy:
          description:
            - Whether the new claims are called by machine and volume, with V(PrefixTargetName), or at random.
          type: str
          choices: [PrefixTargetName, RandomizeNames]
        patches:
          description:
            - JSON patches for the new machine, each a map of C(op), C(path) and C(value). Their paths lie below C(/spec/),
              C(/metadata/labels/) or C(/metadata/annotations/).
            - No value can hold a colon or a comma. KubeVirt's webhook cuts patches there.
          type: list
          elements: dict
  defaults:
    description:
      - What the clones in O(items) have in common.
    type: dict
    suboptions:
      <<: *options
  name:
    description:
      - Name of the new machine, in the short form for one clone. The options below are then its own.
    type: str
  <<: *options
seealso:
  - module: virtops.kubevirt_ha.vm_snapshot
  - module: virtops.kubevirt_ha.vm
"""

EXAMPLES = r"""
- name: Ten workers like the first one
  virtops.kubevirt_ha.vm_clone:
    namespace: shop
    defaults:
      vm: worker-0
      volume_name_policy: PrefixTargetName
      label_filters: ["*", "!^role$"]
    items:
      - name: worker-1
        new_mac_addresses: {default: "02:00:00:00:00:01"}
      - name: worker-2
        new_mac_addresses: {default: "02:00:00:00:00:02"}

- name: Start them
  virtops.kubevirt_ha.vm_power:
    namespace: shop
    state: started
    vms: [{name: worker-1}, {name: worker-2}]

- name: A machine of a snapshot
  virtops.kubevirt_ha.vm_clone:
    name: database-test
    namespace: shop
    snapshot: database-20261123-0300
    patches:
      - op: add
        path: /metadata/labels/stage
        value: test
"""

RETURN = r"""
clones:
  description: The outcome of each clone, in the order they were given.
  returned: unless the parameters have faults
  type: list
  elements: dict
  contains:
    name:
      description: Name of the clone object.
      type: str
      returned: always
    namespace:
      description: Namespace.
      type: str
      returned: always
    changed:
      description: Whether the clone was written, or would have been in check mode.
      type: bool
      returned: always
    action:
      description: One of V(created), V(deleted), V(unchanged) and V(failed).
      type: str
      returned: always
    uid:
      description: UID of the clone object; none where there is none.
      type: str
      returned: always
    generation:
      description: Generation of the object's spec.
      type: int
      returned: always
    vm:
      description: Name of the new machine.
      type: str
      returned: always
    source_kind:
      description: V(VirtualMachine) or V(VirtualMachineSnapshot).
      type: str
      returned: always
    source:
      description: Name of what was cloned.
      type: str
      returned: always
    phase:
      description: KubeVirt's phase, such as V(SnapshotInProgress), V(RestoreInProgress), V(Succeeded) and V(Failed).
      type: str
      returned: always
    reason:
      description: The phase with the reason, where there is one.
      type: str
      returned: always
    created_at:
      description: When the machine was there.
      type: str
      returned: always
    error:
      description: What failed, where, why, and the way out.
      type: dict
      returned: for a clone that failed
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

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.vm_clone import DECLARED


def main() -> None:
    """The module's entry."""
    DECLARED.main()


if __name__ == "__main__":
    main()
