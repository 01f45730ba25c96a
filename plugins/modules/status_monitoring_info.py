# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what Prometheus and Alertmanager say of the platform."""

from __future__ import annotations

DOCUMENTATION = r"""
module: status_monitoring_info
short_description: Read what Prometheus and Alertmanager say of the platform
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Asks every Prometheus for its targets and the alerts that fire, and every Alertmanager for the others that it sees, all at once.
    It never changes anything.
  - Each question is bounded in time. A server that gives no answer says why and stops no other.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes.info
options:
  prometheus:
    description: The servers of Prometheus by their hosts.
    type: list
    elements: dict
    default: []
    suboptions:
      host: {description: The host that it runs on., type: str, required: true}
      url: {description: Where it answers., type: str, required: true}
  alertmanagers:
    description: The Alertmanagers by their hosts.
    type: list
    elements: dict
    default: []
    suboptions:
      host: {description: The host that it runs on., type: str, required: true}
      url: {description: Where it answers., type: str, required: true}
  ca_cert:
    description: The authority of their certificates.
    type: path
  username:
    description: Who asks them.
    type: str
  password_file:
    description: The file with the password of O(username).
    type: path
seealso:
  - module: virtops.kubevirt_ha.status_report
"""

EXAMPLES = r"""
- name: Ask what is watched, and what is amiss
  virtops.kubevirt_ha.status_monitoring_info:
    prometheus:
      - {host: n1, url: "http://192.0.2.11:9090"}
    alertmanagers:
      - {host: n1, url: "http://192.0.2.11:9093"}
"""

RETURN = r"""
look:
  description: What each said, by its host.
  returned: success
  type: dict
  contains:
    prometheus:
      description:
        - Each with the number of C(targets), how many are C(up), those that are C(down) with the reason, the C(alerts) that fire, each
          with C(labels) and C(since), in seconds since the epoch, and C(why) there is no answer.
      type: dict
      returned: always
    alertmanagers:
      description: Each with its C(state), how many C(peers) it sees, itself among them, and C(why) there is no answer.
      type: dict
      returned: always
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring.ask import Access, read
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.ask import look


def argument_spec() -> ArgumentSpec:
    """Whom to ask, and by which account."""
    server = {"host": {"type": "str", "required": True}, "url": {"type": "str", "required": True}}
    return ArgumentSpec(
        {
            "prometheus": {"type": "list", "elements": "dict", "options": server, "default": []},
            "alertmanagers": {"type": "list", "elements": "dict", "options": server, "default": []},
            "ca_cert": {"type": "path"},
            "username": {"type": "str"},
            "password_file": {"type": "path", "no_log": False},
        },
    )


def main() -> None:
    """The module's entry."""
    module = Module(argument_spec())
    given = module.params
    try:
        password = read(given["password_file"]).strip() if given["password_file"] else ""
    except HaError as error:
        module.fail_with(error)
    access = Access(given["ca_cert"] or "", given["username"] or "", password)
    module.exit_json(changed=False, look=look(given["prometheus"], given["alertmanagers"], access))


if __name__ == "__main__":
    main()
