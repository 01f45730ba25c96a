#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_report
short_description: Write the figures of backups and restores
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Writes what M(virtops.kubevirt_ha.backup), M(virtops.kubevirt_ha.backup_verify) and M(virtops.kubevirt_ha.backup_restore) measured beside
    the figures of others.
extends_documentation_fragment:
  - virtops.kubevirt_ha.report
options:
  figures:
    description: The C(figures) of their results.
    type: list
    elements: dict
    required: true
seealso:
  - module: virtops.kubevirt_ha.backup
"""

EXAMPLES = r"""
- name: Keep the figures
  virtops.kubevirt_ha.backup_report:
    figures: "{{ my_backup.figures }}"
    path: reports/backup.json
"""

RETURN = r"""
figures:
  description: The figures as they stand in the file.
  type: dict
  returned: success
faults:
  description: Why figures have not passed, a sentence each.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import service
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def main() -> None:
    """The module's entry."""
    service.report(Module(service.report_spec()))


if __name__ == "__main__":
    main()
