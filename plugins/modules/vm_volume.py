#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_volume
short_description: Plug volumes into KubeVirt virtual machines that run, and pull them out
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Plugs claims and DataVolumes as disks into machines, running or stopped, and pulls them out again. A machine keeps what
    was plugged in over its restarts. Only the volumes that are named are touched.
  - Waits until the guest has each disk, and tells its device, or until it is gone from the instance.
  - How it is done follows from KubeVirt's feature gates. Since 1.9, and where C(DeclarativeHotplugVolumes) is on before, one
    patch of the machine does for all its volumes. With the older gate C(HotplugVolumes), and where the KubeVirt object may
    not be read, each volume is a call of its own.
  - Refused, with the reason, are a volume's name that holds another claim, a claim that another machine writes, and pulling
    out disks that the machine was made with.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.wait
  - virtops.kubevirt_ha.bulk
options:
  vms:
    description:
      - The machines. Each entry wins over O(defaults); volumes are merged by name.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the machine.
        type: str
        required: true
      <<: &options
        namespace:
          description:
            - Namespace of the machine. Needed for each, here, in O(defaults) or for the whole task.
          type: str
        volumes:
          description:
            - The volumes. Needed for each machine, here or in O(defaults).
          type: list
          elements: dict
          suboptions:
            name:
              description:
                - Name of the volume in the machine's spec.
              type: str
              required: true
            state:
              description:
                - Whether the volume is to be plugged in. V(present) is the default. Of a CD-ROM drive only the medium is
                  taken out with V(absent).
              type: str
              choices: [present, absent]
            pvc:
              description:
                - The claim to plug in. Either this or O(vms[].volumes[].data_volume) is needed for a volume that is to be
                  present.
              type: str
            data_volume:
              description:
                - The DataVolume to plug in.
              type: str
            type:
              description:
                - What the guest sees. V(disk) for a new one where it is not given. V(lun) passes SCSI commands on.
                - V(cdrom) changes the medium of a drive that the machine has. Drives are added to stopped machines only.
              type: str
              choices: [disk, lun, cdrom]
            bus:
              description:
                - The bus of a new disk. V(scsi) where it is not given, V(sata) for a CD-ROM drive. Disks take V(scsi) and
                  V(virtio), LUNs V(scsi).
              type: str
              choices: [sata, scsi, virtio]
            serial:
              description:
                - Serial number that the guest sees.
              type: str
            cache:
              description:
                - How the host caches the disk.
              type: str
              choices: [none, writeback, writethrough]
            read_only:
              description:
                - Whether the guest can only read.
              type: bool
            shareable:
              description:
                - Whether several guests may have the disk at once. They need a cluster file system, or the data is lost.
              type: bool
  defaults:
    description:
      - What the machines in O(vms) have in common.
    type: dict
    suboptions:
      <<: *options
  name:
    description:
      - Name of the machine, in the short form for one machine. The options below are then its own.
    type: str
  <<: *options
seealso:
  - module: virtops.kubevirt_ha.vm
  - module: virtops.kubevirt_ha.data_volume
"""

EXAMPLES = r"""
- name: A second disk for a database, without a restart
  virtops.kubevirt_ha.vm_volume:
    name: database
    namespace: shop
    volumes:
      - name: logs
        pvc: database-logs
        serial: LOGS
  register: plugged

- name: The device that the guest got
  ansible.builtin.debug:
    msg: "{{ plugged.vms[0].volumes[0].target }}"

- name: Pull it out again
  virtops.kubevirt_ha.vm_volume:
    name: database
    namespace: shop
    volumes:
      - name: logs
        state: absent

- name: Scratch space for three workers
  virtops.kubevirt_ha.vm_volume:
    namespace: shop
    vms:
      - name: worker-1
        volumes: [{name: scratch, data_volume: scratch-1}]
      - name: worker-2
        volumes: [{name: scratch, data_volume: scratch-2}]
      - name: worker-3
        volumes: [{name: scratch, data_volume: scratch-3}]
"""

RETURN = r"""
vms:
  description: The outcome of each machine, in the order they were given.
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
      description: Whether something was plugged in or pulled out, or would have been in check mode.
      type: bool
      returned: always
    action:
      description: One of V(changed), V(unchanged) and V(failed).
      type: str
      returned: always
    uid:
      description: UID of the machine.
      type: str
      returned: always
    generation:
      description: Generation of the machine's spec.
      type: int
      returned: always
    running:
      description: Whether the machine has an instance. One without gets its volumes with its next start.
      type: bool
      returned: always
    volumes:
      description: The volumes that were named.
      type: list
      elements: dict
      returned: always
      contains:
        name:
          description: Name of the volume.
          type: str
          returned: always
        claim:
          description: Its claim; none where it is not there.
          type: str
          returned: always
        plugged:
          description: Whether the guest that runs has it.
          type: bool
          returned: always
        target:
          description: The device that the guest got, such as V(sda).
          type: str
          returned: always
        phase:
          description: KubeVirt's phase, such as V(Pending), V(AttachedToNode), V(MountedToPod), V(Ready) or V(Detaching).
          type: str
          returned: always
        reason:
          description: Why it is not as wanted yet.
          type: str
          returned: always
    error:
      description: What failed, where, why, and the way out.
      type: dict
      returned: for a machine that failed
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

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import vm_volume
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def main() -> None:
    """The module's entry."""
    vm_volume.run_module(Module(vm_volume.spec(), check=vm_volume.faults))


if __name__ == "__main__":
    main()
