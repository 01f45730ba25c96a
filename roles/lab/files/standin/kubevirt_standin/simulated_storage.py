"""A StorageClass whose claims are bound at once and hold nothing: for guests that are simulated."""

from __future__ import annotations

from .controllers.cluster import Cluster
from .kube import Kube
from .resources import PVC, STORAGE_CLASS, key_of
from .simulated import ANNOTATION
from .work import WorkQueue

NAME = "simulated"


class SimulatedStorage:
    """Plays the provisioner."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.queue = WorkQueue("simulated storage", self.reconcile, workers=1)
        cluster.pvcs.on_change(lambda old, new: self.queue.add(key_of(new or old or {})))

    async def reconcile(self, key: str) -> None:
        pvc = self.cluster.pvcs.get(key)
        bound = pvc is None or (pvc.get("status") or {}).get("phase") == "Bound"
        if pvc is None or bound or pvc["spec"].get("storageClassName") != NAME:
            return
        asked = pvc["spec"]["resources"]["requests"]["storage"]
        status = {"phase": "Bound", "accessModes": pvc["spec"]["accessModes"], "capacity": {"storage": asked}}
        meta = pvc["metadata"]
        answer = await self.cluster.kube.patch(PVC, meta["namespace"], meta["name"], {"status": status}, "status")
        self.cluster.seen(PVC, answer)


async def install(kube: Kube) -> None:
    """The class, as the default one."""
    annotations = {ANNOTATION: "true", "storageclass.kubernetes.io/is-default-class": "true"}
    body = {"metadata": {"name": NAME, "annotations": annotations}, "provisioner": ANNOTATION}
    await kube.apply(STORAGE_CLASS, body)
