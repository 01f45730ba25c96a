"""VirtualMachineExport: its token, its links and its end; the exporter pod is simulated by one server for all of them."""

from __future__ import annotations

import asyncio
import base64
import copy
import secrets
from datetime import UTC, datetime, timedelta

from ..conditions import put
from ..controllers.cluster import Cluster
from ..durations import seconds
from ..kube import ApiError
from ..resources import EXPORT, INGRESS, SECRET, SERVICE, SNAPSHOT, VM, Object, deleting, key_of, owner_reference
from ..work import WorkQueue
from .export_sources import Source, formats_of, source_of

LONGEST = 63
TTL = "2h0m0s"
STAMP = "%Y-%m-%dT%H:%M:%SZ"
START_SECONDS = 0.3
AGAIN = 2.0
FILES = {"raw": "disk.img", "gzip": "disk.img.gz", "dir": "dir/", "tar.gz": "disk.tar.gz"}
PROXY = "virt-exportproxy"


class Exports:
    """The controller of exports. `authority` signs the exporters' certificates; `port` is the server's."""

    def __init__(self, cluster: Cluster, authority: str, port: int) -> None:
        self.cluster, self._authority, self._port = cluster, authority, port
        self.queue = WorkQueue("export", self.reconcile, workers=2)
        self._begun: dict[str, float] = {}
        # What the server serves: the claims and the machine of each export that is ready, by its key.
        self.served: dict[str, Source] = {}
        cluster.exports.on_change(self._export_changed)
        for informer in (cluster.vms, cluster.vmis, cluster.pvcs, cluster.snapshots):
            informer.on_change(self._source_changed)

    def _export_changed(self, old: Object | None, new: Object | None) -> None:
        export = new or old or {}
        if new is None:
            self.served.pop(key_of(export), None)
            self._begun.pop(export["metadata"]["uid"], None)
        self.queue.add(key_of(export))

    def _source_changed(self, old: Object | None, new: Object | None) -> None:
        source = new or old or {}
        for export in self.cluster.exports.all():
            if export["metadata"]["namespace"] == source["metadata"]["namespace"]:
                self.queue.add(key_of(export))

    async def reconcile(self, key: str) -> float | None:
        export = self.cluster.exports.get(key)
        if export is None or deleting(export):
            return None
        source = await source_of(self.cluster, export)
        status: Object = copy.deepcopy(export.get("status") or {})
        if not status:
            status |= {"phase": "Pending", "ttlExpirationTime": _expiry(export).strftime(STAMP)}
        status["serviceName"] = await self._service(export)
        await self._token(export, source, status)
        runs = source.available and await self._runs(export, status)
        if source.available and _expiry(export) <= datetime.now(UTC):
            await self.cluster.remove(EXPORT, export)
            return None
        await self._tell(export, source, status, runs)
        if runs:
            self.served[key] = source
        else:
            self.served.pop(key, None)
        await self.cluster.write_status(EXPORT, export, status)
        left = (_expiry(export) - datetime.now(UTC)).total_seconds()
        return max(0.1, min(AGAIN if runs else START_SECONDS, left)) if source.available else AGAIN

    async def _token(self, export: Object, source: Source, status: Object) -> None:
        """The secret that was named, or one of the export's own."""
        named = export["spec"].get("tokenSecretRef")
        if named:
            status["tokenSecretRef"] = named
            return
        if not source.available or status.get("tokenSecretRef"):
            return
        meta, name = export["metadata"], f"export-token-{export['metadata']['name']}"[:LONGEST]
        body = {
            "metadata": {"name": name, "namespace": meta["namespace"], "ownerReferences": [owner_reference(export)]},
            "type": "Opaque",
            "stringData": {"token": secrets.token_hex(10)},
        }
        status["tokenSecretRef"] = name
        try:
            await self.cluster.kube.create(SECRET, body)
        except ApiError as error:
            if error.status != 409:
                raise

    async def _runs(self, export: Object, status: Object) -> bool:
        """Whether the exporter is up: some time after it was begun, and not without its token."""
        meta, clock = export["metadata"], asyncio.get_running_loop().time()
        token = await self.cluster.kube.find(SECRET, meta["namespace"], status["tokenSecretRef"])
        return token is not None and clock - self._begun.setdefault(meta["uid"], clock) >= START_SECONDS

    async def _service(self, export: Object) -> str:
        """The exporter's service, which here leads to the one server."""
        meta = export["metadata"]
        name = f"virt-export-{meta['name'].replace('.', '-')}"[:LONGEST]
        if (export.get("status") or {}).get("serviceName") != name:
            ports = [{"port": self._port, "protocol": "TCP"}]
            body = {
                "metadata": {
                    "name": name,
                    "namespace": meta["namespace"],
                    "ownerReferences": [owner_reference(export)],
                },
                "spec": {"type": "ExternalName", "externalName": "127.0.0.1", "ports": ports},
            }
            await self.cluster.kube.apply(SERVICE, body)
        return name

    async def _tell(self, export: Object, source: Source, status: Object, runs: bool) -> None:
        kind, status["links"] = export["spec"]["source"]["kind"], {}
        if source.machine:
            status["virtualMachineName"] = source.machine
        if runs:
            status["phase"] = "Ready"
            put(status, "Ready", "True", "PodReady")
            status["links"] = await self._links(export, source, status)
        else:
            status["phase"] = "Pending"
            put(status, "Ready", "False", *(("PodPending",) if source.available else source.waits))
        if source.condition is not None:
            put(status, *source.condition)
        reason = source.condition[2] if source.condition else ""
        if not source.claims and (kind == VM.kind or (kind == SNAPSHOT.kind and reason == "VMSnapshotNoVolumes")):
            status["phase"] = "Skipped"

    async def _links(self, export: Object, source: Source, status: Object) -> Object:
        meta = export["metadata"]
        inside = f"https://{status['serviceName']}.{meta['namespace']}.svc"
        links = {"internal": self._link(export, source, inside, "internal", self._authority)}
        host, certificate = await self._ingress()
        if host:
            path = f"/api/export.kubevirt.io/v1/namespaces/{meta['namespace']}/virtualmachineexports/{meta['name']}"
            links["external"] = self._link(export, source, f"https://{host}{path}", "external", certificate)
        return links

    @staticmethod
    def _link(export: Object, source: Source, base: str, side: str, certificate: str) -> Object:
        prefix = f"{export['metadata']['name']}-" if export["spec"]["source"]["kind"] == SNAPSHOT.kind else ""
        manifests = [{"type": "auth-header-secret", "url": f"{base}/{side}/manifests/secret"}]
        if source.machine:
            manifests.insert(0, {"type": "all", "url": f"{base}/{side}/manifests/all"})
        volumes = [
            {
                "name": pvc["metadata"]["name"].removeprefix(prefix),
                "formats": [
                    {"format": kind, "url": f"{base}/volumes/{pvc['metadata']['name']}/{FILES[kind]}"}
                    for kind in formats_of(pvc)
                ],
            }
            for pvc in source.claims
        ]
        return {"cert": certificate.strip(), "manifests": manifests, "volumes": volumes}

    async def _ingress(self) -> tuple[str, str]:
        """Host and certificate of the Ingress that leads to the export proxy."""
        for ingress in await self.cluster.kube.list(INGRESS, "kubevirt"):
            host = host_of(ingress)
            if host:
                pair = await ingress_secret(self.cluster, ingress)
                return host, pair[0] if pair else ""
        return "", ""


def host_of(ingress: Object) -> str:
    """The host of an Ingress that leads to the export proxy."""
    spec = ingress["spec"]
    rules = spec.get("rules") or []
    if ((spec.get("defaultBackend") or {}).get("service") or {}).get("name") == PROXY and rules:
        return str(rules[0].get("host") or "")
    for rule in rules:
        for path in (rule.get("http") or {}).get("paths") or []:
            if ((path.get("backend") or {}).get("service") or {}).get("name") == PROXY and rule.get("host"):
                return str(rule["host"])
    return ""


async def ingress_secret(cluster: Cluster, ingress: Object) -> tuple[str, str] | None:
    """Certificate and key of an Ingress, both PEM."""
    name = next((tls["secretName"] for tls in ingress["spec"].get("tls") or [] if tls.get("secretName")), "")
    found = await cluster.kube.find(SECRET, "kubevirt", name) if name else None
    if found is None:
        return None
    data = found.get("data") or {}
    certificate, key = (base64.b64decode(data.get(part, "")).decode() for part in ("tls.crt", "tls.key"))
    return certificate, key


def _expiry(export: Object) -> datetime:
    made = datetime.strptime(export["metadata"]["creationTimestamp"], STAMP).replace(tzinfo=UTC)
    return made + timedelta(seconds=seconds(export["spec"].get("ttlDuration") or TTL))
