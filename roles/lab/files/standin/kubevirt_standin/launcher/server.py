"""The control socket of a launcher: state, commands, a stream of changes; for root on the same node only."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from dataclasses import asdict
from pathlib import Path

from aiohttp import web

from ..controllers.launcher_pod import CONTROL_DIR, grace_period
from ..handler.domains import CommandError
from .machine import Qemu, accelerator
from .qmp import QmpError

FAREWELL = 3.0


class LauncherServer:
    """Runs the guest of this pod until it has ended."""

    def __init__(self) -> None:
        self._vmi = json.loads(os.environ["VMI"])
        self._changed = asyncio.Event()
        self._told = asyncio.Event()
        self._path = Path(CONTROL_DIR, f"{os.environ['POD_UID']}.sock")
        kind = accelerator(bool(os.environ.get("USE_EMULATION")))
        capacities = json.loads(os.environ.get("CAPACITIES") or "{}")
        self._qemu = Qemu(self._vmi, capacities, kind, self._changed.set)
        self._stopping = False

    async def run(self) -> None:
        """Serve; return when the guest is over and virt-handler knows."""
        app = web.Application()
        app.router.add_get("/state", self._state)
        app.router.add_get("/usage", self._usage)
        app.router.add_get("/watch", self._watch)
        app.router.add_post("/command", self._command)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        self._path.unlink(missing_ok=True)
        await web.UnixSite(runner, str(self._path)).start()
        self._path.chmod(0o600)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._terminate)
        port = int(os.environ.get("INCOMING_PORT") or 0)
        starting = asyncio.create_task(self._qemu.start(incoming_port=port)) if port else None
        try:
            while not self._qemu.over and not (self._stopping and self._qemu.snapshot().state in ("none", "failed")):
                await asyncio.sleep(0.1)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), FAREWELL)
            await asyncio.sleep(0.2)
        finally:
            if starting is not None:
                starting.cancel()
            self._path.unlink(missing_ok=True)
            await runner.cleanup()

    def _terminate(self) -> None:
        """The pod is to go: ask the guest to shut down, end it when its time is over."""
        if self._stopping:
            return
        self._stopping = True
        task = asyncio.get_running_loop().create_task(self._end())
        task.add_done_callback(lambda done: None)
        self._ending = task

    async def _end(self) -> None:
        state = self._qemu.snapshot().state
        if state in ("running", "paused", "incoming"):
            with contextlib.suppress(CommandError):
                await self._qemu.command("shutdown", {})
            await asyncio.sleep(
                0 if state == "incoming" else grace_period(self._vmi["spec"]) + (15 if state == "paused" else 1)
            )
            with contextlib.suppress(CommandError):
                await self._qemu.command("kill", {})

    async def _state(self, request: web.Request) -> web.Response:
        guest = self._qemu.snapshot()
        if guest.state in ("shutoff", "crashed", "migrated"):
            self._told.set()
        return web.json_response(asdict(guest))

    async def _usage(self, request: web.Request) -> web.Response:
        try:
            return web.json_response(asdict(await self._qemu.usage()))
        except (OSError, QmpError, TimeoutError) as error:
            return web.json_response({"error": str(error)}, status=503)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        """A line at once and at each change."""
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            self._changed.clear()
            await response.write(b"changed\n")
            await self._changed.wait()

    async def _command(self, request: web.Request) -> web.Response:
        body = await request.json()
        verb, arguments = body.pop("verb"), body
        if verb == "start":
            self._starting = asyncio.get_running_loop().create_task(self._qemu.command(verb, arguments))
            return web.json_response({})
        try:
            await self._qemu.command(verb, arguments)
        except CommandError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({})


async def run() -> None:
    """The process of a virt-launcher pod."""
    await LauncherServer().run()
