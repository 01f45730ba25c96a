# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From which versions `kubernetes_version` may follow."""

from __future__ import annotations

import pytest

from .kubernetes_role import value


def fault(running: str, wanted: str, *, upgrading: bool = True) -> str:
    """Why a host with these versions cannot have the one that is wanted."""
    given = {"__kubernetes_running": running.split(), "kubernetes_version": wanted, "__kubernetes_upgrading": upgrading}
    return str(value("__kubernetes_skew", **given))


@pytest.mark.parametrize(
    ("running", "wanted"),
    [
        ("", "1.34.4"),
        ("1.34.4 1.34.4", "1.34.4"),
        ("1.34.4", "1.34.10"),
        ("1.34.4 1.34.9", "1.35.0"),
        ("1.9.1", "1.10.0"),
    ],
)
def test_nothing_a_patch_and_one_minor_up_are_no_fault(running: str, wanted: str) -> None:
    assert fault(running, wanted) == ""


@pytest.mark.parametrize("running", ["1.34.10", "1.34.4 1.35.0"])
def test_a_version_below_one_that_runs_is_a_fault(running: str) -> None:
    newest = running.split()[-1]
    assert f"is older than {newest}, which runs here" in fault(running, "1.34.9")
    assert f"set {newest} or newer" in fault(running, "1.34.9")


def test_two_minors_up_are_a_fault_that_names_the_next() -> None:
    assert fault("1.33.7", "1.35.0") == "is 2 minor versions above 1.33.7, which runs here: set a version 1.34 first"


def test_only_an_upgrade_may_change_the_version() -> None:
    assert fault("1.34.4", "1.34.4", upgrading=False) == ""
    assert "run the playbook virtops.kubevirt_ha.upgrade" in fault("1.34.4", "1.34.5", upgrading=False)
