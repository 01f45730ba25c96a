"""The process of virt-exportproxy on nodes: its health; no volume of them is exported."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web

from . import pki

CERTIFICATES = Path("/etc/virt-exportproxy/certs")
PORT = 8443
LACK = "exports of volumes are not served on nodes: the stand-in has them without nodes only, with --storage"


async def run() -> None:
    """Serve for ever."""

    async def healthy(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=501, text=LACK)

    app = web.Application()
    app.router.add_get("/healthz", healthy)
    app.router.add_route("*", "/{rest:.*}", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    context = pki.server_context(CERTIFICATES / "tls.crt", CERTIFICATES / "tls.key")
    await web.TCPSite(runner, "0.0.0.0", PORT, ssl_context=context).start()
    print("virt-exportproxy ready", flush=True)
    await asyncio.Event().wait()
