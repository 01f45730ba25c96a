# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of the answers of Prometheus and Alertmanager, and of servers that give none."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.virtops.kubevirt_ha.plugins.modules import status_monitoring_info

NODE_LOST = {"alertname": "NodeLost", "severity": "critical", "host": "n2"}
ANSWERS: dict[str, Any] = {
    "/api/v1/targets?state=active": {
        "data": {
            "activeTargets": [
                {"health": "up", "scrapePool": "etcd", "labels": {"instance": "n1"}, "lastError": ""},
                {"health": "down", "scrapePool": "etcd", "labels": {"instance": "n2"}, "lastError": "refused"},
                {"health": "unknown", "scrapePool": "etcd", "labels": {"instance": "n3"}, "lastError": ""},
            ]
        }
    },
    "/api/v1/alerts": {
        "data": {
            "alerts": [
                {"state": "firing", "labels": NODE_LOST, "activeAt": "2026-11-29T06:00:00Z"},
                {"state": "pending", "labels": {"alertname": "Slow"}, "activeAt": "2026-11-29T06:00:00Z"},
            ]
        }
    },
    "/api/v2/status": {"cluster": {"status": "ready", "peers": [{"name": "a"}, {"name": "b"}]}},
}


class Handler(BaseHTTPRequestHandler):
    """Knows one password."""

    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == "Basic YTpzZWNyZXQ="
        body = ANSWERS.get(self.path)
        self.send_response(401 if not known else 200 if body else 404)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode() if known else b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def asked(capsys: pytest.CaptureFixture[str], **given: Any) -> tuple[dict[str, Any], str]:
    with patch_module_args(given), pytest.raises(SystemExit):
        status_monitoring_info.main()
    text = capsys.readouterr().out
    found: dict[str, Any] = json.loads(text)
    return found, text


@pytest.fixture
def password(tmp_path: Path) -> str:
    (tmp_path / "password").write_text("secret\n")
    return str(tmp_path / "password")


def test_targets_alerts_and_peers_are_read(capsys: pytest.CaptureFixture[str], url: str, password: str) -> None:
    servers = [{"host": "n1", "url": url + "/"}]
    given = {"prometheus": servers, "alertmanagers": servers, "username": "a", "password_file": password}
    found, text = asked(capsys, **given, _ansible_check_mode=True)
    assert found["changed"] is False
    assert found["look"]["prometheus"]["n1"] == {
        "targets": 3,
        "up": 1,
        "down": ["etcd n2: refused"],
        "alerts": [{"labels": NODE_LOST, "since": 1795932000.0}],
        "why": "",
    }
    assert found["look"]["alertmanagers"]["n1"] == {"state": "ready", "peers": 2, "why": ""}
    assert "secret" not in text


def test_a_server_without_an_answer_says_why_and_stops_no_other(
    capsys: pytest.CaptureFixture[str], url: str, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = {"host": "n2", "url": "http://127.0.0.1:1"}
    servers = [{"host": "n1", "url": url}, silent]
    monkeypatch.setitem(ANSWERS, "/api/v1/alerts", {"status": "error"})
    given = {"prometheus": servers, "alertmanagers": servers, "username": "a", "password_file": password}
    look = asked(capsys, **given)[0]["look"]
    assert look["alertmanagers"]["n1"]["peers"] == 2
    assert "refused" in look["prometheus"]["n2"]["why"]
    assert "refused" in look["alertmanagers"]["n2"]["why"]
    assert look["prometheus"]["n1"]["why"] == "an answer of another kind (KeyError: 'data')"


@pytest.mark.parametrize(
    ("answer", "error"),
    [(b"SSH-2.0-OpenSSH\r\n", "BadStatusLine"), (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "IncompleteRead")],
)
def test_what_is_no_http_is_told_and_stops_no_other(
    capsys: pytest.CaptureFixture[str], url: str, password: str, answer: bytes, error: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as client:
                client.recv(4096)
                client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        broken = {"host": "n2", "url": f"http://127.0.0.1:{listener.getsockname()[1]}"}
        given = {"alertmanagers": [broken, {"host": "n1", "url": url}], "username": "a", "password_file": password}
        look = asked(capsys, **given)[0]["look"]
    assert look["alertmanagers"]["n2"]["why"].startswith(f"an answer of another kind ({error}: ")
    assert look["alertmanagers"]["n1"]["peers"] == 2


def test_without_the_password_it_is_told_and_nothing_of_it_is_shown(
    capsys: pytest.CaptureFixture[str], url: str, password: str
) -> None:
    Path(password).write_text("another")
    servers = [{"host": "n1", "url": url}]
    found, text = asked(capsys, prometheus=servers, username="a", password_file=password)
    assert "Unauthorized" in found["look"]["prometheus"]["n1"]["why"]
    assert "another" not in text
    missing, _text = asked(capsys, prometheus=servers, username="a", password_file=f"{password}-not")
    assert missing["failed"] and "a file cannot be read" in missing["msg"]
