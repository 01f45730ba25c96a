# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of `argspec.bulk()`."""

from __future__ import annotations


class ModuleDocFragment:
    """Several objects in one task."""

    DOCUMENTATION = r"""
options:
  workers:
    description:
      - How many requests are under way at once, from 1 to 64.
    type: int
    default: 16
"""
