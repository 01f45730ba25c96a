# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""etcd_member on a real etcd with TLS: one lost member goes, quorum is kept, and a second run changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from .conftest import environment
from .etcd_cluster import EtcdCluster

MODULE = "ansible_collections.virtops.kubevirt_ha.plugins.modules.etcd_member"


@pytest.fixture
def three(tmp_path: Path) -> Iterator[EtcdCluster]:
    """A cluster that the test may take apart."""
    cluster = EtcdCluster(tmp_path / "etcd")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.kill()


def run(cluster: EtcdCluster, folder: Path, *, check: bool = False, **options: Any) -> dict[str, Any]:
    given = {
        "endpoints": [member.client for member in cluster.members if member.process],
        "ca_cert": str(cluster.authority.certificate),
        "client_cert": str(cluster.client[0]),
        "client_key": str(cluster.client[1]),
        "request_timeout": 5,
        "_ansible_check_mode": check,
        **options,
    }
    arguments = folder / "arguments.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}))
    line = [sys.executable, "-m", MODULE, str(arguments)]
    done = subprocess.run(line, capture_output=True, text=True, env=environment(folder), check=False, timeout=120)
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def names(cluster: EtcdCluster) -> list[str]:
    """The members as a running one lists them."""
    member = next(member for member in cluster.members if member.process)
    return sorted(found["name"] for found in cluster.ask(member, "/v3/cluster/member/list")["members"])


def add(cluster: EtcdCluster, body: dict[str, Any]) -> None:
    """Adds a member; etcd refuses it in the first seconds after the members have found one another."""
    until = time.monotonic() + 30
    while True:
        try:
            cluster.ask(cluster.members[0], "/v3/cluster/member/add", body)
            return
        except HTTPError:
            if time.monotonic() > until:
                raise
        time.sleep(0.5)


def test_a_lost_member_is_taken_out_once(three: EtcdCluster, tmp_path: Path) -> None:
    assert run(three, tmp_path)["cluster"]["healthy"]
    wanted = {"state": "absent", "name": "m3", "only_lost": True}
    alive = run(three, tmp_path, **wanted)
    assert alive["failed"] and "member m3 still answers" in alive["msg"]

    three.kill("m3")
    lacking = run(three, tmp_path)
    assert (
        lacking["failed"] and "member m3 does not serve" in lacking["msg"] and len(lacking["cluster"]["members"]) == 3
    )
    predicted = run(three, tmp_path, check=True, **wanted)
    assert predicted["changed"] and names(three) == ["m1", "m2", "m3"]

    removed = run(three, tmp_path, **wanted)
    assert removed["changed"] and removed["removed"]["name"] == "m3" == predicted["removed"]["name"]
    assert names(three) == ["m1", "m2"]
    assert run(three, tmp_path)["cluster"]["healthy"]
    again = run(three, tmp_path, state="absent", member_id=removed["removed"]["id"], only_lost=True)
    assert not again["changed"] and again["removed"] is None
    three.put("/still", b"writes")


def test_a_member_is_kept_where_the_rest_would_have_no_quorum(three: EtcdCluster, tmp_path: Path) -> None:
    three.kill("m3")
    refused = run(three, tmp_path, state="absent", name="m2")
    assert refused["failed"] and "their quorum is 2: bring m3 back first" in refused["msg"]
    assert names(three) == ["m1", "m2", "m3"]


def test_a_member_that_never_started_is_found_by_its_peer_url(three: EtcdCluster, tmp_path: Path) -> None:
    body = {"peerURLs": ["https://127.0.0.1:1"], "isLearner": True}
    add(three, body)
    lacking = run(three, tmp_path)
    assert lacking["failed"] and "has not started yet" in lacking["msg"]
    assert run(three, tmp_path, state="absent", peer_url="https://127.0.0.1:1")["changed"]
    assert names(three) == ["m1", "m2", "m3"] and not run(three, tmp_path).get("failed")
