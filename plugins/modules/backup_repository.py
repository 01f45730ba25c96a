#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_repository
short_description: Make the restic repository of backups
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Makes the repository where there has never been one.
  - One that was used before and is gone is refused. An empty one in its place would look like backups.
extends_documentation_fragment:
  - virtops.kubevirt_ha.backup
attributes:
  check_mode:
    description: Tells whether it would be made.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
seealso:
  - module: virtops.kubevirt_ha.backup
"""

EXAMPLES = r"""
- name: Make the repository
  virtops.kubevirt_ha.backup_repository:
    settings:
      repository: /srv/backup/restic
      password_file: /etc/kubevirt-ha/restic.password
      state_dir: /var/lib/kubevirt-ha/backup
      kubeconfig: /root/.kube/kubevirt_ha.config
"""

RETURN = r"""
settled:
  description: Whether it was there already and known as the one that is used.
  type: bool
  returned: success
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import service
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def main() -> None:
    """The module's entry."""
    service.prepare(Module(service.repository_spec(), check=service.settings_faults))


if __name__ == "__main__":
    main()
