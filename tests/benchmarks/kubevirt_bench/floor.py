# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The floor: objects written by a bare client of eight threads. `python -m kubevirt_bench.floor KUBECONFIG OBJECTS`."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import urllib3
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import auth

THREADS = 8
ATTEMPTS = 5
PLURALS = {"VirtualMachine": "virtualmachines", "VirtualMachineInstance": "virtualmachineinstances"}


class Bare:
    """Requests to one API server; only where a webhook was out of reach one is sent again."""

    def __init__(self, kubeconfig: str) -> None:
        self._connection = auth.resolve({"kubeconfig": kubeconfig})
        secure = self._connection.host.startswith("https://")
        options: dict[str, Any] = {"ssl_context": auth.ssl_context(self._connection)} if secure else {}
        token = self._connection.token
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._pool = urllib3.PoolManager(maxsize=THREADS, **options)

    def send(self, method: str, path: str, body: Any = None) -> bytes:
        """The body of the answer; RuntimeError where it is no success, not even the fifth time where a webhook failed."""
        for attempt in range(ATTEMPTS):
            answer = self._pool.request(
                method,
                self._connection.host + path,
                body=None if body is None else json.dumps(body).encode(),
                headers={**self._headers, "Content-Type": "application/json"},
                retries=False,
            )
            if answer.status < 300:
                return bytes(answer.data)
            if b"failed calling webhook" not in answer.data or attempt == ATTEMPTS - 1:
                raise RuntimeError(f"{method} {path} was answered {answer.status}: {answer.data[:300]!r}")
            time.sleep(0.1 * 2**attempt)
        raise AssertionError("unreachable")

    def create(self, item: dict[str, Any]) -> None:
        """One object of KubeVirt's API."""
        namespace = item["metadata"]["namespace"]
        path = f"/apis/{item['apiVersion']}/namespaces/{namespace}/{PLURALS[item['kind']]}"
        self.send("POST", path, item)

    def create_all(self, items: list[dict[str, Any]]) -> None:
        """All objects, eight at a time."""
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(self.create, items))


if __name__ == "__main__":
    Bare(sys.argv[1]).create_all(json.loads(Path(sys.argv[2]).read_text("utf-8")))
