"""The process of virt-api."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import aiohttp

from .. import pki
from ..handler.daemon import PORT as HANDLER_PORT
from ..handler.domains import CommandError
from ..kube import Kube
from ..metrics.components import api_text
from ..resources import CONFIG_MAP, POD, Object
from .admission import Admission
from .server import ApiServer, serve
from .subresources import Subresources

CERTIFICATES = Path("/etc/virt-api/certs")
PORT = 8443


class RemoteAgent:
    """Commands to a VMI go to the virt-handler of its node."""

    hotplugs = False

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._context = ssl.create_default_context(cafile=str(CERTIFICATES / "ca.crt"))
        self._context.check_hostname = False
        self._context.load_cert_chain(CERTIFICATES / "tls.crt", CERTIFICATES / "tls.key")

    async def command(self, vmi: Object, verb: str) -> None:
        """Raises CommandError with the handler's words."""
        address = await self._address(vmi["status"]["nodeName"])
        meta = vmi["metadata"]
        url = f"https://{address}:{HANDLER_PORT}/v1/namespaces/{meta['namespace']}/virtualmachineinstances/{meta['name']}/{verb}"
        timeout = aiohttp.ClientTimeout(total=15, sock_connect=3)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.put(url, ssl=self._context) as response:
            if response.status != 200:
                raise CommandError(f"unexpected return code {response.status}, message: {await response.text()}")

    async def _address(self, node: str) -> str:
        params = {"labelSelector": "kubevirt.io=virt-handler", "fieldSelector": f"spec.nodeName={node}"}
        answer = await self._kube.request("GET", POD.path("kubevirt"), params=params)
        for pod in answer.get("items") or []:
            if (pod.get("status") or {}).get("podIP") and (pod["status"].get("phase")) == "Running":
                return str(pod["status"]["podIP"])
        raise CommandError(f"no virt-handler on node {node}")


async def run() -> None:
    """Serve for ever."""
    kube = Kube.in_cluster()
    trusted = await kube.get(CONFIG_MAP, "kube-system", "extension-apiserver-authentication")
    front = str((trusted.get("data") or {}).get("requestheader-client-ca-file") or "")
    context = pki.server_context(CERTIFICATES / "tls.crt", CERTIFICATES / "tls.key", front.encode())
    server = ApiServer(Subresources(kube, RemoteAgent(kube)), Admission(kube), api_text, bool(front))
    await serve(server.app(), "0.0.0.0", PORT, context)
    print("virt-api ready", flush=True)
    await asyncio.Event().wait()
