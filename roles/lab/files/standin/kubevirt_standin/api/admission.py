"""Admission webhooks: which object goes to which check, and how an answer is worded."""

from __future__ import annotations

import base64
import json

from ..kube import Kube
from ..metrics.instruments import CREATED
from ..resources import Object
from . import mutate as mutations
from .eviction import review_eviction
from .migrations import review_migration
from .review import Denied, Review
from .typecheck import TypeProblem, UnmarshalProblem
from .validate_others import review_kubevirt, review_other
from .validate_vm import review_vm
from .validate_vmi import review_vmi_create, review_vmi_update

OWN_USERS = "system:serviceaccount:kubevirt:"


class Admission:
    """Answers AdmissionReviews."""

    def __init__(self, kube: Kube, exports: bool = False) -> None:
        self._kube, self._exports = kube, exports

    def _review(self, body: Object) -> Review:
        request = body["request"]
        user = (request.get("userInfo") or {}).get("username", "")
        return Review(
            operation=request["operation"],
            obj=request.get("object") or {},
            old=request.get("oldObject") or {},
            user=user,
            dry_run=bool(request.get("dryRun")),
            namespace=request.get("namespace", ""),
            name=request.get("name", ""),
            kube=self._kube,
            own=user.startswith(OWN_USERS),
            exports=self._exports,
        )

    async def mutate(self, name: str, body: Object) -> Object:
        review = self._review(body)
        try:
            wanted = mutations.MUTATORS[name](review.obj, review.old, review.operation, review.own)
        except TypeProblem as problem:
            causes = [{"message": text} for text in problem.messages]
            return _answer(body, Denied(", ".join(problem.messages), causes=causes))
        except UnmarshalProblem as problem:
            return _answer(body, Denied(str(problem), code=400, reason=""))
        except mutations.Refused as refused:
            return _answer(body, Denied(str(refused), code=400, reason=""))
        return _answer(body, None, _patch(review.obj, wanted))

    async def validate(self, name: str, body: Object) -> Object:
        review = self._review(body)
        check = {
            "vm": review_vm,
            "vmi-create": review_vmi_create,
            "vmi-update": review_vmi_update,
            "migration": review_migration,
            "eviction": review_eviction,
            "kubevirt": review_kubevirt,
        }.get(name, review_other)
        denied = await check(review)
        if name == "vm" and denied is None and review.operation == "CREATE" and not review.dry_run:
            CREATED.labels(review.namespace).inc()
        return _answer(body, denied, warnings=review.warnings)


def _patch(before: Object, after: Object) -> list[Object]:
    """A JSON patch of whole top-level fields."""
    patch: list[Object] = []
    for key in ("metadata", "spec", "status"):
        if before.get(key) != after.get(key):
            patch.append({"op": "add", "path": f"/{key}", "value": after.get(key)})
    return patch


def _answer(
    body: Object, denied: Denied | None, patch: list[Object] | None = None, warnings: list[str] | None = None
) -> Object:
    response: Object = {"uid": body["request"]["uid"], "allowed": denied is None}
    if warnings:
        response["warnings"] = warnings
    if patch:
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
    if denied is not None:
        response["status"] = {"code": denied.code, "message": denied.message}
        if denied.reason:
            response["status"]["reason"] = denied.reason
        if denied.causes:
            response["status"]["details"] = {"causes": denied.causes}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
