# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pager: writes a line of JSON a notification, {"name", "status"} of each alert in it, until it is ended.

python3 pager.py PORT FILE
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Pager(BaseHTTPRequestHandler):
    """Takes what Alertmanager sends to a webhook."""

    file: Path

    def do_POST(self) -> None:
        """One notification."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        told = [{"name": alert["labels"]["alertname"], "status": alert["status"]} for alert in body["alerts"]]
        with self.file.open("a") as file:
            file.write(json.dumps(told) + "\n")
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


if __name__ == "__main__":
    Pager.file = Path(sys.argv[2])
    Pager.file.write_text("")
    ThreadingHTTPServer(("", int(sys.argv[1])), Pager).serve_forever()
