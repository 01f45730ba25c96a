"""The process of virt-handler: this node's guests, its heartbeat, and commands from virt-api."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import aiohttp
from aiohttp import web

from .. import pki
from ..api.server import serve
from ..controllers.cluster import Cluster
from ..kube import ApiError, Kube
from ..metrics.components import handler_text
from ..metrics.guests import Guests, deprecated_machine_types
from ..recorder import now
from ..resources import NODE
from .domains import REASONS, CommandError, Domains
from .local import LocalLaunchers

BEAT_EVERY = 60.0
CPU_MODELS = ("qemu64", "kvm64")
CERTIFICATES = Path("/etc/virt-handler/certs")
PORT = 8186
METRICS_PORT = 8443


class Handler:
    """virt-handler of one node."""

    def __init__(self, kube: Kube, node: str) -> None:
        self._kube, self._node = kube, node
        self._cluster = Cluster(kube, "virt-handler", pod_fields=f"spec.nodeName={node}")
        self._launchers = LocalLaunchers(self._poke)
        self._domains = Domains(self._cluster, node, self._launchers.launcher_of)
        self._cluster.pods.on_change(self._launchers.pod_changed)
        self._machine_types: list[str] = []
        self._ready = False

    def _poke(self, key: str) -> None:
        self._domains.poke(key)

    async def run(self) -> None:
        """Work for ever."""
        cluster = self._cluster
        needed = (cluster.vmis, cluster.pods, cluster.pvcs)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat())
            for informer in needed:
                group.create_task(informer.run())
            for informer in needed:
                await informer.synced.wait()
            self._machine_types = await deprecated_machine_types()
            self._ready = True
            group.create_task(self._domains.queue.run())
            await self._serve()
            print(f"virt-handler ready on {self._node}", flush=True)

    async def _beat(self) -> None:
        while True:
            pause = BEAT_EVERY
            try:
                await self._mark()
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                print(f"heartbeat: {type(error).__name__}: {error}", flush=True)
                pause = 2.0
            await asyncio.sleep(pause)

    async def _mark(self) -> None:
        node = await self._kube.get(NODE, "", self._node)
        labels = {"kubevirt.io/schedulable": "true"}
        if (node["metadata"].get("annotations") or {}).get("node-labeller.kubevirt.io/skip-node") != "true":
            labels |= {f"cpu-model.node.kubevirt.io/{model}": "true" for model in CPU_MODELS}
        body = {"metadata": {"annotations": {"kubevirt.io/heartbeat": now()}, "labels": labels}}
        await self._kube.patch(NODE, "", self._node, body)

    async def _serve(self) -> None:
        commands = web.Application()
        commands.router.add_put("/v1/namespaces/{namespace}/virtualmachineinstances/{name}/{verb}", self._command)
        pair = (CERTIFICATES / "tls.crt", CERTIFICATES / "tls.key")
        clients = (CERTIFICATES / "ca.crt").read_bytes()
        await serve(commands, "0.0.0.0", PORT, pki.server_context(*pair, clients, required=True))
        public = web.Application()
        public.router.add_get("/metrics", self._metrics)
        public.router.add_get("/healthz", _healthy)
        await serve(public, "0.0.0.0", METRICS_PORT, pki.server_context(*pair))

    async def _metrics(self, request: web.Request) -> web.Response:
        guests = Guests()
        await self._domains.measure(guests)
        guests.machine_types(self._node, self._machine_types)
        return web.Response(text=handler_text(guests, self._ready), content_type="text/plain")

    async def _command(self, request: web.Request) -> web.Response:
        info = request.match_info
        vmi = self._cluster.vmis.get(f"{info['namespace']}/{info['name']}")
        if info["verb"] not in REASONS:
            return web.Response(status=404, text=f"unknown command {info['verb']}")
        try:
            if vmi is None:
                raise CommandError("this node does not know the VMI")
            launcher = self._domains.launcher(vmi)
            if launcher is None:
                raise CommandError("the launcher does not answer")
            await launcher.command(info["verb"])
        except (CommandError, aiohttp.ClientError, TimeoutError, OSError) as error:
            return web.Response(status=400, text=str(error))
        self._cluster.recorder.event(vmi, "Normal", *REASONS[info["verb"]])
        return web.Response(status=200)


async def _healthy(request: web.Request) -> web.Response:
    return web.Response(text="ok")


async def run() -> None:
    """The process of a virt-handler pod."""
    await Handler(Kube.in_cluster(), os.environ["NODE_NAME"]).run()
