# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of fencing.argspec.bmc()."""

from __future__ import annotations


class ModuleDocFragment:
    """How a node's BMC is reached."""

    DOCUMENTATION = r"""
options:
  bmc:
    description: How the node's BMC is reached, and whom it must answer for.
    type: dict
    suboptions:
      type:
        description: The protocol; V(redfish) is switched by C(fence_redfish), V(ipmi) by C(fence_ipmilan).
        type: str
        choices: [redfish, ipmi]
        required: true
      url:
        description:
          - With V(redfish), C(https://address[:port]) of the service, or the whole path of one system in it.
          - With V(ipmi), C(ipmi://address[:port]).
        type: str
        required: true
      user:
        description: Who logs in.
        type: str
        required: true
      password_file:
        description: A file on the host that runs the module, not open to everyone, with the password as its only line.
        type: path
        required: true
      identity:
        description:
          - Whom the BMC must answer for, as enrolled when the node was installed.
          - A UUID is compared with the machine's UUID. Anything else is compared with the system's name and serial
            number, so it must be one that no other machine has.
          - Nothing is read as proof without it.
        type: str
      ca_file:
        description: The authority that signed the BMC's certificate, where the system's own do not know it.
        type: path
      validate_certs:
        description: Whether the BMC's certificate is checked.
        type: bool
        default: true
"""
