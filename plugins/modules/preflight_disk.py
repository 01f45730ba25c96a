# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures how long a disk takes to keep small writes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_disk
short_description: Measure how long a disk takes to keep what etcd writes
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Writes 8 KiB and C(fdatasync), again and again, in the file system of a path, and tells how long that took. etcd does so for each
    change of the cluster, and its makers want the 99th percentile below 10 ms
    (U(https://etcd.io/docs/latest/faq/#what-does-the-etcd-warning-failed-to-send-out-heartbeat-on-time-mean)).
  - The file has no name and is gone in the end. It runs in check mode, too.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes.info
options:
  path:
    description: A folder; where it is not there, the nearest above it that is.
    type: path
    required: true
  writes:
    description: How many writes.
    type: int
    default: 200
  seconds:
    description: After how many seconds it ends with the writes that there were.
    type: float
    default: 10
"""

EXAMPLES = r"""
- name: Measure the disk that etcd will have
  virtops.kubevirt_ha.preflight_disk:
    path: /var/lib/etcd
  register: disk
  failed_when: disk.p99_ms > 10
"""

RETURN = r"""
folder:
  description: Where it was measured.
  returned: success
  type: str
writes:
  description: How many writes there were.
  returned: success
  type: int
p50_ms:
  description: Median in milliseconds.
  returned: success
  type: float
p99_ms:
  description: 99th percentile in milliseconds.
  returned: success
  type: float
max_ms:
  description: The longest in milliseconds.
  returned: success
  type: float
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.preflight import disk


def main() -> None:
    """The module's entry."""
    spec = {
        "path": {"type": "path", "required": True},
        "writes": {"type": "int", "default": disk.WRITES},
        "seconds": {"type": "float", "default": 10},
    }
    module = AnsibleModule(spec, supports_check_mode=True)
    given = module.params
    try:
        module.exit_json(changed=False, **disk.measure(given["path"], writes=given["writes"], seconds=given["seconds"]))
    except OSError as error:
        module.fail_json(f"the disk under {given['path']} cannot be measured: {error.strerror}")


if __name__ == "__main__":
    main()
