#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm
short_description: Create, change and delete KubeVirt virtual machines, one or hundreds in a task
version_added: 0.1.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Creates, changes and deletes KubeVirt's C(VirtualMachine) objects, and waits until they are in the state that their
    run strategy stands for.
  - Only what is given is compared and changed. What KubeVirt or somebody else has set stays, such as MAC addresses,
    firmware UUIDs and the run strategy of a machine whose labels are changed. Lists such as disks and networks are
    merged by name; an entry goes with O(vms[].disks[].state=absent).
  - One machine costs one read, many cost one list in pages of 500; a machine that is already as wanted is not written.
  - A faulty parameter fails the task before anything is changed, with all faults listed. A machine that the cluster
    refuses does not stop the others; the task fails at the end with every failure listed.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.wait
  - virtops.kubevirt_ha.bulk
options:
  vms:
    description:
      - The machines. Each entry wins over O(defaults), option by option; maps are merged, disks and networks by name.
    type: list
    elements: dict
    suboptions:
      name: &name
        description:
          - Name of the machine, of at most 63 characters.
        type: str
        required: true
      <<: &options
        namespace:
          description:
            - Namespace of the machine. Needed for each, here, in O(defaults) or for the whole task.
          type: str
        state:
          description:
            - Whether the machine is to exist. V(present) is the default.
          type: str
          choices: [present, absent]
        preset:
          description:
            - Name of a preset that the role C(placement) keeps in the cluster. Its options lie under all that is given here, and
              are taken anew at each run; naming one costs one read more for the whole task.
          type: str
          version_added: 0.3.0
        run_strategy:
          description:
            - When KubeVirt runs the machine. V(Always) for a new one where it is not given.
          type: str
          choices: [Always, Halted, Manual, Once, RerunOnFailure]
        labels:
          description:
            - Labels of the machine object. A value of V(null) removes a label.
          type: dict
        annotations:
          description:
            - Annotations of the machine object. A value of V(null) removes an annotation.
          type: dict
        template_labels:
          description:
            - Labels of the instance and its pod, which services and affinities select by.
          type: dict
        template_annotations:
          description:
            - Annotations of the instance and its pod.
          type: dict
        instancetype:
          description:
            - Instance type, which sets CPU and memory.
          type: dict
          suboptions:
            name: &resource_name
              description:
                - Its name.
              type: str
              required: true
            kind: &resource_kind
              description:
                - Its kind, where it is not the cluster's.
              type: str
        preference:
          description:
            - Preference, which sets defaults for devices.
          type: dict
          suboptions:
            name: *resource_name
            kind: *resource_kind
        cpu:
          description:
            - CPU of the guest. A new machine that gets no O(cpu.cores), O(cpu.sockets) or O(cpu.threads) beside is given one
              socket for each CPU of O(limits) or O(requests), as KubeVirt does for its instance.
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
            data_volume_template:
              description:
                - "Source: a DataVolume that is created with the machine and goes with it."
              type: dict
              suboptions:
                name:
                  description: ["Name of the DataVolume, machine and disk joined by V(-) by default."]
                  type: str
                size:
                  description: ["Size, such as V(10Gi). May be left out where the source tells it."]
                  type: str
                storage_class:
                  description: [StorageClass. The cluster's default one by default.]
                  type: str
                access_modes:
                  description: ["Access modes. Live migration and failover need V(ReadWriteMany)."]
                  type: list
                  elements: str
                  choices: [ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod]
                volume_mode:
                  description: [Whether the volume is a file system or a block device.]
                  type: str
                  choices: [Filesystem, Block]
                source:
                  description:
                    - What the volume is filled with, with one key of CDI's C(source), such as C(http), C(registry),
                      C(pvc) or C(snapshot). Blank by default.
                  type: dict
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
            - Host name of the guest, the machine's name by default.
          type: str
        eviction_strategy:
          description:
            - What becomes of the machine when its node is drained.
          type: str
          choices: [External, LiveMigrate, LiveMigrateIfPossible, "None"]
        priority_class:
          description:
            - Name of a PriorityClass, as the role P(virtops.kubevirt_ha.placement#role) declares them.
            - One that is not there is refused before anything of the task is changed. A machine that bears it already is left
              alone where it is off, or where nothing about it changes.
            - Where PriorityClasses may not be listed, KubeVirt alone tells it, while the machine is waited for.
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
            - Anything else of the machine's C(spec), merged over what the other options make. A value of V(null) removes
              a field. A list whose entries have names is merged by them; an entry with C($patch=delete) is taken out.
          type: dict
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
  unschedulable_grace:
    description:
      - Seconds that a machine may stay unschedulable, or refused by its node, before waiting fails with the reason.
    type: int
    default: 60
  restart:
    description:
      - Whether to restart machines whose change reaches the guest with their next restart only, now or from before. They
        are named in RV(restart_required) otherwise.
    type: bool
    default: false
    version_added: 0.2.0
  restart_serial:
    description:
      - How many machines O(restart) restarts at once. The next ones follow once these are ready again, and are left alone
        once one has failed.
    type: int
    default: 1
    version_added: 0.2.0
seealso:
  - module: virtops.kubevirt_ha.vm_power
  - module: virtops.kubevirt_ha.vm_info
"""

EXAMPLES = r"""
- name: Create three web servers that survive the loss of a node
  virtops.kubevirt_ha.vm:
    namespace: shop
    defaults:
      run_strategy: Always
      eviction_strategy: LiveMigrate
      cpu: {cores: 2}
      memory: 2Gi
      one_per_node: {group: web, required: false}
      template_labels: {app: web}
      disks:
        - name: root
          container_disk: quay.io/containerdisks/fedora:latest
      networks:
        - name: default
          pod: true
          ports: [{name: http, port: 80}]
      cloud_init:
        ssh_keys: ["{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"]
        user_data: {packages: [nginx]}
    vms:
      - name: web-1
      - name: web-2
      - name: web-3
        memory: 4Gi

- name: Change one label, and nothing else
  virtops.kubevirt_ha.vm:
    name: web-1
    namespace: shop
    labels: {tier: gold}

- name: Take a disk out of a machine and see whether it has to be restarted
  virtops.kubevirt_ha.vm:
    name: db-1
    namespace: shop
    disks:
      - name: scratch
        state: absent
  register: changed

- name: Boot a kernel from an image, a field that has no option of its own
  virtops.kubevirt_ha.vm:
    name: probe-1
    namespace: lab
    memory: 128Mi
    spec:
      template:
        spec:
          domain:
            firmware:
              kernelBoot:
                kernelArgs: console=ttyS0
                container:
                  image: registry.example.com/guest:1
                  kernelPath: /boot/vmlinuz
                  initrdPath: /boot/initrd

- name: Delete them all
  virtops.kubevirt_ha.vm:
    namespace: shop
    state: absent
    vms:
      - name: web-1
      - name: web-2
      - name: web-3
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
      description: Whether the machine was written, or would have been in check mode.
      type: bool
      returned: always
    action:
      description: One of V(created), V(changed), V(deleted), V(unchanged) and V(failed).
      type: str
      returned: always
    uid:
      description: UID of the object; none for a machine that is gone.
      type: str
      returned: always
    generation:
      description: Generation of the object's spec.
      type: int
      returned: always
    run_strategy:
      description: Run strategy.
      type: str
      returned: always
    status:
      description: KubeVirt's C(printableStatus).
      type: str
      returned: always
    ready:
      description: Whether the machine's instance is ready.
      type: bool
      returned: always
    restart_required:
      description: Whether something of the spec reaches the guest with its next restart only.
      type: bool
      returned: always
    restarted:
      description: Whether the machine was restarted, or would have been in check mode.
      type: bool
      returned: always
    error:
      description: What failed, where, why, and the way out.
      type: dict
      returned: for a machine that failed
restart_required:
  description: The machines to restart, as V(namespace/name).
  returned: unless the parameters have faults
  type: list
  elements: str
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

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import vm_module
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def main() -> None:
    """The module's entry."""
    vm_module.run_module(Module(vm_module.spec(), check=vm_module.faults))


if __name__ == "__main__":
    main()
