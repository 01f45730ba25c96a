# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's nodes, and where this folder's figures go."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import reports
from nodes import INVENTORY, REPOSITORY, Nodes


@pytest.fixture(scope="session")
def nodes() -> Nodes:
    if not INVENTORY.exists():
        pytest.skip(f"needs the nodes of {INVENTORY}: `make lab`")
    return Nodes.of_inventory()


@pytest.fixture(scope="session")
def figures() -> Iterator[list[reports.Figure]]:
    """Collects figures; what was measured is written even where a test then failed."""
    found: list[reports.Figure] = []
    yield found
    if not found:
        return
    git = ("git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--exclude=*")
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    origin = reports.Origin("pytest tests/integration/shared_storage", commit, "none: files on the nodes' mounts")
    reports.add_figures(str(REPOSITORY / "reports" / "platform.json"), found, origin)
