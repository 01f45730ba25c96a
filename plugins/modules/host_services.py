# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts, enables and brings up to date many services of a host in one task."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_services
short_description: Start, enable and bring up to date many services of a host in one task
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Does what as many tasks with M(ansible.builtin.systemd_service) do, with one look at the host, and has systemd read changed units.
  - A service that runs since before a file it reads was changed is restarted or reloaded. That is asked of the service itself, so it is made up
    for also when a run was broken off between writing the file and its handlers.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes
options:
  services:
    description: What is wanted, in the order in which it is done.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of a unit; of a service the kind may be left out.
        type: str
        required: true
      state:
        description: Whether it runs; without it that is left as it is.
        type: str
        choices: [started, stopped]
      enabled:
        description: Whether it starts at boot; without it that is left as it is.
        type: bool
      reads:
        description: Files that it reads when it starts, or patterns of a shell; one that is not there counts for nothing.
        type: list
        elements: str
        default: []
      apply:
        description: What is done when one of O(services[].reads) is younger than the running service.
        type: str
        choices: [restart, reload]
        default: restart
"""

EXAMPLES = r"""
- name: Run the proxy and what moves its address
  virtops.kubevirt_ha.host_services:
    services:
      - name: haproxy
        state: started
        enabled: true
        reads: [/etc/haproxy/haproxy.cfg]
        apply: reload
      - name: keepalived
        state: started
        enabled: true
"""

RETURN = r"""
actions:
  description: What was done, each C(VERB UNIT) and why.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_services import service


def main() -> None:
    """The module's entry."""
    entry = {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["started", "stopped"]},
        "enabled": {"type": "bool"},
        "reads": {"type": "list", "elements": "str", "default": []},
        "apply": {"type": "str", "choices": ["restart", "reload"], "default": "restart"},
    }
    spec = {"services": {"type": "list", "elements": "dict", "required": True, "options": entry}}
    module = AnsibleModule(spec, supports_check_mode=True)
    module.run_command_environ_update = {"LC_ALL": "C"}
    try:
        result = service.run(
            lambda command: module.run_command(list(command)), module.params["services"], check=module.check_mode
        )
    except HaError as error:
        module.fail_json(msg=str(error), error=error.as_dict())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
