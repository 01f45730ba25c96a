# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is asked, and how the answers of HAProxy, etcd and GlusterFS are read."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status import host, parse
from story import volume_info, volume_status

STATISTICS = """# pxname,svname,qcur,status,check_status,last_chk
stats,FRONTEND,,OPEN,,
api,n1,0,UP,L7OK,HTTP status check returned code <200>
api,n2,0,DOWN,L4CON,
api,BACKEND,0,UP,,
"""
METRICS = """# TYPE etcd_disk_wal_fsync_duration_seconds histogram
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.001"} 500
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.002"} 980
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.004"} 995
etcd_disk_wal_fsync_duration_seconds_bucket{le="+Inf"} 1000
"""
NOTHING: dict[str, Any] = {
    "services": [],
    "certificates": False,
    "balancer_url": "",
    "etcd_metrics_url": "",
    "gluster_volume": "",
    "ceph": False,
    "mounts": [],
    "state_dir": None,
}


def test_servers_of_haproxy() -> None:
    assert parse.haproxy(STATISTICS) == [
        {"backend": "api", "server": "n1", "status": "UP", "check": "L7OK HTTP status check returned code <200>"},
        {"backend": "api", "server": "n2", "status": "DOWN", "check": "L4CON"},
    ]
    with pytest.raises(ValueError, match="no statistics of HAProxy"):
        parse.haproxy("<html>")


def test_the_bucket_that_holds_99_percent_of_etcds_writes() -> None:
    assert parse.fsync(METRICS) == {"p99_ms": 4.0, "writes": 1000}
    assert parse.fsync("") == {"p99_ms": None, "writes": 0}
    assert parse.fsync(METRICS.replace("995", "985"))["p99_ms"] is None


def test_bricks_and_settings_of_gluster() -> None:
    bricks = parse.bricks(volume_status("n2"))
    assert [(brick["host"], brick["online"]) for brick in bricks] == [
        ("192.0.2.11", True),
        ("192.0.2.12", False),
        ("192.0.2.13", True),
    ]
    info = parse.volume(volume_info())
    assert (info["replicas"], info["options"]["cluster.quorum-type"], len(info["bricks"])) == (3, "auto", 3)
    for reader in (parse.bricks, parse.volume):
        with pytest.raises(ValueError):
            reader("<cliOutput/>")
        with pytest.raises(ValueError, match="no XML"):
            reader("")


def test_a_host_is_asked_for_what_was_asked_for_only() -> None:
    asked: list[list[str]] = []

    def run(command: list[str]) -> tuple[int, str, str]:
        asked.append(command)
        return 0, json.dumps([{"addr_info": [{"local": "192.0.2.11"}, {}]}, {}]), ""

    found = host.look(NOTHING, run)
    assert found["addresses"] == ["192.0.2.11"]
    assert asked == [["ip", "-json", "address"]]
    assert [key for key, value in found.items() if value is not None] == ["at", "addresses"]


def test_units_are_told_by_name_also_where_systemd_tells_fewer() -> None:
    assert host.services(["a", "b"], lambda _command: (3, "active\nfailed\n", "")) == {"a": "active", "b": "failed"}
    assert host.services(["a", "b"], lambda _command: (1, "", "no bus")) == {"a": "unknown", "b": "unknown"}


def test_each_instance_of_a_unit_is_told_and_one_that_is_not_there_is_missed() -> None:
    lines = {
        "ceph-osd@*.service": "ceph-osd@0.service loaded active running x\nceph-osd@3.service loaded failed failed x\n"
    }

    def run(command: list[str]) -> tuple[int, str, str]:
        if command[1] == "list-units":
            return 0, lines.get(command[-1], ""), ""
        states = {"ceph-osd@0": "active", "ceph-osd@3": "failed", "a": "active"}
        return 3, "".join(states.get(unit, "inactive") + "\n" for unit in command[2:]), ""

    found = host.services(["a", "ceph-osd@*"], run)
    assert found == {"a": "active", "ceph-osd@0": "active", "ceph-osd@3": "failed"}
    assert host.services(["ceph-mds@*", "a"], run) == {"ceph-mds@none": "inactive", "a": "active"}


def test_ceph_is_asked_within_a_time() -> None:
    found = host.look({**NOTHING, "ceph": True}, lambda command: (124 if "ceph" in command else 0, "", ""))
    assert found["ceph"] == {"text": "", "why": "no answer in 8 s"}


def test_gluster_is_asked_again_while_another_asks_and_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    answers = iter([(1, "", "Another transaction is in progress"), (0, "ok", "")])
    assert host._storage(["gluster"], lambda _command: next(answers)) == {"text": "ok", "why": ""}
    assert host._storage(["gluster"], lambda _command: (124, "", "")) == {"text": "", "why": "no answer in 8 s"}
    assert host._storage(["gluster"], lambda _command: (1, "no volume", "")) == {"text": "", "why": "no volume"}


def test_an_address_that_does_not_answer_says_why() -> None:
    assert host.balancer("http://127.0.0.1:1/;csv")["why"] == "Connection refused"
    assert host.etcd_fsync("http://127.0.0.1:1/metrics")["p99_ms"] is None


def test_mounts_are_those_of_the_kernel() -> None:
    assert host.mounts(["/proc", "/no/such"]) == {"/proc": "proc", "/no/such": ""}


def test_the_watcher_is_read_where_it_is_and_its_absence_is_seen(tmp_path: Path) -> None:
    assert host.watcher(str(tmp_path))["heartbeat"] is None
    (tmp_path / "heartbeat.json").write_text('{"at": 1}')
    (tmp_path / "stop").touch()
    lines = "".join(json.dumps({"at": number, "event": "cleared"}) + "\n" for number in range(9))
    (tmp_path / "events.jsonl").write_text(lines)
    found = host.watcher(str(tmp_path))
    assert (found["heartbeat"], found["stop_switch"]) == ({"at": 1}, True)
    assert [event["at"] for event in found["events"]] == [4, 5, 6, 7, 8]


def test_a_certificate_that_cannot_be_read_says_why() -> None:
    assert host._certificate("/a", "nothing", "")["why"] == "no certificate in PEM form"
    assert host._certificate("/a", "", "Permission denied")["why"] == "Permission denied"
