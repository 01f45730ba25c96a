# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's programs are scripts beside their role: their folders come first on the path."""

from __future__ import annotations

import sys
from pathlib import Path

FILES = Path(__file__).resolve().parents[4] / "roles" / "lab" / "files"
for folder in (FILES, FILES / "nspawn_lab"):
    sys.path.insert(0, str(folder))
