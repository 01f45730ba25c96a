# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure
from kubevirt_bench import figures, playbooks, requests
from kubevirt_bench.figures import Side
from kubevirt_bench.measure import CommandFailed, Run, run
from kubevirt_bench.picture import picture

METRICS = """
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",resource="virtualmachines",subresource="",verb="LIST",version="v1"} 3
apiserver_request_total{code="201",resource="virtualmachines",subresource="",verb="POST",version="v1"} 1e+03
apiserver_request_total{code="500",resource="virtualmachines",subresource="",verb="POST",version="v1"} 2
apiserver_request_total{code="200",resource="virtualmachines",subresource="",verb="PUT",version="v1"} 7
apiserver_request_total{code="200",resource="virtualmachines",subresource="status",verb="PATCH",version="v1"} 9
apiserver_request_total{code="200",resource="pods",subresource="",verb="GET",version="v1"} 5
apiserver_request_duration_seconds_sum{resource="virtualmachines",verb="LIST"} 4
"""


def runs(*seconds: float) -> list[Run]:
    return [Run(one, one / 2, 50.0) for one in seconds]


def test_an_empty_task_is_taken_from_both_sides_of_a_ratio() -> None:
    assert figures.ratio(3.0, 9.0, 2.0) == 7.0


def test_there_is_no_ratio_where_nothing_is_left_of_ours() -> None:
    assert figures.ratio(2.0, 9.0, 2.0) is None
    found = figures.compared("a", Side(runs(2.0)), Side(runs(9.0)), runs(2.0), 2.5)
    assert (found.value, found.passed) == (None, False)
    assert "no longer than an empty task" in found.fault()


@pytest.mark.parametrize(("peer", "passed"), [(9.0, True), (4.0, False)])
def test_medians_are_compared_and_both_sides_stand_beside(peer: float, passed: bool) -> None:
    ours, other = Side(runs(3.0, 90.0, 2.0), {"writes": 1}), Side(runs(peer, peer, 99.0), {"writes": 2})
    found = figures.compared("a", ours, other, runs(1.0), 2.5)
    assert (found.value, found.passed) == ((peer - 1) / 2, passed)
    assert (found.more["ours"], found.more["peer"], found.more["ratio"]) == (3.0, peer, found.value)
    assert found.more["requests"] == {"ours": {"writes": 1}, "peer": {"writes": 2}}


@pytest.mark.parametrize(("seconds", "passed"), [(6.0, True), (6.1, False)])
def test_the_floor_has_an_empty_task_too(seconds: float, passed: bool) -> None:
    found = figures.over_floor("a", Side(runs(seconds)), Side(runs(3.0)), runs(1.0))
    assert found.passed is passed


@pytest.mark.parametrize(("reads", "writes", "passed"), [(3, 0, [True, True]), (4, 1, [False, False])])
def test_a_rerun_reads_pages_and_writes_nothing(reads: int, writes: int, passed: list[bool]) -> None:
    found = figures.rerun_requests(1000, Side([], {"reads": reads, "writes": writes}))
    assert [one.passed for one in found] == passed


def test_a_rerun_that_was_not_counted_has_not_passed() -> None:
    assert [one.passed for one in figures.rerun_requests(200, Side())] == [False, False]


def test_requests_are_those_of_clients_on_the_objects_themselves() -> None:
    assert requests.on(requests.parse(METRICS), "virtualmachines") == {"reads": 3, "writes": 1002}


@pytest.mark.parametrize(("pages", "lists"), [(10, 1), (11, 2), (30, 3)])
def test_pages_make_lists(pages: int, lists: int) -> None:
    counts = Counter({("LIST", "instances", ""): pages, ("LIST", "other", ""): 8})
    assert requests.paged_lists(counts, {"instances": 5000}, 500) == lists


def test_the_table_names_what_missed_its_limit() -> None:
    text = figures.table(
        [Figure("fast", 3, "times", 2, at_least=True), Figure("slow", 3, "times", 2), Figure("no", None, "")]
    )
    assert [line.split()[0] for line in text.splitlines()[1:]] == ["ok", "MISSED", "MISSED"]
    assert "<= 2" in text and ">= 2" in text


def test_all_contenders_ask_for_the_same_machine() -> None:
    (peer,) = playbooks.k8s(1, "a")[0]["tasks"][0]["kubernetes.core.k8s"]["definition"]
    assert peer == playbooks.machine("vm-00000", "a")
    assert len(playbooks.ours(3, "a")[0]["tasks"][0]["virtops.kubevirt_ha.vm"]["vms"]) == 3


def test_the_collection_asks_for_the_machine_of_the_peers() -> None:
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import vm_object

    arguments = playbooks.ours_arguments(1, "a")
    assert vm_object.new({"name": "vm-00000", "namespace": "a", **arguments["defaults"]}) == playbooks.machine(
        "vm-00000", "a"
    )


def test_the_picture_is_svg_with_its_limit_and_all_points() -> None:
    lines = {"created": {100: 1.0, 1000: 5.0}, "again <1>": {100: 0.5, 1000: 0.9}}
    root = ElementTree.fromstring(picture([("Seconds", lines, None), ("MB", lines, 300)]))
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f".//{space}circle")) == 8
    texts = ["".join(one.itertext()) for one in root.iter(f"{space}text")]
    assert "limit 300" in texts and "again <1>" in texts


def test_a_run_is_measured_with_the_memory_of_its_children(tmp_path: Path) -> None:
    hungry = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'a = bytearray(150_000_000)'])"
    found = run([sys.executable, "-c", hungry], os.environ, tmp_path)
    assert found.peak_mb > 140
    assert found.seconds > 0 and found.cpu_seconds > 0


def test_a_command_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="gone wrong"):
        run([sys.executable, "-c", "print('gone wrong'); raise SystemExit(3)"], os.environ, tmp_path)
