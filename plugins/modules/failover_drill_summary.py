# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the figures of several drills into one file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: failover_drill_summary
short_description: Put the figures of several drills into one file
version_added: 0.1.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Reads the C(report.json) of drills and writes the medians of their recovery times and the worst of everything else.
  - A figure that one of the drills does not have is null, and has not passed.
extends_documentation_fragment:
  - virtops.kubevirt_ha.drill.budget
  - virtops.kubevirt_ha.report
options:
  folders:
    description: The folders of the drills' reports.
    type: list
    elements: path
    required: true
  platform_path:
    description: A file that gets the worst figures beside those of others, as C(node_loss_...); for a series that took each node.
    type: path
  storage_backend:
    description:
      - The backend of the machines' storage, which stands beside the figures in O(platform_path). With another than V(glusterfs) their
        names have it, such as C(node_loss_cephfs_write_stall_seconds), so that they do not replace those of GlusterFS.
    type: str
    default: ""
    version_added: 0.3.0
seealso:
  - module: virtops.kubevirt_ha.failover_drill
"""

EXAMPLES = r"""
- name: Put five drills together
  virtops.kubevirt_ha.failover_drill_summary:
    folders: "{{ drills.results | map(attribute='folder') }}"
    path: reports/drills.json
"""

RETURN = r"""
figures:
  description: The content of the file, by the figures' names.
  type: dict
  returned: success
faults:
  description: A sentence for each figure that is missing or over its limit.
  type: list
  elements: str
  returned: success
"""

import json
import os
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec, reports
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import options, report, series
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.verdict import Budget
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def argument_spec() -> ArgumentSpec:
    """Which drills, where to, and the limits."""
    own = ArgumentSpec(
        {
            "folders": {"type": "list", "elements": "path", "required": True},
            "platform_path": {"type": "path"},
            "storage_backend": {"type": "str", "default": ""},
        }
    )
    return own.merge(argspec.report(), options.budget())


def read_report(folder: str) -> dict[str, Any]:
    """The report.json of a folder. Raises HaError where it cannot be read."""
    path = os.path.join(folder, report.REPORT)
    try:
        with open(path, encoding="utf-8") as file:
            return dict(json.load(file))
    except (OSError, ValueError) as error:
        raise HaError(
            "a drill's report cannot be read", where=path, why=str(error), fix="Run the drill again"
        ) from error


def main() -> None:
    """The module's entry."""
    module = Module(argument_spec())
    given = module.params
    try:
        found = [read_report(folder) for folder in given["folders"]]
    except HaError as error:
        module.fail_with(error)
    figures = series.figures(found, Budget(**given["budget"]))
    sources = sorted({str(each.get("kubevirt_source")) for each in found})
    origin = reports.Origin(given["command"], given["commit"], given["kubevirt_source"] or ", ".join(sources))
    if not module.check_mode:
        reports.write_figures(os.path.abspath(given["path"]), figures, origin)
        if given["platform_path"]:
            nodes = [str(each.get("node")) for each in found]
            worst = series.of_each_node(figures, nodes, given["storage_backend"])
            reports.add_figures(os.path.abspath(given["platform_path"]), worst, origin)
    faults = [figure.fault() for figure in figures if not figure.passed]
    module.exit_json(changed=True, figures=reports.as_entries(figures, origin), faults=faults)


if __name__ == "__main__":
    main()
