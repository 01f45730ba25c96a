# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alertmanager's configuration. Pure."""

from __future__ import annotations

from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring.hosts import Settings

# The receiver that takes everything where none is given.
NOBODY = "nobody"


def configuration(settings: Settings) -> dict[str, Any]:
    """What is told of a lost node goes before all that follows from it, and what is dead before what is thinned out."""
    receivers = list(settings["alertmanager_receivers"])
    route = {
        "receiver": receivers[0]["name"] if receivers else NOBODY,
        "group_by": ["alertname", "host", "node"],
        "group_wait": "5s",
        "group_interval": "30s",
        "repeat_interval": "4h",
        **settings["alertmanager_route"],
    }
    return {
        "route": route,
        "receivers": [{"name": NOBODY}, *receivers],
        "inhibit_rules": [
            {
                "source_matchers": ["alertname = NodeLost"],
                "target_matchers": ['alertname =~ "TargetDown|ApiServerDown|CollectorStale"'],
                "equal": ["host"],
            },
            {
                "source_matchers": ["alertname = KubeVirtComponentDown"],
                "target_matchers": ["alertname = KubeVirtReplicasMissing"],
                "equal": ["component"],
            },
        ],
    }
