"""CDI in the stand-in's own process: what it installs, serves and reconciles."""

from __future__ import annotations

import tempfile
from pathlib import Path

from aiohttp import web

from .. import pki
from ..api.server import LONG_IDLE, serve
from ..controllers.cluster import Cluster
from ..kube import Kube
from ..resources import (
    API_SERVICE,
    CDI,
    CDI_CONFIG,
    CONFIG_MAP,
    NAMESPACE,
    SERVICE,
    STORAGE_PROFILE,
    VALIDATING,
    Object,
)
from ..simulated import ANNOTATION
from ..simulated_storage import CLASSES, CLASSES_OF_CDI
from ..work import WorkQueue
from . import VERSION
from .api import UPLOAD, CdiApi, api_service, webhook
from .api import VERSION as UPLOAD_VERSION
from .proxy import UploadProxy
from .tokens import Tokens
from .transfers import Transfers
from .volumes import DataVolumes

ADDRESS = "127.0.0.1"
NAME = "cdi"
API_SERVICE_NAME = f"{UPLOAD_VERSION}.{UPLOAD}"


class Server:
    """CDI's controllers, API and upload proxy on two ports of 127.0.0.1."""

    def __init__(self, cluster: Cluster, port: int, proxy_port: int) -> None:
        self._cluster, self._port, self._proxy_port = cluster, port, proxy_port
        self._tokens = Tokens()
        self._transfers = Transfers(cluster)
        self._volumes = DataVolumes(cluster)
        self._authority = pki.authority("cdi-standin")

    @property
    def queues(self) -> list[WorkQueue]:
        return [self._volumes.queue, self._transfers.queue]

    async def serve(self) -> None:
        """Serve on both ports until the process ends."""
        proxy = UploadProxy(self._cluster, self._tokens, self._transfers)
        await self._listen(CdiApi(self._cluster.kube, self._tokens).app(), self._port, "cdi-api.cdi.svc")
        await self._listen(proxy.app(), self._proxy_port, "cdi-uploadproxy.cdi.svc")

    async def _listen(self, app: web.Application, port: int, name: str) -> None:
        pair = pki.issue(self._authority, name, (name, "localhost", ADDRESS))
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = Path(folder, "crt"), Path(folder, "key")
            pair.write(certificate, key)
            context = pki.server_context(certificate, key)
        await serve(app, ADDRESS, port, context, LONG_IDLE)

    async def register(self, kube: Kube) -> None:
        """Everything of CDI that the API server holds, but for the definitions."""
        meta = {"name": NAME, "annotations": {ANNOTATION: "true"}}
        await kube.apply(NAMESPACE, {"metadata": meta})
        bundle = {"name": "cdi-uploadproxy-signer-bundle", "namespace": NAME}
        await kube.apply(
            CONFIG_MAP, {"metadata": bundle, "data": {"ca-bundle.crt": self._authority.certificate.decode()}}
        )
        external: Object = {
            "type": "ExternalName",
            "externalName": ADDRESS,
            "ports": [{"port": self._port, "protocol": "TCP"}],
        }
        await kube.apply(SERVICE, {"metadata": {"name": "cdi-api", "namespace": NAME}, "spec": external})
        for item in profiles():
            made = await kube.apply(STORAGE_PROFILE, {"metadata": item["metadata"], "spec": {}})
            await kube.update(STORAGE_PROFILE, made | {"status": item["status"]}, "status")
        await self._config(kube)
        authority = self._authority.base64()
        await kube.apply(VALIDATING, webhook(authority, f"https://{ADDRESS}:{self._port}"))
        await kube.apply(API_SERVICE, api_service(authority, self._port))
        made = await kube.apply(
            CDI, {"metadata": meta, "spec": {"config": {"featureGates": ["HonorWaitForFirstConsumer"]}}}
        )
        status = {"phase": "Deployed", "observedVersion": VERSION, "operatorVersion": VERSION, "targetVersion": VERSION}
        await kube.update(CDI, made | {"status": status}, "status")

    async def _config(self, kube: Kube) -> None:
        meta = {"name": "config", "annotations": {ANNOTATION: "true"}}
        made = await kube.apply(CDI_CONFIG, {"metadata": meta, "spec": {"featureGates": ["HonorWaitForFirstConsumer"]}})
        status = {
            "uploadProxyURL": f"{ADDRESS}:{self._proxy_port}",
            "uploadProxyCA": self._authority.certificate.decode(),
            "filesystemOverhead": {
                "global": "0.06",
                "storageClass": dict.fromkeys((*CLASSES, *CLASSES_OF_CDI), "0.06"),
            },
            "preallocation": False,
        }
        await kube.update(CDI_CONFIG, made | {"status": status}, "status")


def profiles() -> list[Object]:
    """A StorageProfile for each class."""
    sets = [
        {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem"},
        {"accessModes": ["ReadWriteMany"], "volumeMode": "Block"},
    ]
    return [
        {
            "metadata": {"name": name, "annotations": {ANNOTATION: "true"}},
            "status": {"storageClass": name, "cloneStrategy": "copy", "claimPropertySets": sets},
        }
        for name in (*CLASSES, *CLASSES_OF_CDI)
    ]
