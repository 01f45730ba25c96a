# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP/1.1 question by a connection of its own, and its answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.asker import BadAnswer

LARGEST_BODY = 1 << 20
_MOST_INTERIM = 10
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Site:
    """Where an HTTP question goes; `context` makes it TLS."""

    host: str
    port: int
    path: str = "/"
    context: ssl.SSLContext | None = None
    headers: tuple[tuple[str, str], ...] = ()
    server_name: str | None = None
    method: str = "GET"

    @classmethod
    def of(cls, url: str, **more: Any) -> Site:
        """The site of an http or https URL."""
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        query = f"?{parts.query}" if parts.query else ""
        return cls(parts.hostname or "", port, (parts.path or "/") + query, **more)

    def request(self) -> bytes:
        """The question as it is sent."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.port != (443 if self.context else 80):
            host = f"{host}:{self.port}"
        own = {"Host": host, "User-Agent": "virtops.kubevirt_ha", "Accept": "*/*", "Connection": "close"}
        given = {name.lower() for name, _value in self.headers}
        kept = [(name, value) for name, value in own.items() if name.lower() not in given]
        lines = "".join(f"{name}: {value}\r\n" for name, value in (*kept, *self.headers))
        return f"{self.method} {self.path} HTTP/1.1\r\n{lines}\r\n".encode()


@dataclass(frozen=True)
class Reply:
    """An answer: status, headers by their names in lower case, body of at most LARGEST_BODY bytes.

    certificate: the server's, as DER; None without TLS.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    certificate: bytes | None = None


async def fetch(site: Site) -> Reply:
    """Asks once. Raises OSError, asyncio's errors of a stream that ends, and BadAnswer where it is not HTTP."""
    server_name = (site.server_name or site.host) if site.context else None
    reader, writer = await asyncio.open_connection(site.host, site.port, ssl=site.context, server_hostname=server_name)
    try:
        writer.write(site.request())
        for _attempt in range(_MOST_INTERIM):
            status, headers = parse_head(await reader.readuntil(_HEAD_END))
            if status == 101 or status >= 200:
                break
        body = b"" if site.method == "HEAD" or status in (101, 204, 304) else await _body(reader, headers)
        return Reply(status, headers, body, peer_certificate(writer))
    finally:
        writer.transport.abort()


def peer_certificate(writer: asyncio.StreamWriter) -> bytes | None:
    """The server's certificate as DER; None without TLS."""
    tls = writer.get_extra_info("ssl_object")
    return tls.getpeercert(binary_form=True) if tls else None


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers; several of one name are joined. Raises BadAnswer where it is not HTTP."""
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ", 2)
    if not parts[0].startswith("HTTP/") or len(parts) < 2 or not parts[1].isdigit():
        raise BadAnswer(f"not HTTP: {first[:80]!r}", "protocol")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            key = name.strip().lower()
            headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return int(parts[1]), headers


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _chunks(reader)
    length = headers.get("content-length")
    if length is None:
        return await _to_the_end(reader)
    if not length.isdigit():
        raise BadAnswer(f"not HTTP: its length is {length[:40]!r}", "protocol")
    return await reader.readexactly(min(int(length), LARGEST_BODY))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while len(body) < LARGEST_BODY:
        line = (await reader.readuntil(b"\r\n")).split(b";")[0].strip()
        try:
            size = int(line, 16)
        except ValueError as error:
            raise BadAnswer(f"not HTTP: a chunk of length {line[:40]!r}", "protocol") from error
        if size <= 0:
            return body
        body += await reader.readexactly(min(size, LARGEST_BODY - len(body)))
        if len(body) < LARGEST_BODY:
            await reader.readexactly(2)
    return body


async def _to_the_end(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while len(body) < LARGEST_BODY:
        chunk = await reader.read(LARGEST_BODY - len(body))
        if not chunk:
            break
        body += chunk
    return body
