# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's client against a scripted member, and a whole run of the module against one."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import etcd_snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ConnectionFailed, HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd import store
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd.gateway import Gateway, GatewayError, Login
from made_up import ENTRIES, database, snapshot

DATA = snapshot(database(ENTRIES))


class FakeMember:
    """A member that leads a cluster of its own; `answers` replaces what it says at a path: (status, body)."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.revision = 7
        self.delay = 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append((self.path, body))
                time.sleep(outer.delay)
                status, data = outer.answers.get(self.path) or (200, outer.say(self.path))
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_args: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def say(self, path: str) -> bytes:
        header = {"cluster_id": "9", "member_id": "1", "revision": str(self.revision)}
        answers = {
            "/v3/maintenance/status": {"header": header, "leader": "1", "dbSize": "28672", "version": "3.6.1"},
            "/v3/cluster/member/list": {"members": [{"ID": "1", "name": "m1", "clientURLs": [self.url]}]},
            "/v3/maintenance/alarm": {},
        }
        if path == "/v3/maintenance/snapshot":
            return self.stream(DATA)
        return json.dumps(answers[path]).encode()

    def stream(self, data: bytes) -> bytes:
        """Two pieces and the digest."""
        pieces = [data[:10000], data[10000:-32], data[-32:]]
        left = [len(data) - 32 - 10000, 0, 0]
        lines = [
            {"result": {"remaining_bytes": str(after), "blob": base64.b64encode(piece).decode()}}
            for piece, after in zip(pieces, left, strict=True)
        ]
        return b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def member() -> Iterator[FakeMember]:
    fake = FakeMember()
    yield fake
    fake.close()


def run(member: FakeMember, directory: Path, *, check: bool = False, **options: Any) -> dict[str, Any]:
    spec = etcd_snapshot.spec().options
    params = {name: option.get("default") for name, option in spec.items()}
    params.update(endpoints=[member.url], directory=str(directory), request_timeout=5, timeout=20, **options)
    return etcd_snapshot.Job(params, check=check).run()


class TestGateway:
    def test_the_list_of_members_is_one_that_a_quorum_agreed_on(self, member: FakeMember) -> None:
        gateway = Gateway(member.url, None, 5)
        assert gateway.members()[0].name == "m1" and gateway.alarms() == []
        assert member.asked == [
            ("/v3/cluster/member/list", {"linearizable": True}),
            ("/v3/maintenance/alarm", {"action": "GET"}),
        ]

    def test_a_snapshot_comes_whole(self, member: FakeMember) -> None:
        assert b"".join(Gateway(member.url, None, 5).snapshot(20)) == DATA

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            ((404, b"Not Found\n"), "--enable-grpc-gateway"),
            ((503, b'{"code":14,"message":"etcdserver: request timed out"}'), "etcdserver: request timed out"),
            (
                (503, b'{"code":14,"message":"remote error: tls: bad certificate"}'),
                "issue that for client authentication",
            ),
            ((200, b"<html>"), "its answer is no JSON"),
            ((200, b"[]"), "its answer is no JSON object"),
        ],
    )
    def test_a_refusal_says_why(self, member: FakeMember, answer: tuple[int, bytes], said: str) -> None:
        member.answers["/v3/maintenance/status"] = answer
        with pytest.raises(GatewayError) as caught:
            Gateway(member.url, None, 5).status()
        assert said in str(caught.value) and member.url in str(caught.value)

    def test_silence_is_told_apart_from_a_closed_port(self, member: FakeMember) -> None:
        member.delay = 3
        with pytest.raises(ConnectionFailed, match="no answer in 0.3 s"):
            Gateway(member.url, None, 0.3).status()
        with pytest.raises(ConnectionFailed, match="refused"):
            Gateway("http://127.0.0.1:9", None, 5).status()

    def test_a_transfer_has_a_time_for_all_of_it(self, member: FakeMember) -> None:
        with pytest.raises(ConnectionFailed, match="took too long"):
            list(Gateway(member.url, None, 5).snapshot(-1))

    @pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
    def test_certificates_that_are_none_are_named(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "ca.crt"
        path.write_text(text)
        with pytest.raises(ConnectionFailed, match="the certificates for etcd cannot be used"):
            Login(str(path), None, None).context()


class TestJob:
    def test_a_snapshot_is_taken_and_noted(self, member: FakeMember, tmp_path: Path) -> None:
        result = run(member, tmp_path)
        assert result["taken"] and result["revision"] == 7 and result["member"]["name"] == "m1"
        assert sorted(os.listdir(tmp_path)) == [Path(result["path"]).name, Path(result["path"]).name + ".json"]
        assert store.kept_in(str(tmp_path), "etcd-snapshot-")[0].note["sha256"] == result["sha256"]

    def test_one_that_is_older_than_the_member_said_is_none(self, member: FakeMember, tmp_path: Path) -> None:
        member.revision = 8
        with pytest.raises(HaError, match="ends at revision 7, the member was at 8"):
            run(member, tmp_path)
        assert os.listdir(tmp_path) == []

    def test_one_that_was_damaged_on_its_way_is_none(self, member: FakeMember, tmp_path: Path) -> None:
        damaged = bytearray(DATA)
        damaged[5000] ^= 1
        member.answers["/v3/maintenance/snapshot"] = (200, member.stream(bytes(damaged)))
        with pytest.raises(HaError, match="does not have the SHA-256"):
            run(member, tmp_path)
        assert os.listdir(tmp_path) == []

    def test_nothing_is_written_in_check_mode(self, member: FakeMember, tmp_path: Path) -> None:
        result = run(member, tmp_path / "new", check=True)
        assert result["changed"] and not result["taken"] and not (tmp_path / "new").exists()
        assert [path for path, _body in member.asked if "snapshot" in path] == []

    def test_old_ones_go_only_after_the_new_one_is_there(self, member: FakeMember, tmp_path: Path) -> None:
        first = run(member, tmp_path, keep=1)["path"]
        member.answers["/v3/maintenance/snapshot"] = (200, b"")
        with pytest.raises(HaError):
            run(member, tmp_path, keep=1)
        assert Path(first).exists()
        del member.answers["/v3/maintenance/snapshot"]
        second = run(member, tmp_path, keep=1)
        assert second["removed"] == [first] and not Path(first).exists() and Path(second["path"]).exists()

    def test_one_that_cannot_be_removed_fails_a_run_that_has_changed(
        self, member: FakeMember, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run(member, tmp_path, keep=1)

        def refuse(_kept: Any) -> None:
            raise HaError("an old snapshot could not be removed")

        monkeypatch.setattr(store, "remove", refuse)
        result = run(member, tmp_path, keep=1)
        assert result["changed"] and result["taken"] and isinstance(result["failure"], HaError)
