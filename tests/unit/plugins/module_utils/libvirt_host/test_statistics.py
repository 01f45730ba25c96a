# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's flat statistics as trees."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host import statistics


def test_numbered_names_become_lists() -> None:
    assert statistics.nest(
        {
            "block.count": 2,
            "block.0.name": "vda",
            "block.0.rd.bytes": 5,
            "block.0.backingIndex": 3,
            "block.1.name": "vdb",
            "net.count": 0,
            "vcpu.current": 2,
            "vcpu.0.time": 7,
            "vcpu.2.time": 9,
            "iothread.count": 1,
            "iothread.4.poll-max-ns": 32768,
        }
    ) == {
        "blocks": [
            {"index": 0, "name": "vda", "rd": {"bytes": 5}, "backing_index": 3},
            {"index": 1, "name": "vdb"},
        ],
        "interfaces": [],
        "vcpu": {"current": 2},
        "vcpus": [{"index": 0, "time": 7}, {"index": 2, "time": 9}],
        "iothreads": [{"index": 4, "poll_max_ns": 32768}],
    }


def test_more_than_ten_entries_stay_in_their_order() -> None:
    flat = {f"block.{number}.name": f"vd{number}" for number in range(12)}
    assert [entry["index"] for entry in statistics.nest(flat)["blocks"]] == list(range(12))


def test_lists_inside_lists() -> None:
    flat = {
        "memory.bandwidth.monitor.count": 1,
        "memory.bandwidth.monitor.0.name": "m",
        "memory.bandwidth.monitor.0.node.count": 1,
        "memory.bandwidth.monitor.0.node.0.bytes.local": 8,
    }
    (monitor,) = statistics.nest(flat)["memory"]["bandwidth"]["monitors"]
    assert monitor == {"index": 0, "name": "m", "nodes": [{"index": 0, "bytes": {"local": 8}}]}


def test_a_name_that_is_a_value_and_a_prefix() -> None:
    assert statistics.nest({"a.b": 1, "a.b.c": 2}) == {"a": {"b": {"value": 1, "c": 2}}}


def test_a_domain() -> None:
    found = statistics.domain("web", "u", 4, {"state.state": 3, "state.reason": 1, "cpu.time": 9})
    assert found == {
        "name": "web",
        "uuid": "u",
        "id": 4,
        "state": "paused",
        "state_reason": 1,
        "cpu": {"time": 9},
    }
    off = statistics.domain("web", "u", -1, {"state.state": 5, "cpu.time": 9})
    assert off["id"] is None and off["state"] == "shutoff" and "cpu" not in off
    assert statistics.domain("web", "u", -1, {})["state"] is None
    assert statistics.domain("web", "u", 1, {"state.state": 99})["state"] == "unknown (99)"


@pytest.mark.parametrize(
    ("flat", "groups", "nothing_more", "silent"),
    [
        ({"state.state": 1}, ["state", "block"], True, True),
        ({"state.state": 1}, ["state"], False, False),
        ({"state.state": 5}, ["state", "block"], False, False),
        ({"state.state": 1, "cpu.time": 1}, ["state", "cpu_total"], False, False),
        ({"state.state": 1, "cpu.time": 1, "block.0.name": "vda"}, ["block"], False, True),
        ({"state.state": 1, "balloon.current": 1, "balloon.maximum": 1}, ["balloon"], False, True),
        ({"state.state": 1, "balloon.current": 1, "balloon.rss": 1}, ["balloon"], False, False),
        ({"state.state": 3, "block.0.rd.reqs": 0}, ["block"], False, False),
    ],
)
def test_answers_that_lack_something(flat: dict[str, Any], groups: list[str], nothing_more: bool, silent: bool) -> None:
    assert statistics.says_nothing_more(flat, groups) is nothing_more
    assert statistics.is_silent(flat, groups) is silent


def test_all_groups_but_the_hypervisors_own_are_asked_for() -> None:
    assert set(statistics.GROUPS) - set(statistics.DEFAULT_GROUPS) == {"vm"}
