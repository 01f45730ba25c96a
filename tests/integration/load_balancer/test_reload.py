# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reload of the proxy with another configuration: requests that come meanwhile, and a session that is open all the time."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path

import balancers
import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure
from stage import VIP, lacks, stage, wait_until

RELOADS = 5
PER_SECOND = 100
ANOTHER = {**balancers.VMS, "port": 2222}


@pytest.mark.parametrize("proxy", ["haproxy", "nginx"])
def test_a_reload_loses_no_request(proxy: str, tmp_path: Path, figures: list[Figure]) -> None:
    if why := lacks(proxy):
        pytest.skip(why)
    with stage(tmp_path / "nodes", load_balancer_proxy=proxy) as made:
        holder = made.one_holder()
        client = made.client(PER_SECOND)
        time.sleep(1.5)
        for number in range(RELOADS):
            port = int(ANOTHER["port"]) + number
            holder.write(load_balancer_vips=[VIP, {**ANOTHER, "port": port}])
            holder.reload()
            wait_until(partial(holder.listens, port), f"{proxy} listens on the port of the new configuration, {port}")
        time.sleep(1)
        found = json.loads(client.communicate()[0])
        assert made.holders() == [holder]
    more = {"reloads": RELOADS, "failures": found["failures"][:10], "longest_gap_seconds": round(found["gap"], 3)}
    figures.append(
        Figure(f"{proxy}_reload_requests_lost", len(found["failures"]), "1", 0, found["requests"], more=more)
    )
    assert found["requests"] > PER_SECOND
    assert found["kept"] > 1
    assert found["failures"] == []
