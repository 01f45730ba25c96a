"""DataVolume: its claim, and a status that follows the claim."""

from __future__ import annotations

import copy

from ..controllers.cluster import Cluster
from ..kube import ApiError
from ..resources import (
    CSI_DRIVER,
    DATA_SOURCE,
    DATA_VOLUME,
    PVC,
    STORAGE_CLASS,
    STORAGE_PROFILE,
    Object,
    controller_of,
    deleting,
    key_of,
    owner_reference,
)
from ..work import WorkQueue
from . import PRE_POPULATED, USE_POPULATOR, annotations_of, claim, phase, populated_elsewhere, source_of
from .claim import NotValid, Storage

AGAIN = 1.0
QUOTA = "exceeded quota"


class DataVolumes:
    """The controller of DataVolumes."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.queue = WorkQueue("datavolume", self.reconcile)
        cluster.data_volumes.on_change(lambda old, new: self.queue.add(key_of(new or old or {})))
        cluster.pvcs.on_change(lambda old, new: self.queue.add(key_of(new or old or {})))

    async def reconcile(self, key: str) -> float | None:
        dv = self.cluster.data_volumes.get(key)
        if dv is None or deleting(dv):
            return None
        resolved = await self._resolved(dv)
        if resolved is None:
            return AGAIN
        pvc, refusal = self.cluster.pvcs.get(key), ("", "")
        if pvc is None and PRE_POPULATED in annotations_of(dv):
            return None  # somebody else makes the claim
        storage = await self._storage()
        try:
            if pvc is None:
                dv, pvc = await self._create(dv, resolved, storage)
                resolved = resolved | {"metadata": dv["metadata"]}
            else:
                pvc = await self._claim(dv, pvc)
        except NotValid as error:
            refusal = (error.reason, str(error))
            self.cluster.recorder.event(dv, "Warning", *refusal)
        await self._write_status(dv, resolved, pvc, storage, refusal)
        return AGAIN if refusal[0] else None

    async def _resolved(self, dv: Object) -> Object | None:
        """The DataVolume with the source that its DataSource stands for; None where that is not there."""
        reference = dv["spec"].get("sourceRef")
        if reference is None:
            return dv
        namespace = reference.get("namespace") or dv["metadata"]["namespace"]
        found = await self.cluster.kube.find(DATA_SOURCE, namespace, reference["name"])
        source = ((found or {}).get("spec") or {}).get("source") or {}
        if not source.get("pvc"):
            return None
        return dv | {"spec": dv["spec"] | {"source": {"pvc": source["pvc"]}}}

    async def _storage(self) -> Storage:
        """Read anew each time: tests add classes, and there are few."""
        kube = self.cluster.kube
        profiles = {item["metadata"]["name"]: item for item in await kube.list(STORAGE_PROFILE)}
        drivers = frozenset(str(item["metadata"]["name"]) for item in await kube.list(CSI_DRIVER))
        return Storage(await kube.list(STORAGE_CLASS), profiles, drivers)

    async def _create(self, dv: Object, resolved: Object, storage: Storage) -> tuple[Object, Object]:
        kind, parameters = source_of(resolved)
        source_claim = None
        if kind == "pvc":
            namespace = parameters.get("namespace") or dv["metadata"]["namespace"]
            source_claim = self.cluster.pvcs.get(f"{namespace}/{parameters['name']}")
            if source_claim is None:
                raise NotValid(f"The source pvc {parameters['name']} doesn't exist", "CloneWithoutSource")
        dv = await self._marked(dv, storage)
        body = claim.render(resolved | {"metadata": dv["metadata"]}, storage, source_claim)
        try:
            return dv, await self.cluster.make(PVC, body)
        except ApiError as error:
            if error.status == 403 and QUOTA in error.message:
                raise NotValid(error.message, "ErrExceededQuota") from error
            if error.status == 422:
                raise NotValid(error.message) from error
            raise

    async def _marked(self, dv: Object, storage: Storage) -> Object:
        """The DataVolume says whether its claim is filled before it is bound."""
        annotations = annotations_of(dv)
        if USE_POPULATOR in annotations:
            return dv
        form = dv["spec"].get("storage") or dv["spec"].get("pvc") or {}
        marked = copy.deepcopy(dv)
        populates = storage.populates(form.get("storageClassName"))
        marked["metadata"]["annotations"] = annotations | {USE_POPULATOR: str(populates).lower()}
        return await self.cluster.write(DATA_VOLUME, marked)

    async def _claim(self, dv: Object, pvc: Object) -> Object:
        """The claim of the DataVolume's name, as its own."""
        if deleting(pvc):
            raise NotValid(f'Resource "{pvc["metadata"]["name"]}" marked for deletion', "ErrResourceMarkedForDeletion")
        owner = controller_of(pvc)
        if owner is not None and owner["uid"] == dv["metadata"]["uid"]:
            return pvc
        if not populated_elsewhere(pvc, dv):
            name = pvc["metadata"]["name"]
            raise NotValid(f'Resource "{name}" already exists and is not managed by DataVolume', "ErrResourceExists")
        adopted = copy.deepcopy(pvc)
        adopted["metadata"]["ownerReferences"] = [owner_reference(dv)]
        return await self.cluster.write(PVC, adopted)

    async def _write_status(
        self, dv: Object, resolved: Object, pvc: Object | None, storage: Storage, refusal: tuple[str, str]
    ) -> None:
        before = (dv.get("status") or {}).get("phase")
        found = storage.choose((pvc or {"spec": {}})["spec"].get("storageClassName"))
        facts = phase.Facts(
            dv=resolved | {"status": dv.get("status")},
            pvc=pvc,
            waits=found is not None and found.get("volumeBindingMode") == "WaitForFirstConsumer",
            populates=annotations_of(dv).get(USE_POPULATOR) == "true",
            refusal=refusal,
        )
        status = phase.render(facts)
        await self.cluster.write_status(DATA_VOLUME, dv, status)
        if status.get("phase") not in (before, None):
            self.cluster.recorder.event(dv, "Normal", status["phase"], f"DataVolume is {status['phase']}")
