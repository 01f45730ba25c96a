# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes that ask all the time: the API, the VIP, each API server and each guest, by a fresh connection a question.

A question that is not answered delays none that follows it: each begins at its own time, so that the answers stay
dense while a dead address swallows questions.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.samples import Recorder

Found = dict[str, Any]
_LARGEST_ANSWER = 65536
GUEST_FIELDS = ("epoch", "counter", "recovered", "boot_id")


class BadAnswer(Exception):
    """An answer came, but not a good one."""


@dataclass(frozen=True)
class Question:
    """What is asked every `period` seconds and waited for at most `timeout` seconds; `ask` raises what goes wrong."""

    probe: str
    target: str
    ask: Callable[[], Coroutine[Any, Any, Found]]
    period: float = 0.1
    timeout: float = 1.0


@dataclass(frozen=True)
class Site:
    """Where an HTTP question goes; `context` makes it TLS."""

    host: str
    port: int
    path: str = "/"
    context: ssl.SSLContext | None = None
    headers: tuple[tuple[str, str], ...] = ()
    server_name: str | None = None

    @classmethod
    def of(cls, url: str, **more: Any) -> Site:
        """The site of an http or https URL."""
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return cls(parts.hostname or "", port, parts.path or "/", **more)


def readyz(site: Site) -> Callable[[], Coroutine[Any, Any, Found]]:
    """Asks an API server whether it is ready."""

    async def ask() -> Found:
        await _get(site)
        return {}

    return ask


def connects(host: str, port: int) -> Callable[[], Coroutine[Any, Any, Found]]:
    """Asks an address for a TCP connection."""

    async def ask() -> Found:
        _reader, writer = await asyncio.open_connection(host, port)
        writer.transport.abort()
        return {}

    return ask


def counter(site: Site) -> Callable[[], Coroutine[Any, Any, Found]]:
    """Asks a guest how far it counted."""

    async def ask() -> Found:
        return guest_answer(await _get(site))

    return ask


def guest_answer(body: bytes) -> Found:
    """The fields of a guest's answer. Raises BadAnswer where one is missing or no number."""
    try:
        answer = json.loads(body)
        found = {name: answer[name] for name in GUEST_FIELDS}
    except (ValueError, KeyError, TypeError) as error:
        raise BadAnswer(f"not the answer of a counting guest: {error}") from error
    if not all(isinstance(found[name], int) for name in ("epoch", "counter", "recovered")):
        raise BadAnswer("not the answer of a counting guest: its numbers are none")
    return found


async def _get(site: Site) -> bytes:
    server_name = (site.server_name or site.host) if site.context else None
    reader, writer = await asyncio.open_connection(site.host, site.port, ssl=site.context, server_hostname=server_name)
    try:
        headers = {"Host": site.host, "Connection": "close", **dict(site.headers)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"GET {site.path} HTTP/1.1\r\n{lines}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        body = await reader.readexactly(_length(head)) if _length(head) else await reader.read(_LARGEST_ANSWER)
        if status != 200:
            raise BadAnswer(f"HTTP {status}: {body[:200].decode(errors='replace').strip()}")
        return body
    finally:
        writer.transport.abort()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _colon, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return min(int(value), _LARGEST_ANSWER)
    return 0


class Asker:
    """Asks all questions from a thread of its own until it is stopped."""

    def __init__(self, recorder: Recorder, questions: Sequence[Question]) -> None:
        self._recorder = recorder
        self._questions = questions
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="asker", daemon=True)

    def start(self) -> None:
        """Begins to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Asks no more, and waits for the questions under way."""
        self._stopped.set()
        self._thread.join(10)

    async def _run(self) -> None:
        await asyncio.gather(*(self._repeat(question) for question in self._questions))

    async def _repeat(self, question: Question) -> None:
        under_way: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        while not self._stopped.is_set():
            task = asyncio.create_task(self._once(question))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            due = max(due + question.period, time.monotonic() - question.period)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        if under_way:
            await asyncio.wait(under_way)

    async def _once(self, question: Question) -> None:
        begin = time.monotonic()
        why: Mapping[str, Any] = {}
        found: Found = {}
        try:
            found = await asyncio.wait_for(question.ask(), question.timeout)
        except asyncio.TimeoutError:
            why = {"why": f"no answer in {question.timeout:g} s"}
        except (OSError, BadAnswer, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            why = {"why": str(error) or type(error).__name__}
        seconds = round(time.monotonic() - begin, 4)
        self._recorder.add(question.probe, question.target, not why, {**found, "seconds": seconds, **why})
