# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GlusterFS by its command line: what its XML says of a pool and a volume, and how a lost brick is replaced."""

from __future__ import annotations
