"""One QEMU: started, watched, commanded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from ..handler.domains import CommandError, Guest
from ..metrics.guests import Usage
from ..resources import Object
from .command_line import RUN, Machine, build
from .qmp import Qmp, QmpError
from .usage import usage
from .volumes import VolumeProblem, prepare

LOCK_PATIENCE = 180.0
LOCK_WORDS = ("Failed to get", "lock")


class Qemu:
    """The guest of this pod; `changed` is called after each change of its state."""

    def __init__(self, vmi: Object, capacities: dict[str, int], accelerator: str, changed: Callable[[], None]) -> None:
        self._vmi, self._capacities, self._accelerator, self._changed = vmi, capacities, accelerator, changed
        self._state, self._error = "none", ""
        self._migration, self._migration_error = "", ""
        self._qmp: Qmp | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._reason = ""
        self._busy = asyncio.Lock()
        self._incoming_port = 0
        self._receiving = False
        self.ip = os.environ.get("POD_IP", "")

    def snapshot(self) -> Guest:
        """The state now."""
        address = f"{self.ip}:{self._incoming_port}" if self._incoming_port else ""
        return Guest(self._state, self._error, self.ip, self._migration, self._migration_error, address)

    async def usage(self) -> Usage:
        """What the guest has used so far; nothing where QEMU does not run."""
        if self._process is None or self._process.returncode is not None or self._qmp is None:
            return Usage()
        return await usage(self._process.pid, self._qmp)

    def _set(self, state: str, error: str = "") -> None:
        if (state, error) != (self._state, self._error):
            self._state, self._error = state, error
            print(f"guest: {state} {error}".rstrip(), flush=True)
            self._changed()

    async def start(self, paused: bool = False, incoming_port: int = 0) -> None:
        """Start QEMU; a disk that another QEMU still holds is waited for."""
        async with self._busy:
            if self._process is not None:
                return
            self._incoming_port, self._receiving = incoming_port, bool(incoming_port)
            loop = asyncio.get_running_loop()
            deadline, pause = loop.time() + LOCK_PATIENCE, 0.25
            while True:
                problem = await self._try_start(paused)
                if not problem:
                    return
                locked = all(word in problem for word in LOCK_WORDS)
                if not locked or loop.time() > deadline:
                    self._set("failed", problem)
                    return
                print(f"disk is locked, trying again: {problem}", flush=True)
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, 1.0)

    async def _try_start(self, paused: bool) -> str:
        """Start once: empty, or why not."""
        try:
            disks = {
                volume["name"]: prepare(volume, self._capacities, self._vmi["metadata"]["name"])
                for volume in self._vmi["spec"].get("volumes") or []
            }
        except VolumeProblem as problem:
            return str(problem)
        RUN.mkdir(parents=True, exist_ok=True)
        (RUN / "qmp.sock").unlink(missing_ok=True)
        command = build(self._vmi, Machine(self._accelerator, disks, self._incoming_port, paused))
        errors = RUN / "qemu.err"
        with open(errors, "wb") as stream:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=stream, stderr=stream
            )
        qmp = Qmp(self._event)
        connecting = asyncio.create_task(qmp.connect(RUN / "qmp.sock"))
        ending = asyncio.create_task(process.wait())
        await asyncio.wait((connecting, ending), return_when=asyncio.FIRST_COMPLETED)
        if ending.done():
            connecting.cancel()
            return errors.read_text(errors="replace").strip()[-1500:] or f"QEMU ended with code {process.returncode}"
        await connecting
        self._process, self._qmp = process, qmp
        ending.add_done_callback(lambda task: self._ended())
        events = {"capability": "events", "state": True}
        await qmp.execute("migrate-set-capabilities", capabilities=[events])
        if self._incoming_port:
            self._set("incoming")
        else:
            self._set("paused" if paused else "running")
        return ""

    def _event(self, name: str, data: Object) -> None:
        if name == "SHUTDOWN":
            self._reason = str(data.get("reason") or "")
        elif name == "STOP" and self._state == "running":
            if self._migration != "active":
                self._set("paused")
        elif name == "RESUME":
            self._set("running")
        elif name == "MIGRATION":
            self._migrated(str(data.get("status")))

    def _migrated(self, status: str) -> None:
        """Progress of a migration; on the sending side its completion ends this QEMU."""
        if self._receiving:
            if status == "completed":
                self._receiving = False
                self._arriving = asyncio.get_running_loop().create_task(self._arrive())
            return
        self._migration = {"completed": "completed", "failed": "failed", "cancelled": "cancelled"}.get(status, "active")
        if status == "failed":
            self._migration_error = "QEMU's migration failed"
        if status == "completed":
            self._set("migrated")
            asyncio.get_running_loop().call_later(3.0, self._quit)
        else:
            self._changed()

    async def _arrive(self) -> None:
        """The guest is here: running, or paused as it was."""
        if self._qmp is not None and self._state == "incoming":
            status = await self._qmp.execute("query-status")
            self._set("running" if status.get("running") else "paused")

    def _quit(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()

    def _ended(self) -> None:
        if self._state == "migrated":
            self._changed()
        elif self._reason == "guest-shutdown":
            self._set("shutoff")
        else:
            self._set("crashed")
        if self._qmp is not None:
            self._qmp.close()

    @property
    def over(self) -> bool:
        """Whether QEMU ran and has ended."""
        return self._process is not None and self._process.returncode is not None

    async def command(self, verb: str, arguments: Object) -> None:
        """Run a command of virt-handler's; raises CommandError."""
        if verb == "start":
            await self.start(paused=bool(arguments.get("paused")))
            return
        if self._qmp is None:
            raise CommandError("QEMU is not running")
        try:
            await self._qemu_command(verb, arguments, self._qmp)
        except QmpError as error:
            raise CommandError(str(error)) from error

    async def _qemu_command(self, verb: str, arguments: Object, qmp: Qmp) -> None:
        simple = {
            "pause": "stop",
            "unpause": "cont",
            "reset": "system_reset",
            "softreboot": "system_powerdown",
            "shutdown": "system_powerdown",
            "cancel_migration": "migrate_cancel",
        }
        if verb in simple:
            await qmp.execute(simple[verb])
        elif verb == "kill":
            self._quit()
        elif verb == "migrate":
            self._migration, self._migration_error = "active", ""
            parameters = {"max_bandwidth": 1 << 30, "downtime_limit": 1000}
            await qmp.execute("migrate-set-parameters", **parameters)
            await qmp.execute("migrate", uri=f"tcp:{arguments['to']}")
        else:
            raise CommandError(f"unknown command {verb}")


def accelerator(use_emulation: bool) -> str:
    """`kvm`, or `tcg` where the KubeVirt CR asks for emulation."""
    if use_emulation:
        return "tcg"
    return "kvm" if Path("/host-dev/kvm").exists() or Path("/dev/kvm").exists() else ""
