# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node whose API server and etcd member are away keeps its machines: only the node's own silence says that it is lost."""

from __future__ import annotations

import time

import keep_figure
import platform_lab as platform
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure

# Longer than the demo's profile lets a node be silent, and pods stay on one that is.
SECONDS_AWAY = 30
TAKE = "mkdir -p /root/away && mv /etc/kubernetes/manifests/etcd.yaml /etc/kubernetes/manifests/kube-apiserver.yaml /root/away/"
GIVE = "find /root/away -name '*.yaml' -exec mv {} /etc/kubernetes/manifests/ ';'"


def ready(node: str) -> tuple[str, str]:
    """Whether the node is ready, and since when that is so."""
    conditions = platform.get("node", node)["status"]["conditions"]
    (found,) = [each for each in conditions if each["type"] == "Ready"]
    return found["status"], found["lastTransitionTime"]


def serves(node: str) -> bool:
    """Whether the API server of the node itself answers."""
    ask = "curl --silent --insecure --max-time 2 https://127.0.0.1:6443/readyz || echo away"
    return platform.on_node(node, ask).splitlines()[-1] == "ok"


def test_machines_run_on_while_the_api_server_of_their_node_is_away() -> None:
    running, places = platform.machines(), platform.places()
    node = places["demo-1"]
    before = ready(node)
    assert (before[0], serves(node)) == ("True", True)
    try:
        platform.on_node(node, TAKE)
        time.sleep(SECONDS_AWAY)
        assert not serves(node)
        assert ready(node) == before
    finally:
        platform.on_node(node, GIVE)
        platform.wait_until(lambda: serves(node), f"the API server of {node} serves again", 180)
    now = platform.machines()
    restarted = [name for name, uid in running.items() if now.get(name) != uid]
    figure = Figure("api_server_loss_machines_restarted", len(restarted), "machines", 0, len(running))
    keep_figure.keep("platform", figure, command="pytest tests/e2e/on_platform")
    assert figure.passed, restarted
    assert (ready(node), platform.places()) == (before, places)
