"""QEMU's machine protocol over a unix socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from ..resources import Object


class QmpError(Exception):
    """QEMU refused a command."""


class Qmp:
    """One connection; `on_event` gets each event's name and data."""

    def __init__(self, on_event: Callable[[str, Object], None]) -> None:
        self._on_event = on_event
        self._writer: asyncio.StreamWriter | None = None
        self._answers: asyncio.Queue[Object] = asyncio.Queue()
        self._lock = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None

    async def connect(self, path: Path, attempts: int = 100) -> None:
        """Connect as soon as QEMU listens; raises OSError when it does not."""
        for attempt in range(attempts):
            try:
                reader, self._writer = await asyncio.open_unix_connection(str(path), limit=1 << 22)
                break
            except OSError:
                if attempt == attempts - 1:
                    raise
                await asyncio.sleep(0.1)
        self._reader = asyncio.create_task(self._read(reader))
        await self.execute("qmp_capabilities")

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            message = json.loads(line)
            if "event" in message:
                self._on_event(message["event"], message.get("data") or {})
            elif "return" in message or "error" in message:
                self._answers.put_nowait(message)
        self._answers.put_nowait({"error": {"desc": "QEMU has ended"}})

    async def execute(self, command: str, **arguments: object) -> Object:
        """Run one command; raises QmpError with QEMU's words."""
        async with self._lock:
            if self._writer is None:
                raise QmpError("QEMU is not running")
            body: Object = {"execute": command}
            if arguments:
                body["arguments"] = {name.replace("_", "-"): value for name, value in arguments.items()}
            self._writer.write(json.dumps(body).encode() + b"\n")
            await self._writer.drain()
            answer = await asyncio.wait_for(self._answers.get(), 20)
        if "error" in answer:
            raise QmpError(str(answer["error"].get("desc")))
        result = answer["return"]
        return result if isinstance(result, dict) else {"value": result}

    def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
        if self._writer is not None:
            self._writer.close()
