"""The DataVolumes behind a VMI's claims: its pod waits until they are filled, or wait for it themselves."""

from __future__ import annotations

from ..conditions import drop, put
from ..resources import Object, controller_of
from .claims import claims_of
from .cluster import Cluster

READY_PHASES = ("Succeeded", "PendingPopulation")


def _data_volumes(cluster: Cluster, vmi: Object) -> list[Object]:
    """The DataVolumes that control the claims of the VMI."""
    namespace, found = vmi["metadata"]["namespace"], []
    for _volume, claim in claims_of(vmi["spec"]):
        owner = controller_of(cluster.pvcs.get(f"{namespace}/{claim}") or {"metadata": {}})
        if owner is not None and owner["kind"] == "DataVolume":
            found.append(cluster.data_volumes.get(f"{namespace}/{owner['name']}"))
    return [dv for dv in found if dv is not None]


def _phase(dv: Object) -> str:
    return str((dv.get("status") or {}).get("phase") or "")


def ready(cluster: Cluster, vmi: Object) -> bool:
    """Whether every DataVolume is filled, or is filled as soon as the pod is there."""
    return all(_phase(dv) in READY_PHASES for dv in _data_volumes(cluster, vmi))


def failed(cluster: Cluster, vmi: Object) -> bool:
    return any(_phase(dv) == "Failed" for dv in _data_volumes(cluster, vmi))


def unbound(cluster: Cluster, namespace: str, claims: list[str]) -> bool:
    """Whether a claim of a DataVolume has no volume yet: no kubelet can mount it."""
    found = [cluster.pvcs.get(f"{namespace}/{claim}") for claim in claims]
    return any(
        (controller_of(pvc) or {}).get("kind") == "DataVolume" and (pvc.get("status") or {}).get("phase") != "Bound"
        for pvc in found
        if pvc is not None
    )


def tell(cluster: Cluster, vmi: Object, pod: Object | None) -> None:
    """Put what is known of the DataVolumes into the VMI's conditions."""
    found, status = _data_volumes(cluster, vmi), vmi["status"]
    if not found:
        return
    whole = all(_phase(dv) == "Succeeded" for dv in found)
    told = (
        ("AllDVsReady", "All of the VMI's DVs are bound and ready")
        if whole
        else ("NotAllDVsReady", "Not all of the VMI's DVs are ready")
    )
    put(status, "DataVolumesReady", str(whole), *told)
    if pod is None and any(_phase(dv) == "WaitForFirstConsumer" for dv in found):
        put(status, "Provisioning", "True")
    elif pod is not None:
        drop(status, "Provisioning")
