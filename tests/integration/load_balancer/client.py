# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks one address again and again, each time on a new connection, until its standard input ends or the time is over.

`python3 client.py ADDRESS PORT PER_SECOND TIMEOUT [SECONDS]` prints {requests, failures, gap}: how many requests, what failed (one
that was not answered within TIMEOUT, too), and the longest time in seconds between two good answers. One more connection stays
open all the time and asks once a second: `kept` counts its answers.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from functools import partial
from http.client import HTTPConnection, HTTPException
from typing import Any

ADDRESS, PORT, PER_SECOND, TIMEOUT = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
OVER = threading.Event()


def ask(connection: HTTPConnection) -> None:
    """Raises OSError or HTTPException where there is no good answer."""
    connection.request("GET", "/")
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise HTTPException(f"answered {answer.status}")


def keep(found: dict[str, Any]) -> None:
    connection = HTTPConnection(ADDRESS, PORT, timeout=5)
    try:
        while not OVER.wait(1):
            ask(connection)
            found["kept"] += 1
            connection.auto_open = 0  # a connection that was cut is a failure, not one to open again
    except (OSError, HTTPException) as error:
        found["failures"].append(f"kept connection: {error!r}")


def main() -> None:
    found: dict[str, Any] = {"requests": 0, "failures": [], "gap": 0.0, "kept": 0}
    wait = partial(time.sleep, float(sys.argv[5])) if len(sys.argv) > 5 else sys.stdin.read
    threading.Thread(target=lambda: (wait(), OVER.set()), daemon=True).start()
    keeper = threading.Thread(target=keep, args=(found,))
    keeper.start()
    last = time.monotonic()
    while not OVER.wait(1 / PER_SECOND):
        connection = HTTPConnection(ADDRESS, PORT, timeout=TIMEOUT)
        found["requests"] += 1
        try:
            ask(connection)
            now = time.monotonic()
            found["gap"] = max(found["gap"], now - last)
            last = now
        except (OSError, HTTPException) as error:
            found["failures"].append(repr(error))
        finally:
            connection.close()
    found["gap"] = max(found["gap"], time.monotonic() - last)
    keeper.join()
    print(json.dumps(found))


main()
