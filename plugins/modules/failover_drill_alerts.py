# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures whether a drill's lost node was told, once, and whether that was over after its return."""

from __future__ import annotations

DOCUMENTATION = r"""
module: failover_drill_alerts
short_description: Measure whether the loss of a drill's node was told
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Asks the Alertmanagers on the nodes that live for the alert C(NodeLost) of the node that was cut.
  - With O(state=fired), before the node is given its power back, it waits until the alert fires and returns since when.
  - With O(state=cleared), after the node's return, it waits until the alert is over, counts how often it was sent, and adds the figures
    C(alert_fired_seconds), C(alerts_delivered) and C(alert_cleared) to the report of M(virtops.kubevirt_ha.failover_drill).
  - A figure without data is null and fails the drill. A failed drill does not fail the module; see C(passed) in RV(report).
  - The clocks of the hosts must be in step with this one's, for the moment of an alert is Prometheus' own.
options:
  state:
    description: What is waited for.
    type: str
    choices: [fired, cleared]
    required: true
  folder:
    description: The folder of the drill's report.
    type: path
    required: true
  alertmanagers:
    description: The Alertmanagers by their hosts; the one on the lost node is not asked before its return.
    type: list
    elements: dict
    required: true
    suboptions:
      host: {description: The host that it runs on., type: str, required: true}
      url: {description: Where it answers., type: str, required: true}
  limit:
    description: Seconds from the loss within which the alert must fire.
    type: float
    default: 60.0
  timeout:
    description: Seconds that are waited for the alert to be over, with O(state=cleared).
    type: float
    default: 120.0
  fired:
    description: RV(alert) of the call with O(state=fired).
    type: dict
  log:
    description:
      - A file with a line of JSON a notification that a webhook received, C({"at", "alerts"}), with the time in seconds since the epoch.
      - Without one the fingerprints of the alert are counted, of which Alertmanagers that take two alerts for one have one.
    type: path
  ca_cert:
    description: The authority of the Alertmanagers' certificates.
    type: path
  username:
    description: Who asks them.
    type: str
  password_file:
    description: The file with the password of O(username).
    type: path
attributes:
  check_mode:
    description: Asks once and writes nothing.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
seealso:
  - module: virtops.kubevirt_ha.failover_drill
"""

EXAMPLES = r"""
- name: Wait until the loss is told
  virtops.kubevirt_ha.failover_drill_alerts:
    state: fired
    folder: "{{ drill.folder }}"
    alertmanagers:
      - {host: n1, url: "http://192.0.2.11:9093"}
      - {host: n2, url: "http://192.0.2.12:9093"}
  register: told

- name: Wait until it is over, after the node's return
  virtops.kubevirt_ha.failover_drill_alerts:
    state: cleared
    folder: "{{ drill.folder }}"
    fired: "{{ told.alert }}"
    alertmanagers:
      - {host: n1, url: "http://192.0.2.11:9093"}
      - {host: n2, url: "http://192.0.2.12:9093"}
"""

RETURN = r"""
alert:
  description: Since when the alert fired, and what tells of it.
  type: dict
  returned: with O(state=fired)
  contains:
    seconds: {description: From the loss to the alert; null where it did not fire., type: float, returned: always}
    fingerprints: {description: Under which it is known., type: list, returned: always}
    asked: {description: How many answers there were., type: int, returned: always}
    why: {description: Why it is not known., type: str, returned: always}
report:
  description: The content of C(report.json), with the figures.
  type: dict
  returned: with O(state=cleared), but for check mode
"""

import json
import os
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import reports
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import alerts, report
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.alerts_watch import Alertmanagers
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring.ask import Access, read


def argument_spec() -> ArgumentSpec:
    """Which drill, whom to ask, and how long."""
    server = {"host": {"type": "str", "required": True}, "url": {"type": "str", "required": True}}
    return ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["fired", "cleared"], "required": True},
            "folder": {"type": "path", "required": True},
            "alertmanagers": {"type": "list", "elements": "dict", "options": server, "required": True},
            "limit": {"type": "float", "default": 60.0},
            "timeout": {"type": "float", "default": 120.0},
            "fired": {"type": "dict"},
            "log": {"type": "path"},
            "ca_cert": {"type": "path"},
            "username": {"type": "str"},
            "password_file": {"type": "path", "no_log": False},
        },
        required_if=[("state", "cleared", ("fired",))],
    )


def pages(path: str) -> list[str]:
    """The lines of a pager's log; none where no notification has ever come."""
    return read(path).splitlines() if os.path.exists(path) else []


def run(given: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """What the module returns."""
    content = json.loads(read(os.path.join(given["folder"], report.REPORT)))
    node, t0 = content["node"], alerts.moment(content["t0"])
    password = read(given["password_file"]).strip() if given["password_file"] else ""
    urls = {each["host"]: each["url"] for each in given["alertmanagers"]}
    if given["state"] == "fired":
        urls = {host: url for host, url in urls.items() if host != node}
    asked = Alertmanagers(urls, Access(given["ca_cert"] or "", given["username"] or "", password))
    if given["state"] == "fired":
        # Beyond its limit, for a figure that is over it says more than none.
        until = 0.0 if check else t0 + given["limit"] + 15
        return {"changed": False, "alert": asked.until_fired(node, t0, until).as_dict()}
    cleared = asked.until_cleared(node, 0.0 if check else given["timeout"])
    if check:
        return {"changed": True}
    delivered = alerts.deliveries(pages(given["log"]), node, t0) if given["log"] else None
    figures = alerts.figures(alerts.Fired.of(given["fired"]), delivered, cleared, given["limit"])
    entry = next(iter(content["figures"].values()))
    origin = reports.Origin(entry["command"], entry["commit"], entry["kubevirt_source"])
    return {"changed": True, "report": report.amend(given["folder"], figures, origin)}


def main() -> None:
    """The module's entry."""
    module = Module(argument_spec())
    try:
        module.exit_json(**run(module.params, check=module.check_mode))
    except HaError as error:
        module.fail_with(error)


if __name__ == "__main__":
    main()
