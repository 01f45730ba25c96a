# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches the nodes and starts the recovery of those that fall silent: `python -m ...watcher --config FILE`.

A plain process beside the cluster, for one host. It is told nothing by anyone: two independent signals a node (its
lease, seen through the API; its direct path) make it suspect. `heartbeat.json` in the state directory, written each
second, shows that the watcher itself is alive.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation import detector
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.config import Config, load
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.events import HEARTBEAT_FILE, Journal
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.probes import Leases, Path
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.profiles import PROFILES
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.recoverer import Recoverer

_JUDGE_SECONDS = 0.25
_HEARTBEAT_SECONDS = 1.0


class Watcher:
    """The probes, the detector they feed, and what follows from its verdicts."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._profile = PROFILES[config.profile]
        self._detector = detector.Detector(config.nodes, self._profile, config.max_dead_share)
        self._leases = Leases(config.kubeconfig, self._profile.patience)
        self._journal = Journal(config.state_dir, keep=False)
        self._recoverer = Recoverer(config, self._journal)
        self._api_error = "not read yet"
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ends the watcher, after a recovery that is under way."""
        self._stopping.set()

    async def run(self) -> None:
        """Returns when stopped."""
        tasks = [asyncio.create_task(self._read_leases()), asyncio.create_task(self._judge())]
        tasks += [asyncio.create_task(self._try_path(name, address)) for name, address in self._config.nodes.items()]
        tasks += [asyncio.create_task(self._beat())]
        stopped = asyncio.create_task(self._stopping.wait())
        done, _pending = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
        while self._recoverer.running:
            await asyncio.sleep(_JUDGE_SECONDS)
        for task in (*tasks, stopped):
            task.cancel()
        for task in done:
            task.result()  # a task that broke ends the watcher with its error

    async def _read_leases(self) -> None:
        while True:
            began = time.monotonic()
            try:
                found = await asyncio.to_thread(self._leases.read)
                self._detector.leases_seen(found, time.monotonic())
                self._api_error = ""
            except HaError as error:
                self._api_error = str(error)
            await asyncio.sleep(max(0.05, self._profile.poll - (time.monotonic() - began)))

    async def _try_path(self, name: str, address: str) -> None:
        path = Path(address, self._config.ports, self._profile.patience)
        while True:
            began = time.monotonic()
            answered = await path.answers()
            self._detector.path_tried(name, answered, time.monotonic())
            await asyncio.sleep(max(0.05, self._profile.probe - (time.monotonic() - began)))

    async def _judge(self) -> None:
        recoveries: set[asyncio.Task[None]] = set()
        while True:
            for change in self._detector.judge(time.monotonic()):
                self._follow(change)
            node = "" if self._stopping.is_set() else self._recoverer.due(time.monotonic())
            if node:
                task = asyncio.create_task(self._recoverer.run(node))
                recoveries.add(task)
                task.add_done_callback(recoveries.discard)
            await asyncio.sleep(_JUDGE_SECONDS)

    def _follow(self, change: detector.Change) -> None:
        signals = {"lease_silent": round(change.lease_silent, 2), "path_silent": round(change.path_silent, 2)}
        if change.kind == detector.SUSPECTED:
            self._journal.record(change.node, "suspected", **signals)
            self._recoverer.suspected(change.node)
        elif change.kind == detector.CLEARED:
            self._journal.record(change.node, "cleared", **signals)
            self._recoverer.cleared(change.node)
        else:
            self._journal.record(change.node, "refused", reason=change.reason, **signals)

    async def _beat(self) -> None:
        path = os.path.join(self._config.state_dir, HEARTBEAT_FILE)
        while True:
            _replace(path, json.dumps(self._state(), indent=1))
            await asyncio.sleep(_HEARTBEAT_SECONDS)

    def _state(self) -> dict[str, Any]:
        now = time.monotonic()
        nodes = {}
        for name in self._config.nodes:
            (lease, lease_silent), (path, path_silent) = self._detector.lease(name, now), self._detector.path(name, now)
            nodes[name] = {
                "lease": lease,
                "lease_silent": round(lease_silent, 2),
                "path": path,
                "path_silent": round(path_silent, 2),
                "suspected": name in self._detector.suspects(),
            }
        return {
            "at": time.time(),
            "monotonic": now,
            "pid": os.getpid(),
            "profile": self._config.profile,
            "automatic": self._config.automatic,
            "stopped": self._journal.stopped,
            "recovering": self._recoverer.running,
            "api": "known" if self._detector.api_is_known(now) else f"unknown: {self._api_error or 'settling'}",
            "nodes": nodes,
        }


def _replace(path: str, text: str) -> None:
    """Writes a file so that a reader sees the old or the new content, never a part."""
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{path}.new", path)


async def _serve(config: Config) -> None:
    watcher = Watcher(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, watcher.stop)
    await watcher.run()


def main(arguments: Sequence[str] | None = None) -> int:
    """The program: 0 when stopped, 1 for a fault in the configuration or a second watcher."""
    parser = argparse.ArgumentParser(description="Watches the nodes and starts the recovery of those that fall silent.")
    parser.add_argument("--config", required=True, help="the configuration, a JSON file")
    parser.add_argument("--check", action="store_true", help="only check the configuration")
    given = parser.parse_args(arguments)
    try:
        config = load(given.config)
        if given.check:
            return 0
        with open(os.path.join(config.state_dir, "watcher.lock"), "a", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            asyncio.run(_serve(config))
    except HaError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except BlockingIOError:
        sys.stderr.write(f"another watcher runs with state directory {config.state_dir}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
