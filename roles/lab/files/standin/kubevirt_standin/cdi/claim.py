"""The claim that a DataVolume gets; pure."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field

from ..quantity import to_bytes
from ..resources import Object, owner_reference
from . import (
    CLONE_REQUEST,
    CONTENT_TYPE,
    CREATED_FOR,
    GROUP,
    IMPORTS,
    POD_RESTARTS,
    POPULATED_FOR,
    UPLOAD_TARGET,
    USE_POPULATOR,
    annotations_of,
    source_of,
)

OVERHEAD = 0.06
ALIGNED = 1 << 20
DEFAULT_CLASSES = ("storageclass.kubevirt.io/is-default-virt-class", "storageclass.kubernetes.io/is-default-class")
POPULATORS = {"upload": "VolumeUploadSource", "pvc": "VolumeCloneSource"}


class NotValid(Exception):
    """No claim can be made of what the DataVolume asks for; `reason` goes into its conditions."""

    def __init__(self, message: str, reason: str = "ErrClaimNotValid") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Storage:
    """What the cluster offers: StorageClasses, StorageProfiles by class, provisioners that are CSI drivers."""

    classes: list[Object] = field(default_factory=list)
    profiles: dict[str, Object] = field(default_factory=dict)
    drivers: frozenset[str] = frozenset()

    def choose(self, name: str | None) -> Object | None:
        """The class of that name, else the default one; None where there is none."""
        if name is not None:
            return next((item for item in self.classes if item["metadata"]["name"] == name), None)
        for mark in DEFAULT_CLASSES:
            for item in self.classes:
                if annotations_of(item).get(mark) == "true":
                    return item
        return None

    def populates(self, name: str | None) -> bool:
        """Whether claims of the class are filled before they are bound."""
        found = self.choose(name)
        return found is not None and found["provisioner"] in self.drivers


def render(dv: Object, storage: Storage, source_claim: Object | None) -> Object:
    """The claim; `source_claim` is the claim that is cloned. Raises NotValid."""
    spec = _spec(dv, storage, source_claim)
    kind, parameters = source_of(dv)
    meta = dv["metadata"]
    annotations = annotations_of(dv) | {
        POD_RESTARTS: "0",
        CONTENT_TYPE: dv["spec"].get("contentType") or "kubevirt",
        f"{GROUP}/storage.preallocation.requested": str(bool(dv["spec"].get("preallocation"))).lower(),
        CREATED_FOR: meta["uid"],
    }
    if dv["spec"].get("priorityClassName"):
        annotations[f"{GROUP}/storage.pod.priorityclassname"] = dv["spec"]["priorityClassName"]
    annotations.pop(POPULATED_FOR, None)
    if annotations.get(USE_POPULATOR) == "true":
        name = f"{_populator(kind).lower().replace('volume', 'volume-', 1).replace('source', '-source')}-{meta['uid']}"
        spec["dataSourceRef"] = {"apiGroup": GROUP, "kind": _populator(kind), "name": name}
    else:
        annotations |= _marks(kind, parameters, meta["namespace"])
    return {
        "metadata": {
            "name": meta["name"],
            "namespace": meta["namespace"],
            "labels": {"app": "containerized-data-importer"} | (meta.get("labels") or {}),
            "annotations": annotations,
            "ownerReferences": [owner_reference(dv)],
        },
        "spec": spec,
    }


def _populator(kind: str) -> str:
    return POPULATORS.get(kind, "VolumeImportSource")


def _marks(kind: str, parameters: Object, namespace: str) -> dict[str, str]:
    """What tells the controllers of claims which pod fills this one."""
    if kind in IMPORTS:
        marks = {f"{GROUP}/storage.import.source": "none" if kind == "blank" else kind}
        return marks | ({f"{GROUP}/storage.import.endpoint": parameters["url"]} if parameters.get("url") else {})
    if kind == "upload":
        return {UPLOAD_TARGET: ""}
    return {CLONE_REQUEST: f"{parameters.get('namespace') or namespace}/{parameters['name']}"}


def _spec(dv: Object, storage: Storage, source_claim: Object | None) -> Object:
    if dv["spec"].get("pvc") is not None:
        return dict(copy.deepcopy(dv["spec"]["pvc"]))
    spec: Object = copy.deepcopy(dv["spec"]["storage"])
    _complete(spec, storage, dv["spec"].get("contentType") == "archive")
    requests = spec.setdefault("resources", {}).setdefault("requests", {})
    if requests.get("storage") is None and source_claim is not None:
        requests["storage"] = source_claim["spec"]["resources"]["requests"]["storage"]
    else:
        requests["storage"] = str(inflated(to_bytes(requests["storage"]), spec.get("volumeMode")))
    return spec


def inflated(size: int, mode: str | None) -> int:
    """The bytes that a claim must have for a disk of so many: a file system takes its share."""
    if mode == "Block":
        return size
    return math.ceil(math.ceil(size / ALIGNED) * ALIGNED * (1 + OVERHEAD))


def _complete(spec: Object, storage: Storage, archive: bool) -> None:
    """Class, access modes and volume mode, as the class' StorageProfile says."""
    if archive:
        if spec.get("volumeMode") == "Block":
            raise NotValid("ContentType Archive cannot have block volumeMode")
        spec["volumeMode"] = "Filesystem"
    found = storage.choose(spec.get("storageClassName"))
    if found is None:
        if not spec.get("accessModes"):
            raise NotValid("PVC spec is missing accessMode and no storageClass to choose profile")
        return
    name = found["metadata"]["name"]
    spec["storageClassName"] = name
    sets = ((storage.profiles.get(name) or {}).get("status") or {}).get("claimPropertySets") or []
    if not spec.get("accessModes"):
        fitting = [item for item in sets if spec.get("volumeMode") in (None, item["volumeMode"])]
        if not fitting:
            matching = "matching " if spec.get("volumeMode") else ""
            raise NotValid(f"no {matching}accessMode specified in StorageProfile {name}")
        spec["accessModes"] = list(fitting[0]["accessModes"])
        spec.setdefault("volumeMode", fitting[0]["volumeMode"])
    elif not spec.get("volumeMode"):
        fitting = [item for item in sets if set(item["accessModes"]) & set(spec["accessModes"])]
        spec["volumeMode"] = fitting[0]["volumeMode"] if fitting else "Filesystem"
