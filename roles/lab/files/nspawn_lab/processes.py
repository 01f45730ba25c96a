# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Background processes of the lab, known by process id *and* start time, so that no stranger is ever signalled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None if it is gone or only a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


class Daemon:
    """A process that outlives the command that starts it. Its record and log lie in the run folder."""

    def __init__(self, run: Path, name: str) -> None:
        self.name = name
        self.record = run / f"{name}.json"
        self.log = run / f"{name}.log"

    def pid(self) -> int | None:
        """Its process id while it lives, else None."""
        try:
            record = json.loads(self.record.read_text())
        except (OSError, ValueError):
            return None
        alive = start_time(record["pid"]) == record["started"]
        return int(record["pid"]) if alive else None

    def start(
        self,
        argv: Sequence[str],
        env: dict[str, str] | None = None,
        before_exec: Callable[[], None] | None = None,
    ) -> bool:
        """Starts it unless it runs. Returns whether it had to."""
        if self.pid() is not None:
            return False
        self.record.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,
                preexec_fn=before_exec,
            )
        record = {"pid": process.pid, "started": start_time(process.pid), "argv": list(argv)}
        partial = self.record.with_suffix(".new")
        partial.write_text(json.dumps(record))
        partial.replace(self.record)
        return True

    def stop(self, patience: float = 10.0) -> bool:
        """Ends it: SIGTERM, and SIGKILL after ``patience`` seconds. Returns whether it ran."""
        pid = self.pid()
        if pid is None:
            self.record.unlink(missing_ok=True)
            return False
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + patience
        while self.pid() is not None:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        self.record.unlink(missing_ok=True)
        return True
