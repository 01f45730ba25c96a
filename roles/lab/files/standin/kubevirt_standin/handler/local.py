"""Launchers on this node, by their control sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp

from ..controllers.launcher_pod import CONTROL_DIR
from ..metrics.guests import Usage
from ..resources import Object, key_of
from .domains import CommandError, Guest


class SocketLauncher:
    """The control of one launcher pod by its socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _session(self, seconds: float | None) -> aiohttp.ClientSession:
        connector = aiohttp.UnixConnector(path=str(self._path))
        return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=seconds))

    async def state(self) -> Guest:
        async with self._session(5) as session, session.get("http://launcher/state") as response:
            return Guest(**await response.json())

    async def usage(self) -> Usage:
        async with self._session(5) as session, session.get("http://launcher/usage") as response:
            if response.status != 200:
                raise CommandError(await response.text())
            return Usage(**await response.json())

    async def command(self, verb: str, **arguments: object) -> None:
        async with (
            self._session(30) as session,
            session.post("http://launcher/command", json={"verb": verb} | arguments) as response,
        ):
            if response.status != 200:
                raise CommandError((await response.json()).get("error", f"HTTP {response.status}"))

    async def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` at each line until the launcher has gone."""
        async with self._session(None) as session, session.get("http://launcher/watch") as response:
            async for _chunk in response.content:
                changed()


class LocalLaunchers:
    """Knows the launchers of this node's pods and watches each."""

    def __init__(self, poke: Callable[[str], None]) -> None:
        self._poke = poke
        self._watching: dict[str, asyncio.Task[None]] = {}

    @staticmethod
    def _path(uid: str) -> Path:
        return Path(CONTROL_DIR, f"{uid}.sock")

    def launcher_of(self, vmi: Object, pod: Object) -> SocketLauncher | None:
        path = self._path(pod["metadata"]["uid"])
        return SocketLauncher(path) if path.exists() else None

    def pod_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new or old or {}
        uid = pod["metadata"]["uid"]
        name = (pod["metadata"].get("annotations") or {}).get("kubevirt.io/domain")
        phase = (pod.get("status") or {}).get("phase")
        if new is None:
            task = self._watching.pop(uid, None)
            if task is not None:
                task.cancel()
        elif uid not in self._watching and name and phase in ("Pending", "Running"):
            key = f"{pod['metadata']['namespace']}/{name}"
            self._watching[uid] = asyncio.get_running_loop().create_task(self._watch(uid, key, key_of(pod)))

    async def _watch(self, uid: str, key: str, pod: str) -> None:
        """Wait for the launcher's socket, then pass on its news."""
        path = self._path(uid)
        while not path.exists():
            await asyncio.sleep(0.2)
        while path.exists():
            try:
                await SocketLauncher(path).watch(lambda: self._poke(key))
            except (aiohttp.ClientError, OSError) as error:
                print(f"launcher {pod}: {type(error).__name__}", flush=True)
            self._poke(key)
            await asyncio.sleep(0.3)
        self._poke(key)
