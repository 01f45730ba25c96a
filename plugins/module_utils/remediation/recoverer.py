# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the recovery of suspected nodes: one at a time, a few attempts each, the output kept in a log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from dataclasses import dataclass

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.config import Config
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.events import EVENTS_FILE, Journal

_TAIL = 65536


@dataclass
class _Case:
    attempts: int = 0
    next_at: float = 0.0
    done: bool = False
    told_stopped: bool = False


class Recoverer:
    """Keeps a case for each suspected node; `due` says which to run next, `run` runs it."""

    def __init__(self, config: Config, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        self._cases: dict[str, _Case] = {}
        self.running = ""

    def suspected(self, node: str) -> None:
        """Opens a case."""
        self._cases[node] = _Case()

    def cleared(self, node: str) -> None:
        """Closes it: the node answered."""
        self._cases.pop(node, None)

    def due(self, now: float) -> str:
        """The node to recover now, empty where there is none; a set stop switch is recorded once a case."""
        if self.running or not self._config.automatic:
            return ""
        for node, case in self._cases.items():
            if case.done or case.attempts >= self._config.max_attempts or now < case.next_at:
                continue
            if not self._journal.stopped:
                return node
            if not case.told_stopped:
                case.told_stopped = True
                self._journal.record(node, "refused", reason="the stop switch is set")
        return ""

    async def run(self, node: str) -> None:
        """One attempt. What it says of itself is in the events file; a silent failure is recorded here."""
        case = self._cases[node]
        case.attempts += 1
        self.running = node
        began = time.time()
        try:
            code = await self._execute(node)
        finally:
            self.running = ""
        case.done = code == 0
        case.next_at = time.monotonic() + self._config.retry_seconds
        if code and not self._told_why(node, began):
            self._journal.record(node, "failed", reason=f"the recovery ended with {code}, see {self._log_path(node)}")

    async def _execute(self, node: str) -> int:
        argv = [word.replace("{node}", node) for word in self._config.recover_command]
        descriptor = os.open(self._log_path(node), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        with os.fdopen(descriptor, "ab") as log:
            log.write(f"--- {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} recovery of {node}\n".encode())
            log.flush()
            try:
                process = await asyncio.create_subprocess_exec(
                    *argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **self._config.environment},
                )
            except OSError as error:
                log.write(f"{argv[0]}: {error.strerror}\n".encode())
                return 127
            return await self._ended(process)

    async def _ended(self, process: asyncio.subprocess.Process) -> int:
        try:
            return await asyncio.wait_for(process.wait(), self._config.recovery_timeout)
        except asyncio.TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
            return 124

    def _told_why(self, node: str, since: float) -> bool:
        path = os.path.join(self._config.state_dir, EVENTS_FILE)
        with contextlib.suppress(OSError), open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - _TAIL))
            return any(_is_reason(line, node, since) for line in file.read().splitlines())
        return False

    def _log_path(self, node: str) -> str:
        return os.path.join(self._config.state_dir, f"recover-{node}.log")


def _is_reason(line: bytes, node: str, since: float) -> bool:
    try:
        event = json.loads(line)
    except ValueError:  # the first line of the tail may be cut
        return False
    return event.get("node") == node and event.get("event") in ("refused", "failed") and event.get("at", 0) >= since
