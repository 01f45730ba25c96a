# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ConnectionFailed, HaError, Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd import cluster, stream
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd.gateway import (
    GatewayError,
    Member,
    Status,
    message_of,
)

ANSWER = {
    "header": {"cluster_id": "9", "member_id": "1", "revision": "51"},
    "version": "3.7.3",
    "dbSize": "98304",
    "leader": "2",
    "raftIndex": "59",
    "raftAppliedIndex": "58",
}
ONE = Status.of("https://a:2379", ANSWER)


def status(member: str, **more: Any) -> Status:
    return replace(ONE, endpoint=f"https://{member}:2379", member=member, **more)


class FakeGateway:
    """A member of a made-up cluster: what it answers, or the error it raises."""

    def __init__(self, answer: Status | HaError, listing: list[Member] | HaError, alarms: list[dict[str, str]]) -> None:
        self._answer, self._listing, self._alarms = answer, listing, alarms

    def status(self) -> Status:
        if isinstance(self._answer, HaError):
            raise self._answer
        return self._answer

    def members(self) -> list[Member]:
        if isinstance(self._listing, HaError):
            raise self._listing
        return self._listing

    def alarms(self) -> list[dict[str, str]]:
        return self._alarms


def made(
    answers: dict[str, Status | HaError], listing: dict[str, HaError] | None = None, alarms: Any = ()
) -> Callable[[str], Any]:
    members = [Member(name, f"n{name}", (f"https://{name}:2379",), learner=False) for name in answers]

    def open_gateway(endpoint: str) -> Any:
        name = endpoint.removeprefix("https://").removesuffix(":2379")
        return FakeGateway(answers[name], (listing or {}).get(name, members), list(alarms))

    return open_gateway


class TestStatus:
    def test_numbers_come_as_text_and_zeros_not_at_all(self) -> None:
        assert (ONE.revision, ONE.applied, ONE.db_size, ONE.quota, ONE.learner) == (51, 58, 98304, 0, False)
        assert not ONE.leads and Status.of("", {**ANSWER, "leader": "1"}).leads

    @pytest.mark.parametrize("leader", [None, "0", 0, ""])
    def test_a_member_without_a_leader_is_refused(self, leader: Any) -> None:
        found = Status.of("https://a", {**ANSWER, "leader": leader, "errors": ["etcdserver: no leader"]})
        why = str(cluster.why_not(found))
        assert found.leader == "" and "knows no leader" in why and "etcdserver: no leader" in why

    def test_a_learner_is_refused_and_a_follower_is_not(self) -> None:
        assert cluster.why_not(status("1", learner=True)) and cluster.why_not(ONE) is None


class TestOrder:
    def test_followers_come_first_unless_they_lag_or_are_corrupt(self) -> None:
        leader = status("2", applied=9000)
        near, far, ill = status("1", applied=8990), status("3", applied=10), status("4", applied=9000)
        order = cluster.best_first([ill, leader, far, near], [{"member": "4", "alarm": "CORRUPT"}])
        assert [found.member for found in order] == ["1", "2", "3", "4"]

    def test_an_alarm_for_want_of_space_changes_no_order(self) -> None:
        order = cluster.best_first([status("2"), status("1")], [{"member": "1", "alarm": "NOSPACE"}])
        assert [found.member for found in order] == ["1", "2"]


class TestSurvey:
    urls = ["https://1:2379", "https://2:2379"]

    def test_a_whole_cluster(self) -> None:
        health = cluster.survey(self.urls, made({"1": status("1"), "2": status("2")}))
        assert [found.member for found in health.candidates] == ["1", "2"]
        shown = health.as_dict()
        assert shown["healthy"] and shown["leader"] == "n2" and shown["alarms"] == [] and list(health.warnings()) == []

    def test_members_beyond_the_endpoints_are_asked_for_their_health_only(self) -> None:
        answers: dict[str, Status | HaError] = {
            "1": status("1"),
            "2": status("2"),
            "3": ConnectionFailed("x", why="off"),
        }
        health = cluster.survey(self.urls[:1], made(answers))
        assert [found.member for found in health.candidates] == ["1"]
        shown = {member["name"]: member for member in health.as_dict()["members"]}
        assert shown["n2"]["reachable"] and shown["n3"]["errors"] == ["off"] and not health.as_dict()["healthy"]
        assert list(health.warnings()) == ["etcd's member n3 does not answer: off"]

    def test_the_next_is_asked_where_one_has_no_quorum(self) -> None:
        gateways = made(
            {"1": status("1"), "2": status("2")}, {"1": GatewayError("https://1:2379", "request timed out", 503)}
        )
        health = cluster.survey(self.urls, gateways)
        assert [found.member for found in health.candidates] == ["2"] and "majority" in str(health.reasons[0])

    def test_no_quorum_at_all_is_refused_with_every_reason(self) -> None:
        error = GatewayError("x", "request timed out", 503)
        gateways = made({"1": status("1"), "2": status("2")}, {"1": error, "2": error})
        with pytest.raises(Refused, match="no member of etcd can give a snapshot") as caught:
            cluster.survey(self.urls, gateways)
        assert str(caught.value).count("majority") >= 2

    def test_no_answer_at_all_names_every_endpoint(self) -> None:
        down = {name: ConnectionFailed("cannot be reached", where=f"https://{name}:2379") for name in "12"}
        with pytest.raises(ConnectionFailed, match="https://1:2379.*https://2:2379"):
            cluster.survey(self.urls, made({**down}))
        with pytest.raises(ConnectionFailed) as caught:
            cluster.survey(self.urls[:1], made({**down}))
        assert caught.value is down["1"]


def line(blob: bytes, remaining: int = 0) -> bytes:
    result: dict[str, Any] = {"header": {}, "blob": base64.b64encode(blob).decode()}
    if remaining:
        result["remaining_bytes"] = str(remaining)
    return json.dumps({"result": result}).encode() + b"\n"


class TestStream:
    good = line(b"a" * 512, 512) + line(b"b" * 512) + line(b"h" * 32)

    def blobs(self, data: bytes, size: int = 7) -> bytes:
        chunks = [data[start : start + size] for start in range(0, len(data), size)]
        return b"".join(stream.whole(stream.pieces(chunks), "https://a"))

    @pytest.mark.parametrize("size", [1, 7, 100, 100000])
    def test_however_it_is_cut_it_is_put_together(self, size: int) -> None:
        assert self.blobs(self.good, size) == b"a" * 512 + b"b" * 512 + b"h" * 32
        assert self.blobs(self.good.rstrip(b"\n"), size) == b"a" * 512 + b"b" * 512 + b"h" * 32

    @pytest.mark.parametrize(
        ("data", "why"),
        [
            (b"", "its SHA-256 did not come"),
            (line(b"a" * 512, 512), "512 bytes were to follow"),
            (line(b"a" * 512), "its SHA-256 did not come"),
            (good[:-20], "the stream holds"),
            (b'{"result": {"blob": "%%%"}}\n', "the stream holds"),
            (b'{"other": 1}\n', "the stream holds a line of another form"),
            (b"[]\n", "the stream holds a line of another form"),
            (b'{"error": {"message": "etcdserver: no space"}}\n', "etcdserver: no space"),
            (
                line(b"a" * 512, 512) + b'{"error": {"grpc_code": 14, "message": "transport closing"}}\n',
                "transport closing",
            ),
            (b"x" * (1 << 21), "a line without an end"),
        ],
    )
    def test_half_a_stream_is_told(self, data: bytes, why: str) -> None:
        with pytest.raises(HaError, match=why) as caught:
            self.blobs(data, 65536)
        assert caught.value.where == "https://a"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":"e","code":14,"message":"etcdserver: request timed out"}', "etcdserver: request timed out"),
        (b'{"error":"old form"}', "old form"),
        (b"Not Found\n", "Not Found"),
        (b"[]", "[]"),
        (b"", "HTTP 503"),
    ],
)
def test_the_reason_of_a_refusal_is_found(body: bytes, message: str) -> None:
    assert message_of(body, 503) == message
