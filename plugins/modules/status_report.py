# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a table, a page and JSON of what was gathered about the platform."""

from __future__ import annotations

DOCUMENTATION = r"""
module: status_report
short_description: Make a table, a page and a gate of what was gathered about the platform
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Takes what the role P(virtops.kubevirt_ha.status#role) gathered, on the controller, and writes C(index.html), which needs nothing
    else and has the nodes drawn, C(status.json), and the table for a terminal as C(status.txt), which is returned, too.
  - Parts that are missing, because a host or the whole cluster does not answer, are findings, and everything else is told all the same.
  - The module asks nobody.
options:
  facts:
    description:
      - What was gathered, each part as it was returned.
      - C(hosts) is name to C(groups), C(address), C(storage_address), C(reached), C(why), C(look) (of
        M(virtops.kubevirt_ha.status_host_info)), C(etcd) (C(cluster) of M(virtops.kubevirt_ha.etcd_snapshot), or C(why)) and C(kvm)
        (facts of M(virtops.kubevirt_ha.kvm_host_facts)).
      - C(cluster) is the result of M(virtops.kubevirt_ha.kubevirt_info) with details, or C(why) there is none.
      - C(probes) are those of M(virtops.kubevirt_ha.ha_probe); C(vips) as the role P(virtops.kubevirt_ha.load_balancer#role) has them.
      - C(redundancy) is the result of M(virtops.kubevirt_ha.redundancy_info).
      - C(watcher) is C(host), and C(look) or C(why).
      - C(monitoring) is C(look) of M(virtops.kubevirt_ha.status_monitoring_info), C(absent), a word where it is not laid out, or C(why)
        nothing is known.
      - C(storage) is C(backend), C(volume) and C(mount); C(api_endpoint) is C(host:port).
    type: dict
    required: true
  folder:
    description: Folder of the report.
    type: path
    required: true
  drill_report:
    description: The C(report.json) of the last drill.
    type: path
  fail_on:
    description: The lowest severity at which the module fails, after the report is written.
    type: str
    choices: [critical, warning, never]
    default: never
  ignore:
    description: Identifiers of findings to leave out.
    type: list
    elements: str
    default: []
  certificate_days:
    description: How many days before its end a certificate on a host is named.
    type: float
    default: 14.0
  drill_days:
    description: How many days ago the last drill may be.
    type: float
    default: 90.0
  etcd_fsync_ms:
    description: Within how many milliseconds 99 % of etcd's writes to its log must be kept.
    type: float
    default: 10.0
  backup_hours:
    description: How old the newest backup of etcd may be.
    type: float
    default: 24.0
attributes:
  check_mode:
    description: Makes the table and writes nothing.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
seealso:
  - module: virtops.kubevirt_ha.kubevirt_info
  - module: virtops.kubevirt_ha.status_host_info
"""

EXAMPLES = r"""
- name: Write a page of what kubevirt_info says
  virtops.kubevirt_ha.status_report:
    facts:
      cluster: "{{ info }}"
    folder: reports/status
    fail_on: critical
"""

RETURN = r"""
table:
  description: The status for a terminal.
  type: str
  returned: success
page:
  description: Path of the page.
  type: str
  returned: success
whole:
  description: Whether nothing is critical.
  type: bool
  returned: success
summary:
  description: How many findings there are by severity.
  type: dict
  returned: success
findings:
  description: As those of M(virtops.kubevirt_ha.kubevirt_info), the most severe first.
  type: list
  elements: dict
  returned: success
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status import service


def main() -> None:
    """The module's entry."""
    service.run_module(Module(service.spec(), check=service.faults))


if __name__ == "__main__":
    main()
