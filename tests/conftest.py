# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets tests import the collection by its full name, from the copy as from the repository."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IS_COPY = ROOT.parts[-3:] == ("ansible_collections", "virtops", "kubevirt_ha")
sys.path.insert(0, str(ROOT.parents[2] if IS_COPY else ROOT / ".cache"))
