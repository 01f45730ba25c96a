"""The process of virt-operator: makes the cluster as the KubeVirt CR asks, and reports in its status."""

from __future__ import annotations

import asyncio
import copy
import os
import socket
import tempfile
from pathlib import Path

from aiohttp import web

from .. import pki
from ..api.admission import Admission
from ..api.server import serve
from ..informer import Informer
from ..install import install_api_services, install_definitions, install_webhooks
from ..kube import ApiError, Kube, retry_forever
from ..leader import Elector, Timing, lead
from ..metrics.components import operator_text
from ..resources import (
    API_SERVICE,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    DAEMON_SET,
    DEPLOYMENT,
    KUBEVIRT,
    MUTATING,
    PDB,
    SERVICE,
    SERVICE_ACCOUNT,
    VALIDATING,
    VMI,
    Object,
    deleting,
    key_of,
)
from ..webhooks import Endpoint
from ..work import WorkQueue
from . import certificates, rbac, workloads
from .patches import PatchProblem, apply_all
from .status import FINALIZER, OBSERVED, Seen, outdated, status_of

COUNT_EVERY = 60.0  # the seconds between counts of outdated VMIs, which are not watched
WEBHOOK_PORT, METRICS_PORT = 8444, 8443


class Operator:
    """The controller of the KubeVirt CR."""

    def __init__(self, kube: Kube, image: str) -> None:
        self._kube, self._image = kube, image
        self._registry, _name, self._tag = image.rpartition("/virt-operator:")
        self._applied: dict[str, str] = {}
        self.queue = WorkQueue("kubevirt", self.reconcile, workers=1)
        self.kubevirts = Informer(kube, KUBEVIRT)
        self._deployments = Informer(kube, DEPLOYMENT, namespace=workloads.NAMESPACE)
        self._daemon_sets = Informer(kube, DAEMON_SET, namespace=workloads.NAMESPACE)
        for informer in self.informers():
            informer.on_change(lambda old, new: self._wake())

    def informers(self) -> tuple[Informer, ...]:
        return (self.kubevirts, self._deployments, self._daemon_sets)

    def _wake(self) -> None:
        for item in self.kubevirts.all():
            self.queue.add(key_of(item))

    async def reconcile(self, key: str) -> float | None:
        kubevirt = self.kubevirts.get(key)
        if kubevirt is None:
            return None
        if deleting(kubevirt):
            await self._remove(kubevirt)
            return None
        kubevirt = await self._mark(kubevirt)
        wanted_mark = f"{kubevirt['metadata']['uid']}/{kubevirt['metadata']['generation']}"
        problem = ""
        if self._applied.get(key) != wanted_mark or self._missing():
            if not (kubevirt.get("status") or {}).get("phase"):
                kubevirt = await self._status(kubevirt, "Deploying", False, "", 0)
            try:
                await self._apply(kubevirt)
                self._applied[key] = wanted_mark
            except PatchProblem as error:
                problem = str(error)
        ready = not problem and self._ready()
        known = (kubevirt.get("status") or {}).get("phase") == "Deployed"
        phase = "Deployed" if ready or (known and not problem) else "Deploying"
        await self._status(kubevirt, phase, ready, problem, kubevirt["metadata"]["generation"])
        return COUNT_EVERY

    async def _mark(self, kubevirt: Object) -> Object:
        meta = kubevirt["metadata"]
        finalizers, annotations = meta.get("finalizers") or [], meta.get("annotations") or {}
        if FINALIZER in finalizers and OBSERVED.items() <= annotations.items():
            return kubevirt
        marked = copy.deepcopy(kubevirt)
        marked["metadata"]["finalizers"] = list(dict.fromkeys([*finalizers, FINALIZER]))
        marked["metadata"]["annotations"] = annotations | OBSERVED
        answer = await self._kube.update(KUBEVIRT, marked)
        self.kubevirts.remember(answer)
        return answer

    def _wanted(self, kubevirt: Object, mark: str) -> workloads.Wanted:
        spec = kubevirt.get("spec") or {}
        developer = (spec.get("configuration") or {}).get("developerConfiguration") or {}
        replicas = (spec.get("infra") or {}).get("replicas")
        return workloads.Wanted(
            registry=spec.get("imageRegistry") or self._registry,
            tag=spec.get("imageTag") or self._tag,
            replicas=int(replicas) if replicas else 2,
            use_emulation=bool(developer.get("useEmulation")),
            pull_policy=spec.get("imagePullPolicy") or "IfNotPresent",
            flags=(spec.get("customizeComponents") or {}).get("flags") or {},
            certificate_mark=mark,
            infra=(spec.get("infra") or {}).get("nodePlacement") or {},
            workloads=(spec.get("workloads") or {}).get("nodePlacement") or {},
        )

    async def _apply(self, kubevirt: Object) -> None:
        """Write everything, what others need first."""
        kube = self._kube
        await install_definitions(kube)
        authority, _own, mark = await certificates.ensure(kube)
        wanted = self._wanted(kubevirt, mark)
        patches = ((kubevirt.get("spec") or {}).get("customizeComponents") or {}).get("patches") or []
        for item in rbac.accounts():
            await kube.apply(SERVICE_ACCOUNT, item)
        for role in (rbac.component_role(), *rbac.user_roles()):
            await kube.apply(CLUSTER_ROLE, role)
        for binding in rbac.bindings():
            await kube.apply(CLUSTER_ROLE_BINDING, binding)
        for service in workloads.services():
            await kube.apply(SERVICE, service)
        for name in workloads.REPLICATED:
            await kube.apply(DEPLOYMENT, apply_all(workloads.deployment(wanted, name), "Deployment", patches))
        await kube.apply(DAEMON_SET, apply_all(workloads.handler(wanted), "DaemonSet", patches))
        for budget in workloads.budgets(wanted):
            await kube.apply(PDB, budget)
        for name in workloads.REPLICATED if wanted.replicas < 2 else ():
            await kube.delete(PDB, workloads.NAMESPACE, f"{name}-pdb")
        bundle = authority.base64()
        await install_webhooks(kube, Endpoint(bundle), Endpoint(bundle, service="kubevirt-operator-webhook"))
        await install_api_services(kube, bundle)

    def _missing(self) -> bool:
        """Whether somebody removed a component."""
        names = {key.rpartition("/")[2] for key in (*self._deployments.store, *self._daemon_sets.store)}
        return not {*workloads.REPLICATED, "virt-handler"} <= names

    def _ready(self) -> bool:
        """Whether each component serves; not every replica need be there, as with the real operator."""
        for name in workloads.REPLICATED:
            item = self._deployments.get(f"{workloads.NAMESPACE}/{name}")
            status = (item or {}).get("status") or {}
            if (
                item is None
                or status.get("observedGeneration") != item["metadata"]["generation"]
                or not status.get("availableReplicas")
            ):
                return False
        item = self._daemon_sets.get(f"{workloads.NAMESPACE}/virt-handler")
        status = (item or {}).get("status") or {}
        return bool(
            item is not None
            and status.get("observedGeneration") == item["metadata"]["generation"]
            and status.get("numberReady")
        )

    async def _status(self, kubevirt: Object, phase: str, ready: bool, problem: str, generation: int) -> Object:
        seen = Seen(phase, ready, generation, self._registry, await self._outdated(kubevirt), problem)
        status = status_of(kubevirt.get("status") or {}, seen)
        if status == (kubevirt.get("status") or {}):
            return kubevirt
        answer = await self._kube.update(KUBEVIRT, kubevirt | {"status": status}, "status")
        self.kubevirts.remember(answer)
        return answer

    async def _outdated(self, kubevirt: Object) -> int:
        """How many VMIs run in a launcher of another version; none before there is a definition of VMIs."""
        image = self._wanted(kubevirt, "").image("virt-launcher")
        try:
            machines = await self._kube.list(VMI)
        except ApiError as error:
            if error.status != 404:
                raise
            machines = []
        return len(outdated(machines, image))

    async def _remove(self, kubevirt: Object) -> None:
        """Take the components away; the definitions stay, with the machines in them."""
        kube = self._kube
        await kube.delete(MUTATING, "", "virt-api-mutator")
        for name in ("virt-api-validator", "virt-operator-validator"):
            await kube.delete(VALIDATING, "", name)
        for version in ("v1", "v1alpha3"):
            await kube.delete(API_SERVICE, "", f"{version}.subresources.kubevirt.io")
        for name in workloads.REPLICATED:
            await kube.delete(DEPLOYMENT, workloads.NAMESPACE, name)
            await kube.delete(PDB, workloads.NAMESPACE, f"{name}-pdb")
        await kube.delete(DAEMON_SET, workloads.NAMESPACE, "virt-handler")
        meta = kubevirt["metadata"]
        if FINALIZER in (meta.get("finalizers") or []):
            done = copy.deepcopy(kubevirt)
            done["metadata"]["finalizers"] = [name for name in meta["finalizers"] if name != FINALIZER]
            await kube.update(KUBEVIRT, done)
        self._applied.clear()


async def _serve(operator: Operator, kube: Kube, pair: pki.Pair, elector: Elector) -> None:
    """The webhooks of the KubeVirt CR, and metrics; on every replica."""
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "crt"), Path(folder, "key")
        pair.write(certificate, key)
        context = pki.server_context(certificate, key)
    admission = Admission(kube)

    async def validate(request: web.Request) -> web.Response:
        return web.json_response(await admission.validate(request.match_info["name"], await request.json()))

    async def scrape(request: web.Request) -> web.Response:
        ready = all(informer.synced.is_set() for informer in operator.informers())
        text = operator_text(list(operator.kubevirts.all()), ready, elector.leading)
        return web.Response(text=text, content_type="text/plain")

    async def healthy(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    hooks, public = web.Application(), web.Application()
    hooks.router.add_post("/validate/{name}", validate)
    public.router.add_get("/metrics", scrape)
    public.router.add_get("/healthz", healthy)
    await serve(hooks, "0.0.0.0", WEBHOOK_PORT, context)
    await serve(public, "0.0.0.0", METRICS_PORT, context)


async def run(timing: Timing) -> None:
    """Serve and lead in turn, for ever."""
    kube = Kube.in_cluster()
    elector = Elector(kube, workloads.NAMESPACE, "virt-operator", socket.gethostname(), timing)
    _authority, own, _mark = await retry_forever("certificates", lambda: certificates.ensure(kube))
    operator = Operator(kube, os.environ["VIRT_OPERATOR_IMAGE"])
    await _serve(operator, kube, own, elector)
    async with asyncio.TaskGroup() as group:
        for informer in operator.informers():
            group.create_task(informer.run())
        for informer in operator.informers():
            await informer.synced.wait()
        await lead(elector, [operator.queue])
