# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole product, from a machine without a lab to the report, in the order of these tests."""

from __future__ import annotations

import time

import drill_run
import keep_figure
import platform_lab as platform
import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import reports
from demo_run import LAB, REPORTS, Demo

MINUTES_COLD = 25
# What a second run may take: a figure of the report, as a busy machine takes longer.
SECONDS_AGAIN = 90.0
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
    monitored = "monitoring_nodes:" in (LAB / "inventory.yml").read_text()
    names = NUMBERS + (OF_ALERTS if monitored else ())
    if monitored:
        figures = drill_run.alert_figures(report)
        keep_figure.keep("systems", *figures, command="MONITORING=true pytest tests/e2e/demo")
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
    begun = time.monotonic()
    played = platform.play("site")
    seconds = time.monotonic() - begun
    print(played.text[-4000:])
    figure = reports.Figure("site_again_seconds", round(seconds, 1), "s", SECONDS_AGAIN, 1)
    keep_figure.keep("platform", figure, command="pytest tests/e2e/demo")
    assert played.code == 0
    assert set(played.changed.values()) == {0}, played.changed
    assert {"n1", "n2", "n3"} <= played.changed.keys()


def test_each_node_in_turn_has_a_machine_to_lose(demo: Demo) -> None:
    # The node that was lost came back without machines.
    played = platform.play("failover_drill", "--check", "-e", "failover_drill_each_node=true")
    assert played.code == 0, played.text[-6000:]
    empty = {"n1", "n2", "n3"} - set(platform.places().values())
    assert demo.report()["node"] in empty
    assert len(drill_run.MOVED.findall(played.text)) == len(empty)
