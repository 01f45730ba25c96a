# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of `argspec.report()`."""

from __future__ import annotations


class ModuleDocFragment:
    """Where figures are written, and what the file names as their origin."""

    DOCUMENTATION = r"""
options:
  path:
    description: The file to write.
    type: path
    required: true
  command:
    description: What the file names as the command that measured.
    type: str
    default: ""
  commit:
    description: What the file names as the commit that was measured.
    type: str
    default: ""
  kubevirt_source:
    description: What the file names as the KubeVirt that ran.
    type: str
    default: ""
attributes:
  check_mode:
    description: Computes the figures and writes nothing.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
"""
