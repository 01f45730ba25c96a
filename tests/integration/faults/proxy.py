# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTPS proxy before an API server that injects faults, and writes down what went through it.

It answers for the server, keeps an answer back, cuts connections, holds a watch, takes no connections at all. What the
server itself did is known from its answers, whether they were handed on or not.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_HOP = frozenset({"connection", "transfer-encoding", "keep-alive", "content-length", "host"})


@dataclass
class Rule:
    """A fault: which requests it hits, and how.

    verb: a method, or WATCH; path: a pattern searched for in path and query; times: how many requests are hit; skip: how
    many that fit go through before; group: what is counted apart, such as each path.

    how: `answer` (`status`, `body`, `headers` instead of the server), `cut` (no answer, not handed to the server),
    `lose` (done by the server, no answer), `instead`
    (done by the server, another answer), `half` (done, the answer is cut in the middle), `slow` (`seconds` pass before
    the server gets it), and for watches `end`, `cut`, `half` (a line is cut), `hang` (nothing comes any more), `error`
    (an ERROR event with `body`), each after `events` events.
    """

    verb: str
    path: str
    how: str
    times: int = 1
    skip: int = 0
    events: int = 0
    status: int = 0
    body: Mapping[str, Any] | str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    then: Callable[[], None] = lambda: None
    hits: int = 0
    seen: int = 0

    def fits(self, verb: str, path: str) -> bool:
        """Whether this request is hit; counts it."""
        if self.verb != verb or not re.search(self.path, path):
            return False
        self.seen += 1
        if self.seen <= self.skip or self.hits >= self.times:
            return False
        self.hits += 1
        return True


@dataclass(frozen=True)
class Entry:
    """One request that came in. status: what the server answered to it, None where it never got it."""

    verb: str
    path: str
    status: int | None
    name: str = ""


class Proxy:
    """The proxy on 127.0.0.1. `certificate` and `key` are its own, `authority` is the server's."""

    def __init__(self, upstream: str, authority: Path, certificate: Path, key: Path) -> None:
        where = urlsplit(upstream)
        self.upstream = (str(where.hostname), int(where.port or 443))
        self.upstream_context = ssl.create_default_context(cafile=str(authority))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.rules: list[Rule] = []
        self.entries: list[Entry] = []
        self.page_size: int | None = None
        # Which tokens are let in, and what the server is given instead of the client's.
        self.accepts: Callable[[str], bool] = lambda _token: True
        self.token: str | None = None
        self._server: _Server | None = None
        self.port = 0
        self._listen()

    @property
    def url(self) -> str:
        """Where modules find it."""
        return f"https://127.0.0.1:{self.port}"

    def use_certificate(self, certificate: Path, key: Path) -> None:
        """Serves another certificate to new connections."""
        self._context.load_cert_chain(certificate, key)

    def reset(self) -> None:
        """No faults, nothing written down."""
        with self._lock:
            self.rules, self.entries, self.page_size, self.token = [], [], None, None
            self.accepts = lambda _token: True
        if self._server is None:
            self._listen()

    def go_down(self, seconds: float) -> None:
        """Cuts all connections and refuses new ones for some seconds."""

        def back() -> None:
            time.sleep(seconds)
            self._listen()

        self.close()
        threading.Thread(target=back, daemon=True).start()

    def close(self) -> None:
        """Ends it, and cuts what is open."""
        with self._lock:
            server, self._server = self._server, None
        if server:
            server.shutdown()
            server.server_close()
        self.cut_all()

    def cut_all(self) -> None:
        """Resets every open connection."""
        with self._lock:
            for one in list(self._open):
                _reset(one)

    def take(self, verb: str, path: str) -> Rule | None:
        """The fault that hits a request."""
        with self._lock:
            return next((rule for rule in self.rules if rule.fits(verb, path)), None)

    def note(self, entry: Entry) -> None:
        """Writes a request down."""
        with self._lock:
            self.entries.append(entry)

    def track(self, one: socket.socket, is_open: bool) -> None:
        """Keeps track of open connections."""
        with self._lock:
            if is_open:
                self._open.add(one)
            else:
                self._open.discard(one)

    def created(self) -> Counter[str]:
        """How often the server really created each object, by name."""
        found = [entry for entry in self.entries if entry.verb == "POST" and "dryRun" not in entry.path]
        return Counter(entry.name for entry in found if entry.status == 201)

    def done(self, verb: str, subresource: str = "") -> Counter[str]:
        """How often the server carried a call out, by path."""
        found = [entry for entry in self.entries if entry.verb == verb and entry.path.endswith(subresource)]
        return Counter(entry.path for entry in found if entry.status is not None and entry.status < 300)

    def sent(self) -> dict[str, int]:
        """The requests that came in, in the words of a module's result."""
        kinds = Counter({"GET": "reads", "WATCH": "watches"}.get(entry.verb, "writes") for entry in self.entries)
        return {kind: kinds[kind] for kind in ("reads", "writes", "watches")}

    def _listen(self) -> None:
        server = _Server(self, ("127.0.0.1", self.port))
        server.context = self._context
        self.port = server.server_address[1]
        with self._lock:
            self._server = server
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    context: ssl.SSLContext

    def __init__(self, proxy: Proxy, address: tuple[str, int]) -> None:
        self.proxy = proxy
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A cut connection is what it is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        self.request.settimeout(60)
        # The handshake is here, in the connection's own thread.
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        self.proxy = self.server.proxy
        self.proxy.track(self.request, True)
        self._upstream: http.client.HTTPSConnection | None = None
        super().setup()

    def finish(self) -> None:
        self.proxy.track(self.request, False)
        if self._upstream:
            self._upstream.close()
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def handle_one_request(self) -> None:
        """One request, whatever its method is."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        verb = "WATCH" if "watch=true" in self.path else str(self.command)
        token = (self.headers.get("Authorization") or "").partition(" ")[2]
        rule = self.proxy.take(verb, self.path)
        if not self.proxy.accepts(token):
            rule = Rule(verb, "", "answer", status=401, body=failure(401, "Unauthorized", "Unauthorized"))
        if rule is not None and rule.how == "answer":
            self._note(verb, None, body)
            self._answer(rule.status, rule.body, rule.headers)
        elif verb == "WATCH":
            self._watch(rule)
        else:
            self._ordinary(verb, body, rule)
        self.wfile.flush()

    def _ordinary(self, verb: str, body: bytes, rule: Rule | None) -> None:
        how = rule.how if rule else ""
        if how == "cut":
            self._note(verb, None, body)
            self._cut(rule)
            return
        if rule and how == "slow":
            time.sleep(rule.seconds)
        try:
            response = self._forward(body)
            data = response.read()
        except (OSError, http.client.HTTPException):
            self._upstream = None
            self._note(verb, None, body)
            self._cut(rule)
            return
        self._note(verb, response.status, body)
        if rule and how == "lose":
            self._cut(rule)
            return
        if rule and how == "instead":
            self._answer(rule.status, rule.body, rule.headers)
            return
        if rule:
            rule.then()
        self.send_response_only(response.status)
        for key, value in response.getheaders():
            if key.lower() not in _HOP:
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if how == "half" else data)
        if how == "half":
            self.wfile.flush()
            self._cut(rule)

    def _watch(self, rule: Rule | None) -> None:
        self._note("WATCH", None, b"")
        connection = http.client.HTTPSConnection(*self.proxy.upstream, context=self.proxy.upstream_context, timeout=600)
        self.close_connection = True
        try:
            response = self._forward(b"", connection)
            self.send_response_only(response.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            count = 0
            while rule is None or count < rule.events:
                line = response.readline()
                if not line:
                    break
                self._chunk(line)
                count += 1
            if rule is not None:
                self._break_watch(rule, response)
            if rule is None or rule.how in ("end", "error"):
                self.wfile.write(b"0\r\n\r\n")
        except (OSError, http.client.HTTPException):
            self._cut(rule)
        finally:
            connection.close()

    def _break_watch(self, rule: Rule, response: http.client.HTTPResponse) -> None:
        rule.then()
        if rule.how == "half":
            line = response.readline()
            self._chunk(line[: len(line) // 2])
        elif rule.how == "error":
            self._chunk(json.dumps({"type": "ERROR", "object": rule.body}).encode() + b"\n")
        elif rule.how == "hang":
            # Until the client gives up: nothing is sent, and no FIN.
            self.request.settimeout(rule.seconds)
            self.rfile.read(1)
        if rule.how in ("half", "cut"):
            self._cut(None)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _forward(self, body: bytes, connection: http.client.HTTPSConnection | None = None) -> http.client.HTTPResponse:
        if connection is None:
            if self._upstream is None:
                host, port = self.proxy.upstream
                self._upstream = http.client.HTTPSConnection(
                    host, port, context=self.proxy.upstream_context, timeout=60
                )
            connection = self._upstream
        headers = {key: value for key, value in self.headers.items() if key.lower() not in _HOP}
        if self.proxy.token:
            headers["Authorization"] = f"Bearer {self.proxy.token}"
        path = self.path
        if self.proxy.page_size:
            path = re.sub(r"limit=\d+", f"limit={self.proxy.page_size}", path)
        connection.request(self.command, path, body=body or None, headers=headers)
        return connection.getresponse()

    def _answer(self, status: int, body: Mapping[str, Any] | str, headers: Mapping[str, str]) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _note(self, verb: str, status: int | None, body: bytes) -> None:
        name = ""
        if verb == "POST":
            name = str((json.loads(body).get("metadata") or {}).get("name") or "")
        self.proxy.note(Entry(verb, self.path, status, name))

    def _cut(self, rule: Rule | None) -> None:
        self.close_connection = True
        if rule:
            rule.then()
        _reset(self.request)


def _reset(one: socket.socket) -> None:
    """An RST instead of an orderly end."""
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def failure(code: int, reason: str, message: str, **details: Any) -> dict[str, Any]:
    """A Status object as API servers answer it."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details,
        "code": code,
    }
