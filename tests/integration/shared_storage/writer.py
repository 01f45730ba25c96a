# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes and fsyncs a block again and again, and says how long the longest write took. Runs on a node: `python3 - FILE SECONDS`.

Prints a line `writing` once it does, and at the end {"writes", "longest", "began": when the longest did, in seconds since the
start, "errors": what writes failed with}. Each write is read back by its number at the end.
"""

from __future__ import annotations

import json
import os
import sys
import time

BLOCK = 4096
BLOCKS = 64


def main(path: str, seconds: float) -> None:
    begin = time.monotonic()
    longest, began, errors = 0.0, 0.0, []
    number = 0
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    while time.monotonic() < begin + seconds:
        before = time.monotonic()
        try:
            os.pwrite(file, b"%-4095d\n" % number, number % BLOCKS * BLOCK)
            os.fsync(file)
        except OSError as error:
            errors.append(f"write {number}: {error}")
            break
        took = time.monotonic() - before
        if took > longest:
            longest, began = took, before - begin
        number += 1
        if number == 20:
            print("writing", flush=True)
        time.sleep(0.02)
    if not errors:
        last = int(os.pread(file, BLOCK, (number - 1) % BLOCKS * BLOCK))
        errors += [] if last == number - 1 else [f"the last write is {number - 1} and the file says {last}"]
    said = {"writes": number, "longest": round(longest, 2), "began": round(began, 2), "errors": errors}
    print(json.dumps(said), flush=True)


main(sys.argv[1], float(sys.argv[2]))
