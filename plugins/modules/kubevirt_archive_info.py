# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a KubeVirt archive and lists every fault of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubevirt_archive_info
short_description: Reads a KubeVirt archive and lists every fault of it
description:
  - Reads the folder of a KubeVirt archive (C(archive.json), manifests, OCI images) for an installation without the network.
  - Checks that every image that manifests name or operators start is there, and that every blob has its digest.
  - Faults are returned, all at once; nothing is changed.
version_added: 0.1.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes.info
options:
  path:
    description:
      - The folder of the archive.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Read the archive
  virtops.kubevirt_ha.kubevirt_archive_info:
    path: /srv/kubevirt-1.9.0
  register: archive
"""

RETURN = r"""
source:
  description: What the archive says it is.
  type: str
  returned: success
version:
  description: The version of KubeVirt in it.
  type: str
  returned: success
cdi:
  description: Whether CDI's manifests are in it.
  type: bool
  returned: success
cdi_version:
  description: The tag of CDI's operator, empty where there is none.
  type: str
  returned: success
images:
  description: Its images.
  type: list
  elements: dict
  returned: success
  contains:
    reference:
      description: The reference that manifests use.
      type: str
    file:
      description: Absolute path of the OCI archive.
      type: str
    digest:
      description: Digest of its manifest.
      type: str
faults:
  description: What is wrong with the archive, a sentence each.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_archive import read_archive


def main() -> None:
    """Reads the archive."""
    module = AnsibleModule({"path": {"type": "path", "required": True}}, supports_check_mode=True)
    module.exit_json(changed=False, **read_archive(module.params["path"]))


if __name__ == "__main__":
    main()
