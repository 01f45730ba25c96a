# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs what may hang so that it ends in time: a call in a thread, a program with everything it started."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


class Overdue(Exception):
    """The time was over."""


@dataclass
class _Outcome(Generic[T]):
    value: T | None = None
    error: BaseException | None = None


def call(function: Callable[[], T], seconds: float) -> T:
    """The function's result; raises its exception, or Overdue when it takes longer.

    A socket's own time-out begins anew with each byte, so it does not bound a server that sends them one by one.
    The thread of an overdue call is left behind; it ends with the process.
    """
    outcome: _Outcome[T] = _Outcome()

    def work() -> None:
        try:
            outcome.value = function()
        except BaseException as error:
            outcome.error = error

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(max(0.0, seconds))
    if thread.is_alive():
        raise Overdue
    if outcome.error is not None:
        raise outcome.error
    return outcome.value  # type: ignore[return-value]  # set whenever there is no error


@dataclass(frozen=True)
class Finished:
    """How a program ended: its exit code and all that it wrote."""

    code: int
    output: str


def run(argv: Sequence[str], *, stdin: str, env: Mapping[str, str], seconds: float) -> Finished:
    """Runs a program without a shell; at the end of the time kills it with all its children and raises Overdue."""
    process = subprocess.Popen(
        list(argv),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(env),
        start_new_session=True,
        text=True,
        errors="replace",
    )
    try:
        output, _rest = process.communicate(stdin, timeout=max(0.1, seconds))
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise Overdue from error
    return Finished(process.returncode, output)
