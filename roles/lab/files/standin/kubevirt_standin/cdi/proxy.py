"""cdi-uploadproxy: takes the bytes of an upload from who shows a token, counts and hashes them, and keeps none.

An upload is known by the claim's annotations afterwards: how many bytes came, and their SHA-256.
"""

from __future__ import annotations

import asyncio
import hashlib
import re

from aiohttp import web

from ..controllers.cluster import Cluster
from ..quantity import to_bytes
from ..resources import PVC, Object
from ..simulated import ANNOTATION
from . import CONTENT_TYPE, POD_PHASE, POD_READY, UPLOAD_TARGET, USE_POPULATOR, annotations_of
from .tokens import Tokens
from .transfers import Transfers

PATHS = ("/v1beta1/upload", "/v1beta1/upload-async", "/v1beta1/upload-archive")
BEARER = re.compile(r"(?i)^Bearer\s+([A-Za-z0-9\-._~+/]+)$")
READY_SECONDS = 10.0
TOO_LARGE = "Saving stream failed: effective image size is larger than the reported available storage"
# An upload whose bytes begin so is refused: what a disk's format does not allow is found only in the pod.
REJECTED = b"corrupt"


class NotNow(Exception):
    """Why the claim takes no upload."""


class UploadProxy:
    """The server of uploads."""

    def __init__(self, cluster: Cluster, tokens: Tokens, transfers: Transfers) -> None:
        self._cluster, self._tokens, self._transfers = cluster, tokens, transfers
        self._busy: set[tuple[str, str]] = set()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 40)
        app.router.add_get("/healthz", _ok)
        for path in PATHS:
            app.router.add_route("*", path, self._upload)
        return app

    async def _upload(self, request: web.Request) -> web.Response:
        found = BEARER.match(request.headers.get("Authorization", ""))
        if found is None:
            return web.Response(status=400)
        holder = self._tokens.holder(found.group(1))
        if holder is None:
            return web.Response(status=401)
        try:
            pvc = await self._ready(*holder)
        except NotNow as reason:
            return web.Response(status=503, text=str(reason))
        asynchronous = request.path.endswith("async") and annotations_of(pvc).get(CONTENT_TYPE) != "archive"
        if request.method == "HEAD" and asynchronous:
            return web.Response()
        if request.method != "POST":
            return web.Response(status=404)
        if holder in self._busy:
            return web.Response(status=503)
        self._busy.add(holder)
        try:
            return await self._receive(request, pvc)
        finally:
            self._busy.discard(holder)

    async def _ready(self, namespace: str, name: str) -> Object:
        """The claim once its upload server is ready; raises NotNow."""
        loop = asyncio.get_running_loop()
        end = loop.time() + READY_SECONDS
        while loop.time() < end:
            pvc = self._cluster.pvcs.get(f"{namespace}/{name}")
            if pvc is None:
                raise NotNow(f"rejecting Upload Request for PVC {name} that doesn't exist")
            annotations = annotations_of(pvc)
            if UPLOAD_TARGET not in annotations and annotations.get(USE_POPULATOR) != "true":
                raise NotNow(f"PVC {name} is not an upload target")
            if annotations.get(POD_PHASE) == "Succeeded":
                raise NotNow(f"rejecting Upload Request for PVC {name} that already finished uploading")
            if annotations.get(POD_READY) == "true":
                return pvc
            await asyncio.sleep(0.2)
        raise NotNow("timed out waiting for the condition")

    async def _receive(self, request: web.Request, pvc: Object) -> web.Response:
        digest, size, first = hashlib.sha256(), 0, b""
        async for chunk in request.content.iter_chunked(1 << 20):
            first, size = first or chunk[: len(REJECTED)], size + len(chunk)
            digest.update(chunk)
        declared = request.content_length
        if declared is not None and size != declared:
            return web.Response(status=500, text="Saving stream failed: unexpected EOF")
        if first == REJECTED:
            return web.Response(status=500, text="Saving stream failed: Unable to convert source data to target format")
        if size > to_bytes(pvc["spec"]["resources"]["requests"]["storage"]):
            return web.Response(status=400, text=TOO_LARGE)
        await self._done(pvc, size, digest.hexdigest())
        return web.Response()

    async def _done(self, pvc: Object, size: int, digest: str) -> None:
        meta = pvc["metadata"]
        marks = {f"{ANNOTATION}-upload-bytes": str(size), f"{ANNOTATION}-upload-sha256": digest}
        body = {"metadata": {"annotations": marks}}
        made = await self._cluster.kube.patch(PVC, meta["namespace"], meta["name"], body)
        await self._transfers.uploaded(self._cluster.seen(PVC, made))


async def _ok(request: web.Request) -> web.Response:
    return web.Response(text="OK")
