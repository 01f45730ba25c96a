# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All three nodes are rebooted one after the other under machines that write: none pauses for longer than for one live migration."""

from __future__ import annotations

import json
from pathlib import Path

import keep_figure
import maintenance_run as maintained
import platform_lab as platform
import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.maintenance import FIGURE
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure

NODES = ("n1", "n2", "n3")
# The address by which machines are asked moves, too, when the load balancer goes that carries it.
VIP_SECONDS = 1.0
# Machines are migrated side by side on two cores, beside a node that boots.
NOISE = 2.0


@pytest.fixture(scope="module")
def migration(tmp_path_factory: pytest.TempPathFactory) -> Figure:
    """One machine after the other is migrated, with all else at rest; the longest of their pauses."""
    with maintained.asked(tmp_path_factory.mktemp("asked")) as found:
        for name, place in sorted(platform.places().items()):
            platform.migrate(name, next(node for node in NODES if node != place))
    gaps = {name: probe["longest_gap_seconds"] for name, probe in found.items()}
    silent = ", ".join(sorted(name for name, gap in gaps.items() if gap is None))
    value = None if silent or not gaps else max(gaps.values())
    why = f"{silent} never answered" if silent else ""
    figure = Figure(
        "single_migration_pause_seconds", value, "s", None, list(gaps.values()), why, more={"machines": gaps}
    )
    keep_figure.keep("platform", figure, command="pytest tests/e2e/long/test_maintenance.py")
    return figure


def test_no_machine_pauses_for_longer_than_for_one_migration(migration: Figure, tmp_path: Path) -> None:
    assert migration.value is not None, migration.fault()
    limit = round((migration.value + VIP_SECONDS) * NOISE, 1)
    boots, running, written = [maintained.boot_id(name) for name in NODES], platform.machines(), maintained.counters()
    given = {
        "maintenance_reboot": "always",
        "maintenance_probe_urls": maintained.PROBES,
        "maintenance_probe_interval": maintained.INTERVAL,
        "maintenance_reports": str(tmp_path),
    }
    played = platform.play("maintenance", "-e", json.dumps(given))
    assert played.code == 0, played.text[-6000:]
    pause = json.loads((tmp_path / "platform.json").read_text())[FIGURE]
    figure = Figure(
        "maintenance_three_nodes_longest_pause_seconds",
        pause["value"],
        "s",
        limit,
        pause["samples"],
        "a machine never answered",
        more={
            "measured_by": pause["measured_by"],
            "machines": pause["machines"],
            "limit_is": {"single_migration": migration.value, "vip_move": VIP_SECONDS, "noise_factor": NOISE},
        },
    )
    keep_figure.keep("platform", figure, command="pytest tests/e2e/long/test_maintenance.py")
    assert figure.passed, figure.fault()
    assert all(now != before for now, before in zip(map(maintained.boot_id, NODES), boots, strict=True))
    assert platform.machines() == running
    assert all(now > written[name] for name, now in maintained.counters().items())
    for name in NODES:
        assert "unschedulable" not in maintained.node(name)["spec"]
        assert maintained.notes(name) == []
