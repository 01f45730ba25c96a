# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of `argspec.wait()`."""

from __future__ import annotations


class ModuleDocFragment:
    """Waiting for the wanted state."""

    DOCUMENTATION = r"""
options:
  wait:
    description:
      - Whether to wait until the wanted state is reached. A state that can never become the wanted one fails at once,
        with the reason.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds to wait at most, over all objects together.
    type: int
    default: 300
"""
