# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of `make demo` and what it left to read."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine

REPOSITORY = Path(__file__).resolve().parents[2]
LAB = REPOSITORY / ".cache" / "lab"
REPORTS = REPOSITORY / "reports" / "latest"
BEFORE = REPOSITORY / ".cache" / "test" / "before-demo.json"


def make(*arguments: str) -> int:
    """Runs make in the repository with its output in this run's own; returns its exit code."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, check=False).returncode


@dataclass(frozen=True)
class Demo:
    """Exit code, seconds, and memory at its peak above what was used before, in MiB."""

    code: int
    seconds: float
    memory_mib: float

    @staticmethod
    def report() -> dict[str, Any]:
        answer: dict[str, Any] = json.loads((REPORTS / "report.json").read_text())
        return answer


def run_demo() -> Demo:
    """Runs the demo on a machine without a lab, and keeps what the machine held before for `read_before`."""
    assert make("lab-destroy") == 0
    before = machine.look(LAB)
    BEFORE.write_text(json.dumps({kind: sorted(names) for kind, names in vars(before).items()}))
    begun = time.monotonic()
    with machine.memory_peak() as peak:
        code = make("demo")
    return Demo(code, time.monotonic() - begun, peak[0])


def read_before() -> machine.Remains:
    """What the machine held before the newest demo."""
    kept = json.loads(BEFORE.read_text())
    return machine.Remains(**{kind: frozenset(names) for kind, names in kept.items()})
