"""The stand-in as one process beside a bare API server: every guest is simulated."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import VERSION, pki, simulated_storage
from .api.admission import OWN_USERS, Admission
from .api.server import LONG_IDLE, ApiServer, serve
from .api.subresources import Subresources
from .cdi.crds import definitions as cdi_definitions
from .cdi.server import API_SERVICE_NAME
from .cdi.server import Server as CdiServer
from .controllers.clone import Clones
from .controllers.cluster import Cluster
from .controllers.evacuation import Evacuations
from .controllers.launcher_pod import Settings
from .controllers.migration import Migrations
from .controllers.node import Nodes
from .controllers.restore import Restores
from .controllers.snapshot import Snapshots
from .controllers.vm import VirtualMachines
from .controllers.vmi import Instances
from .handler.domains import REASONS, CommandError, Domains
from .install import install_api_services, install_definitions, install_webhooks, wait_available
from .kube import Kube
from .metrics import phases, render
from .metrics.catalogue import ALL
from .metrics.components import Found, controller_samples, handler_samples, operator_samples
from .metrics.guests import Guests
from .metrics.queues import QUEUES
from .operator import rbac
from .operator.manifest import priority_class
from .operator.status import FINALIZER, OBSERVED, Seen, status_of
from .resources import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, KUBEVIRT, NAMESPACE, PRIORITY_CLASS, SERVICE, Object
from .simulated import ANNOTATION, SimulatedWorld
from .simulated_storage import SimulatedStorage
from .storage import snapshotter
from .storage.crds import definitions as storage_definitions
from .storage.export_server import ExportServer
from .storage.snapshotter import Snapshotter
from .webhooks import Endpoint
from .work import WorkQueue

USER = OWN_USERS + "kubevirt-controller"
REGISTRY = "quay.io/kubevirt"
IMAGE = f"{REGISTRY}/virt-launcher:{VERSION}"


@dataclass(frozen=True)
class Ports:
    """Ports of 127.0.0.1: of virt-api, of CDI's API and upload proxy where CDI is served too, and of exports where
    storage is snapshotted and exported."""

    api: int
    cdi: tuple[int, int] | None = None
    exports: int | None = None


class LocalAgent:
    """Commands go straight to the simulated guests."""

    hotplugs = True

    def __init__(self, domains: Domains) -> None:
        self._domains = domains

    async def command(self, vmi: Object, verb: str) -> None:
        launcher = self._domains.launcher(vmi)
        if launcher is None:
            raise CommandError("the launcher pod is gone")
        await launcher.command(verb)
        self._domains.cluster.recorder.event(vmi, "Normal", *REASONS[verb])


class Impersonating(Kube):
    """The same connection as KubeVirt's own user, so that the webhooks can tell who writes."""

    def headers(self) -> dict[str, str]:
        return super().headers() | {"Impersonate-User": USER}


async def run(kubeconfig: str, ports: Ports, defined: Callable[[], None] = lambda: None) -> None:
    """Install, serve and reconcile until cancelled; says `kubevirt-standin ready` when all of it works.

    `defined` is called once the definitions are there: what discovers the API only now and then shall begin after that.
    """
    kube = Kube.from_kubeconfig(kubeconfig)
    own = Impersonating.from_kubeconfig(kubeconfig)
    cluster = Cluster(own, cdi=ports.cdi is not None)
    importer = CdiServer(cluster, *ports.cdi) if ports.cdi else None
    cluster.hotplugs = True
    if ports.exports is not None:
        cluster.storage, cluster.snapshot_classes = True, snapshotter.CLASSES
    exporter = ExportServer(cluster, ports.exports) if ports.exports is not None else None

    def poke(key: str) -> None:
        domains.poke(key)

    world = SimulatedWorld(cluster, poke)
    domains = Domains(cluster, None, world.launcher_of)
    controllers = _controllers(cluster)
    phases.observe(cluster.vmis, cluster.migrations, lambda: True)
    await install_definitions(
        kube, (*(storage_definitions() if exporter else ()), *(cdi_definitions() if importer else ()))
    )
    defined()
    authority = await _serve(cluster, domains, ports.api)
    await _register(kube, authority, ports)
    if exporter:
        await snapshotter.install(kube)
        await exporter.start(kube)
    if importer:
        await importer.serve()
        await importer.register(kube)
    try:
        async with asyncio.TaskGroup() as group:
            for informer in cluster.informers():
                group.create_task(informer.run())
            await cluster.synced()
            await world.prepare()
            more = [*([exporter.exports.queue] if exporter else []), *(importer.queues if importer else ())]
            for queue in (*controllers, domains.queue, world.queue, *more):
                group.create_task(queue.run())
            if exporter:
                group.create_task(exporter.follow_ingresses())
            group.create_task(world.beat())
            await wait_available(kube)
            if importer:
                await wait_available(kube, API_SERVICE_NAME)
            await _deployed(kube)
            print("kubevirt-standin ready: guests are simulated, there are no nodes", flush=True)
    finally:
        await kube.close()
        await own.close()


def _controllers(cluster: Cluster) -> list[WorkQueue]:
    settings = Settings(image=IMAGE, use_emulation=True)
    found = (
        VirtualMachines(cluster),
        Instances(cluster, settings),
        Migrations(cluster, settings),
        Evacuations(cluster),
        Nodes(cluster),
        Snapshots(cluster),
        Restores(cluster),
        Clones(cluster),
        SimulatedStorage(cluster),
    )
    more = (Snapshotter(cluster),) if cluster.storage else ()
    return [controller.queue for controller in (*found, *more)]


async def _serve(cluster: Cluster, domains: Domains, port: int) -> pki.Pair:
    authority = pki.authority("kubevirt-standin")
    pair = pki.issue(authority, "virt-api.kubevirt.svc", ("virt-api.kubevirt.svc", "localhost", "127.0.0.1"))
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "crt"), Path(folder, "key")
        pair.write(certificate, key)
        context = pki.server_context(certificate, key)
    server = ApiServer(
        Subresources(cluster.kube, LocalAgent(domains)),
        Admission(cluster.kube, exports=cluster.storage),
        lambda: _text(cluster, domains),
    )
    await serve(server.app(), "127.0.0.1", port, context, LONG_IDLE)
    return authority


async def _text(cluster: Cluster, domains: Domains) -> str:
    """The metrics of all components: this process is each of them."""
    ready = all(informer.synced.is_set() for informer in cluster.informers())
    guests = Guests()
    await domains.measure(guests)
    kubevirts = await cluster.kube.list(KUBEVIRT)
    samples: Found = {
        **controller_samples(cluster, IMAGE, ready, True),
        **handler_samples(guests, ready),
        **operator_samples(kubevirts, ready, True),
        **QUEUES.samples(),
        "kubevirt_virt_api_ready_status": [({}, 1.0)],
    }
    return render(ALL, samples)


async def _register(kube: Kube, authority: pki.Pair, ports: Ports) -> None:
    port = ports.api
    await kube.apply(NAMESPACE, {"metadata": {"name": "kubevirt", "annotations": {ANNOTATION: "true"}}})
    await kube.apply(
        CLUSTER_ROLE_BINDING,
        {
            "metadata": {"name": "kubevirt-standin"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": USER}],
        },
    )
    await simulated_storage.install(kube, cdi=ports.cdi is not None)
    await kube.apply(PRIORITY_CLASS, priority_class())
    for role in rbac.user_roles():
        await kube.apply(CLUSTER_ROLE, role)
    external = {"type": "ExternalName", "externalName": "127.0.0.1", "ports": [{"port": port, "protocol": "TCP"}]}
    await kube.apply(SERVICE, {"metadata": {"name": "virt-api", "namespace": "kubevirt"}, "spec": external})
    endpoint = Endpoint(authority.base64(), f"https://127.0.0.1:{port}")
    await install_webhooks(kube, endpoint)
    await install_api_services(kube, authority.base64(), port)


async def _deployed(kube: Kube) -> None:
    """The KubeVirt CR, and the status of what this one process is: all of it, or it would not say so."""
    meta = {
        "name": "kubevirt",
        "namespace": "kubevirt",
        "annotations": OBSERVED | {ANNOTATION: "true"},
        "finalizers": [FINALIZER],
    }
    made = await kube.apply(KUBEVIRT, {"metadata": meta, "spec": {}})
    status = status_of({}, Seen("Deployed", True, made["metadata"]["generation"], REGISTRY))
    await kube.update(KUBEVIRT, made | {"status": status}, "status")
