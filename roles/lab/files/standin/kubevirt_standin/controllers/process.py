"""The process of virt-controller: warm caches on every replica, controllers on the one that leads."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from aiohttp import web

from .. import pki
from ..api.server import serve
from ..kube import Kube
from ..leader import Elector, Timing, lead
from ..metrics import phases
from ..metrics.components import controller_text
from .clone import Clones
from .cluster import Cluster
from .evacuation import Evacuations
from .launcher_pod import Settings
from .migration import Migrations
from .node import Nodes
from .restore import Restores
from .snapshot import Snapshots
from .vm import VirtualMachines
from .vmi import Instances
from .workload_update import WorkloadUpdates

CERTIFICATES = Path("/etc/virt-controller/certs")
PORT = 8443


async def run(timing: Timing, image: str, use_emulation: bool) -> None:
    """Serve and lead in turn, for ever."""
    cluster = Cluster(Kube.in_cluster())
    settings = Settings(image=image, use_emulation=use_emulation)
    elector = Elector(cluster.kube, "kubevirt", "virt-controller", socket.gethostname(), timing)
    queues = [
        VirtualMachines(cluster).queue,
        Instances(cluster, settings).queue,
        Migrations(cluster, settings).queue,
        Evacuations(cluster).queue,
        Nodes(cluster).queue,
        Snapshots(cluster).queue,
        Restores(cluster).queue,
        Clones(cluster).queue,
        WorkloadUpdates(cluster, settings).queue,
    ]
    phases.observe(cluster.vmis, cluster.migrations, lambda: elector.leading)
    await _serve(elector, cluster, image)
    async with asyncio.TaskGroup() as group:
        for informer in cluster.informers():
            group.create_task(informer.run())
        await cluster.synced()
        await lead(elector, queues)


async def _serve(elector: Elector, cluster: Cluster, image: str) -> None:
    async def scrape(request: web.Request) -> web.Response:
        ready = all(informer.synced.is_set() for informer in cluster.informers())
        text = controller_text(cluster, image, ready, elector.leading)
        return web.Response(text=text, content_type="text/plain")

    async def healthy(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_get("/metrics", scrape)
    app.router.add_get("/healthz", healthy)
    app.router.add_get("/leader", healthy)
    context = pki.server_context(CERTIFICATES / "tls.crt", CERTIFICATES / "tls.key")
    await serve(app, "0.0.0.0", PORT, context)
