"""What all controllers share: the watched objects, the recorder, writes that the caches see at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ..informer import Informer
from ..kube import Kube
from ..quantity import to_bytes
from ..recorder import Recorder
from ..resources import (
    CLONE,
    DATA_VOLUME,
    EXPORT,
    KUBEVIRT,
    MIGRATION,
    NODE,
    POD,
    PVC,
    RESTORE,
    SNAPSHOT,
    VM,
    VMI,
    VOLUME_SNAPSHOT,
    Object,
    Resource,
)
from .claims import claims_of

WITHOUT_STATUS_RESOURCE = (VMI,)


class Cluster:
    """The watched objects and the way to write them."""

    def __init__(
        self, kube: Kube, component: str = "virtualmachine-controller", pod_fields: str = "", cdi: bool = False
    ) -> None:
        self.kube = kube
        # Without CDI there are no DataVolumes to watch, and what asks for them fails.
        self.cdi = cdi
        self.recorder = Recorder(kube, component)
        # Whether a guest that runs can get volumes: QEMU's part of it is not written.
        self.hotplugs = False
        self.vms = Informer(kube, VM)
        self.vmis = Informer(kube, VMI)
        self.migrations = Informer(kube, MIGRATION)
        self.pods = Informer(kube, POD, selector="kubevirt.io=virt-launcher", fields=pod_fields)
        self.nodes = Informer(kube, NODE)
        self.pvcs = Informer(kube, PVC)
        self.kubevirts = Informer(kube, KUBEVIRT)
        self.data_volumes = Informer(kube, DATA_VOLUME)
        self.snapshots = Informer(kube, SNAPSHOT)
        self.restores = Informer(kube, RESTORE)
        self.clones = Informer(kube, CLONE)
        # Only where the storage can be snapshotted and exported; `snapshot_classes` by StorageClass then.
        self.storage = False
        self.snapshot_classes: dict[str, str] = {}
        self.volume_snapshots = Informer(kube, VOLUME_SNAPSHOT)
        self.exports = Informer(kube, EXPORT)

    def informers(self) -> Iterable[Informer]:
        machines = (self.vms, self.vmis, self.migrations)
        storage = (self.volume_snapshots, self.exports) if self.storage else ()
        volumes = (self.pvcs, *((self.data_volumes,) if self.cdi else ()))
        return (
            *machines,
            self.pods,
            self.nodes,
            *volumes,
            self.kubevirts,
            self.snapshots,
            self.restores,
            self.clones,
            *storage,
        )

    async def synced(self) -> None:
        """Return once every store is filled."""
        await asyncio.gather(*(informer.synced.wait() for informer in self.informers()))

    def _informer(self, resource: Resource) -> Informer | None:
        return next((item for item in self.informers() if item.resource == resource), None)

    async def write_status(self, resource: Resource, obj: Object, status: Object) -> Object:
        """Replace the status of the object as it was read; unchanged means no request."""
        if status == (obj.get("status") or {}):
            return obj
        sub = "" if resource in WITHOUT_STATUS_RESOURCE else "status"
        return self.seen(resource, await self.kube.update(resource, obj | {"status": status}, sub))

    async def write(self, resource: Resource, obj: Object) -> Object:
        """Replace the object as it was read."""
        return self.seen(resource, await self.kube.update(resource, obj))

    async def make(self, resource: Resource, obj: Object) -> Object:
        return self.seen(resource, await self.kube.create(resource, obj))

    async def remove(self, resource: Resource, obj: Object, grace: int | None = None) -> None:
        """Delete this very object, by its UID."""
        meta = obj["metadata"]
        answer = await self.kube.delete(resource, meta.get("namespace", ""), meta["name"], meta["uid"], grace)
        if answer and answer.get("kind") == resource.kind and answer["metadata"].get("resourceVersion"):
            self.seen(resource, answer)

    def seen(self, resource: Resource, answer: Object) -> Object:
        informer = self._informer(resource)
        if informer is not None:
            informer.remember(answer)
        return answer

    def pods_of(self, vmi: Object) -> list[Object]:
        """The launcher pods that were made for this VMI, oldest first."""
        uid, namespace = vmi["metadata"]["uid"], vmi["metadata"]["namespace"]
        found = [
            pod
            for pod in self.pods.all()
            if pod["metadata"]["namespace"] == namespace
            and (pod["metadata"].get("labels") or {}).get("kubevirt.io/created-by") == uid
        ]
        return sorted(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def capacities(self, vmi: Object) -> dict[str, int]:
        """Bytes of each claim that the VMI uses, by volume."""
        found = {}
        for volume, claim in claims_of(vmi["spec"]):
            pvc = self.pvcs.get(f"{vmi['metadata']['namespace']}/{claim}") or {"spec": {}}
            stated = ((pvc.get("status") or {}).get("capacity") or {}).get("storage")
            asked = ((pvc["spec"].get("resources") or {}).get("requests") or {}).get("storage")
            found[volume] = to_bytes(asked or stated or 0)
        return found

    def kubevirt(self) -> Object:
        """The KubeVirt object, empty before there is one."""
        return next(iter(self.kubevirts.all()), {})

    def snapshot_class(self, namespace: str, claim: str) -> str:
        """The VolumeSnapshotClass for a claim, empty where there is none."""
        pvc = self.pvcs.get(f"{namespace}/{claim}") or {"spec": {}}
        return self.snapshot_classes.get(pvc["spec"].get("storageClassName") or "", "")

    def migration_of(self, vmi: Object) -> Object | None:
        """The migration of the VMI that is not over."""
        meta = vmi["metadata"]
        for item in self.migrations.all():
            phase = (item.get("status") or {}).get("phase")
            same = item["metadata"]["namespace"] == meta["namespace"] and item["spec"].get("vmiName") == meta["name"]
            if same and phase not in ("Succeeded", "Failed"):
                return item
        return None
