"""What an export takes its volumes from: a claim, a machine, or a snapshot of one."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..conditions import final
from ..controllers.claims import claims_of
from ..controllers.cluster import Cluster
from ..kube import ApiError
from ..resources import PVC, SNAPSHOT, SNAPSHOT_CONTENT, VM, VOLUME_SNAPSHOT, Object, owner_reference

CONTENT_TYPE = "cdi.kubevirt.io/storage.contentType"


@dataclass
class Source:
    """The claims to export, and why they cannot be yet."""

    claims: list[Object] = field(default_factory=list)
    populated: bool = False
    in_use: bool = False
    # Reason and message of the condition Ready while there is no exporter.
    waits: tuple[str, str] = ("Initializing", "")
    # Type, status, reason and message of the source's own condition.
    condition: tuple[str, str, str, str] | None = None
    machine: str = ""
    vm: Object | None = None

    @property
    def available(self) -> bool:
        """Whether an exporter can run."""
        return self.populated and not self.in_use and bool(self.claims)


async def source_of(cluster: Cluster, export: Object) -> Source:
    """The source of an export as it is now."""
    reference, namespace = export["spec"]["source"], export["metadata"]["namespace"]
    if reference["kind"] == PVC.kind:
        return _claim(cluster, namespace, reference["name"])
    if reference["kind"] == VM.kind:
        return _machine(cluster, namespace, reference["name"])
    return await _snapshot(cluster, export, namespace, reference["name"])


def _claim(cluster: Cluster, namespace: str, name: str) -> Source:
    pvc, key = cluster.pvcs.get(f"{namespace}/{name}"), f"{namespace}/{name}"
    if pvc is None:
        text = f"PersistentVolumeClaim {key} not found"
        return Source(condition=("PVCReady", "False", "PVCNotFound", text))
    bound = (pvc.get("status") or {}).get("phase") == "Bound"
    used = _used(cluster, namespace, name)
    found = Source([pvc], bound, used, condition=("PVCReady", str(bound), "PVCBound" if bound else "PVCPending", ""))
    if not bound:
        found.waits = "PVCPending", f"PersistentVolumeClaim {key} is not populated"
    elif used:
        found.waits = "InUse", f"PersistentVolumeClaim {key} is in use"
    return found


def _used(cluster: Cluster, namespace: str, claim: str) -> bool:
    return any(
        vmi["metadata"]["namespace"] == namespace and not final(vmi) and claim in dict(claims_of(vmi["spec"])).values()
        for vmi in cluster.vmis.all()
    )


def _machine(cluster: Cluster, namespace: str, name: str) -> Source:
    key = f"{namespace}/{name}"
    vm = cluster.vms.get(key)
    if vm is None:
        return Source(waits=("VMNotFound", f"Virtual Machine {key} not found"), machine=name)
    names = [claim for _volume, claim in claims_of(vm["spec"]["template"]["spec"])]
    claims = [pvc for pvc in (cluster.pvcs.get(f"{namespace}/{claim}") for claim in names) if pvc is not None]
    found = Source(claims, machine=name, vm=vm)
    found.populated = all((pvc.get("status") or {}).get("phase") == "Bound" for pvc in claims)
    vmi = cluster.vmis.get(key)
    if not claims:
        found.waits = "VMNoVolumes", f"Virtual Machine {key} has no volumes"
    elif not found.populated:
        found.waits = "VolumesNotPopulated", f"Not all volumes in the Virtual Machine {key} are populated"
    elif vmi is not None and not final(vmi):
        found.in_use = True
        found.waits = "InUse", f"Virtual Machine {key} is running"
    return found


async def _snapshot(cluster: Cluster, export: Object, namespace: str, name: str) -> Source:
    """The volumes of a snapshot are restored into claims that go with the export."""
    key = f"{namespace}/{name}"
    snapshot = cluster.snapshots.get(key)
    none = (
        "VolumesCreated",
        "False",
        "VMSnapshotNoVolumes",
        f"{SNAPSHOT.kind} {key} does not contain any volume snapshots",
    )
    if snapshot is None:
        return Source(waits=("VMSnapshotNotFound", f"{SNAPSHOT.kind} {key} not found"), condition=none)
    machine, status = snapshot["spec"]["source"]["name"], snapshot.get("status") or {}
    if not status.get("readyToUse"):
        text = f"{SNAPSHOT.kind} {key} is not ready to use"
        condition = ("VolumesCreated", "False", "NotAllPVCsCreated", text)
        return Source(waits=("NotAllPVCsCreated", text), condition=condition, machine=machine)
    content = await cluster.kube.get(SNAPSHOT_CONTENT, namespace, status["virtualMachineSnapshotContentName"])
    backups = content["spec"].get("volumeBackups") or []
    if not backups:
        return Source(condition=none, machine=machine)
    claims = [await _restored(cluster, export, backup) for backup in backups]
    bound = all((pvc.get("status") or {}).get("phase") == "Bound" for pvc in claims)
    reason = "AllPVCsReady" if bound else "NotAllPVCsReady"
    found = Source(claims, bound, condition=("VolumesCreated", str(bound), reason, ""), machine=machine)
    found.vm = cluster.vms.get(f"{namespace}/{machine}")
    return found


async def _restored(cluster: Cluster, export: Object, backup: Object) -> Object:
    meta, source = export["metadata"], backup["persistentVolumeClaim"]
    name = f"{meta['name']}-{source['metadata']['name']}"
    known = cluster.pvcs.get(f"{meta['namespace']}/{name}")
    if known is not None:
        return known
    reference = {"apiGroup": VOLUME_SNAPSHOT.group, "kind": VOLUME_SNAPSHOT.kind, "name": backup["volumeSnapshotName"]}
    kept = ("accessModes", "resources", "storageClassName", "volumeMode")
    spec = {key: value for key, value in source["spec"].items() if key in kept}
    claim = {
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "annotations": {CONTENT_TYPE: "kubevirt"},
            "ownerReferences": [owner_reference(export)],
        },
        "spec": spec | {"dataSource": reference, "dataSourceRef": reference},
    }
    try:
        return await cluster.make(PVC, claim)
    except ApiError as error:
        if error.status != 409:
            raise
    return await cluster.kube.get(PVC, meta["namespace"], name)


def formats_of(pvc: Object) -> tuple[str, ...]:
    """A claim that is known to hold a disk is exported as one, any other as what lies in it."""
    block = pvc["spec"].get("volumeMode") == "Block"
    known = (pvc["metadata"].get("annotations") or {}).get(CONTENT_TYPE) == "kubevirt"
    return ("raw", "gzip") if block or known else ("dir", "tar.gz")
