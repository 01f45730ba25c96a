"""The volumes of a VM: its DataVolume templates, and how far the claims are that it uses."""

from __future__ import annotations

import copy

from ..kube import ApiError
from ..resources import DATA_VOLUME, Object, controller_of, deleting, owner_reference
from .claims import claims_of
from .cluster import Cluster

READY_PHASES = ("Succeeded", "WaitForFirstConsumer", "PendingPopulation")


class VolumeError(Exception):
    """A DataVolume of the VM's templates could not be made, or has failed."""


class VolumeTemplates:
    """Makes the DataVolumes that a VM's templates ask for."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._made: set[tuple[str, str]] = set()

    async def ensure(self, vm: Object) -> bool:
        """Make what is missing; whether the machine may start as far as its DataVolumes go."""
        ready = True
        for template in vm["spec"].get("dataVolumeTemplates") or []:
            ready = await self._ensure(vm, template) and ready
        return ready

    async def _ensure(self, vm: Object, template: Object) -> bool:
        mark = (vm["metadata"]["uid"], template["metadata"]["name"])
        if not self._cluster.cdi:
            if mark not in self._made:
                await self._create(vm, template)
                self._made.add(mark)
            return True
        name = template["metadata"]["name"]
        found = self._cluster.data_volumes.get(f"{vm['metadata']['namespace']}/{name}")
        if found is None:
            await self._create(vm, template)
            return False
        if controller_of(found) is None and not deleting(found):
            adopted = copy.deepcopy(found)
            adopted["metadata"]["ownerReferences"] = [owner_reference(vm)]
            found = await self._cluster.write(DATA_VOLUME, adopted)
        phase = (found.get("status") or {}).get("phase") or ""
        if phase == "Failed":
            text = f"DataVolume {name} failed to import disk image"
            self._cluster.recorder.event(vm, "Warning", "FailedDataVolumeImport", text)
        return phase in READY_PHASES

    async def _create(self, vm: Object, template: Object) -> None:
        name, namespace = template["metadata"]["name"], vm["metadata"]["namespace"]
        meta = {
            "name": name,
            "namespace": namespace,
            "labels": (template["metadata"].get("labels") or {}) | {"kubevirt.io/created-by": vm["metadata"]["uid"]},
            "annotations": (template["metadata"].get("annotations") or {})
            | {"cdi.kubevirt.io/allowClaimAdoption": "true"},
            "ownerReferences": [owner_reference(vm)],
        }
        try:
            made = await self._cluster.make(DATA_VOLUME, {"metadata": meta, "spec": template["spec"]})
        except ApiError as error:
            if error.status == 409:
                return
            text = error.message or "the server could not find the requested resource"
            if error.status == 404:
                text = "the server could not find the requested resource (post datavolumes.cdi.kubevirt.io)"
            raise VolumeError(f"Error creating DataVolume {name}: {text}") from error
        text = f"Created DataVolume {made['metadata']['name']}"
        self._cluster.recorder.event(vm, "Normal", "SuccessfulDataVolumeCreate", text)


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


def state_of(cluster: Cluster, vm: Object) -> str:
    """What the machine's DataVolumes and claims make its status: DataVolumeError, Provisioning, WaitingForVolumeBinding."""
    namespace = vm["metadata"]["namespace"]
    volumes = vm["spec"]["template"]["spec"].get("volumes") or []
    names = [str(volume["dataVolume"]["name"]) for volume in volumes if volume.get("dataVolume")]
    found = [dv for dv in (cluster.data_volumes.get(f"{namespace}/{name}") for name in names) if dv is not None]
    if any(failed(dv) for dv in found):
        return "DataVolumeError"
    if any(_provisioning(dv) for dv in found):
        return "Provisioning"
    claims = [cluster.pvcs.get(f"{namespace}/{claim}") for _volume, claim in claims_of({"volumes": volumes})]
    unbound = any(pvc is not None and (pvc.get("status") or {}).get("phase") != "Bound" for pvc in claims)
    return "WaitingForVolumeBinding" if unbound and cluster.cdi else ""


def _condition(dv: Object, kind: str) -> Object:
    conditions = (dv.get("status") or {}).get("conditions") or []
    return next((dict(item) for item in conditions if item["type"] == kind), {})


def failed(dv: Object) -> bool:
    """Whether a machine counts the DataVolume as failed."""
    if (dv.get("status") or {}).get("phase") == "Failed":
        return True
    running = _condition(dv, "Running")
    return running.get("status") == "False" and running.get("reason") in ("Error", "ImagePullFailed")


def _provisioning(dv: Object) -> bool:
    phase = (dv.get("status") or {}).get("phase") or ""
    if phase in ("Succeeded", "PendingPopulation"):
        return False
    return _condition(dv, "Bound").get("status") == "True" or phase != "WaitForFirstConsumer"
