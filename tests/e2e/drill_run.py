# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What drills are given and what is kept of their reports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure

ALERT_SECONDS = 60.0
# What was laid out a moment ago may still falter once: it is waited for, where a drill would refuse.
PATIENT = {"failover_drill_times": {"whole_wait": 120}}
# What a drill says when it gives a node without machines one of them.
MOVED = re.compile(r"TASK \[.* : Move a machine of .*\nchanged:")


def each_node(write_stall_seconds: float) -> dict[str, Any]:
    """Variables of a drill that takes each node in turn."""
    budget = {
        "rto_seconds": 40,  # on CephFS: with the eviction; without it is more
        "api_gap_seconds": 1.5,
        "vip_gap_seconds": 1.5,
        "write_stall_seconds": write_stall_seconds,
        "requests_failed_beyond_gap": 0,
    }
    return {"failover_drill_each_node": True, "failover_drill_budget": budget}


def alert_figures(report: Mapping[str, Any]) -> list[Figure]:
    """Whether the node's loss was told in time, once, and was over after its return; of a drill on nodes that are monitoring nodes, too."""
    node = {"node": report.get("node")}
    why = "the drill's report does not have it"
    return [
        Figure(
            "node_loss_alert_fired_seconds", report.get("alert_fired_seconds"), "s", ALERT_SECONDS, 1, why, more=node
        ),
        Figure("node_loss_alerts_delivered", report.get("alerts_delivered"), "notifications", 1, 1, why, more=node),
        Figure("node_loss_alert_cleared", report.get("alert_cleared"), "alerts", 1, 1, why, at_least=True, more=node),
    ]
