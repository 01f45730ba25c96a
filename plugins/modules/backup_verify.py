#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_verify
short_description: Read a part of the repository of backups and name what is damaged
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Runs C(restic check), which reads the whole structure and a part of the data.
  - A damaged file is told with the snapshots and the machines that it takes with it. The task fails then.
extends_documentation_fragment:
  - virtops.kubevirt_ha.backup
attributes:
  check_mode:
    description: Only asks whether the repository can be opened.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
options:
  subset:
    description:
      - How much of the data is read, such as V(5%), V(1/7) or V(10G); V(100%) reads all. The default is that of the settings.
    type: str
seealso:
  - module: virtops.kubevirt_ha.backup
"""

EXAMPLES = r"""
- name: Read all of it
  virtops.kubevirt_ha.backup_verify:
    settings: "{{ my_backup_settings }}"
    subset: 100%
"""

RETURN = r"""
verified:
  description: Whether it is C(sound), what is C(damaged), and which snapshots and machines are C(affected), with the paths.
  type: dict
  returned: always
figures:
  description: What was measured, for M(virtops.kubevirt_ha.backup_report).
  type: list
  elements: dict
  returned: always
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import service
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def main() -> None:
    """The module's entry."""
    service.verify(Module(service.verify_spec(), check=service.settings_faults))


if __name__ == "__main__":
    main()
