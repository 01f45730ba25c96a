"""The HTTPS server of cdi-apiserver: the webhooks of DataVolumes, and the aggregated API that hands out upload tokens."""

from __future__ import annotations

from aiohttp import web

from ..kube import Kube
from ..resources import DATA_VOLUME, PVC, Object
from . import GROUP
from .tokens import Tokens
from .validate import refusals

UPLOAD = f"upload.{GROUP}"
VERSION = "v1beta1"
REQUESTS = f"/apis/{UPLOAD}/{VERSION}/namespaces/{{namespace}}/uploadtokenrequests"
PATH = "/datavolume-validate"
NOT_SERVED = ("DataImportCron",)


class CdiApi:
    """Answers AdmissionReviews and UploadTokenRequests."""

    def __init__(self, kube: Kube, tokens: Tokens) -> None:
        self._kube, self._tokens = kube, tokens

    def app(self) -> web.Application:
        app = web.Application(client_max_size=8 << 20)
        app.router.add_post(PATH, self._validate)
        app.router.add_get("/healthz", _ok)
        app.router.add_get(f"/apis/{UPLOAD}", _group)
        app.router.add_get(f"/apis/{UPLOAD}/{VERSION}", _resources)
        app.router.add_post(REQUESTS, self._token)
        return app

    async def _validate(self, request: web.Request) -> web.Response:
        review = await request.json()
        asked = review["request"]
        answer: Object = {"uid": asked["uid"], "allowed": True}
        status = await self._refusal(asked)
        if status is not None:
            answer |= {"allowed": False, "status": status}
        return web.json_response({"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": answer})

    async def _refusal(self, asked: Object) -> Object | None:
        obj, old = asked["object"], asked.get("oldObject")
        if asked["kind"]["kind"] in NOT_SERVED:
            return _not_served(f"{asked['kind']['kind']} objects")
        if (obj["spec"].get("source") or {}).get("snapshot") and not asked.get("dryRun"):
            return _not_served("VolumeSnapshots as sources of DataVolumes")
        namespace, name = asked.get("namespace", ""), obj["metadata"].get("name", "")
        found = await self._kube.find(PVC, namespace, name) if old is None and name else None
        causes = refusals(obj, old, found)
        if not causes:
            return None
        text = "".join(f" {cause['message']}" for cause in causes)
        return {"code": 422, "message": text, "details": {"causes": causes}}

    async def _token(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
            claim = str((body.get("spec") or {}).get("pvcName") or "")
        except (ValueError, AttributeError) as error:
            return web.Response(status=400, text=str(error))
        token = self._tokens.issue(request.match_info["namespace"], claim)
        return web.json_response(body | {"status": {"token": token}})


def _not_served(what: str) -> Object:
    """What nothing here would act on is refused, never taken in silence."""
    return {"code": 501, "reason": "NotImplemented", "message": f"the KubeVirt stand-in does not serve {what}"}


async def _ok(request: web.Request) -> web.Response:
    return web.Response(text="OK")


async def _group(request: web.Request) -> web.Response:
    version = {"groupVersion": f"{UPLOAD}/{VERSION}", "version": VERSION}
    body = {"kind": "APIGroup", "apiVersion": "v1", "name": UPLOAD, "versions": [version], "preferredVersion": version}
    return web.json_response(body)


async def _resources(request: web.Request) -> web.Response:
    one = {
        "name": "uploadtokenrequests",
        "singularName": "uploadtokenrequest",
        "namespaced": True,
        "group": UPLOAD,
        "version": VERSION,
        "kind": "UploadTokenRequest",
        "verbs": ["create"],
        "shortNames": ["utr", "utrs"],
    }
    body = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{UPLOAD}/{VERSION}", "resources": [one]}
    return web.json_response(body)


def webhook(authority: str, url: str) -> Object:
    """The registration of the webhook for DataVolumes and for what is not served."""
    rules = [
        {
            "operations": ["CREATE", "UPDATE"],
            "apiGroups": [GROUP],
            "apiVersions": [DATA_VOLUME.version],
            "resources": [plural],
        }
        for plural in (DATA_VOLUME.plural, "dataimportcrons")
    ]
    hook = {
        "name": f"datavolume-validate.{GROUP}",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 30,
        "rules": rules,
        "clientConfig": {"url": url + PATH, "caBundle": authority},
    }
    return {"metadata": {"name": "cdi-api-datavolume-validate", "labels": {f"{GROUP}": ""}}, "webhooks": [hook]}


def api_service(authority: str, port: int) -> Object:
    """The registration of the aggregated API."""
    return {
        "metadata": {"name": f"{VERSION}.{UPLOAD}", "labels": {GROUP: "cdi-api"}},
        "spec": {
            "group": UPLOAD,
            "version": VERSION,
            "groupPriorityMinimum": 1000,
            "versionPriority": 15,
            "caBundle": authority,
            "service": {"namespace": "cdi", "name": "cdi-api", "port": port},
        },
    }
