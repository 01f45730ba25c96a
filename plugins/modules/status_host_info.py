# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what one host of the platform says of itself."""

from __future__ import annotations

DOCUMENTATION = r"""
module: status_host_info
short_description: Read what one host of the platform says of itself
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Addresses, units of systemd, days left of certificates, HAProxy's view of its backends, the shared storage, how long etcd's writes
    take, and the watcher's heartbeat, in one look. It never changes anything.
  - Each question is bounded in time. One that gets no answer says why and stops no other.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes.info
options:
  services:
    description: Units of systemd that should be active; V(ceph-osd@*) is each instance that systemd knows.
    type: list
    elements: str
    default: []
  certificates:
    description: Whether the certificates of kubeadm and the kubelet are looked at.
    type: bool
    default: false
  balancer_url:
    description: URL of HAProxy's statistics as CSV, such as V(http://127.0.0.1:8404/;csv). Not asked where it is empty.
    type: str
    default: ""
  etcd_metrics_url:
    description: URL of etcd's metrics, such as V(http://127.0.0.1:2381/metrics). Not asked where it is empty.
    type: str
    default: ""
  gluster_volume:
    description: Volume of GlusterFS. Not asked where it is empty.
    type: str
    default: ""
  ceph:
    description: Whether Ceph is asked for its health.
    type: bool
    default: false
  mounts:
    description: Paths where a file system should be mounted.
    type: list
    elements: path
    default: []
  state_dir:
    description: Folder of the watcher that recovers lost nodes. Not looked at where it is not given.
    type: path
seealso:
  - module: virtops.kubevirt_ha.status_report
"""

EXAMPLES = r"""
- name: Look at a load balancer
  virtops.kubevirt_ha.status_host_info:
    services: [haproxy, keepalived]
    balancer_url: http://127.0.0.1:8404/;csv
"""

RETURN = r"""
look:
  description: What was seen; none for what was not asked.
  returned: success
  type: dict
  contains:
    at: {description: "The host's time, in seconds since the epoch.", type: float, returned: always}
    addresses: {description: "Addresses on its links.", type: list, elements: str, returned: always}
    services: {description: "Unit to its state.", type: dict, returned: always}
    certificates: {description: "Each with C(path), C(days_left) and C(why).", type: list, elements: dict, returned: always}
    balancer:
      description: C(servers), each with C(backend), C(server), C(status) and C(check), and C(why) there are none.
      type: dict
      returned: always
    etcd_fsync: {description: "C(p99_ms), C(writes) and C(why).", type: dict, returned: always}
    gluster: {description: "C(peers), C(heal), C(status) and C(info), each C(text) and C(why).", type: dict, returned: always}
    ceph: {description: "Ceph's health as JSON, C(text), and C(why) there is none.", type: dict, returned: always}
    mounts: {description: "Path to the type of what is mounted there.", type: dict, returned: always}
    watcher: {description: "C(heartbeat), C(now), C(stop_switch) and the newest C(events).", type: dict, returned: always}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status import host


def main() -> None:
    """The module's entry."""
    spec = {
        "services": {"type": "list", "elements": "str", "default": []},
        "certificates": {"type": "bool", "default": False},
        "balancer_url": {"type": "str", "default": ""},
        "etcd_metrics_url": {"type": "str", "default": ""},
        "gluster_volume": {"type": "str", "default": ""},
        "ceph": {"type": "bool", "default": False},
        "mounts": {"type": "list", "elements": "path", "default": []},
        "state_dir": {"type": "path"},
    }
    module = AnsibleModule(spec, supports_check_mode=True)
    module.exit_json(changed=False, look=host.look(module.params, module.run_command))


if __name__ == "__main__":
    main()
