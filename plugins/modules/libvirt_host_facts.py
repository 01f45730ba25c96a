#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: libvirt_host_facts
short_description: Read what a libvirt host is, has and runs
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Reads a hypervisor's capabilities, CPU, NUMA cells, huge pages, IOMMU, protected guests, storage pools, networks and
    the statistics of all its domains, through libvirt. It never changes anything.
  - All domains' statistics come by one call, however many domains there are.
  - Computes the CPU that several hosts can give to guests, and which hosts cannot give a wanted one.
  - A part that cannot be read is named in C(errors) of the facts with its reason, and in a warning. The others are
    returned all the same.
  - Runs in the Python of the host that asks libvirt, which may be another than the hypervisor.
requirements:
  - libvirt-python 4.5 or newer (C(python3-libvirt) on Debian, Ubuntu, Fedora and RHEL, C(python3-libvirt-python) on SUSE)
notes:
  - Connections are read-only. libvirt refuses domain capabilities, the baseline over hypervisors and the comparison with
    a hypervisor on those; for these calls alone a second connection is opened read-write, unless O(read_write=false).
    Parts that need it are C(domain_capabilities), C(security), the host model in C(cpu), and, as the better of two ways,
    C(baseline) and C(comparison).
  - A run replaces the facts of an earlier one as a whole, so gather in one run what is to be used together.
  - libvirt's own messages do not go to the standard error.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes.info
attributes:
  facts:
    description: Returns facts of the host that the task runs for.
    support: full
options:
  uri:
    description:
      - libvirt's URI, such as V(qemu:///system), V(qemu:///session), V(qemu+ssh://root@h2/system) or
        V(qemu+tls://h2/system).
      - Parameters of libvirt's that are not among the options below may stand in it, after a question mark.
    type: str
    default: qemu:///system
  keyfile:
    description: The private key for an SSH URI, on the host that the task runs on. No password is ever asked for.
    type: path
  known_hosts:
    description: The only file of known host keys for an SSH URI; without it ssh's own are used.
    type: path
  no_verify:
    description:
      - Leaves an SSH host's key or a TLS server's certificate unchecked. Nothing is written to the known hosts then.
    type: bool
    default: false
  command:
    description: The program that is called instead of C(ssh).
    type: path
  netcat:
    description: The netcat on an SSH URI's host, where C(virt-ssh-helper) is not to be used.
    type: str
  proxy:
    description: How an SSH URI's connection goes on to the socket there.
    type: str
    choices: [auto, native, netcat]
  socket:
    description: The path of libvirt's socket on the hypervisor, where it is not the usual one.
    type: str
  pkipath:
    description: A folder with C(cacert.pem) and, where the server asks for them, C(clientcert.pem) and C(clientkey.pem), for a TLS URI.
    type: path
  username:
    description: The user where libvirt's daemon asks for one (SASL).
    type: str
  password:
    description: That user's password.
    type: str
  read_write:
    description: Whether a read-write connection may be opened for what libvirt refuses on a read-only one.
    type: bool
    default: true
  timeout:
    description:
      - Seconds for connecting, and for each part. A part that takes longer is an error, and the next is tried unless
        libvirt answers nothing any more.
    type: float
    default: 30
  keepalive_interval:
    description: Seconds of silence until the other end is asked for a sign of life; V(0) switches this off.
    type: int
    default: 5
  keepalive_count:
    description: How many such messages stay unanswered until the connection is given up.
    type: int
    default: 5
  gather:
    description: The parts that are read.
    type: list
    elements: str
    default: [all]
    choices:
      - all
      - host
      - capabilities
      - domain_capabilities
      - cpu
      - numa
      - hugepages
      - iommu
      - virtualization
      - security
      - pools
      - networks
      - domains
  include:
    description:
      - What costs a call an object and is therefore left out of V(all).
      - V(volumes) adds them to each pool, V(dhcp_leases) to each network, V(node_devices) is a part with the PCI devices
        and their IOMMU groups.
    type: list
    elements: str
    default: []
    choices: [volumes, dhcp_leases, node_devices]
  emulator:
    description: The emulator of the domain capabilities; the host's default where none of these four is given.
    type: str
  arch:
    description: The architecture of the domain capabilities.
    type: str
  machine:
    description: The machine type of the domain capabilities.
    type: str
  virttype:
    description: The virtualization of the domain capabilities, V(kvm) or V(qemu).
    type: str
  host_cpus:
    description:
      - CPUs of other hosts, each the C(cpu) of this module's facts there, or a map of V(host) and V(xml).
      - The baseline over them and this host is computed, of C(host_model_xml) where an entry has it, else of C(xml).
    type: list
    elements: dict
    default: []
  wanted_cpu:
    description:
      - The name of a CPU model, or a C(<cpu>) document. This host and O(host_cpus) are compared with it.
    type: str
  migratable:
    description: Whether the baseline leaves out features that block a migration.
    type: bool
    default: true
  expand_features:
    description: Whether the baseline lists the features of its model, too.
    type: bool
    default: false
  stats:
    description: The groups of domain statistics.
    type: list
    elements: str
    default: [state, cpu_total, balloon, vcpu, interface, block, perf, iothread, memory, dirtyrate]
    choices: [state, cpu_total, balloon, vcpu, interface, block, perf, iothread, memory, dirtyrate, vm]
  active_only:
    description: Whether domains that do not run are left out.
    type: bool
    default: false
  wait_for_busy_domains:
    description:
      - Whether to wait for domains whose monitor is in use. By default what it would tell is left out of them, which is an
        error of that domain. One that hangs holds up the bulk call for half of O(timeout); the call is then repeated,
        and all the others are told.
    type: bool
    default: false
  xml:
    description: Whether the documents of C(capabilities) and C(domain_capabilities) are returned as well.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Look at the host
  virtops.kubevirt_ha.libvirt_host_facts:

- name: Refuse a host that had to leave something out, or has no KVM
  ansible.builtin.assert:
    that:
      - ansible_facts.kubevirt_ha_libvirt.errors == []
      - ansible_facts.kubevirt_ha_libvirt.virtualization.kvm

- name: Ask another hypervisor over SSH for its domains only
  virtops.kubevirt_ha.libvirt_host_facts:
    uri: qemu+ssh://root@h2.example.net/system
    keyfile: /etc/kubevirt-ha/id_ed25519
    known_hosts: /etc/kubevirt-ha/known_hosts
    gather: [host, domains]

- name: The CPU that all hosts can give to guests, and which of them cannot give Skylake-Server
  virtops.kubevirt_ha.libvirt_host_facts:
    gather: [cpu]
    host_cpus: "{{ groups['kvm_nodes'] | map('extract', hostvars, ['ansible_facts', 'kubevirt_ha_libvirt', 'cpu']) }}"
    wanted_cpu: Skylake-Server
  run_once: true
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  returned: success
  type: dict
  contains:
    kubevirt_ha_libvirt:
      description:
        - What was read. Sizes are bytes. What the host, its libvirt or its driver does not tell is none or empty.
      returned: success
      type: dict
      contains:
        uri: {description: "The URI without its parameters.", type: str, returned: always}
        remote: {description: "Whether another machine was asked.", type: bool, returned: always}
        errors:
          description: What could not be read.
          type: list
          elements: dict
          returned: always
          contains:
            part: {description: "The part.", type: str, returned: always}
            object: {description: "The object in it, where one alone failed.", type: str, returned: for objects}
            reason: {description: "Why.", type: str, returned: always}
            code: {description: "libvirt's number of the error.", type: int, returned: always}
        hostname: {description: "The hypervisor's host name.", type: str, returned: "with V(host)"}
        hypervisor_type: {description: "The driver, such as V(QEMU).", type: str, returned: "with V(host)"}
        versions:
          description: Versions of C(libvirt) and C(hypervisor) there, and of the C(library) that asked.
          type: dict
          returned: with V(host)
        node:
          description: Architecture, processors, their topology, C(memory_bytes) and C(free_memory_bytes).
          type: dict
          returned: with V(host)
        capabilities:
          description:
            - C(arch), C(host_uuid), C(migration), C(security_models), C(caches), C(iommu), and C(guests) with their
              emulators, machines and domain types.
          type: dict
          returned: with V(capabilities)
        domain_capabilities:
          description: What guests of O(emulator), O(arch), O(machine) and O(virttype) can have; names in snake_case.
          type: dict
          returned: with V(domain_capabilities)
        cpu:
          description: The host's CPU; made to be given to O(host_cpus) of another run.
          type: dict
          returned: with V(cpu)
          contains:
            host: {description: "The host name.", type: str, returned: always}
            arch: {description: "Architecture.", type: str, returned: always}
            model: {description: "The nearest model.", type: str, returned: always}
            vendor: {description: "Vendor.", type: str, returned: always}
            features: {description: "Features on top of the model's.", type: list, elements: str, returned: always}
            topology: {description: "Sockets, dies, cores, threads.", type: dict, returned: always}
            microcode: {description: "The microcode's version.", type: int, returned: always}
            tsc_frequency_hz: {description: "The frequency of the time-stamp counter.", type: int, returned: always}
            tsc_scaling: {description: "Whether it can be scaled for guests.", type: str, returned: always}
            physical_address_bits: {description: "Bits of a physical address.", type: int, returned: always}
            xml: {description: "The host's <cpu>.", type: str, returned: always}
            host_model: {description: "The model that guests get by host-model.", type: str, returned: always}
            host_model_xml: {description: "That CPU as a guest's <cpu>.", type: str, returned: always}
            usable_models: {description: "Models that guests can have.", type: list, elements: str, returned: always}
        baseline:
          description: The CPU that all hosts can give to guests.
          type: dict
          returned: with O(host_cpus)
          contains:
            hosts: {description: "Whose CPUs went into it.", type: list, elements: str, returned: always}
            method:
              description:
                - V(hypervisor) where it can be had with the hypervisor, V(host) where only processors were compared.
              type: str
              returned: always
            why: {description: "Why it is not V(hypervisor).", type: str, returned: always}
            model: {description: "The model.", type: str, returned: always}
            vendor: {description: "The vendor.", type: str, returned: always}
            features: {description: "Features to require.", type: list, elements: str, returned: always}
            disabled: {description: "Features to disable.", type: list, elements: str, returned: always}
            xml: {description: "A guest's <cpu>.", type: str, returned: always}
        comparison:
          description: Who can give the wanted CPU.
          type: dict
          returned: with O(wanted_cpu)
          contains:
            wanted: {description: "The wanted model.", type: str, returned: always}
            this_host:
              description:
                - C(result) is V(identical), V(superset) or V(incompatible) with C(reason), none where libvirt cannot tell;
                  C(method) as in C(baseline).
              type: dict
              returned: always
            hosts:
              description: Each of O(host_cpus) with C(compatible), C(missing) features and C(reason).
              type: list
              elements: dict
              returned: always
            incompatible: {description: "The hosts that cannot give it.", type: list, elements: str, returned: always}
        numa:
          description: C(cells), each with C(id), C(memory_bytes), C(cpus), C(distances) and C(pages).
          type: dict
          returned: with V(numa)
        hugepages:
          description: Each size of huge pages with C(size_bytes), C(total), C(free), and both of each cell in C(cells).
          type: list
          elements: dict
          returned: with V(hugepages)
        iommu:
          description: C(enabled), and C(groups) with their devices; the groups are this machine's alone, so none when remote.
          type: dict
          returned: with V(iommu)
        virtualization:
          description: C(kvm), C(domain_types), and of this machine's kernel C(kvm_device) and C(nested).
          type: dict
          returned: with V(virtualization)
        security:
          description:
            - C(sev) (C(supported), C(es), C(snp), numbers of guests), C(tdx), C(s390_pv), C(launch_security), C(firmware)
              (C(types), C(secure_boot)), and C(kernel), which is what this machine's KVM modules say of them.
          type: dict
          returned: with V(security)
        pools:
          description: Storage pools, by name.
          type: list
          elements: dict
          returned: with V(pools)
          contains:
            name: {description: "Name.", type: str, returned: always}
            uuid: {description: "UUID.", type: str, returned: always}
            type: {description: "Type, such as V(dir).", type: str, returned: always}
            state: {description: "State, such as V(running) or V(degraded).", type: str, returned: always}
            active: {description: "Whether it is started.", type: bool, returned: always}
            autostart: {description: "Whether it starts with libvirt.", type: bool, returned: always}
            capacity_bytes: {description: "Size.", type: int, returned: always}
            allocation_bytes: {description: "In use.", type: int, returned: always}
            available_bytes: {description: "Left.", type: int, returned: always}
            target_path: {description: "Where it is on the host.", type: str, returned: always}
            source: {description: "Where it comes from.", type: dict, returned: always}
            volumes: {description: "Its volumes.", type: list, elements: dict, returned: "with O(include=volumes)"}
        networks:
          description: Networks, by name.
          type: list
          elements: dict
          returned: with V(networks)
          contains:
            name: {description: "Name.", type: str, returned: always}
            uuid: {description: "UUID.", type: str, returned: always}
            active: {description: "Whether it is started.", type: bool, returned: always}
            autostart: {description: "Whether it starts with libvirt.", type: bool, returned: always}
            bridge: {description: "Its bridge.", type: str, returned: always}
            forward_mode: {description: "Mode, V(isolated) without one.", type: str, returned: always}
            forward_devices: {description: "Devices it goes out by.", type: list, elements: str, returned: always}
            domain: {description: "DNS domain.", type: str, returned: always}
            mtu: {description: "MTU.", type: int, returned: always}
            vlans: {description: "VLAN tags.", type: list, elements: int, returned: always}
            portgroups: {description: "Names of port groups.", type: list, elements: str, returned: always}
            ips: {description: "Addresses with their DHCP ranges.", type: list, elements: dict, returned: always}
            leases: {description: "DHCP leases.", type: list, elements: dict, returned: "with O(include=dhcp_leases)"}
        node_devices:
          description: PCI devices with C(address), C(driver), C(vendor), C(product), C(iommu_group) and C(numa_node).
          type: list
          elements: dict
          returned: with O(include=node_devices)
        domains:
          description:
            - Domains by name, with C(uuid), C(id), C(state), and libvirt's statistics as nested maps. Numbered ones are lists
              whose entries have an C(index), C(blocks), C(interfaces), C(vcpus), C(iothreads).
          type: list
          elements: dict
          returned: with V(domains)
          sample:
            - name: web-1
              uuid: 0b6b0d5a-7f3e-4b57-a1a0-8c5f4c1f6d11
              id: 4
              state: running
              cpu: {time: 7730000000, user: 7460000000, system: 270000000}
              balloon: {current: 65536, maximum: 65536}
              vcpu: {current: 1, maximum: 1}
              vcpus: [{index: 0, state: 1, time: 7430000000}]
              blocks: [{index: 0, name: vda, rd: {bytes: 4096, reqs: 1}}]
              interfaces: [{index: 0, name: vnet0, rx: {bytes: 2090}}]
        domain_statistics:
          description:
            - How they were read. C(method) is V(bulk) or, where the driver has no such call, V(each). C(bulk_calls) is 1, or
              2 where a domain hangs. C(asked_one_by_one) names the live domains of which the bulk call told the state only,
              C(why) the reason.
          type: dict
          returned: with V(domains)
error:
  description: What failed, where, why, and the way out.
  type: dict
  returned: failure
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host import options, service
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def main() -> None:
    """The module's entry."""
    service.run(Module(options.spec(), check=options.faults))


if __name__ == "__main__":
    main()
