"""The volumes of a VM: its DataVolume templates, and claims that are missing."""

from __future__ import annotations

from ..kube import ApiError
from ..resources import Object, Resource, owner_reference
from .claims import claims_of
from .cluster import Cluster

DATA_VOLUME = Resource("cdi.kubevirt.io", "v1beta1", "datavolumes", "DataVolume")


class VolumeError(Exception):
    """A DataVolume of the VM's templates could not be made."""


class VolumeTemplates:
    """Makes the DataVolumes that a VM's templates ask for."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._made: set[tuple[str, str]] = set()

    async def ensure(self, vm: Object) -> None:
        for template in vm["spec"].get("dataVolumeTemplates") or []:
            mark = (vm["metadata"]["uid"], template["metadata"]["name"])
            if mark not in self._made:
                await self._create(vm, template)
                self._made.add(mark)

    async def _create(self, vm: Object, template: Object) -> None:
        name, namespace = template["metadata"]["name"], vm["metadata"]["namespace"]
        meta = {
            "name": name,
            "namespace": namespace,
            "labels": (template["metadata"].get("labels") or {}) | {"kubevirt.io/created-by": vm["metadata"]["uid"]},
            "annotations": template["metadata"].get("annotations") or {},
            "ownerReferences": [owner_reference(vm)],
        }
        try:
            await self._cluster.kube.create(DATA_VOLUME, {"metadata": meta, "spec": template["spec"]})
        except ApiError as error:
            if error.status == 409:
                return
            text = error.message or "the server could not find the requested resource"
            if error.status == 404:
                text = "the server could not find the requested resource (post datavolumes.cdi.kubevirt.io)"
            raise VolumeError(f"Error creating DataVolume {name}: {text}") from error


def missing_claim(cluster: Cluster, vm: Object, vmi: Object | None) -> str | None:
    """The first claim that the VMI waits for and that does not exist."""
    if vmi is None:
        return None
    for _volume, claim in claims_of(vmi["spec"]):
        if cluster.pvcs.get(f"{vm['metadata']['namespace']}/{claim}") is None:
            return claim
    return None


def snapshottable(cluster: Cluster, vm: Object) -> frozenset[str]:
    """The volumes whose storage can snapshot them."""
    namespace = vm["metadata"]["namespace"]
    found = claims_of(vm["spec"]["template"]["spec"])
    return frozenset(volume for volume, claim in found if cluster.snapshot_class(namespace, claim))
