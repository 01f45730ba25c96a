# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines of a cluster as hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kubevirt
short_description: Virtual machines of a KubeVirt cluster as hosts
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Makes a host of each virtual machine that runs, or of every one, with the variables to connect to it.
  - Reads the whole cluster in one paged LIST of instances, whatever the number of namespaces; O(machines=all) and
    O(connect_by=service) cost one more LIST each. Where listing the cluster is forbidden, there is a LIST for each of
    O(namespaces) instead, and a warning says so.
  - The source is a YAML file whose name ends with C(kubevirt.yml), C(kubevirt.yaml), C(kubevirt_ha.yml) or
    C(kubevirt_ha.yaml).
  - A file with options that do not exist, or with wrong values, is refused, and everything that is wrong with it is named
    at once. Options may be templates; the only variables in them are extra vars.
  - What guests and owners of machines write (labels, annotations, host names, addresses) is never taken for a template.
extends_documentation_fragment:
  - virtops.kubevirt_ha.connection
  - constructed
  - inventory_cache
options:
  plugin:
    description: Says that the file is a source of this plugin.
    type: str
    required: true
    choices: [virtops.kubevirt_ha.kubevirt]
  namespaces:
    description:
      - Namespaces to read; all of the cluster by default.
      - One that may not be listed is named in a warning and left out; O(strict=true) makes that an error. If none of them
        may be listed, that is always an error.
    type: list
    elements: str
    default: []
    aliases: [namespace]
  label_selectors:
    description:
      - Label selectors that a machine must meet, such as V(app=web), V(app!=web), V(tier in (gold, silver)), V(app) or V(!app).
      - They are held against the labels of the instance; with O(machines=all) against those of the machine and its instance
        together, and of its template while it does not run.
    type: list
    elements: str
    default: []
  machines:
    description:
      - V(running) takes the instances in phase C(Running), the paused among them, that are not being deleted.
      - V(all) takes every virtual machine and every instance, whatever its state, and adds the variables C(vm_*).
    type: str
    choices: [running, all]
    default: running
  host_format:
    description:
      - A host's name, made of C({namespace}), C({name}) and C({uid}).
      - Where two machines get one name, as C(b-c) in namespace C(a) and C(c) in namespace C(a-b) do by default, neither becomes
        a host, so that none can stand in for the other. A warning names both; with O(strict=true) it is an error.
        V({namespace}_{name}) can never do so.
    type: str
    default: "{namespace}-{name}"
  group_by:
    description:
      - What groups are made of. V(namespace) gives C(namespace_shop), V(node) C(node_n1), V(label) C(label_app_web), V(os)
        C(os_fedora) or C(os_windows), V(status) C(status_running).
      - What Ansible does not allow in a group's name becomes an underscore. Labels whose domain is C(kubevirt.io) make no
        groups. A label is what the machine's owner says of it.
      - The system is what the guest's agent says, else what the preference or the annotation C(vm.kubevirt.io/os) says; without
        any of them the machine is in no such group.
    type: list
    elements: str
    choices: [namespace, node, label, os, status]
    default: [namespace, node, label, os, status]
  parent_group:
    description: The group that holds all hosts of this source; the other groups are its children.
    type: str
    default: kubevirt
  connect_by:
    description:
      - The ways to connect, the first that leads to a machine is taken. A host that none leads to is kept without
        C(ansible_host), and C(vmi_unreachable) says why.
      - V(network) takes the address on the pod network or on O(network_name).
      - V(service) takes a Service that selects this machine alone, by O(service_types) and O(service_port); one that
        selects several machines is no way to one of them.
      - V(bastion) takes the address as V(network) does, through the jump host O(bastion).
      - V(virtctl) tunnels through the API server by C(virtctl port-forward), and needs neither an address nor kubectl. All traffic
        then passes the API server.
      - V(bastion) and V(virtctl) set C(ansible_ssh_common_args), which wins over the same variable of a group. They carry
        ssh only, so they do not lead to Windows guests unless O(windows_connection=ssh).
    type: list
    elements: str
    choices: [network, service, bastion, virtctl]
    default: [network]
  network_name:
    description:
      - The network, as the machine's C(spec.networks) calls it, whose address V(network) and V(bastion) of O(connect_by) take.
      - By default it is the pod network, and the first network with an address where there is none on that one. Addresses on
        secondary networks are mostly what the guest's agent says.
    type: str
  ip_family:
    description: The family of addresses to prefer; the first address is taken by default, and where there is none of it.
    type: str
    choices: [ipv4, ipv6]
  service_types:
    description:
      - How Services are reached, the first that is possible wins. V(LoadBalancer) is the address of the load balancer or an
        external IP, V(NodePort) a port of O(node_port_host), V(ClusterIP) the address inside the cluster, which every
        type has.
    type: list
    elements: str
    choices: [LoadBalancer, NodePort, ClusterIP]
    default: [LoadBalancer, NodePort, ClusterIP]
  service_port:
    description:
      - The port of a Service to connect to, among all that it has, by its name, by the port of the machine that it leads
        to, or by its number; the first of these that there is wins.
      - By default V(22); for Windows guests V(5986), else V(5985), and plain HTTP with the latter.
    type: str
  node_port_host:
    description:
      - Where node ports are reached; C({node}) stands for the node that the machine runs on. Give a virtual address or
        V({node}.example.org) where the nodes' names do not resolve.
    type: str
    default: "{node}"
  bastion:
    description: The jump host for V(bastion) of O(connect_by), as V(user@host) or V(user@host:port); several with commas between.
    type: str
  virtctl:
    description:
      - The program for V(virtctl) of O(connect_by). It goes to the same cluster by the same O(kubeconfig), O(context), O(host),
        certificates and O(impersonate_user), but gets no token or password, which the process list would show, and has no
        option for a proxy; so O(api_key), O(password), O(proxy) and a O(kubeconfig) that is a dictionary are refused beside it.
        A kubeconfig file may hold all of them.
    type: path
    default: virtctl
  windows_connection:
    description:
      - The connection plugin for Windows guests. V(ssh) also sets C(ansible_shell_type=cmd), the default of OpenSSH on Windows.
    type: str
    choices: [winrm, psrp, ssh]
    default: winrm
notes:
  - "Every host has the variables C(vmi_namespace), C(vmi_name), C(vmi_status) (KubeVirt's word: C(Running), C(Paused), C(Stopped),
    C(ErrorUnschedulable), ...), C(vmi_os) (one word, as in the group's name) and C(vmi_unreachable) (null where it is reachable)."
  - "A host with an instance also has C(vmi_uid), C(vmi_ready), C(vmi_migratable), C(vmi_node_name), C(vmi_addresses) (by the
    network's name a list of the addresses on it), C(vmi_guest_os) (the name by the guest's agent, null without one),
    C(vmi_labels) and C(vmi_annotations). Labels and annotations that only repeat the machine's name or node, or are KubeVirt's
    bookkeeping, are left out."
  - "With O(connect_by=service) also C(vmi_services): every Service that selects the machine, with C(name), C(type),
    C(cluster_ip), C(addresses), C(ports) (each with C(name), C(port), C(target_port), C(node_port) and C(protocol)) and
    C(shared), whether it selects others too."
  - "With O(machines=all) also C(vm_uid), C(vm_run_strategy), C(vm_ready), C(vm_restart_required), C(vm_reason), C(vm_labels) and
    C(vm_annotations)."
  - Cloud-init's data is never part of a variable, nor of the cache.
  - What is cached is what was read. Other options than those that decide what is read take effect at once.
  - The cache answers for the same server and the same log-in only, whichever way a kubeconfig, its current context, the environment
    or options lead to them. A new token or certificate is another log-in; of a log-in plug-in (C(exec)) its settings count. The
    cache holds but a digest of all that.
seealso:
  - plugin: kubevirt.core.kubevirt
    plugin_type: inventory
    description: KubeVirt's own inventory; O(host_format) makes the same names, variables have other shapes.
  - module: virtops.kubevirt_ha.vm_info
"""

EXAMPLES = r"""
---
# All running machines, by the current context of ~/.kube/config; groups such as namespace_shop, os_fedora, label_app_web.
plugin: virtops.kubevirt_ha.kubevirt
---
# Two namespaces, by a token that may not list the whole cluster.
plugin: virtops.kubevirt_ha.kubevirt
host: https://10.0.0.10:6443
api_key: "{{ lookup('ansible.builtin.env', 'CLUSTER_TOKEN') }}"
ca_cert: /etc/pki/cluster-ca.crt
namespaces: [shop, shop-staging]
---
# Through a Service with a port named ssh where a machine has one, else by a tunnel through the API server.
plugin: virtops.kubevirt_ha.kubevirt
connect_by: [service, virtctl]
service_port: ssh
node_port_host: nodes.example.org
---
# Through a jump host to addresses on a secondary network.
plugin: virtops.kubevirt_ha.kubevirt
connect_by: bastion
bastion: ops@bastion.example.org:2222
network_name: storage
---
# Stopped machines too, some of them by a selector, with variables and groups of one's own, cached for five minutes.
plugin: virtops.kubevirt_ha.kubevirt
machines: all
label_selectors: ["tier in (gold, silver)"]
group_by: [namespace, status]
compose:
  ansible_user: "{'fedora': 'fedora', 'debian': 'debian'}[vmi_os] | default('root')"
groups:
  restart_pending: vm_restart_required
keyed_groups:
  - key: vmi_labels.tier
    prefix: tier
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/kubevirt-inventory
cache_timeout: 300
"""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.host import Host as AnsibleHost
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import auth
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, InputError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory import options, read
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory.hosts import Content, Early, Host, arrange
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.transport import HAS_URLLIB3

# Seconds over which a server that is out of reach is tried again.
PATIENCE = 10.0


@contextmanager
def _lasting() -> Iterator[None]:
    """Tells the garbage collector that what is made lasts: thousands of hosts live as long as Ansible does.

    Else it searches all of them time and again while they are made, and the workers that Ansible forks copy them.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_on:
            gc.enable()


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """The inventory plugin: reads or takes from the cache, and hands hosts, variables and groups to Ansible."""

    NAME = "virtops.kubevirt_ha.kubevirt"

    def __init__(self) -> None:
        super().__init__()
        self._params: dict[str, Any] = {}

    def verify_file(self, path: str) -> bool:
        """Whether the file's name is that of a source of this plugin."""
        return bool(super().verify_file(path)) and path.endswith(
            ("kubevirt.yml", "kubevirt.yaml", "kubevirt_ha.yml", "kubevirt_ha.yaml")
        )

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fills the inventory from the cluster that the file at `path` names."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        settings = options.settings(self._params)
        with _lasting():
            self._fill(self.get_cache_key(path), settings, cache)

    def _fill(self, key: str, settings: options.Settings, may_read: bool) -> None:
        early = Early(settings)
        try:
            content = self._cached(key, settings, early, may_read)
            hosts, faults = arrange(content, settings, frozenset(self.inventory.groups), early)
        except HaError as error:
            raise AnsibleParserError(str(error)) from error
        if self.get_option("strict") and (content.unreadable or faults):
            raise AnsibleParserError("; ".join([*content.unreadable, *faults]))
        for text in (*content.warnings, *content.unreadable, *faults):
            self.display.warning(text)
        self._populate(hosts, settings)

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        """Takes the source's options; everything that is wrong with them is one error."""
        if direct:
            self._params = self._sound(direct)
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)

    def _sound(self, given: Mapping[str, Any]) -> dict[str, Any]:
        known = constants.config.get_configuration_definitions("inventory", self._load_name)
        names = {alias for option in known.values() for alias in option.get("aliases") or []} | known.keys()
        stray = [f"{key}: there is no such option" for key in sorted(given.keys() - names)]
        own = options.spec().options
        wanted = own.keys() | {alias for option in own.values() for alias in option.get("aliases") or []}
        try:
            return options.sound({key: self._render(key, given[key]) for key in given.keys() & wanted}, stray)
        except InputError as error:
            raise AnsibleParserError(str(error)) from error

    def _render(self, key: str, value: Any) -> Any:
        self.templar.available_variables = self._vars or {}
        try:
            return self.templar.template(value)
        except AnsibleError as error:
            raise AnsibleParserError(f"{key}: {error}") from error

    def _cached(self, key: str, settings: options.Settings, early: Early, may_read: bool) -> Content:
        """What was read, now or before; only an answer to the same question is taken from the cache."""
        if not self.get_option("cache"):
            return self._read(settings, early)
        asked = options.fingerprint(self._params)
        if may_read:
            try:
                found = self.cache[key]
            except KeyError:
                found = {}
            if found.get("asked") == asked:
                return Content(**found["content"])
        content = self._read(settings, early)
        self.cache[key] = {"asked": asked, "content": asdict(content)}
        return content

    def _read(self, settings: options.Settings, early: Early) -> Content:
        if not HAS_URLLIB3:
            raise AnsibleParserError(missing_required_lib("urllib3"))
        client = Client(auth.resolve(self._params), workers=read.WORKERS, patience=PATIENCE)
        try:
            return read.content(client, settings, early.see)
        finally:
            client.close()

    def _populate(self, hosts: list[Host], settings: options.Settings) -> None:
        before = set(self.inventory.groups)
        parent = self.inventory.add_group(settings.parent_group)
        names = sorted({group for host in hosts for group in host.groups})
        groups = {name: self.inventory.groups[self.inventory.add_group(name)] for name in (parent, *names)}
        # While the groups are empty: a tie hands the parent down to each host of the group.
        for name in names:
            self.inventory.add_child(parent, name)
        above = [groups[parent], *groups[parent].get_ancestors()]
        known: dict[str, Any] = {}
        for host in hosts:
            # Past the inventory's own methods but for the first host: each looks the file up, tags each string with its
            # origin or empties caches, and for thousands of hosts that takes longer than the reading. A string without
            # a tag of trust is never taken for a template.
            if not known or host.name in self.inventory.hosts:
                made = self.inventory.hosts[self.inventory.add_host(host.name)]
                known = {key: made.vars[key] for key in ("inventory_file", "inventory_dir") if key in made.vars}
            else:
                made = self.inventory.hosts[host.name] = AnsibleHost(host.name)
            made.vars = {**made.vars, **known, **host.variables}
            for name in dict.fromkeys(host.groups or (parent,)):
                if name in before:
                    groups[name].add_host(made)
                    continue
                # A group of our own has neither this host nor ancestors but the parent, for which add_host searches both.
                groups[name].hosts.append(made)
                made.groups.append(groups[name])
            made.groups += [group for group in above if group not in made.groups]
        for name in names:
            groups[name].clear_hosts_cache()
        constructed = {name: self.get_option(name) for name in ("compose", "groups", "keyed_groups")}
        if any(constructed.values()):
            for host in hosts:
                self._construct(host.name, **constructed)

    def _construct(self, host: str, compose: Any, groups: Any, keyed_groups: Any) -> None:
        strict = self.get_option("strict")
        variables = self.inventory.get_host(host).get_vars()
        self._set_composite_vars(compose, variables, host, strict=strict)
        self._add_host_to_composed_groups(groups, variables, host, strict=strict)
        self._add_host_to_keyed_groups(keyed_groups, variables, host, strict=strict)
