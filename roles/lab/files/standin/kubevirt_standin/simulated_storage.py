"""StorageClasses whose claims are bound and grow, and hold nothing: for guests that are simulated."""

from __future__ import annotations

from dataclasses import dataclass

from .controllers.claims import claims_of
from .controllers.cluster import Cluster
from .kube import Kube
from .quantity import to_bytes
from .resources import CSI_DRIVER, PVC, STORAGE_CLASS, Object, deleting, key_of
from .simulated import ANNOTATION, NODES
from .work import WorkQueue

SELECTED_NODE = "volume.kubernetes.io/selected-node"
IMMEDIATE = "cdi.kubevirt.io/storage.bind.immediate.requested"
# What provisioners make a volume of without a populator.
COPIED = ("PersistentVolumeClaim", "VolumeSnapshot")
POD_PHASE = "cdi.kubevirt.io/storage.pod.phase"


@dataclass(frozen=True)
class Class:
    """One StorageClass: waits for a first consumer, is a CSI driver's (claims are filled before they are bound), grows."""

    waits: bool = False
    csi: bool = False
    grows: bool = True


DEFAULT = "simulated"
CLASSES = {DEFAULT: Class()}
# Beside CDI only, which tells them apart.
CLASSES_OF_CDI = {
    "simulated-fixed": Class(grows=False),
    "simulated-wffc": Class(waits=True),
    "simulated-csi": Class(csi=True),
    "simulated-csi-wffc": Class(waits=True, csi=True),
}


def _class_of(pvc: Object) -> Class | None:
    return (CLASSES | CLASSES_OF_CDI).get(pvc["spec"].get("storageClassName") or "")


def has_consumer(pvc: Object) -> bool:
    """Whether the claim may be bound: at once, or because somebody has come who uses it."""
    found, annotations = _class_of(pvc), pvc["metadata"].get("annotations") or {}
    return found is not None and (not found.waits or SELECTED_NODE in annotations or IMMEDIATE in annotations)


class SimulatedStorage:
    """Plays scheduler (of the first consumer), provisioner and resizer."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.queue = WorkQueue("simulated storage", self.reconcile, workers=1)
        cluster.pvcs.on_change(lambda old, new: self.queue.add(key_of(new or old or {})))
        cluster.vmis.on_change(self._consumer_changed)

    def _consumer_changed(self, old: Object | None, new: Object | None) -> None:
        vmi = new or old or {}
        for _volume, claim in claims_of(vmi["spec"]):
            self.queue.add(f"{vmi['metadata']['namespace']}/{claim}")

    async def reconcile(self, key: str) -> None:
        pvc = self.cluster.pvcs.get(key)
        found = _class_of(pvc) if pvc is not None else None
        if pvc is None or found is None or deleting(pvc):
            return
        asked, status = pvc["spec"]["resources"]["requests"]["storage"], pvc.get("status") or {}
        if status.get("phase") == "Bound":
            has = (status.get("capacity") or {}).get("storage", asked)
            if found.grows and to_bytes(asked) > to_bytes(has):
                await self._write(pvc, {"status": {"capacity": {"storage": asked}}}, "status")
        elif not has_consumer(pvc):
            if self._used(key):
                await self._write(pvc, {"metadata": {"annotations": {SELECTED_NODE: NODES[0]}}})
        elif not self._to_be_filled(pvc):
            bound = {"phase": "Bound", "accessModes": pvc["spec"]["accessModes"], "capacity": {"storage": asked}}
            await self._write(pvc, {"status": bound}, "status")

    @staticmethod
    def _to_be_filled(pvc: Object) -> bool:
        """Whether a populator has yet to fill the volume that the claim will have. Provisioners copy by themselves."""
        populated = (pvc["metadata"].get("annotations") or {}).get(POD_PHASE) == "Succeeded"
        source = pvc["spec"].get("dataSourceRef") or {}
        return bool(source) and source["kind"] not in COPIED and not populated

    def _used(self, key: str) -> bool:
        """Whether an instance waits for the claim; it is the first consumer, without the pod that would say so."""
        namespace, _slash, name = key.rpartition("/")
        return any(
            vmi["metadata"]["namespace"] == namespace and name in dict(claims_of(vmi["spec"])).values()
            for vmi in self.cluster.vmis.all()
        )

    async def _write(self, pvc: Object, body: Object, sub: str = "") -> None:
        meta = pvc["metadata"]
        self.cluster.seen(PVC, await self.cluster.kube.patch(PVC, meta["namespace"], meta["name"], body, sub))


async def install(kube: Kube, cdi: bool = False) -> None:
    """The classes; `simulated` is the default one."""
    for name, found in (CLASSES | (CLASSES_OF_CDI if cdi else {})).items():
        annotations = {ANNOTATION: "true"}
        if name == DEFAULT:
            annotations["storageclass.kubernetes.io/is-default-class"] = "true"
        provisioner = f"csi.{ANNOTATION.replace('/', '.')}" if found.csi else ANNOTATION
        body = {
            "metadata": {"name": name, "annotations": annotations},
            "provisioner": provisioner,
            "allowVolumeExpansion": found.grows,
            "volumeBindingMode": "WaitForFirstConsumer" if found.waits else "Immediate",
        }
        await kube.apply(STORAGE_CLASS, body)
        if found.csi:
            driver = {"metadata": {"name": provisioner, "annotations": {ANNOTATION: "true"}}, "spec": {}}
            await kube.apply(CSI_DRIVER, driver)
