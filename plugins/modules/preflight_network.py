# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks from node to node what a platform needs of the network."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_network
short_description: Ask from node to node whether the network carries what a platform needs
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Finds out, before anything is installed, whether each node reaches each other node on the ports that it will need, whether VRRP
    passes between load balancers, whether packets as large as the link takes arrive whole, whether clocks agree and names resolve.
  - V(listen) on every node, then V(ask) on every node, then V(stop) on every node. The first leaves a process behind that opens the
    node's ports which are free; a port that is in use is answered by the service that uses it. It ends with V(stop), or by itself.
  - Nothing is written, and no file is made. It runs in check mode, too.
  - Faults are returned, all at once, and never fail the module.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes.info
options:
  state:
    description:
      - V(listen) opens the node's free ports for O(seconds) and hears VRRP.
      - V(ask) asks the other nodes. Where O(name) is none of the nodes, such as on the controller, it compares the clocks only.
      - V(stop) ends the listening, and tells whose VRRP did not arrive.
    type: str
    choices: [listen, ask, stop]
    required: true
  name:
    description: The name of this node, one of O(nodes), or of whoever else asks.
    type: str
    required: true
  nodes:
    description: All nodes that take part, this one among them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name.
        type: str
        required: true
      groups:
        description: Which of V(control_plane), V(kvm_nodes), V(load_balancers) and V(storage_nodes) it is in; they decide its ports.
        type: list
        elements: str
        default: []
      address:
        description: Its address among the nodes.
        type: str
        required: true
      storage_address:
        description: Its address among the storage nodes, where that is another.
        type: str
      balancer_address:
        description: Its address among the load balancers, where that is another.
        type: str
      held:
        description: Its ports that nobody can listen on now, as RV(held) of O(state=listen) has them. They are not asked.
        type: list
        elements: int
        default: []
  ports:
    description:
      - Port of each service that has another one than usual, by the service's name, such as V(kube-apiserver), V(node exporter)
        or V(Alertmanager for peers); V(0) leaves out a service that nobody runs.
    type: dict
    default: {}
  endpoint:
    description: Host of the API behind its VIP, which every node must be able to resolve where it is a name.
    type: str
    default: ""
  clock_skew_seconds:
    description: How far the clocks of two nodes may lie apart.
    type: float
    default: 0.5
  timeout:
    description: Seconds to wait for a connection.
    type: float
    default: 2.5
  seconds:
    description: How long V(listen) listens at most.
    type: float
    default: 90
  skip:
    description: What is not looked at.
    type: list
    elements: str
    choices: [ports, vrrp, mtu, clocks, names]
    default: []
notes:
  - MTU and VRRP need root, and IPv4. A node that answers no ping at all is in RV(mtu_unknown) and is no fault.
"""

EXAMPLES = r"""
- name: Ask from node to node
  module_defaults:
    virtops.kubevirt_ha.preflight_network:
      name: "{{ inventory_hostname }}"
      nodes:
        - {name: n1, address: 192.0.2.11, groups: [control_plane, load_balancers]}
        - {name: n2, address: 192.0.2.12, groups: [control_plane, load_balancers]}
  block:
    - name: Open the ports of each node
      virtops.kubevirt_ha.preflight_network:
        state: listen

    - name: Ask from each node to each other
      virtops.kubevirt_ha.preflight_network:
        state: ask
      register: asked

    - name: Close the ports again
      virtops.kubevirt_ha.preflight_network:
        state: stop
      register: heard

- name: Tell what is wrong
  ansible.builtin.debug:
    msg: "{{ asked.faults + heard.faults }}"
"""

RETURN = r"""
faults:
  description: What is wrong, a sentence each that says what to do.
  returned: success
  type: list
  elements: str
  sample: ["n1: does not reach n2 (192.0.2.12) on port 2380 (etcd for peers): no answer in 2.5 s; open it in the firewalls on the way"]
opened:
  description: The ports that were free and are now listened on.
  returned: with O(state=listen)
  type: list
  elements: int
busy:
  description: The ports that a service has already.
  returned: with O(state=listen)
  type: list
  elements: int
held:
  description: The ports that a connection of the host's own goes out from, so that nobody can listen there now.
  returned: with O(state=listen)
  type: list
  elements: int
asked:
  description: How many connections were tried.
  returned: with O(state=ask)
  type: int
clocks:
  description: Seconds that each node's clock is ahead of this one's; of nodes with a port that was free.
  returned: with O(state=ask)
  type: dict
mtu_unknown:
  description: Nodes that answer no ping.
  returned: with O(state=ask), from a node
  type: list
  elements: str
heard:
  description: What the listener heard, with the addresses C(vrrp) came from; none where no listener was there.
  returned: with O(state=stop)
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.preflight import faults, service


def main() -> None:
    """The module's entry."""
    node = {
        "name": {"type": "str", "required": True},
        "groups": {"type": "list", "elements": "str", "default": []},
        "address": {"type": "str", "required": True},
        "storage_address": {"type": "str"},
        "balancer_address": {"type": "str"},
        "held": {"type": "list", "elements": "int", "default": []},
    }
    spec = {
        "state": {"type": "str", "choices": ["listen", "ask", "stop"], "required": True},
        "name": {"type": "str", "required": True},
        "nodes": {"type": "list", "elements": "dict", "required": True, "options": node},
        "ports": {"type": "dict", "default": {}},
        "endpoint": {"type": "str", "default": ""},
        "clock_skew_seconds": {"type": "float", "default": 0.5},
        "timeout": {"type": "float", "default": service.TIMEOUT},
        "seconds": {"type": "float", "default": 90},
        "skip": {"type": "list", "elements": "str", "choices": list(faults.CHECKS), "default": []},
    }
    service.run(AnsibleModule(spec, supports_check_mode=True))


if __name__ == "__main__":
    main()
