# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks all the time, by a fresh connection a question.

A question that is not answered delays none that follows it: each begins at its own time, so that the answers stay
dense while a dead address swallows questions.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

Found = dict[str, Any]
Ask = Callable[[], Coroutine[Any, Any, Found]]

_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN)
_LOCAL = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EACCES, errno.EPERM, errno.EADDRNOTAVAIL)
# asyncio tells several failed addresses of one name in one text.
_NUMBER = re.compile(r"\[Errno (\d+)\]")


class BadAnswer(Exception):
    """An answer came, but not a good one. kind: in one or two words what was bad about it."""

    def __init__(self, why: str, kind: str = "answer") -> None:
        super().__init__(why)
        self.kind = kind


class Keeps(Protocol):
    """What keeps samples."""

    def add(self, probe: str, target: str, ok: bool, more: Mapping[str, Any] | None = None) -> object:
        """Keeps one sample of now."""


def _never(_asked: int) -> bool:
    return False


@dataclass(frozen=True)
class Question:
    """What is asked every `period` seconds and waited for at most `timeout` seconds; `ask` raises what goes wrong.

    over: whether to ask no more, given how often it was asked; looked at before each question and after each answer.
    """

    probe: str
    target: str
    ask: Ask
    period: float = 0.1
    timeout: float = 1.0
    over: Callable[[int], bool] = _never


def connects(host: str, port: int) -> Ask:
    """Asks an address for a TCP connection."""

    async def ask() -> Found:
        _reader, writer = await asyncio.open_connection(host, port)
        writer.transport.abort()
        return {}

    return ask


def kind_of(error: BaseException) -> str:
    """What went wrong, in one or two words: refused, timeout, reset, unreachable, tls, dns, local or a bad answer's kind."""
    if isinstance(error, BadAnswer):
        return error.kind
    for kinds, name in (
        (asyncio.TimeoutError, "timeout"),
        (TimeoutError, "timeout"),
        (ssl.SSLError, "tls"),
        (socket.gaierror, "dns"),
        ((ConnectionResetError, ConnectionAbortedError, BrokenPipeError, asyncio.IncompleteReadError), "reset"),
    ):
        if isinstance(error, kinds):
            return name
    if isinstance(error, OSError):
        return _kind_of_number(_numbers(error))
    return "answer"


def _numbers(error: OSError) -> set[int]:
    if error.errno:
        return {error.errno}
    return {int(number) for number in _NUMBER.findall(str(error))}


def _kind_of_number(numbers: set[int]) -> str:
    if numbers & {errno.ECONNREFUSED}:
        return "refused"
    if numbers & {errno.ETIMEDOUT}:
        return "timeout"
    if numbers & set(_UNREACHABLE):
        return "unreachable"
    return "local" if numbers & set(_LOCAL) else "reset"


class Asker:
    """Asks all questions, from a thread of its own or to their end, until it is stopped.

    Each question gives a sample: `ok`, the `number` of the question, the `seconds` its answer took, what `ask` found,
    and where it went wrong `why` and its `kind`.
    """

    def __init__(self, recorder: Keeps, questions: Sequence[Question]) -> None:
        self._recorder = recorder
        self._questions = questions
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self.run, name="asker", daemon=True)

    def start(self) -> None:
        """Begins to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Asks no more, and waits for the questions under way."""
        self._stopped.set()
        self._thread.join(10)

    def run(self) -> None:
        """Asks until every question is over."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        await asyncio.gather(*(self._repeat(question) for question in self._questions))

    async def _repeat(self, question: Question) -> None:
        under_way: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        asked = 0
        while not self._stopped.is_set() and not question.over(asked):
            task = asyncio.create_task(self._once(question, asked))
            asked += 1
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            due = max(due + question.period, time.monotonic() - question.period)
            await _pause(due, under_way, partial(question.over, asked))
        if under_way:
            await asyncio.wait(under_way)

    async def _once(self, question: Question, number: int) -> None:
        begin = time.monotonic()
        why: Mapping[str, Any] = {}
        found: Found = {}
        try:
            found = await asyncio.wait_for(question.ask(), question.timeout)
        except asyncio.TimeoutError as error:
            why = {"why": f"no answer in {question.timeout:g} s", "kind": kind_of(error)}
        except (OSError, BadAnswer, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            why = {"why": str(error) or type(error).__name__, "kind": kind_of(error)}
        seconds = round(time.monotonic() - begin, 4)
        self._recorder.add(
            question.probe, question.target, not why, {**found, "number": number, "seconds": seconds, **why}
        )


async def _pause(due: float, under_way: set[asyncio.Task[None]], over: Callable[[], bool]) -> None:
    """Waits until the next question is due, or an answer made it the last one."""
    while True:
        left = due - time.monotonic()
        if left <= 0:
            await asyncio.sleep(0)
            return
        if not under_way:
            await asyncio.sleep(left)
            return
        done, _rest = await asyncio.wait(set(under_way), timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if done and over():
            return
