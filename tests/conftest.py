# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets tests import the collection by its full name, as Ansible does, from the copy as from the repository."""

from __future__ import annotations

import sys
from pathlib import Path

from ansible.plugins.loader import init_plugin_loader

ROOT = Path(__file__).resolve().parents[1]
IS_COPY = ROOT.parts[-3:] == ("ansible_collections", "virtops", "kubevirt_ha")
sys.path.insert(0, str(ROOT.parents[2] if IS_COPY else ROOT / ".cache"))
# Before the first import from the collection: templates find no filter of a collection that Python's own finder brought.
init_plugin_loader([sys.path[0]])
