# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a lock as QEMU takes those of its disks (fcntl's open file description locks), and holds it: lock.py FILE SECONDS.

Ends with 0 when the time is over, with 3 where another has the lock, and with 1 where a write meanwhile failed.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import time

F_OFD_SETLK = 37  # linux/fcntl.h
BYTE = 201  # QEMU's byte of "others may not write"


def main(path: str, seconds: float) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.fcntl(file, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, BYTE, 1, 0))
    except OSError as error:
        print(f"refused: {error}", flush=True)
        return 3
    print("locked", flush=True)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        os.pwrite(file, b"%f\n" % time.time(), 0)
        os.fsync(file)
        time.sleep(0.2)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2])))
