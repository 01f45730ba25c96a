# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a VIP gives no answer when its holder is gone from the network, backend and all, again and again."""

from __future__ import annotations

import json
import time
from statistics import median

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure, write_text
from distribution import classes, picture
from stage import PROFILE, REPOSITORY, SWITCH, VIP, Stage, run, wait_until

MOVES, LIMIT = 20, 1.0
# A second, and some for the next announcement.
LOCKED = 1.5
# A question a hundredth of a second, each given up after a tenth: a dead address swallows none of the next.
PER_SECOND, PATIENCE = 100, 0.1


def gap_of_a_loss(stage: Stage, *, learned_now: bool = False) -> float:
    """Cuts the holder off, as power loss looks to the others; seconds between two good answers.

    learned_now: the client asks for the VIP's hardware address a moment before.
    """
    holder = stage.one_holder()
    client = stage.client(PER_SECOND, PATIENCE)
    time.sleep(1)
    if learned_now:
        run("ip", "-netns", SWITCH, "neighbour", "flush", "to", str(VIP["address"]))
        time.sleep(0.05)
    run("ip", "-netns", SWITCH, "link", "set", holder.name, "down")
    others = [node for node in stage.nodes if node is not holder]
    try:
        wait_until(lambda: any(node in others for node in stage.holders()), "another node takes the VIP")
        time.sleep(3)
        found = json.loads(client.communicate()[0])
    finally:
        run("ip", "-netns", SWITCH, "link", "set", holder.name, "up")
    assert found["requests"] > PER_SECOND / 2, found
    wait_until(lambda: len(stage.holders()) == 1, "the node that was away leaves the VIP where it is")
    time.sleep(2)  # until every proxy has taken its backend again
    return float(found["gap"])


@pytest.mark.long
def test_the_vip_moves_within_a_second(haproxy: Stage, figures: list[Figure]) -> None:
    gaps = [round(gap_of_a_loss(haproxy), 3) for _turn in range(MOVES)]
    more = {"profile": PROFILE, "worst": max(gaps)}
    figures.append(Figure("vip_move_seconds_median", round(median(gaps), 3), "s", LIMIT, gaps, more=more))
    title = f"VIP without an answer after its holder is lost, {MOVES} times, profile {PROFILE}"
    write_text(str(REPOSITORY / "reports" / "vip-moves.svg"), picture(title, gaps, "s", 0.05, LIMIT))
    assert median(gaps) <= LIMIT, gaps


def test_a_neighbour_that_learned_the_address_just_now_follows_too(haproxy: Stage, figures: list[Figure]) -> None:
    """Linux takes no announcement for a second after it learned an address (arp(7): locktime), so one is not enough."""
    gaps = [round(gap_of_a_loss(haproxy, learned_now=True), 3) for _turn in range(3)]
    figures.append(Figure("vip_move_just_learned_seconds", max(gaps), "s", LOCKED, gaps, more={"profile": PROFILE}))
    assert max(gaps) <= LOCKED, gaps


def test_classes_hold_every_value_once() -> None:
    values = [0.1, 0.149, 0.15, 0.3]
    assert [(round(bound, 2), count) for bound, count in classes(values, 0.05)] == [
        (0.1, 2),
        (0.15, 1),
        (0.2, 0),
        (0.25, 0),
        (0.3, 1),
    ]
    drawn = picture("a & b", values, "s", 0.05, 1.0)
    assert drawn.count('class="column"') == 3
    assert "a &amp; b" in drawn
