"""The HTTPS server of virt-api: discovery, subresources, admission, metrics."""

from __future__ import annotations

import json
import ssl
from collections.abc import Awaitable, Callable

from aiohttp import web

from .. import VERSION
from ..resources import Object
from .admission import Admission
from .errors import Refusal
from .subresources import Answer, Call, Subresources

GROUP = "subresources.kubevirt.io"
VERSIONS = ("v1", "v1alpha3")
KINDS = {"virtualmachines": "vm", "virtualmachineinstances": "vmi"}
EXPAND = "expand-vm-spec"
CLUSTER_GETS = ("version", "healthz", "guestfs")


class ApiServer:
    """Routes requests; `metrics` gives the text of /metrics; with `front` only the aggregator may act on VMs."""

    def __init__(
        self,
        subresources: Subresources,
        admission: Admission,
        metrics: Callable[[], Awaitable[str]],
        front: bool = False,
    ) -> None:
        self._subresources, self._admission, self._metrics, self._front = subresources, admission, metrics, front

    def app(self) -> web.Application:
        app = web.Application(client_max_size=8 << 20)
        app.router.add_post("/mutate/{name}", self._mutate)
        app.router.add_post("/validate/{name}", self._validate)
        app.router.add_get("/metrics", self._serve_metrics)
        app.router.add_get("/healthz", _ok)
        app.router.add_get("/readyz", _ok)
        app.router.add_get(f"/apis/{GROUP}", _group)
        app.router.add_get("/apis", _groups)
        app.router.add_route("*", f"/apis/{GROUP}/{{version}}", self._list_resources)
        app.router.add_route("*", f"/apis/{GROUP}/{{version}}/{{rest:.*}}", self._dispatch)
        return app

    async def _mutate(self, request: web.Request) -> web.Response:
        return web.json_response(await self._admission.mutate(request.match_info["name"], await request.json()))

    async def _validate(self, request: web.Request) -> web.Response:
        return web.json_response(await self._admission.validate(request.match_info["name"], await request.json()))

    async def _serve_metrics(self, request: web.Request) -> web.Response:
        return web.Response(text=await self._metrics(), content_type="text/plain")

    async def _list_resources(self, request: web.Request) -> web.Response:
        return web.json_response(self._resources(request.match_info["version"]))

    def _resources(self, version: str) -> Object:
        names = [
            f"{'virtualmachines' if kind == 'vm' else 'virtualmachineinstances'}/{sub}"
            for kind, sub in self._subresources.routes
        ]
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": f"{GROUP}/{version}",
            "resources": [
                {"name": name, "singularName": "", "namespaced": True, "kind": "", "verbs": None}
                for name in sorted(names)
            ]
            + [
                {"name": name, "singularName": "", "namespaced": False, "kind": "", "verbs": None}
                for name in CLUSTER_GETS
            ]
            + [{"name": EXPAND, "singularName": "", "namespaced": True, "kind": "", "verbs": None}],
        }

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        if self._front and not _has_client_certificate(request):
            return _page(401, "Unauthorized")
        parts = request.match_info["rest"].split("/")
        if len(parts) == 1 and parts[0] in CLUSTER_GETS:
            return _cluster(request, parts[0])
        if len(parts) == 3 and parts[0] == "namespaces" and parts[2] == EXPAND:
            return await self._expand(request, parts[1])
        if len(parts) < 5 or parts[0] != "namespaces" or parts[2] not in KINDS:
            return _page(404, "Page Not Found")
        namespace, kind, name, sub = parts[1], KINDS[parts[2]], parts[3], "/".join(parts[4:])
        route = self._subresources.routes.get((kind, sub))
        if route is None:
            return _page(404, "Page Not Found")
        if request.method != route.method:
            return _page(405, "Method Not Allowed")
        if not _acceptable(request.headers.get("Accept", "*/*"), route.produces):
            return _page(406, f"Not Acceptable\n\nAvailable representations: {route.produces}")
        try:
            answer = await route.handler(Call(namespace, name, await request.read()))
        except Refusal as refusal:
            return _refused(refusal)
        return _answered(answer)

    async def _expand(self, request: web.Request, namespace: str) -> web.Response:
        if request.method != "PUT":
            return _page(405, "Method Not Allowed")
        try:
            return _answered(await self._subresources.expand(namespace, await request.read()))
        except Refusal as refusal:
            return _refused(refusal)


def _has_client_certificate(request: web.Request) -> bool:
    """Whether the connection showed a certificate of the aggregator's authority: no other is accepted."""
    return bool(request.transport and request.transport.get_extra_info("peercert"))


def _acceptable(accept: str, produces: str) -> bool:
    wanted = [part.split(";")[0].strip() for part in accept.split(",")]
    return "*/*" in wanted or not accept or (bool(produces) and produces in wanted)


def _page(code: int, text: str) -> web.Response:
    return web.Response(status=code, text=f"{code}: {text}", content_type="text/plain")


def _refused(refusal: Refusal) -> web.Response:
    if isinstance(refusal.body, str):
        return web.Response(status=refusal.code, text=refusal.body, content_type="text/plain")
    text = json.dumps(refusal.body, indent=1)
    return web.Response(status=refusal.code, text=text, content_type="application/json")


def _answered(answer: Answer) -> web.Response:
    if answer.body is None:
        return web.Response(status=answer.code)
    if isinstance(answer.body, bytes):
        return web.Response(status=answer.code, body=answer.body, content_type=answer.content_type)
    return web.Response(status=answer.code, text=json.dumps(answer.body, indent=1), content_type="application/json")


def _cluster(request: web.Request, name: str) -> web.Response:
    if request.method != "GET":
        return _page(405, "Method Not Allowed")
    if name == "version":
        return web.json_response(
            {
                "gitVersion": VERSION,
                "gitCommit": "",
                "buildDate": "",
                "goVersion": "",
                "compiler": "",
                "platform": "linux/amd64",
            }
        )
    if name == "healthz":
        return web.json_response({"apiserver": {"connectivity": "ok"}})
    return web.json_response({"registry": "", "tag": "", "imagePrefix": "", "imageName": "libguestfs-tools"})


async def _ok(request: web.Request) -> web.Response:
    return web.Response(text="ok")


def _group_body() -> Object:
    versions = [{"groupVersion": f"{GROUP}/{version}", "version": version} for version in VERSIONS]
    return {"name": GROUP, "versions": versions, "preferredVersion": versions[0]}


async def _group(request: web.Request) -> web.Response:
    return web.json_response({"kind": "APIGroup", "apiVersion": "v1"} | _group_body())


async def _groups(request: web.Request) -> web.Response:
    return web.json_response({"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group_body()]})


SHORT_IDLE, LONG_IDLE = 1.0, 300.0


async def serve(
    app: web.Application, host: str, port: int, context: ssl.SSLContext | None, idle: float = SHORT_IDLE
) -> web.AppRunner:
    """Start serving; the runner to clean up at the end. `idle` is in seconds.

    Idle connections end soon. This is HTTP/1.1, which has no pings: a kube-apiserver that kept idle connections to a
    component of a node that died would wait for its time-out on each of them, one write after another. Where there are
    no nodes they stay longer than any client keeps them, or a request may just meet the end of its connection.
    """
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=idle)
    await runner.setup()
    await web.TCPSite(runner, host, port, ssl_context=context, reuse_address=True).start()
    return runner
