# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole product, from a machine without a lab to the report, in the order of these tests."""

from __future__ import annotations

import re
import subprocess

import pytest
from demo_run import LAB, REPORTS, REPOSITORY, Demo

MINUTES_COLD = 25
MEMORY_MIB = 10 * 1024
NUMBERS = (
    "rto_seconds",
    "rpo_writes_lost",
    "writers_at_once",
    "api_gap_seconds",
    "vip_gap_seconds",
)
# Of a lab whose nodes are monitoring nodes, too.
OF_ALERTS = ("alert_fired_seconds", "alerts_delivered", "alert_cleared")


def test_the_demo_is_green(demo: Demo) -> None:
    print(f"demo: {demo.seconds:.0f} s, {demo.memory_mib:.0f} MiB at the peak")
    assert demo.code == 0


def test_it_keeps_its_time_and_memory(demo: Demo) -> None:
    assert demo.seconds <= MINUTES_COLD * 60
    assert 0 < demo.memory_mib <= MEMORY_MIB


def test_the_report_holds_the_figures(demo: Demo) -> None:
    report = demo.report()
    assert report["scenario"] == "node_power_loss"
    assert report["kubevirt_source"]
    assert report["versions"]
    names = NUMBERS + (OF_ALERTS if "monitoring_nodes:" in (LAB / "inventory.yml").read_text() else ())
    assert all(isinstance(report.get(name), (int, float)) for name in names), {name: report.get(name) for name in names}
    assert report["passed"] is True, report["faults"]


def test_no_write_was_lost_and_no_disk_had_two_writers(demo: Demo) -> None:
    report = demo.report()
    assert report["rpo_writes_lost"] == 0
    assert report["writers_at_once"] == 1


def test_the_watcher_did_the_work_unasked(demo: Demo) -> None:
    phases = demo.report()["phases"]
    assert {"detect", "fence"} <= phases.keys()
    assert phases["detect"] > 0
    assert phases["fence"] > 0


@pytest.mark.parametrize("name", ["report.json", "index.html", "junit.xml", "summary.txt"])
def test_a_person_and_a_pipeline_can_read_it(demo: Demo, name: str) -> None:
    assert (REPORTS / name).stat().st_size > 0


def test_a_second_run_of_the_site_changes_nothing(demo: Demo) -> None:
    command = ["ansible-playbook", "-i", str(LAB / "inventory.yml"), "playbooks/site.yml"]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    print(done.stdout[-4000:])
    recap = re.findall(
        r"^(\S+)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", done.stdout, re.MULTILINE
    )
    assert done.returncode == 0
    assert {host: numbers for host, *numbers in recap if numbers != ["0", "0", "0"]} == {}
    assert {"n1", "n2", "n3"} <= {host for host, *_numbers in recap}
