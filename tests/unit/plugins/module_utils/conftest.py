# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scripted API server, for faults that a real one cannot be made to give."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import Connection
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client


@dataclass
class Reply:
    """One answer: status, JSON body or text, headers; `cut` drops the connection instead, after the request came in."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass
class Asked:
    """One request that came in."""

    method: str
    path: str
    body: Any
    headers: dict[str, str]


class FakeApi:
    """Answers from a script, one after the other; what is asked beyond it gets a 599."""

    def __init__(self) -> None:
        self.replies: list[Reply | Callable[[Asked], Reply]] = []
        self.asked: list[Asked] = []
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(length)
                asked = Asked(self.command, self.path, json.loads(raw) if raw else None, dict(self.headers))
                reply = outer._next(asked)
                if reply.cut:
                    self.close_connection = True
                    return
                data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body or {}).encode()
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(data)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = _serve

            def log_message(self, *_args: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _next(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            reply = self.replies.pop(0) if self.replies else Reply(599, {"message": "the script is over"})
        return reply(asked) if callable(reply) else reply

    def says(self, *replies: Reply | Callable[[Asked], Reply]) -> None:
        """Adds answers to the script."""
        self.replies.extend(replies)

    def client(self, **options: Any) -> Client:
        """A client of this server, short of patience."""
        connection = Connection(
            host=self.url, **{key: options.pop(key) for key in list(options) if key == "token_file"}
        )
        return Client(connection, **{"timeout": 3.0, "patience": 3.0, **options})

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def api() -> Iterator[FakeApi]:
    server = FakeApi()
    yield server
    server.close()


@pytest.fixture
def reply() -> type[Reply]:
    return Reply
