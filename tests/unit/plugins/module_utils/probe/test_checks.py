# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import datetime
import errno
import json
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe import checks, http
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.asker import BadAnswer, kind_of
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.http import Reply, Site
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DOCUMENT = {"status": "ok", "ready": True, "count": 3, "none": None, "items": [{"name": "a"}, {"name": "b"}]}
GOOD = Reply(200, {"content-type": "application/json; charset=utf-8"}, json.dumps(DOCUMENT).encode())


def certificate(days: float) -> bytes:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name, end = x509.Name([]), now + datetime.timedelta(days=days)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - datetime.timedelta(days=30), end)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


class TestStatus:
    @pytest.mark.parametrize(
        ("given", "ranges"),
        [(["200"], [(200, 200)]), (["200-399"], [(200, 399)]), (["2xx", "404"], [(200, 299), (404, 404)])],
    )
    def test_forms(self, given: list[str], ranges: list[tuple[int, int]]) -> None:
        assert checks.status_ranges(given) == ranges

    @pytest.mark.parametrize("text", ["20", "2000", "0xx", "200-", "ok", ""])
    def test_what_is_none_is_named(self, text: str) -> None:
        with pytest.raises(ValueError, match="is no status"):
            checks.status_ranges([text])


class TestReply:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"status": ["200"]},
            {"body_contains": '"status": "ok"'},
            {"body_regex": r'"count": \d'},
            {"json_fields": {"status": "ok", "items.1.name": "b", "count": 3, "ready": True, "none": None}},
            {"json_fields": {"count": "3", "ready": "true"}},
            {"json_fields": {"ready": "True"}},
            {"response_headers": {"Content-Type": "^application/json"}},
        ],
    )
    def test_good_ones(self, options: dict[str, Any]) -> None:
        assert checks.reply(options, GOOD) == {"status": 200}

    @pytest.mark.parametrize(
        ("options", "kind", "said"),
        [
            ({"status": ["201"]}, "http 200", "HTTP 200: {"),
            ({"body_contains": "nok"}, "body", "does not contain 'nok'"),
            ({"body_regex": "^ok"}, "body", "does not match"),
            ({"json_fields": {"items.2.name": "b"}}, "json", "has no field items.2.name"),
            ({"json_fields": {"status.x": 1}}, "json", "has no field status.x"),
            ({"json_fields": {"status": "failed"}}, "json", 'the field status is "ok", not "failed"'),
            ({"json_fields": {"ready": 1}}, "json", "the field ready is true, not 1"),
            ({"json_fields": {"count": True}}, "json", "the field count is 3, not true"),
            ({"response_headers": {"X-Served-By": ""}}, "header", "has no header X-Served-By"),
            ({"response_headers": {"content-type": "html"}}, "header", "does not match 'html'"),
        ],
    )
    def test_bad_ones_have_a_kind(self, options: dict[str, Any], kind: str, said: str) -> None:
        with pytest.raises(BadAnswer) as caught:
            checks.reply(options, GOOD)
        assert caught.value.kind == kind and said in str(caught.value)

    @pytest.mark.parametrize(
        ("status", "good"), [(199, False), (200, True), (301, True), (399, True), (400, False), (503, False)]
    )
    def test_what_is_good_by_default(self, status: int, good: bool) -> None:
        if good:
            assert checks.reply({}, Reply(status))["status"] == status
            return
        with pytest.raises(BadAnswer, match=f"^HTTP {status}$") as caught:
            checks.reply({}, Reply(status))
        assert caught.value.kind == f"http {status}"

    def test_a_body_that_is_no_json_is_told(self) -> None:
        with pytest.raises(BadAnswer, match="no JSON: <html>"):
            checks.reply({"json_fields": {"a": 1}}, Reply(200, {}, b"<html>\n</html>"))

    def test_a_certificate_must_last(self) -> None:
        reply = Reply(200, {}, b"", certificate(10))
        assert checks.reply({"tls": {"minimum_days": 9}}, reply)["certificate_ends"] > 0
        with pytest.raises(BadAnswer, match="ends in 10.0 days, 11 are the least") as caught:
            checks.reply({"tls": {"minimum_days": 11}}, reply)
        assert caught.value.kind == "certificate"
        with pytest.raises(BadAnswer, match="cannot be read"):
            checks.reply({}, Reply(200, {}, b"", b"nonsense"))


class TestGreeting:
    @pytest.mark.parametrize(
        ("pattern", "data", "whole"),
        [
            (None, b"", True),
            ("^SSH-2", b"SS", False),
            ("^SSH-2", b"SSH-2.0-x", True),
            ("ready$", b"220 a\r\nready", True),
        ],
    )
    def test_it_is_whole_when_it_matches(self, pattern: str | None, data: bytes, whole: bool) -> None:
        assert checks.greeting_is_whole(pattern, data) is whole


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "refused"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 101] Network unreachable"), "refused"),
        (OSError(errno.EHOSTUNREACH, "x"), "unreachable"),
        (TimeoutError(), "timeout"),
        (TimeoutError(errno.ETIMEDOUT, "x"), "timeout"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "reset"),
        (asyncio.IncompleteReadError(b"", 5), "reset"),
        (ssl.SSLCertVerificationError(1, "x"), "tls"),
        (socket.gaierror(-2, "Name or service not known"), "dns"),
        (OSError(errno.EMFILE, "Too many open files"), "local"),
        (OSError(errno.EADDRNOTAVAIL, "x"), "local"),
        (BadAnswer("x", "http 503"), "http 503"),
        (ValueError("x"), "answer"),
    ],
)
def test_every_error_has_a_kind(error: BaseException, kind: str) -> None:
    assert kind_of(error) == kind


def served(answer: bytes, site: Callable[[int], Site] = lambda port: Site("127.0.0.1", port)) -> tuple[Any, bytes]:
    """What `fetch` makes of an answer, a reply or an error, and what it asked."""
    asked = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def ask() -> Any:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            try:
                return await asyncio.wait_for(http.fetch(site(server.sockets[0].getsockname()[1])), 5)
            except (BadAnswer, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                return error

    return asyncio.run(ask()), asked[0]


class TestFetch:
    @pytest.mark.parametrize(
        ("answer", "body"),
        [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more", b"hello"),
            (b"HTTP/1.0 200 OK\r\n\r\nto the end", b"to the end"),
            (
                b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
                b"hello world",
            ),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
            (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        ],
    )
    def test_every_form_of_body(self, answer: bytes, body: bytes) -> None:
        assert served(answer)[0].body == body

    def test_a_large_body_is_read_up_to_its_limit(self) -> None:
        size = http.LARGEST_BODY + 5000
        for head in (f"Content-Length: {size}\r\n", "", f"Transfer-Encoding: chunked\r\n\r\n{size:x}"):
            assert len(served(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + b"x" * size)[0].body) == http.LARGEST_BODY

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (b"", "reset"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", "reset"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "reset"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "protocol"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "protocol"),
            (b"SSH-2.0-OpenSSH\r\n\r\n", "protocol"),
            (b"x" * 100_000 + b"\r\n\r\n", "answer"),
        ],
    )
    def test_half_an_answer_is_none(self, answer: bytes, kind: str) -> None:
        found = served(answer)[0]
        assert isinstance(found, Exception) and kind_of(found) == kind

    def test_what_is_asked(self) -> None:
        def site(port: int) -> Site:
            return Site.of(f"http://127.0.0.1:{port}/a?b=c", headers=(("Host", "shop"), ("X-A", "1")), method="HEAD")

        reply, asked = served(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-B: 1\r\nx-b: 2\r\n\r\n", site)
        assert reply.body == b"" and reply.headers["x-b"] == "1, 2"
        lines = asked.decode().split("\r\n")
        assert lines[0] == "HEAD /a?b=c HTTP/1.1"
        assert "Host: shop" in lines and "X-A: 1" in lines and "Connection: close" in lines
        assert asked.lower().count(b"host:") == 1

    @pytest.mark.parametrize(
        ("url", "host"),
        [
            ("http://h/", "h"),
            ("http://h:8080", "h:8080"),
            ("http://[::1]:80/", "[::1]"),
            ("http://[::1]:81/", "[::1]:81"),
        ],
    )
    def test_the_host_header_has_its_port(self, url: str, host: str) -> None:
        assert f"\r\nHost: {host}\r\n".encode() in Site.of(url).request()
