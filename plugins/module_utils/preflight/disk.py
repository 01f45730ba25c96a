# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a disk takes to keep what etcd writes: a small write and fdatasync, again and again, in a file that has no name."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from math import ceil
from typing import IO, Any

SIZE, WRITES = 8192, 200


def folder_of(path: str) -> str:
    """The path, or the nearest folder above that is there, and so lies in the same file system."""
    found = os.path.abspath(path)
    while not os.path.isdir(found):
        found = os.path.dirname(found)
    return found


def measure(path: str, *, writes: int = WRITES, seconds: float = 10.0) -> dict[str, Any]:
    """Milliseconds of the writes: `p50_ms`, `p99_ms`, `max_ms`, and how many there were in at most `seconds`."""
    folder = folder_of(path)
    took: list[float] = []
    until = time.monotonic() + seconds
    block = os.urandom(SIZE)
    # TemporaryFile has no name where the file system can (O_TMPFILE), and loses it at once elsewhere.
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        while len(took) < writes and time.monotonic() < until:
            took.append(_once(file, block))
    return {"folder": folder, "writes": len(took), **summary(took)}


def _once(file: IO[bytes], block: bytes) -> float:
    begin = time.monotonic()
    file.write(block)
    os.fdatasync(file.fileno())
    return (time.monotonic() - begin) * 1000


def summary(took: Sequence[float]) -> dict[str, float | None]:
    """Percentiles of the milliseconds, None where there are none."""
    ordered = sorted(took)

    def percentile(share: float) -> float | None:
        return round(ordered[max(0, ceil(share * len(ordered)) - 1)], 3) if ordered else None

    return {"p50_ms": percentile(0.5), "p99_ms": percentile(0.99), "max_ms": percentile(1.0)}
