"""The volumes of a restore: how their claims and DataVolumes are called, and the claims made of VolumeSnapshots."""

from __future__ import annotations

import copy

from ..cdi import POPULATED_FOR, PRE_POPULATED
from ..kube import ApiError
from ..resources import DATA_VOLUME, PVC, VOLUME_SNAPSHOT, Object, controller_of, deleting, owner_reference
from .cluster import Cluster
from .vm_volumes import READY_PHASES

DROPPED = ("pv.kubernetes.io", "volume.beta.kubernetes.io", "cdi.kubevirt.io", "volume.kubernetes.io", "k8s.io/Clone")
LAST = "restore.kubevirt.io/lastRestoreUID"


def plan(restore: Object, content: Object) -> list[Object]:
    """Each volume of the snapshot with the claim that it becomes."""
    vm, found = content["spec"]["source"]["virtualMachine"], []
    templated = {
        volume["name"]
        for volume in vm["spec"]["template"]["spec"].get("volumes") or []
        if (volume.get("dataVolume") or {}).get("name") in template_names(vm["spec"])
    }
    for backup in content["spec"].get("volumeBackups") or []:
        name, volume = _name(restore, backup), backup["volumeName"]
        one = {
            "volumeName": volume,
            "persistentVolumeClaim": name,
            "volumeSnapshotName": backup["volumeSnapshotName"],
        }
        if volume in templated:
            one["dataVolumeName"] = name
        found.append(one)
    return found


def template_names(spec: Object) -> list[str]:
    """The DataVolumes that a VM's spec makes."""
    return [str(template["metadata"]["name"]) for template in spec.get("dataVolumeTemplates") or []]


def _in_place(restore: Object) -> bool:
    return bool(restore["spec"].get("volumeRestorePolicy") == "InPlace")


def _name(restore: Object, backup: Object) -> str:
    spec, volume = restore["spec"], backup["volumeName"]
    for override in spec.get("volumeRestoreOverrides") or []:
        if override["volumeName"] == volume and override.get("restoreName"):
            return str(override["restoreName"])
    if _in_place(restore):
        return str(backup["persistentVolumeClaim"]["metadata"]["name"])
    if spec.get("volumeRestorePolicy") == "PrefixTargetName":
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
        elif _in_place(restore) and not _is_ours(restore, pvc):
            owner = await _keep_from_filling(cluster, pvc)
            if owner:
                one["dataVolumeName"] = owner
            await cluster.remove(PVC, pvc)
            waiting = True
        elif (pvc.get("status") or {}).get("phase") != "Bound":
            waiting = True
    return waiting


async def _keep_from_filling(cluster: Cluster, pvc: Object) -> str:
    """The DataVolume of a claim that is about to go, which must not make it again; empty where it is of none."""
    owner = controller_of(pvc)
    if owner is None or owner["kind"] != DATA_VOLUME.kind:
        return ""
    dv = cluster.data_volumes.get(f"{pvc['metadata']['namespace']}/{owner['name']}")
    if dv is not None:
        marked = copy.deepcopy(dv)
        marked["metadata"].setdefault("annotations", {})[PRE_POPULATED] = dv["metadata"]["name"]
        await cluster.write(DATA_VOLUME, marked)
    return str(owner["name"])


async def make_data_volumes(cluster: Cluster, restore: Object, spec: Object) -> bool:
    """The DataVolumes of a spec's templates, each for a claim that is filled already; whether there is one to wait for."""
    namespace, waiting = restore["metadata"]["namespace"], False
    for template in spec.get("dataVolumeTemplates") or [] if cluster.cdi else ():
        known = cluster.data_volumes.get(f"{namespace}/{template['metadata']['name']}")
        if known is not None:
            waiting = waiting or (known.get("status") or {}).get("phase") not in READY_PHASES
            continue
        made = copy.deepcopy(template)
        made["metadata"]["namespace"] = namespace
        marks = {"restore.kubevirt.io/name": restore["metadata"]["name"], PRE_POPULATED: "true"}
        made["metadata"]["annotations"] = (made["metadata"].get("annotations") or {}) | marks
        await cluster.make(DATA_VOLUME, made)
        waiting = True
    return waiting


async def remove_obsolete(cluster: Cluster, restore: Object, names: list[str]) -> None:
    """The DataVolumes that the target had before, and has no more, go."""
    for name in names if cluster.cdi else ():
        dv = cluster.data_volumes.get(f"{restore['metadata']['namespace']}/{name}")
        if dv is not None:
            await cluster.remove(DATA_VOLUME, dv)


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
    if one.get("dataVolumeName"):  # CDI makes it that DataVolume's
        annotations[POPULATED_FOR] = one["dataVolumeName"]
    elif vm is not None and restore["spec"].get("volumeOwnershipPolicy") != "None":
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
    templates = {template["metadata"]["name"]: template for template in wanted.get("dataVolumeTemplates") or []}
    volumes = []
    for volume in wanted["template"]["spec"].get("volumes") or []:
        if volume["name"] in claims and "persistentVolumeClaim" in volume:
            volume["persistentVolumeClaim"]["claimName"] = claims[volume["name"]]
        elif volume["name"] in claims and (volume.get("dataVolume") or {}).get("name") in templates:
            templates[volume["dataVolume"]["name"]]["metadata"]["name"] = claims[volume["name"]]
            volume["dataVolume"]["name"] = claims[volume["name"]]
        elif volume["name"] in claims and "dataVolume" in volume:
            volume = {"name": volume["name"], "persistentVolumeClaim": {"claimName": claims[volume["name"]]}}
        if "memoryDump" not in volume:
            volumes.append(volume)
    if volumes:
        wanted["template"]["spec"]["volumes"] = volumes
    return wanted
