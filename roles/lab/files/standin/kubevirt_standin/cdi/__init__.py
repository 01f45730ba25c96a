"""CDI as far as a cluster without nodes can have it: its API, its phases and its upload proxy; no byte reaches a disk."""

from __future__ import annotations

from ..resources import Object

VERSION = "v1.66.0-standin"
GROUP = "cdi.kubevirt.io"
# A URL, an image or a disk with one of these in its name is not there; with SLOW it takes its time; with TAMPERED its checksum is wrong.
MISSING = ("missing", "no-such", "does-not-exist")
SLOW, TAMPERED = "slow", "tampered"

POD_PHASE = f"{GROUP}/storage.pod.phase"
POD_READY = f"{GROUP}/storage.pod.ready"
POD_RESTARTS = f"{GROUP}/storage.pod.restarts"
IMPORT_POD = f"{GROUP}/storage.import.importPodName"
FATAL = f"{GROUP}/storage.import.fatalError"
RUNNING = f"{GROUP}/storage.condition.running"
UPLOAD_TARGET = f"{GROUP}/storage.upload.target"
POPULATED_FOR = f"{GROUP}/storage.populatedFor"
PRE_POPULATED = f"{GROUP}/storage.prePopulated"
USE_POPULATOR = f"{GROUP}/storage.usePopulator"
PROGRESS = f"{GROUP}/storage.populator.progress"
IMMEDIATE = f"{GROUP}/storage.bind.immediate.requested"
ADOPTION = f"{GROUP}/allowClaimAdoption"
CREATED_FOR = f"{GROUP}/createdForDataVolume"
CONTENT_TYPE = f"{GROUP}/storage.contentType"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
CLONE_REQUEST = "k8s.io/CloneRequest"
IMPORTS = ("http", "s3", "gcs", "registry", "imageio", "vddk", "blank")


def annotations_of(obj: Object) -> dict[str, str]:
    """The annotations of an object, empty where it has none."""
    return dict(obj["metadata"].get("annotations") or {})


def source_of(dv: Object) -> tuple[str, Object]:
    """The kind and the parameters of a DataVolume's source; an empty kind where it has none."""
    for kind, parameters in (dv["spec"].get("source") or {}).items():
        if parameters is not None:
            return str(kind), dict(parameters)
    return "", {}


def populated_elsewhere(pvc: Object, dv: Object) -> bool:
    """Whether the claim needs no work for this DataVolume: it was filled before, or may be adopted as it is."""
    annotations = annotations_of(pvc)
    if annotations.get(POPULATED_FOR) == dv["metadata"]["name"]:
        return True
    if annotations.get(CREATED_FOR) == dv["metadata"].get("uid"):
        return False
    return annotations_of(dv).get(ADOPTION) == "true"
