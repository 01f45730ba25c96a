"""The kinds of the CSI snapshotter, as far as KubeVirt uses them."""

from __future__ import annotations

from ..crds import crd
from ..resources import Object
from ..schema import ANY

GROUP = "snapshot.storage.k8s.io"


def definitions() -> list[Object]:
    """VolumeSnapshots and their classes."""
    return [
        _approved(crd(GROUP, "VolumeSnapshot", "volumesnapshots", ("vs",), ANY)),
        _approved(
            _flat(crd(GROUP, "VolumeSnapshotClass", "volumesnapshotclasses", ("vsclass",), status=False, cluster=True))
        ),
    ]


def _approved(definition: Object) -> Object:
    """The API server wants groups of k8s.io approved."""
    url = "https://github.com/kubernetes-csi/external-snapshotter/pull/814"
    definition["metadata"]["annotations"] = {"api-approved.kubernetes.io": url}
    return definition


def _flat(definition: Object) -> Object:
    """A class has no spec: driver and parameters stand beside its metadata."""
    for version in definition["spec"]["versions"]:
        version["schema"]["openAPIV3Schema"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return definition
