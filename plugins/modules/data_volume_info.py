#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: data_volume_info
short_description: Read CDI data volumes, how far they are filled, and their claims
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Reads data volumes by name, namespace or label, each together with its claim. Volumes and claims cost one list each,
    in pages of 500, over the narrowest scope that is permitted.
  - Volumes whose DataVolume was deleted by CDI once it had succeeded (before CDI 1.62) are among them, unless labels
    are asked for.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes.info
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.bulk
options:
  name:
    description:
      - Name of one volume; needs exactly one of O(namespaces).
    type: str
  namespaces:
    description:
      - Namespaces to look in. All of the cluster where none is given.
    type: list
    elements: str
    default: []
    aliases: [namespace]
  label_selectors:
    description:
      - Label selectors that must all hold, such as V(app=web) or V(tier in (gold,silver)).
    type: list
    elements: str
    default: []
  full:
    description:
      - Whether each entry holds the whole object, too, without the headers that an import sends.
    type: bool
    default: false
seealso:
  - module: virtops.kubevirt_ha.data_volume
"""

EXAMPLES = r"""
- name: Read all volumes of a shop
  virtops.kubevirt_ha.data_volume_info:
    namespaces: [shop]
  register: volumes

- name: Show those that are not filled
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.reason }}"
  loop: "{{ volumes.data_volumes | rejectattr('ready') }}"
  loop_control: {label: "{{ item.name }}"}
"""

RETURN = r"""
data_volumes:
  description: The volumes, ordered by namespace and name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name.
      type: str
      returned: always
    namespace:
      description: Namespace.
      type: str
      returned: always
    uid:
      description: UID of the object.
      type: str
      returned: always
    created_at:
      description: When the object was created.
      type: str
      returned: always
    labels:
      description: Labels.
      type: dict
      returned: always
    annotations:
      description: Annotations.
      type: dict
      returned: always
    object:
      description: The whole object.
      type: dict
      returned: with O(full=true)
    phase:
      description: Phase, such as V(ImportInProgress) or V(Succeeded).
      type: str
      returned: always
    ready:
      description: Whether the volume is filled.
      type: bool
      returned: always
    progress:
      description: How much is transferred, such as V(12.34%); V(N/A) where CDI does not know.
      type: str
      returned: always
    restarts:
      description: How often the transfer was begun again.
      type: int
      returned: always
    reason:
      description: The status in one line, with the reason where something is wrong.
      type: str
      returned: always
    source:
      description: Kind of the source, such as V(http).
      type: str
      returned: always
    size:
      description: Size that was asked for last; none where the source told it.
      type: str
      returned: always
    claim:
      description: Name of the claim.
      type: str
      returned: always
    claim_phase:
      description: Phase of the claim.
      type: str
      returned: always
    capacity:
      description: Capacity of the claim; none where it is not bound.
      type: str
      returned: always
    storage_class:
      description: StorageClass of the claim.
      type: str
      returned: always
    resize_pending:
      description: Whether the file system grows only once a machine uses the volume.
      type: bool
      returned: always
    vm:
      description: Name of the machine whose template the volume comes from.
      type: str
      returned: always
requests:
  description: How many requests were sent.
  returned: unless the parameters have faults
  type: dict
  contains:
    reads:
      description: Reads.
      type: int
      returned: always
    writes:
      description: Writes, always 0.
      type: int
      returned: always
    watches:
      description: Watches, always 0.
      type: int
      returned: always
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import data_volume_info, info
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def main() -> None:
    """The module's entry."""
    data_volume_info.run_module(Module(info.spec(), check=data_volume_info.faults))


if __name__ == "__main__":
    main()
