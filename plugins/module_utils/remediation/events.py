# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event file of a recovery (docs/architecture.md): one JSON object a line, appended whole."""

from __future__ import annotations

import json
import os
import time
from typing import Any

EVENTS_FILE = "events.jsonl"
HEARTBEAT_FILE = "heartbeat.json"
STOP_FILE = "stop"


class Journal:
    """Appends events to `events.jsonl` in a state directory, where there is one, and keeps them as `phases`."""

    def __init__(self, state_dir: str | None, *, keep: bool = True) -> None:
        self._state_dir = state_dir
        self._keep = keep
        self.phases: list[dict[str, Any]] = []

    @property
    def stopped(self) -> bool:
        """Whether the stop switch is set."""
        return bool(self._state_dir) and os.path.exists(os.path.join(str(self._state_dir), STOP_FILE))

    def record(self, node: str, event: str, **more: Any) -> None:
        """Appends one event. `at` is in seconds since the epoch, `monotonic` in those of this machine's clock."""
        entry = {"at": time.time(), "monotonic": time.monotonic(), "node": node, "event": event, **more}
        if self._keep:
            self.phases.append(entry)
        if self._state_dir:
            _append(os.path.join(self._state_dir, EVENTS_FILE), json.dumps(entry, separators=(",", ":")) + "\n")


def read_heartbeat(state_dir: str) -> dict[str, Any] | None:
    """The watcher's heartbeat; None where there is none that can be read."""
    try:
        with open(os.path.join(state_dir, HEARTBEAT_FILE), encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _append(path: str, line: str) -> None:
    # One write to a file opened for appending: lines of several processes never mix.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
