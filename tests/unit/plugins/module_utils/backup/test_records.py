# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of runs that could not take everything."""

from __future__ import annotations

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import records

WHY = "vm demo/a: no host gives the disk's file"


MACHINES = {"machines": [WHY]}
ETCD = {"etcd": ["etcd: no answer"]}
Runs = list[tuple[list[str], dict[str, list[str]]]]


@pytest.mark.parametrize(
    ("runs", "still"),
    [
        ([(["etcd"], {})], MACHINES),
        ([(["etcd"], ETCD)], {**MACHINES, **ETCD}),
        ([(["machines"], {})], {}),
        ([(["machines"], MACHINES)], MACHINES),
        ([(["etcd"], {}), (["machines"], {})], {}),
        ([(["etcd"], ETCD), (["machines"], {})], ETCD),
        ([(["etcd"], {"forgetting": ["locked"]}), (["etcd"], {})], MACHINES),
    ],
)
def test_a_run_of_other_parts_does_not_hide_what_failed(runs: Runs, still: dict[str, list[str]]) -> None:
    state = records.run({}, ["etcd", "machines"], MACHINES, "2026-01-01T00:00:00Z")
    for parts, failed in runs:
        state = records.run(state, parts, failed, "2026-01-02T00:00:00Z")
    assert state == {"at": "2026-01-02T00:00:00Z", "failures": still}
