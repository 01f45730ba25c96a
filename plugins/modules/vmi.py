#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vmi
short_description: Create and delete stand-alone KubeVirt instances, and freeze and thaw guests
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Creates and deletes C(VirtualMachineInstance) objects that no machine stands behind. Nothing restarts them; whoever
    wants that creates a machine with M(virtops.kubevirt_ha.vm).
  - The instance of a machine is KubeVirt's own, so this module refuses to change or delete it. Its guest can be frozen
    and thawed all the same, as before a storage snapshot.
  - One instance costs one read, many cost one list; an instance that is as wanted is not written.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.wait
  - virtops.kubevirt_ha.bulk
options:
  items:
    description:
      - The instances. Each entry wins over O(defaults), option by option; maps are merged, disks and networks by name.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the instance, of at most 63 characters.
        type: str
        required: true
      <<: &options
        namespace:
          description:
            - Namespace of the instance. Needed for each, here, in O(defaults) or for the whole task.
          type: str
        state:
          description:
            - Whether the instance is to exist; V(present) is the default. Its spec cannot be changed once it does, labels
              and annotations can.
            - V(frozen) and V(unfrozen) freeze and thaw the file systems of a guest, of a machine's too, through its guest
              agent. They take no other option but O(unfreeze_timeout).
          type: str
          choices: [present, absent, frozen, unfrozen]
        unfreeze_timeout:
          description:
            - Seconds after which KubeVirt thaws a frozen guest by itself; 300 where it is not given.
          type: int
        labels:
          description:
            - Labels of the instance and its pod. A value of V(null) removes a label.
          type: dict
        annotations:
          description:
            - Annotations of the instance. A value of V(null) removes an annotation.
          type: dict
        cpu:
          description:
            - CPU of the guest.
          type: dict
          suboptions:
            cores:
              description: [Cores a socket.]
              type: int
            sockets:
              description: [Sockets.]
              type: int
            threads:
              description: [Threads a core.]
              type: int
            model:
              description: ["CPU model, such as V(host-model) or V(Haswell)."]
              type: str
            dedicated:
              description: [Whether the guest's CPUs get physical CPUs of their own.]
              type: bool
        memory:
          description:
            - Memory of the guest, such as V(2Gi).
          type: str
        requests:
          description:
            - What the scheduler sets aside on a node.
          type: dict
          suboptions: &resources
            cpu:
              description: ["Cores, such as V(500m) or V(2)."]
              type: str
            memory:
              description: ["Memory, such as V(2Gi)."]
              type: str
        limits:
          description:
            - What the machine's pod may use at most.
          type: dict
          suboptions: *resources
        disks:
          description:
            - Disks with their volumes. Each has exactly one source.
            - Disks that are not named here stay as they are.
          type: list
          elements: dict
          suboptions:
            name:
              description: [Name of the disk and its volume.]
              type: str
              required: true
            state:
              description: ["V(absent) takes the disk out of the machine. V(present) is the default."]
              type: str
              choices: [present, absent]
            pvc:
              description: ["Source: name of a PersistentVolumeClaim."]
              type: str
            data_volume:
              description: ["Source: name of a DataVolume."]
              type: str
            container_disk:
              description: ["Source: an image with a disk in it. What the guest writes is lost with the instance."]
              type: str
            empty_disk:
              description: ["Source: an empty disk of this size, such as V(2Gi), that is lost with the instance."]
              type: str
            config_map:
              description: ["Source: name of a ConfigMap."]
              type: str
            secret:
              description: ["Source: name of a Secret."]
              type: str
            type:
              description: ["How the guest sees it. V(disk) is the default."]
              type: str
              choices: [disk, cdrom, lun]
            bus:
              description: ["Bus. V(virtio) is the default, V(sata) that of a CD-ROM."]
              type: str
              choices: [virtio, sata, scsi, usb]
            boot_order:
              description: [Place in the boot order, from 1.]
              type: int
            cache:
              description: ["Cache mode; V(none) for disks that fail over."]
              type: str
              choices: [none, writethrough, writeback]
            serial:
              description: [Serial number that the guest sees.]
              type: str
            read_only:
              description: [Whether the guest may only read.]
              type: bool
        networks:
          description:
            - Networks with their interfaces. A new machine without any gets the pod network, masqueraded, as V(default).
            - Networks that are not named here stay as they are.
          type: list
          elements: dict
          suboptions:
            name:
              description: [Name of the network and its interface.]
              type: str
              required: true
            state:
              description: ["V(absent) takes the network out of the machine. V(present) is the default."]
              type: str
              choices: [present, absent]
            pod:
              description: [The pod network. This is the default where C(multus) is not given.]
              type: bool
            multus:
              description: ["Name of a NetworkAttachmentDefinition, V(namespace/name) for one of another namespace."]
              type: str
            binding:
              description: ["V(masquerade) is the default on the pod network, V(bridge) elsewhere."]
              type: str
              choices: [masquerade, bridge, sriov]
            mac:
              description: [MAC address.]
              type: str
            model:
              description: ["Model of the network card, such as V(virtio)."]
              type: str
            boot_order:
              description: [Place in the boot order, from 1.]
              type: int
            ports:
              description: [Ports that are let through to the guest; all where none is given.]
              type: list
              elements: dict
              suboptions:
                name:
                  description: [Name.]
                  type: str
                port:
                  description: [Number.]
                  type: int
                  required: true
                protocol:
                  description: [Protocol.]
                  type: str
                  choices: [TCP, UDP]
        cloud_init:
          description:
            - What cloud-init gets, on a disk named V(cloudinit). Its data is hidden in all output.
          type: dict
          suboptions:
            type:
              description: ["Data source. V(nocloud) is the default."]
              type: str
              choices: [nocloud, configdrive]
            user_data:
              description: [User data as text, or a dictionary that becomes a C(#cloud-config).]
              type: raw
            network_data:
              description: [Network data as text or as a dictionary.]
              type: raw
            ssh_keys:
              description: [Public SSH keys, added to the C(ssh_authorized_keys) of a C(#cloud-config).]
              type: list
              elements: str
            secret:
              description: ["Name of a Secret that holds the data as C(userdata) and C(networkdata) instead."]
              type: str
        hostname:
          description:
            - Host name of the guest, the instance's name by default.
          type: str
        eviction_strategy:
          description:
            - What becomes of the machine when its node is drained.
          type: str
          choices: [External, LiveMigrate, LiveMigrateIfPossible, "None"]
        priority_class:
          description:
            - Name of a PriorityClass, as the role P(virtops.kubevirt_ha.placement#role) declares them.
            - One that is not there is refused before anything of the task is changed. An instance that is there
              already is left alone.
            - Where PriorityClasses may not be listed, KubeVirt alone tells it, while the instance is waited for.
          type: str
        termination_grace_period:
          description:
            - Seconds that the guest is given to shut down.
          type: int
        node_selector:
          description:
            - Labels that the node must have.
          type: dict
        node_affinity:
          description:
            - Labels of the node with the list of values that will do.
          type: dict
        one_per_node:
          description:
            - Keeps machines of one group on different nodes.
          type: dict
          suboptions: &group
            group:
              description: [Name of the group, which becomes a label of the instances.]
              type: str
              required: true
            required:
              description:
                - Whether a machine rather waits than breaks the rule. V(true) is the default. With V(false), as many
                  machines as nodes can fail over and migrate.
              type: bool
        keep_together:
          description:
            - Keeps machines of one group on one node.
          type: dict
          suboptions: *group
        affinity:
          description:
            - Kubernetes' affinity as it is; the presets above are added to it.
          type: dict
        tolerations:
          description:
            - Taints to tolerate, in Kubernetes' form. The whole list is taken.
          type: list
          elements: dict
        readiness_probe:
          description:
            - Readiness probe, in KubeVirt's form.
          type: dict
        liveness_probe:
          description:
            - Liveness probe, in KubeVirt's form.
          type: dict
        spec:
          description:
            - Anything else of the instance's C(spec), merged over what the other options make. A value of V(null) removes
              a field. A list whose entries have names is merged by them; an entry with C($patch=delete) is taken out.
          type: dict
  defaults:
    description:
      - What the instances in O(items) have in common.
    type: dict
    suboptions:
      <<: *options
  name:
    description:
      - Name of the instance, in the short form for one. The options below are then its own.
    type: str
  <<: *options
  unschedulable_grace:
    description:
      - Seconds that an instance may stay unschedulable, or refused by its node, before waiting fails with the reason.
    type: int
    default: 60
seealso:
  - module: virtops.kubevirt_ha.vm
  - module: virtops.kubevirt_ha.vmi_info
"""

EXAMPLES = r"""
- name: Run a guest that is gone once it ends
  virtops.kubevirt_ha.vmi:
    name: probe
    namespace: shop
    memory: 512Mi
    disks:
      - name: root
        container_disk: quay.io/containerdisks/fedora:latest

- name: Freeze the databases' file systems for at most two minutes
  virtops.kubevirt_ha.vmi:
    namespace: shop
    defaults: {state: frozen, unfreeze_timeout: 120}
    items:
      - name: database-1
      - name: database-2

- name: Thaw them
  virtops.kubevirt_ha.vmi:
    namespace: shop
    state: unfrozen
    items:
      - name: database-1
      - name: database-2
"""

RETURN = r"""
items:
  description: The outcome of each instance, in the order given.
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
      description: Whether it was written, frozen or thawed, or would have been in check mode.
      type: bool
      returned: always
    action:
      description: One of V(created), V(changed), V(deleted), V(freeze), V(unfreeze), V(unchanged) and V(failed).
      type: str
      returned: always
    uid:
      description: UID of the object; none for an instance that is gone.
      type: str
      returned: with O(state=present) and O(state=absent)
    generation:
      description: Generation of the object's spec.
      type: int
      returned: with O(state=present) and O(state=absent)
    instance:
      description: The instance as M(virtops.kubevirt_ha.vmi_info) shows it; none where there is none.
      type: dict
      returned: always
    error:
      description: What failed, where, why, and the way out.
      type: dict
      returned: for an instance that failed
requests:
  description:
    - How many requests were sent. What only asks the server what it would do, as in check mode, counts as a read.
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

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import vmi_module
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def main() -> None:
    """The module's entry."""
    vmi_module.run_module(Module(vmi_module.spec(), check=vmi_module.faults))


if __name__ == "__main__":
    main()
