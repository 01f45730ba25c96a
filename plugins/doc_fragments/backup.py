# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the settings of backups."""

from __future__ import annotations


class ModuleDocFragment:
    """Where backups are, and of what."""

    DOCUMENTATION = r"""
options:
  settings:
    description:
      - Repository, machines and hosts, as the role P(virtops.kubevirt_ha.backup#role) puts them together; no secret is among them.
    type: dict
    required: true
requirements:
  - python >= 3.9
  - restic 0.14 or newer
  - urllib3
"""
