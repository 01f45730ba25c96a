# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy before an endpoint that stops in the middle of a transfer; TLS goes through it untouched."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit


class Proxy:
    """Passes connections on until one has carried `limit` bytes from the server, then calls `at_limit` once.

    What goes on after that is up to `at_limit`: nothing more is passed on until it returns, then the connection ends.
    """

    def __init__(self, endpoint: str, *, limit: int, at_limit: Callable[[], object] = lambda: None) -> None:
        parts = urlsplit(endpoint)
        self._target = (parts.hostname or "", parts.port or 0)
        self._limit = limit
        self._at_limit = at_limit
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.reached = threading.Event()
        self.endpoint = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Takes no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:  # closed
                return
            try:
                server = socket.create_connection(self._target, timeout=10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            threading.Thread(target=self._up, args=(client, server), daemon=True).start()
            threading.Thread(target=self._down, args=(server, client), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := client.recv(65536):
                server.sendall(data)
        except OSError:
            pass  # the other direction ended it
        server.close()

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        passed = 0
        try:
            while data := server.recv(65536):
                passed += len(data)
                if passed > self._limit:
                    self.reached.set()
                    self._at_limit()
                    break
                client.sendall(data)
        except OSError:
            pass  # the other direction ended it
        client.close()
        server.close()
