# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KubeVirt's components on the demo's platform: the loss of any one replica, or of its node, holds operations up for seconds only."""

from __future__ import annotations

import component_failover
import platform_lab as platform
import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import reports
from demo_run import LAB

LOSSES = ("", "_node")


@pytest.fixture(scope="module")
def figures() -> dict[str, reports.Figure]:
    """The losses of each component; the figures go to reports/systems.json, whether they pass or not."""
    losses = (component_failover.POD_LOSS, component_failover.node_loss(platform.take_power, platform.give_power))
    found = component_failover.measure(str(LAB / "kubeconfig"), platform.SHELL, losses)
    for figure in found:
        print(f"{figure.name}: {figure.value} {figure.unit} {dict(figure.more)}")
    return {figure.name: figure for figure in found}


def of(figures: dict[str, reports.Figure], component: str, loss: str) -> reports.Figure:
    by = "gap" if component_failover.COMPONENTS[component].loops else "lease"
    return figures[f"component_failover_{component.replace('-', '_')}{loss}_{by}_seconds"]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("component", component_failover.COMPONENTS)
def test_operations_go_on_when_a_replica_is_lost(figures: dict[str, reports.Figure], component: str, loss: str) -> None:
    figure, wanted = of(figures, component, loss), component_failover.COMPONENTS[component]
    assert figure.passed, figure.fault()
    assert figure.more["whole_again_after_seconds"] is not None
    assert len(figure.more["serving_after"]) >= wanted.replicas
    # All others, as each of them ran on a node of its own.
    assert len(figure.more["took_over"]) == wanted.replicas - 1


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("component", [name for name, wanted in component_failover.COMPONENTS.items() if wanted.leads])
def test_another_replica_leads(figures: dict[str, reports.Figure], component: str, loss: str) -> None:
    more = of(figures, component, loss).more
    assert more["leader_before"].startswith(more["lost"])
    assert more["leader_after"] not in ("", None, more["leader_before"])
    assert more["took_over_after_seconds"] > 0
