#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance_report
short_description: Tell how long virtual machines paused in a maintenance, and write it as a figure
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Puts together what became of each machine and writes the figure C(maintenance_longest_pause_seconds) beside those of
    others.
  - It is measured by the machines' answers where O(probes) asked them. Else the longest migration stands for it, as the
    VMIs' C(migrationState) tells it in whole seconds; no pause exceeds its migration.
extends_documentation_fragment:
  - virtops.kubevirt_ha.report
options:
  turns:
    description: What each node's turn moved.
    type: list
    elements: dict
    required: true
    suboptions:
      drained:
        description: The machines of the node's entry in the result of M(virtops.kubevirt_ha.node_drain).
        type: list
        elements: dict
        required: true
      machines:
        description: The machines in the result of M(virtops.kubevirt_ha.maintenance_info), read after the drain.
        type: list
        elements: dict
        required: true
  probes:
    description: The probes in the result of M(virtops.kubevirt_ha.ha_probe) that asked the machines all the time.
    type: list
    elements: dict
    default: []
  limit:
    description: How many seconds the longest pause may be.
    type: float
seealso:
  - module: virtops.kubevirt_ha.maintenance_info
  - module: virtops.kubevirt_ha.ha_probe
"""

EXAMPLES = r"""
- name: Tell how long the machines paused
  virtops.kubevirt_ha.maintenance_report:
    turns:
      - drained: "{{ drained.nodes[0].vms }}"
        machines: "{{ maintenance.machines }}"
    probes: "{{ gaps.probes }}"
    limit: 2
    path: reports/platform.json
"""

RETURN = r"""
machines:
  description: What each machine went through.
  type: dict
  returned: success
  sample:
    demo/demo-1:
      moves: [{from: n3, to: n1, fate: migrated, migration_seconds: 2.0}]
      migration_seconds: 2.0
      pause_seconds: 0.4
      samples: 1800
      failures: 1
figure:
  description: The figure as it stands in the file; empty where nothing was moved and nobody was asked.
  type: dict
  returned: success
faults:
  description: Why the figure has not passed, a sentence.
  type: list
  elements: str
  returned: success
"""

import os

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import maintenance, reports
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec, report
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def argument_spec() -> ArgumentSpec:
    """What was moved and asked, and where to."""
    turn = {
        "drained": {"type": "list", "elements": "dict", "required": True},
        "machines": {"type": "list", "elements": "dict", "required": True},
    }
    own = ArgumentSpec(
        {
            "turns": {"type": "list", "elements": "dict", "required": True, "options": turn},
            "probes": {"type": "list", "elements": "dict", "default": []},
            "limit": {"type": "float"},
        }
    )
    return own.merge(report())


def main() -> None:
    """The module's entry."""
    module = Module(argument_spec())
    given = module.params
    found = maintenance.pauses(given["turns"], given["probes"])
    figure = maintenance.figure(found, bool(given["probes"]), given["limit"])
    if figure is None:
        module.exit_json(changed=False, machines=found, figure={}, faults=[])
    origin = reports.Origin(given["command"], given["commit"], given["kubevirt_source"])
    if not module.check_mode:
        reports.add_figures(os.path.abspath(given["path"]), [figure], origin)
    entry = reports.as_entries([figure], origin)[figure.name]
    faults = [] if figure.passed else [figure.fault()]
    module.exit_json(changed=True, machines=found, figure=entry, faults=faults)


if __name__ == "__main__":
    main()
