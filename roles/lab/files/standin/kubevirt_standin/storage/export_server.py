"""The exporters and the export proxy as one HTTPS server: volumes and manifests for whoever has the export's token."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import ssl
import tarfile
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
from aiohttp import web

from .. import pki
from ..api.server import serve
from ..controllers.cluster import Cluster
from ..kube import ApiError, Kube
from ..quantity import to_bytes
from ..resources import INGRESS, SECRET, SERVICE, Object, key_of
from ..simulated import ANNOTATION
from . import contents
from .export_sources import Source
from .exports import FILES, PROXY, Exports, host_of, ingress_secret
from .snapshotter import content_of

HEADER = "x-kubevirt-export-token"
OUTSIDE = re.compile(
    r"^/api/export\.kubevirt\.io/(?:v1|v1beta1)/namespaces/([^/]+)/virtualmachineexports/([^/]+)(/.*)$"
)
INSIDE = re.compile(r"^(virt-export-[^.]+)\.([^.]+)\.svc$")
VOLUME = re.compile(r"^/volumes/([^/]+)/(.+)$")
RANGE = re.compile(r"^bytes=(\d+)-$")
# Of a claim: how many downloads of it are cut off half-way.
CUTS = f"{ANNOTATION}-export-cuts"


class ExportServer:
    """Serves what the controller says is ready."""

    def __init__(self, cluster: Cluster, port: int) -> None:
        self._cluster, self._port = cluster, port
        self._authority = pki.authority("export.kubevirt.io")
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._cuts: dict[str, int] = {}
        self.exports = Exports(cluster, self._authority.certificate.decode(), port)

    async def start(self, kube: Kube) -> None:
        """Serve, and tell by the proxy's Service where."""
        context = self._context(pki.issue(self._authority, "virt-exportproxy", ("localhost", "127.0.0.1")))
        context.sni_callback = self._choose
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._dispatch)
        await serve(app, "127.0.0.1", self._port, context)
        ports = [{"port": self._port, "protocol": "TCP"}]
        spec = {"type": "ExternalName", "externalName": "127.0.0.1", "ports": ports}
        await kube.apply(SERVICE, {"metadata": {"name": PROXY, "namespace": "kubevirt"}, "spec": spec})

    @staticmethod
    def _context(pair: pki.Pair) -> ssl.SSLContext:
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = Path(folder, "crt"), Path(folder, "key")
            pair.write(certificate, key)
            return pki.server_context(certificate, key)

    def _choose(self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        """Exporters have certificates of KubeVirt's own authority, the Ingress has its own."""
        if name and INSIDE.match(name) and name not in self._contexts:
            self._contexts[name] = self._context(pki.issue(self._authority, "virt-exporter", (name,)))
        if name in self._contexts:
            connection.context = self._contexts[name]

    async def follow_ingresses(self) -> None:
        """Take over the certificates of Ingresses that lead here, for ever."""
        while True:
            try:
                for ingress in await self._cluster.kube.list(INGRESS, "kubevirt"):
                    pair = await ingress_secret(self._cluster, ingress)
                    if host_of(ingress) and pair:
                        self._contexts[host_of(ingress)] = self._context(pki.Pair(pair[0].encode(), pair[1].encode()))
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                print(f"ingresses: {type(error).__name__}: {error}", flush=True)
            await asyncio.sleep(1.0)

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        outside, inside = OUTSIDE.match(request.path), INSIDE.match(request.host.partition(":")[0])
        if outside:
            key, path = f"{outside[1]}/{outside[2]}", outside[3]
        elif inside:
            key, path = self._key_of(inside[2], inside[1]), request.path
        else:
            return web.Response(status=400)
        export, source = self._cluster.exports.get(key), self.exports.served.get(key)
        if export is None:
            return web.Response(status=404)
        if source is None:
            return web.Response(status=503)
        token = await self._token(export)
        if token not in (request.headers.get(HEADER), request.query.get(HEADER)):
            return web.Response(status=401)
        if request.method != "GET":
            return web.Response(status=400)
        return await self._serve(request, export, source, path, token)

    def _key_of(self, namespace: str, service: str) -> str:
        for export in self._cluster.exports.all():
            status = export.get("status") or {}
            if export["metadata"]["namespace"] == namespace and status.get("serviceName") == service:
                return key_of(export)
        return ""

    async def _token(self, export: Object) -> str:
        name = (export.get("status") or {}).get("tokenSecretRef", "")
        secret = await self._cluster.kube.find(SECRET, export["metadata"]["namespace"], name) or {}
        return base64.b64decode((secret.get("data") or {}).get("token", "")).decode()

    async def _serve(
        self, request: web.Request, export: Object, source: Source, path: str, token: str
    ) -> web.StreamResponse:
        volume = VOLUME.match(path)
        pvc = next((item for item in source.claims if volume and item["metadata"]["name"] == volume[1]), None)
        if volume and pvc is not None and volume[2] in FILES.values():
            return await self._volume(request, pvc, volume[2])
        side, _slash, rest = path.removeprefix("/").partition("/")
        if side in ("internal", "external") and rest == "manifests/secret":
            name = f"header-secret-{export['metadata']['name']}"
            data = {"token": f"{HEADER}:{token}"}
            return _list([{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}])
        if side in ("internal", "external") and rest == "manifests/all" and source.vm is not None:
            certificate = ((export["status"].get("links") or {}).get(side) or {}).get("cert", "")
            return _list(_manifests(export, source.vm, certificate))
        return web.Response(status=404)

    async def _volume(self, request: web.Request, pvc: Object, file: str) -> web.StreamResponse:
        if file == FILES["dir"]:
            text = "the KubeVirt stand-in does not serve the folders of volumes"
            return web.Response(status=501, text=text)
        size = to_bytes(((pvc.get("status") or {}).get("capacity") or {}).get("storage") or 0)
        wanted = RANGE.match(request.headers.get("Range", "")) if file == FILES["raw"] else None
        start = min(int(wanted[1]), size) if wanted else 0
        response = web.StreamResponse(status=206 if wanted else 200)
        if file == FILES["raw"]:
            response.headers["Accept-Ranges"] = "bytes"
            response.content_length = size - start
        if wanted:
            response.headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        await response.prepare(request)
        pieces = contents.read(content_of(pvc), start, size)
        cut = self._cut(pvc)
        count, most = 0, (size - start) // 2
        async for piece in _packed(pieces, file, size):
            await response.write(piece)
            count += len(piece)
            if cut and request.transport is not None and (count >= most or file != FILES["raw"]):
                request.transport.abort()
                return response
        await response.write_eof()
        return response

    def _cut(self, pvc: Object) -> bool:
        """Whether this download breaks off."""
        uid = pvc["metadata"]["uid"]
        left = self._cuts.setdefault(uid, int((pvc["metadata"].get("annotations") or {}).get(CUTS, 0)))
        self._cuts[uid] = max(0, left - 1)
        return left > 0


async def _packed(pieces: Iterator[bytes], file: str, size: int) -> AsyncIterator[bytes]:
    """The bytes in the format of the file."""
    if file == FILES["raw"]:
        for piece in pieces:
            yield piece
        return
    packer = zlib.compressobj(1, wbits=31)
    if file == FILES["tar.gz"]:
        info = tarfile.TarInfo("./disk.img")
        info.size = size
        yield packer.compress(info.tobuf())
    for piece in pieces:
        yield packer.compress(piece)
    if file == FILES["tar.gz"]:
        yield packer.compress(bytes(-size % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE))
    yield packer.flush()


def _manifests(export: Object, vm: Object, certificate: str) -> list[Object]:
    meta = {key: vm["metadata"][key] for key in ("name", "namespace", "labels", "annotations") if key in vm["metadata"]}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"export-ca-cm-{export['metadata']['name']}"},
            "data": {"ca.pem": certificate},
        },
        {"apiVersion": vm["apiVersion"], "kind": vm["kind"], "metadata": meta, "spec": vm["spec"]},
    ]


def _list(items: list[Object]) -> web.Response:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}, indent=4)
    return web.Response(text=text, content_type="text/plain")
