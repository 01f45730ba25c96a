#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kvm_host_facts
short_description: Read what a host's kernel offers to virtual machines
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Reads kernel, virtualization extensions, processors, NUMA nodes, huge pages, KSM, swap, IOMMU and watchdogs from C(/proc),
    C(/sys) and C(/dev). It never changes anything.
  - Compares them with what is wanted. What the host cannot become is a fault, all faults are told at once; what is not yet
    so is a difference; C(plan) is what to write so that it holds at each boot.
  - On a shared kernel (C(systemd-detect-virt --container)) nothing of the whole kernel is planned, and its differences say so.
notes:
  - Options are the variables of the role P(virtops.kubevirt_ha.kvm_node#role) without their prefix. A value of a wrong type is a
    fault among the others.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes.info
attributes:
  facts:
    description: Returns facts of the host that the task runs for.
    support: full
options:
  allow_emulation:
    description: Whether virtual machines may run under emulation where there are no virtualization extensions.
    type: bool
    default: true
  boot_parameters:
    description: A list of parameters that the kernel is started with, such as V(intel_iommu=on).
    type: raw
  devices:
    description: A list of character devices that must be there.
    type: raw
  host_memory:
    description: A quantity of memory that huge pages leave to the host.
    type: raw
  hugepages:
    description: A list of huge pages, each C(size) (a quantity), C(count) and, where it is one node's, C(numa_node).
    type: raw
  hugepages_at_boot:
    description: Whether the kernel sets them aside when it starts, instead of soon after.
    type: bool
    default: false
  iommu_required:
    description: Whether there must be an IOMMU.
    type: bool
    default: false
  ksm:
    description: Merging of equal pages, V(enabled), V(disabled) or V(kept).
    type: raw
  kubelet:
    description: A KubeletConfiguration's fields; its policies of processors and memory are compared with the host.
    type: raw
  minimum_kernel:
    description: The oldest kernel, such as V("5.10").
    type: raw
  modules:
    description: A list of kernel modules.
    type: raw
  nested:
    description: Whether guests may be hypervisors, V(enabled), V(disabled) or V(kept).
    type: raw
  prefix:
    description: What stands before the names of options in faults and differences, where the values are variables of a role.
    type: str
    default: ""
  swap:
    description: V(disabled), V(refused) or V(kept).
    type: raw
  sysctls:
    description: A map of kernel parameters that must have these values.
    type: raw
  sysctls_at_least:
    description: A map of kernel parameters that must not be below these.
    type: raw
  watchdog_seconds:
    description: Seconds after which a watchdog device resets the host when systemd gives no sign, V(0) where it is left alone.
    type: raw
"""

EXAMPLES = r"""
- name: Look at the host
  virtops.kubevirt_ha.kvm_host_facts:

- name: See whether it has a watchdog
  ansible.builtin.debug:
    var: ansible_facts.kubevirt_ha_kvm.watchdogs

- name: Ask whether it could give half of its first node's memory away
  virtops.kubevirt_ha.kvm_host_facts:
    hugepages: [{size: 1Gi, count: 16, numa_node: 0}]
    host_memory: 4Gi
  register: host
  failed_when: host.faults | length > 0
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  returned: success
  type: dict
  contains:
    kubevirt_ha_kvm:
      description: What was read. Sizes are bytes. What the kernel does not tell is none or empty.
      returned: success
      type: dict
      contains:
        kernel: {description: "The kernel's release.", type: str, returned: always}
        machine: {description: "The architecture.", type: str, returned: always}
        container: {description: "The kind of container that this is.", type: str, returned: always}
        shared_kernel: {description: "Whether it is one.", type: bool, returned: always}
        virtualization: {description: "V(vmx), V(svm) or none.", type: str, returned: always}
        kvm_modules: {description: "V(kvm_intel) or V(kvm_amd), where it is loaded.", type: list, elements: str, returned: always}
        nested: {description: "Whether guests can be hypervisors.", type: bool, returned: always}
        iommu: {description: "Whether there are IOMMU groups.", type: bool, returned: always}
        cpus: {description: "Processors that are online.", type: list, elements: int, returned: always}
        memory_bytes: {description: "Memory.", type: int, returned: always}
        numa_nodes:
          description: Each with C(node), C(cpus), C(memory_bytes) and C(hugepages).
          type: list
          elements: dict
          returned: always
        hugepages:
          description: Each size that the kernel offers, with C(size_bytes), C(total) and C(free).
          type: list
          elements: dict
          returned: always
        ksm: {description: "KSM's C(run), none without KSM.", type: int, returned: always}
        swaps: {description: "Swap in use.", type: list, elements: str, returned: always}
        boot_parameters: {description: "What the kernel was started with.", type: list, elements: str, returned: always}
        sysctls: {description: "The parameters that were asked for.", type: dict, returned: always}
        modules:
          description: The modules that were asked for, V(loaded), V(loadable), V(missing) or V(unknown).
          type: dict
          returned: always
        devices: {description: "Whether each device that was asked for is there.", type: dict, returned: always}
        watchdogs:
          description:
            - Watchdogs that can reset the host, each with C(device) and C(identity), with C(timeout), C(min_timeout) and C(max_timeout) in
              seconds, and C(active), whether a program holds it.
          type: list
          elements: dict
          returned: always
        watchdog_seconds:
          description: systemd's C(RuntimeWatchdogUSec) in seconds, V(0) where it holds no watchdog, none where no systemd tells.
          type: float
          returned: always
        kubelet: {description: "The policies that the kubelet's state names.", type: dict, returned: always}
        update_grub: {description: "Whether C(update-grub) is there.", type: bool, returned: always}
        multipath: {description: "Whether C(multipath) is there.", type: bool, returned: always}
faults:
  description: Why the host cannot become what is wanted, a sentence each that names the option and what is allowed instead.
  returned: success
  type: list
  elements: str
plan:
  description: What to write so that it holds at each boot; empty where there are faults.
  returned: success
  type: dict
  contains:
    sysctls: {description: "Kernel parameters.", type: dict, returned: always}
    writes: {description: "Files of the kernel, each C(path) and C(value).", type: list, elements: dict, returned: always}
    boot_parameters: {description: "Kernel parameters for the boot loader.", type: list, elements: str, returned: always}
    watchdog: {description: "Seconds for systemd, C(runtime) and C(reboot), or nothing.", type: dict, returned: always}
differences:
  description: What is not so now; empty where there are faults.
  returned: success
  type: list
  elements: dict
  contains:
    option: {description: "The option.", type: str, returned: always}
    text: {description: "What is, and what is wanted.", type: str, returned: always}
    holds:
      description: V(now) where it can be set now, V(after_boot) where a boot is needed, V(shared_kernel) where it is not this host's.
      type: str
      returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kvm_host import service

_RAW = (
    "boot_parameters",
    "devices",
    "host_memory",
    "hugepages",
    "ksm",
    "kubelet",
    "minimum_kernel",
    "modules",
    "nested",
    "swap",
    "sysctls",
    "sysctls_at_least",
    "watchdog_seconds",
)


def main() -> None:
    """The module's entry."""
    spec = {
        "allow_emulation": {"type": "bool", "default": True},
        "hugepages_at_boot": {"type": "bool", "default": False},
        "iommu_required": {"type": "bool", "default": False},
        "prefix": {"type": "str", "default": ""},
        **{name: {"type": "raw"} for name in _RAW},
    }
    service.run(AnsibleModule(spec, supports_check_mode=True))


if __name__ == "__main__":
    main()
