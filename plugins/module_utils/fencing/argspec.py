# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The `bmc` option, beside its documentation fragment of the same name."""

from __future__ import annotations

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec


def bmc() -> ArgumentSpec:
    """How a node's BMC is reached and whom it must answer for."""
    return ArgumentSpec(
        {
            "bmc": {
                "type": "dict",
                "options": {
                    "type": {"type": "str", "required": True, "choices": ["redfish", "ipmi"]},
                    "url": {"type": "str", "required": True},
                    "user": {"type": "str", "required": True},
                    "password_file": {"type": "path", "required": True, "no_log": False},
                    "identity": {"type": "str"},
                    "ca_file": {"type": "path"},
                    "validate_certs": {"type": "bool", "default": True},
                },
            }
        }
    )
