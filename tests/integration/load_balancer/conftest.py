# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages of this folder, and where its figures go."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "unit" / "roles" / "load_balancer"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "e2e"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import keep_figure
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import reports
from stage import PROFILE, REPOSITORY, Stage, lacks, stage


@pytest.fixture(scope="session", autouse=True)
def possible() -> None:
    if why := lacks():
        pytest.skip(why)


@pytest.fixture(scope="session")
def figures() -> Iterator[list[reports.Figure]]:
    """Collects figures; what was measured is written even where a test then failed."""
    found: list[reports.Figure] = []
    yield found
    if not found:
        return
    commit = keep_figure.commit(REPOSITORY)
    origin = reports.Origin("pytest tests/integration/load_balancer", commit, "none: load balancers in namespaces")
    reports.add_figures(str(REPOSITORY / "reports" / "platform.json"), found, origin)


@pytest.fixture(scope="module")
def haproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage for the tests of one file: only one at a time has the names of the nodes."""
    folder = tmp_path_factory.mktemp("haproxy")
    with stage(folder, load_balancer_proxy="haproxy", load_balancer_failure_detection=PROFILE) as made:
        yield made
