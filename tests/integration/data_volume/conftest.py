# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster of these tests has CDI."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def cluster_options() -> list[str]:
    return ["--cdi"]
