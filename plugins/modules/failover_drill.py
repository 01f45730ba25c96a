# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a node away in the middle of its work, measures the recovery, and reports it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: failover_drill
short_description: Take a node away in the middle of its work, measure the recovery, and report it
version_added: 0.1.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Looks whether redundancy is whole and refuses to start otherwise, naming every fault. Then it samples the API, the
    VIP, each API server, each guest, the cluster's objects, the BMC and the nodes' QEMU processes; waits for calm; cuts
    one node; and records until the node's machines answer from other nodes or the time is over.
  - It tells nobody of the cut. Detection, fencing and recovery are the watcher's, and without one the drill fails.
  - Writes C(report.json), C(junit.xml), C(index.html) and C(events.jsonl) into a folder of its own below O(reports),
    and a copy of the newest as C(latest) beside it. A figure without a sample is null and fails the drill.
  - A failed drill does not fail the module; see C(passed) in RV(report). It does not bring the node back either.
  - Runs on a host outside of the nodes, where the watcher runs too.
extends_documentation_fragment:
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.drill
  - virtops.kubevirt_ha.drill.budget
options:
  scenario:
    description:
      - V(node_power_loss) expects O(cut) to take the power.
      - V(node_partition_without_fencing) is the control drill of a lab. It expects O(cut) to cut the link only, then
        lets the machines start elsewhere without proof. It passes when the recorder sees two writers of one disk,
        which it thereby shows it can.
    type: str
    choices: [node_power_loss, node_partition_without_fencing]
    default: node_power_loss
  node:
    description: The node to cut; the one with most of the machines where none is given.
    type: str
  cut:
    description:
      - The command that cuts the node, with C({node}) for its name. Never the BMC that the watcher fences by.
      - Where it prints a line of JSON with C(t0_monotonic) and C(t0), those are the moment the link went down;
        otherwise the moment is when the command began.
    type: list
    elements: str
    required: true
  bmcs:
    description: The BMC of each node by name, to read the power state; see M(virtops.kubevirt_ha.node_fence).
    type: dict
    default: {}
  observers:
    description:
      - For each node the command that runs Python on it, such as C(ssh n1 python3), to look at its QEMU processes.
      - None where this machine sees the processes of all nodes.
    type: dict
    default: {}
  reports:
    description: The folder of all reports.
    type: path
    required: true
  times:
    description: How long things may take, in seconds.
    type: dict
    suboptions:
      calm: {description: Calm before the cut., type: float, default: 5.0}
      calm_wait: {description: The longest wait for the calm., type: float, default: 90.0}
      recovery_wait: {description: The longest wait for the machines., type: float, default: 150.0}
      settle: {description: How long to go on recording once all are back., type: float, default: 4.0}
      whole_wait: {description: The longest wait for redundancy to be whole., type: float, default: 0.0}
  command:
    description: What the report names as the command that measured.
    type: str
    default: ""
  commit:
    description: What the report names as the commit that was measured.
    type: str
    default: ""
  versions:
    description: Versions to be reported beside those of the cluster.
    type: dict
    default: {}
  loss:
    description: V(process) where the nodes share a machine whose page cache outlives them, so no power loss can be shown.
    type: str
    choices: [power, process]
    default: power
attributes:
  check_mode:
    description: Looks whether the drill could start, and which node it would cut.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
seealso:
  - module: virtops.kubevirt_ha.redundancy_info
"""

EXAMPLES = r"""
- name: Cut the node with most of the machines
  virtops.kubevirt_ha.failover_drill:
    kubeconfig: ~/.kube/config
    nodes: [n1, n2, n3]
    etcd_members: 3
    api_servers:
      - {name: n1, address: 10.77.0.11}
      - {name: n2, address: 10.77.0.12}
      - {name: n3, address: 10.77.0.13}
    namespace: demo
    machines:
      - {name: demo-1, url: "http://10.77.0.100:30081/"}
    state_dir: /var/lib/kubevirt-ha/remediation
    cut: [/usr/local/bin/pdu, "off", "{node}"]
    reports: reports
  register: drill
"""

RETURN = r"""
node:
  description: The node that was cut.
  type: str
  returned: success
folder:
  description: The folder of the report.
  type: str
  returned: when it was cut
report:
  description: The content of C(report.json).
  type: dict
  returned: when it was cut
"""

import os
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import resolve
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import options
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.scenario import Plan, Times
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.scenario import run as run_drill
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.verdict import (
    NODE_POWER_LOSS,
    SCENARIOS,
    Budget,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.model import Bmc
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run


def argument_spec() -> ArgumentSpec:
    """The connection, the platform, the limits, and the drill itself."""
    default = Times()
    times = {name: {"type": "float", "default": getattr(default, name)} for name in Times.__dataclass_fields__}
    own = ArgumentSpec(
        {
            "scenario": {"type": "str", "choices": list(SCENARIOS), "default": NODE_POWER_LOSS},
            "node": {"type": "str"},
            "cut": {"type": "list", "elements": "str", "required": True},
            "bmcs": {"type": "dict", "default": {}},
            "observers": {"type": "dict", "default": {}},
            "reports": {"type": "path", "required": True},
            "times": {"type": "dict", "options": times, "apply_defaults": True},
            "command": {"type": "str", "default": ""},
            "commit": {"type": "str", "default": ""},
            "versions": {"type": "dict", "default": {}},
            "loss": {"type": "str", "choices": ["power", "process"], "default": "power"},
        }
    )
    return own.merge(argspec.connection(), options.platform(), options.budget())


def plan_of(given: dict[str, Any]) -> Plan:
    """The drill that the parameters describe."""
    return Plan(
        scenario=given["scenario"],
        platform=options.platform_of(given),
        expected=options.expected_of(given),
        cut=tuple(given["cut"]),
        reports=os.path.abspath(given["reports"]),
        node=given["node"] or "",
        bmcs={node: Bmc.parse(bmc) for node, bmc in given["bmcs"].items()},
        observers={node: tuple(command) for node, command in given["observers"].items()},
        budget=Budget(**given["budget"]),
        times=Times(**given["times"]),
        command=given["command"],
        commit=given["commit"],
        versions=given["versions"],
        loss=given["loss"],
    )


def main() -> None:
    """The module's entry."""
    module = Module(argument_spec())
    given = module.params

    def drill(client: Client) -> dict[str, Any]:
        return run_drill(client, module.connection or resolve(given), plan_of(given), check_mode=module.check_mode)

    run(module, drill)


if __name__ == "__main__":
    main()
