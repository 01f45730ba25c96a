# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command and says what it took; the commands are those that a user runs."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One run: seconds by the wall clock and of processors, and the peak memory in MB of its largest process."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    output: str = ""


class CommandFailed(Exception):
    """A command that was to be measured did not succeed."""


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Run:
    """Runs a command to its end; CommandFailed with the end of its output where it does not succeed."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        begin = time.monotonic()
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
        )
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise CommandFailed(f"{' '.join(command)} ended with {process.returncode}:\n{text[-1500:]}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, text)


def median(runs: Sequence[Run]) -> float:
    """The median of the runs' seconds by the wall clock."""
    return statistics.median(one.seconds for one in runs)
