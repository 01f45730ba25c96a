"""The volumes of a restore: how their claims are called, and the claims made of VolumeSnapshots."""

from __future__ import annotations

import copy

from ..kube import ApiError
from ..resources import PVC, VOLUME_SNAPSHOT, Object, deleting, owner_reference
from .cluster import Cluster

DROPPED = ("pv.kubernetes.io", "volume.beta.kubernetes.io", "cdi.kubevirt.io", "volume.kubernetes.io", "k8s.io/Clone")
LAST = "restore.kubevirt.io/lastRestoreUID"


def plan(restore: Object, content: Object) -> list[Object]:
    """Each volume of the snapshot with the claim that it becomes."""
    return [
        {
            "volumeName": backup["volumeName"],
            "persistentVolumeClaim": _name(restore, backup),
            "volumeSnapshotName": backup["volumeSnapshotName"],
        }
        for backup in content["spec"].get("volumeBackups") or []
    ]


def _name(restore: Object, backup: Object) -> str:
    spec, volume = restore["spec"], backup["volumeName"]
    for override in spec.get("volumeRestoreOverrides") or []:
        if override["volumeName"] == volume and override.get("restoreName"):
            return str(override["restoreName"])
    policy = spec.get("volumeRestorePolicy")
    if policy == "InPlace":
        return str(backup["persistentVolumeClaim"]["metadata"]["name"])
    if policy == "PrefixTargetName":
        return f"{spec['target']['name']}-{volume}"[:63]
    return f"restore-{restore['metadata']['uid']}-{volume}"


async def fill(cluster: Cluster, restore: Object, content: Object, vm: Object | None, restores: list[Object]) -> bool:
    """Make the claims that are missing; whether there is something to wait for."""
    waiting = False
    backups = {backup["volumeName"]: backup for backup in content["spec"].get("volumeBackups") or []}
    for one in restores:
        pvc = cluster.pvcs.get(f"{restore['metadata']['namespace']}/{one['persistentVolumeClaim']}")
        if pvc is None:
            await _make(cluster, restore, vm, one, backups[one["volumeName"]])
            waiting = True
        elif deleting(pvc):
            waiting = True
        elif restore["spec"].get("volumeRestorePolicy") == "InPlace" and not _is_ours(restore, pvc):
            await cluster.remove(PVC, pvc)
            waiting = True
        elif (pvc.get("status") or {}).get("phase") != "Bound":
            waiting = True
    return waiting


def _is_ours(restore: Object, pvc: Object) -> bool:
    mark = f"{restore['metadata']['name']}-{restore['metadata']['uid']}"
    return bool((pvc["metadata"].get("annotations") or {}).get(LAST) == mark)


async def _make(cluster: Cluster, restore: Object, vm: Object | None, one: Object, backup: Object) -> None:
    meta, source = restore["metadata"], backup["persistentVolumeClaim"]
    override: Object = next(
        (o for o in restore["spec"].get("volumeRestoreOverrides") or [] if o["volumeName"] == one["volumeName"]), {}
    )
    annotations = {
        key: value
        for key, value in (source["metadata"].get("annotations") or {}).items()
        if not key.startswith(DROPPED) and "simulated-" not in key
    }
    annotations |= override.get("annotations") or {}
    annotations[LAST] = f"{meta['name']}-{meta['uid']}"
    reference = {"apiGroup": VOLUME_SNAPSHOT.group, "kind": VOLUME_SNAPSHOT.kind, "name": one["volumeSnapshotName"]}
    kept = ("accessModes", "resources", "storageClassName", "volumeMode")
    spec = {key: value for key, value in source["spec"].items() if key in kept}
    claim: Object = {
        "metadata": {
            "name": one["persistentVolumeClaim"],
            "namespace": meta["namespace"],
            "labels": (source["metadata"].get("labels") or {}) | (override.get("labels") or {}),
            "annotations": annotations,
        },
        "spec": spec | {"dataSource": reference, "dataSourceRef": reference},
    }
    if vm is not None and restore["spec"].get("volumeOwnershipPolicy") != "None":
        claim["metadata"]["ownerReferences"] = [owner_reference(vm)]
    try:
        await cluster.make(PVC, claim)
    except ApiError as error:
        if error.status != 409:
            raise


def renamed(spec: Object, restores: list[Object]) -> Object:
    """The snapshot's spec with the restored claims in place of those that were snapshotted."""
    wanted: Object = copy.deepcopy(spec)
    claims = {one["volumeName"]: one["persistentVolumeClaim"] for one in restores}
    volumes = []
    for volume in wanted["template"]["spec"].get("volumes") or []:
        if volume["name"] in claims and "persistentVolumeClaim" in volume:
            volume["persistentVolumeClaim"]["claimName"] = claims[volume["name"]]
        elif volume["name"] in claims and "dataVolume" in volume:
            volume = {"name": volume["name"], "persistentVolumeClaim": {"claimName": claims[volume["name"]]}}
        if "memoryDump" not in volume:
            volumes.append(volume)
    if volumes:
        wanted["template"]["spec"]["volumes"] = volumes
    return wanted
