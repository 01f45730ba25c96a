# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches Debian's packages for the lab's nodes, and each only once: `apt_proxy.py ADDRESS PORT FOLDER`.

An HTTP proxy for GET below deb.debian.org. What never changes (packages, lists by hash) is kept in FOLDER.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import threading
import urllib.error
import urllib.request
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

HOST = "deb.debian.org"
KEPT = (".deb", "/by-hash/")


class Proxy(BaseHTTPRequestHandler):
    """Answers with what is kept, else with what Debian's mirror says."""

    folder: Path
    locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def do_GET(self) -> None:
        if urlsplit(self.path).hostname != HOST:
            self.send_error(403, f"only {HOST} is fetched")
            return
        kept = self.folder / hashlib.sha256(self.path.encode()).hexdigest()
        try:
            # One at a time for each, so that none is sent while another fetches it anew.
            with self.locks[self.path]:
                if not kept.exists():
                    self._fetch(kept)
                self._send(kept)
                if not any(mark in self.path for mark in KEPT):
                    kept.unlink()
        except urllib.error.HTTPError as error:
            self.send_error(error.code)
        except OSError as error:
            self.send_error(502, str(error))

    def _fetch(self, kept: Path) -> None:
        partial = kept.with_suffix(".new")
        with urllib.request.urlopen(self.path, timeout=60) as answer, partial.open("wb") as file:
            shutil.copyfileobj(answer, file)
        partial.replace(kept)

    def _send(self, kept: Path) -> None:
        with kept.open("rb") as file:
            self.send_response(200)
            self.send_header("Content-Length", str(kept.stat().st_size))
            self.end_headers()
            shutil.copyfileobj(file, self.wfile)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: what fails is told by apt."""


if __name__ == "__main__":
    Proxy.folder = Path(sys.argv[3])
    Proxy.folder.mkdir(parents=True, exist_ok=True)
    ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Proxy).serve_forever()
