"""A thin asynchronous client of the Kubernetes API on aiohttp.

The kubernetes package costs about 60 MB a process; a dozen of these processes share two cores here.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import ssl
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from .metrics.instruments import Request
from .resources import Object, Resource

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
SERVICE_ACCOUNT_DIR = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ApiError(Exception):
    """The API server refused: `status` is the HTTP code, `body` the Status object."""

    def __init__(self, status: int, body: Object) -> None:
        super().__init__(f"{status} {body.get('reason', '')}: {body.get('message', '')}")
        self.status = status
        self.body = body

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))


def _keepalive_socket(address: Any) -> socket.socket:
    """A TCP socket that notices a dead peer within about five seconds."""
    family, kind, proto, *_name = address
    sock = socket.socket(family, kind, proto)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5000)
    sock.setblocking(False)
    return sock


class Kube:
    """One connection pool to one API server."""

    def __init__(self, server: str, context: ssl.SSLContext, token_file: Path | None = None, token: str = "") -> None:
        self.server = server.rstrip("/")
        self._context = context
        self._token_file = token_file
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def in_cluster(cls) -> Kube:
        """The service account of the pod this runs in."""
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        context = ssl.create_default_context(cafile=str(SERVICE_ACCOUNT_DIR / "ca.crt"))
        return cls(f"https://{host}:{port}", context, SERVICE_ACCOUNT_DIR / "token")

    @classmethod
    def from_kubeconfig(cls, path: str) -> Kube:
        """The current context of a kubeconfig file."""
        config = yaml.safe_load(Path(path).read_text())
        named = {kind: {item["name"]: item for item in config[kind]} for kind in ("clusters", "contexts", "users")}
        chosen = named["contexts"][config["current-context"]]["context"]
        cluster = named["clusters"][chosen["cluster"]]["cluster"]
        user = named["users"][chosen["user"]]["user"]
        context = ssl.create_default_context()
        authority = _data_or_file(cluster, "certificate-authority")
        if authority:
            context = ssl.create_default_context(cadata=authority.decode())
        certificate, key = _data_or_file(user, "client-certificate"), _data_or_file(user, "client-key")
        if certificate and key:
            _load_pair(context, certificate, key)
        return cls(cluster["server"], context, token=user.get("token", ""))

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, ssl=self._context, socket_factory=_keepalive_socket)
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    def headers(self) -> dict[str, str]:
        token = self._token_file.read_text().strip() if self._token_file else self._token
        return {"Authorization": f"Bearer {token}"} if token else {}

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        """One call, answered by the decoded body; raises ApiError, aiohttp.ClientError, TimeoutError."""
        timeout = aiohttp.ClientTimeout(total=15, sock_connect=2, sock_read=10)
        # As Go writes it: the API server compares raw extensions (a ControllerRevision's data) byte by byte.
        compact = (",", ":")
        data = (
            json.dumps(body, separators=compact, sort_keys=True, ensure_ascii=False).encode()
            if body is not None
            else None
        )
        headers = self.headers() | ({"Content-Type": content_type} if data else {})
        timing = Request(self.server, method, path)
        code = "<error>"
        try:
            async with self.session.request(
                method, self.server + path, data=data, params=params, headers=headers, timeout=timeout
            ) as response:
                code = str(response.status)
                text = await response.text()
        finally:
            timing.done(code)
        answer = _decode(text)
        if response.status >= 400:
            raise ApiError(response.status, answer if isinstance(answer, dict) else {"message": text})
        return answer if isinstance(answer, dict) else {}

    async def get(self, resource: Resource, namespace: str, name: str, sub: str = "") -> Object:
        return await self.request("GET", resource.path(namespace, name, sub))

    async def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """The object, or None where there is none."""
        try:
            return await self.get(resource, namespace, name)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def list(self, resource: Resource, namespace: str = "", selector: str = "") -> list[Object]:
        params = {"labelSelector": selector} if selector else {}
        answer = await self.request("GET", resource.path(namespace), params=params)
        items: list[Object] = answer.get("items") or []
        return [{"apiVersion": resource.api_version, "kind": resource.kind} | item for item in items]

    async def create(self, resource: Resource, obj: Object, params: dict[str, str] | None = None) -> Object:
        body = {"apiVersion": resource.api_version, "kind": resource.kind} | obj
        namespace = obj["metadata"].get("namespace", "")
        return await self.request("POST", resource.path(namespace), body, params=params)

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Any,
        sub: str = "",
        content_type: str = MERGE,
        params: dict[str, str] | None = None,
    ) -> Object:
        path = resource.path(namespace, name, sub)
        return await self.request("PATCH", path, body, params=params, content_type=content_type)

    async def update(self, resource: Resource, obj: Object, sub: str = "") -> Object:
        meta = obj["metadata"]
        return await self.request("PUT", resource.path(meta.get("namespace", ""), meta["name"], sub), obj)

    async def delete(
        self, resource: Resource, namespace: str, name: str, uid: str = "", grace: int | None = None
    ) -> Object | None:
        """Delete, with the UID as precondition where it is given; None where it is gone already."""
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid:
            body["preconditions"] = {"uid": uid}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        try:
            return await self.request("DELETE", resource.path(namespace, name), body)
        except ApiError as error:
            if error.status == 404 or (uid and error.status == 409):
                return None
            raise

    async def apply(self, resource: Resource, obj: Object) -> Object:
        """Server-side apply as the field manager `kubevirt-standin`."""
        meta = obj["metadata"]
        body = {"apiVersion": resource.api_version, "kind": resource.kind} | obj
        params = {"fieldManager": "kubevirt-standin", "force": "true"}
        return await self.patch(
            resource, meta.get("namespace", ""), meta["name"], body, content_type=APPLY, params=params
        )


def _decode(text: str) -> Any:
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return text


def _data_or_file(source: Object, name: str) -> bytes:
    if source.get(f"{name}-data"):
        return base64.b64decode(source[f"{name}-data"])
    return Path(source[name]).read_bytes() if source.get(name) else b""


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """ssl reads pairs from files only: hand it one that nobody else can read and that is gone at once."""
    with tempfile.NamedTemporaryFile() as pair:
        pair.write(certificate + b"\n" + key)
        pair.flush()
        context.load_cert_chain(pair.name)


async def retry_forever(what: str, call: Any, pause: float = 1.0) -> Any:
    """Call until it succeeds; says what failed."""
    while True:
        try:
            return await call()
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            print(f"{what}: {type(error).__name__}: {error}; again in {pause:g} s", flush=True)
            await asyncio.sleep(pause)
