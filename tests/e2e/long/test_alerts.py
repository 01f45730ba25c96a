# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loss of a node that is a monitoring node, too, is told by the others: in time, once, and it is over after the node's return."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import drill_run
import keep_figure
import platform_lab as platform
import pytest
import yaml
from demo_run import LAB

NODES = ("n1", "n2", "n3")
# Takes the monitoring off again where the lab's own inventory does not ask for it.
CLEANUP = "../molecule/monitoring/cleanup"


def monitored() -> bool:
    return "monitoring_nodes" in yaml.safe_load(platform.INVENTORY.read_text())["all"]["children"]


@pytest.fixture
def monitoring(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The platform with a Prometheus and an Alertmanager on each node."""
    monkeypatch.setenv("KUBEVIRT_HA_LAB", str(LAB))
    before = monitored()
    try:
        platform.lay_out(lab_monitoring=True)
        played = platform.play("site")
        assert played.code == 0, played.text[-6000:]
        yield
    finally:
        platform.lay_out(lab_monitoring=before)
        cleaned = platform.play(CLEANUP, "-e", "uninstall_data=true")
    assert cleaned.code == 0, cleaned.text[-6000:]


def test_the_loss_of_a_monitoring_node_is_told_once(monitoring: None, tmp_path: Path) -> None:
    # Several machines that boot at once on few cores are late for a reason of their own.
    platform.spread(NODES)
    # A folder of its own: the newest report is this drill's, or there is none.
    given = {**drill_run.PATIENT, "failover_drill_reports": str(tmp_path)}
    played = platform.play("failover_drill", "-e", json.dumps(given))
    report = tmp_path / "latest" / "report.json"
    assert report.exists(), played.text[-6000:]
    figures = drill_run.alert_figures(json.loads(report.read_text()))
    keep_figure.keep("systems", *figures, command="pytest tests/e2e/long/test_alerts.py")
    assert [figure.fault() for figure in figures if not figure.passed] == []
    assert played.code == 0, played.text[-6000:]
