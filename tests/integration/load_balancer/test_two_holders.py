# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For how long a VIP is on two nodes at once, and on none: when it moves, and when VRRP gets lost on its way to one node."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import balancers
import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure
from holders import changes, holding
from stage import PROFILE, VIP, Node, Stage, run, wait_until

ADVERT = balancers.value("__load_balancer_profiles")[PROFILE]["advert"]
# RFC 5798, section 6.1: a holder counts as lost after three adverts and a skew of at most one.
LOST = 4 * ADVERT
LOSS_SECONDS = 3.0
DROP = "table inet loss { chain input { type filter hook input priority -300; ip protocol 112 drop; }; }"


@contextmanager
def watched(stage: Stage) -> Iterator[dict[int, float]]:
    """{number of holders: seconds} of what happened in the body, there when it is over."""
    seconds: dict[int, float] = {}
    command = ("ip", "-tshort", "-oneline", "-4", "monitor", "address")
    monitors = {
        node.name: subprocess.Popen(
            ("ip", "netns", "exec", node.netns, *command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        for node in stage.nodes
    }
    time.sleep(0.3)
    begin, before = time.time(), [node.name for node in stage.holders()]
    try:
        yield seconds
    finally:
        end = time.time()
        time.sleep(0.1)
        for monitor in monitors.values():
            monitor.terminate()
        said = {name: monitor.communicate()[0] for name, monitor in monitors.items()}
    found = changes(said, str(VIP["address"]))
    assert found, f"no node told that the VIP came or went: {said}"
    seconds.update(holding(found, before, begin, end))


def figure(name: str, seconds: float, limit: float | None, **more: object) -> Figure:
    return Figure(name, round(seconds, 3), "s", limit, 1, more={"profile": PROFILE, **more})


@pytest.mark.long
def test_a_vip_that_moves_is_on_one_node(haproxy: Stage, figures: list[Figure]) -> None:
    """The proxy of the holder dies and comes back."""
    holder = haproxy.one_holder()
    client = haproxy.client(100)
    with watched(haproxy) as seconds:
        holder.signal("haproxy", "KILL")
        wait_until(lambda: haproxy.one_holder() is not holder, "the VIP leaves a node without a proxy")
        time.sleep(1)
    found = json.loads(client.communicate()[0])
    holder.started["haproxy"].wait()
    holder.start("haproxy")
    both = seconds.get(2, 0.0)
    figures.append(figure("vip_two_holders_handover_seconds", both, ADVERT))
    figures.append(figure("vip_no_holder_handover_seconds", seconds.get(0, 0.0), LOST))
    figures.append(figure("vip_gap_proxy_loss_seconds", found["gap"], None, requests=found["requests"]))
    assert seconds.get(3, 0.0) == 0
    assert both <= ADVERT
    assert seconds.get(0, 0.0) <= LOST


@pytest.mark.long
def test_vrrp_lost_on_its_way_to_a_backup_makes_two_holders_until_it_arrives_again(
    haproxy: Stage, figures: list[Figure]
) -> None:
    """No backup can tell a holder that is gone from one whose adverts are lost: VRRP has no quorum."""
    holder = haproxy.one_holder()
    wait_until(lambda: all(node.listens(8404) for node in haproxy.nodes), "every proxy is there")
    time.sleep(3)  # until keepalived took note of a proxy that came back
    backup = lowest(haproxy, holder)
    client = haproxy.client(100)
    with watched(haproxy) as seconds:
        run("ip", "netns", "exec", backup.netns, *backup.inside("nft", DROP))
        wait_until(lambda: len(haproxy.holders()) == 2, "the backup takes the VIP too")
        time.sleep(LOSS_SECONDS)
        with watched(haproxy) as after:
            run("ip", "netns", "exec", backup.netns, *backup.inside("nft", "delete table inet loss"))
            haproxy.one_holder()
            time.sleep(1)
    found = json.loads(client.communicate()[0])
    figures.append(figure("vip_two_holders_one_way_loss_seconds", seconds.get(2, 0.0), None, loss_seconds=LOSS_SECONDS))
    figures.append(figure("vip_two_holders_after_loss_seconds", after.get(2, 0.0), LOST))
    figures.append(figure("vip_gap_one_way_loss_seconds", found["gap"], None, failures=len(found["failures"])))
    assert seconds.get(2, 0.0) >= LOSS_SECONDS
    assert after.get(2, 0.0) <= LOST


def lowest(stage: Stage, holder: Node) -> Node:
    """The backup of the lowest priority: a higher one would end the other holder, not stand beside it."""
    return next(node for node in reversed(stage.nodes) if node is not holder)
