# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of runs that could not take everything."""

from __future__ import annotations

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import records

WHY = "vm demo/a: no host gives the disk's file"


@pytest.mark.parametrize(
    ("parts", "failed", "still"),
    [
        (["etcd"], [], [WHY]),
        (["etcd"], ["etcd: no answer"], [WHY, "etcd: no answer"]),
        (["machines"], [], []),
        (["machines"], [WHY], [WHY]),
        (["etcd", "machines"], [], []),
    ],
)
def test_a_run_of_other_parts_does_not_hide_what_failed(parts: list[str], failed: list[str], still: list[str]) -> None:
    before = records.run({}, ["machines"], [WHY], "2026-01-01T00:00:00Z")
    after = records.run(before, parts, failed, "2026-01-02T00:00:00Z")
    assert (after["at"], after["failed"]) == ("2026-01-02T00:00:00Z", still)
    whole = records.run(after, ["etcd", "machines"], [], "2026-01-03T00:00:00Z")
    assert whole == {"at": "2026-01-03T00:00:00Z", "parts": ["etcd", "machines"], "failed": []}
