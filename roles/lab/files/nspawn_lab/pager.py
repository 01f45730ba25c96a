# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom alerts are sent to in the lab: a webhook of Alertmanager's that keeps every notification as a line of JSON."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from config import LabConfig

PAGES = "pages.jsonl"


def line(body: bytes, at: float) -> str:
    """A notification as it is kept: `at` in seconds since the epoch, and the alerts in it."""
    return json.dumps({"at": at, "alerts": json.loads(body)["alerts"]}) + "\n"


def serve(lab: LabConfig) -> None:
    """Takes notifications until it is ended."""
    file = lab.run / PAGES

    class Pager(BaseHTTPRequestHandler):
        """One request."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                kept = line(body, time.time())
            except (ValueError, KeyError, TypeError):
                self.send_error(400, "this is no notification of Alertmanager's")
                return
            with Path(file).open("a") as pages:
                pages.write(kept)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the file tells all."""

    ThreadingHTTPServer((lab.address, lab.pager_port), Pager).serve_forever()
