"""The CustomResourceDefinitions of CDI."""

from __future__ import annotations

from ..crds import AGE, Column, crd
from ..resources import Object
from ..schema import ANY, B, M, S
from . import GROUP

QUANTITY = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
QUANTITIES: Object = {
    "type": "object",
    "additionalProperties": {
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "pattern": QUANTITY,
        "x-kubernetes-int-or-string": True,
    },
}
NAMED = {"namespace!": S, "name!": S}
FROM_HTTP = {
    "url!": S,
    "secretRef": S,
    "certConfigMap": S,
    "extraHeaders": [S],
    "secretExtraHeaders": [S],
    "checksum": S,
    "insecureSkipVerify": B,
}
FROM_REGISTRY = {
    "url": S,
    "imageStream": S,
    "pullMethod": S,
    "secretRef": S,
    "certConfigMap": S,
    "platform": {"architecture": S},
}
FROM_IMAGEIO = {
    "url!": S,
    "diskId!": S,
    "secretRef": S,
    "certConfigMap": S,
    "insecureSkipVerify": B,
}
FROM_VDDK = {
    "url": S,
    "uuid": S,
    "backingFile": S,
    "thumbprint": S,
    "secretRef": S,
    "certConfigMap": S,
    "initImageURL": S,
    "extraArgs": S,
}
SOURCE = {
    "http": FROM_HTTP,
    "s3": {"url!": S, "secretRef": S, "certConfigMap": S},
    "gcs": {"url!": S, "secretRef": S},
    "registry": FROM_REGISTRY,
    "pvc": NAMED,
    "upload": {},
    "blank": {},
    "imageio": FROM_IMAGEIO,
    "vddk": FROM_VDDK,
    "snapshot": NAMED,
}
REFERENCE = {"apiGroup": S, "kind!": S, "name!": S, "namespace": S}
CLAIM = {
    "accessModes": [S],
    "selector": {"matchLabels": M, "matchExpressions": [{"key!": S, "operator!": S, "values": [S]}]},
    "resources": {"limits": M, "requests": M},
    "volumeName": S,
    "storageClassName": S,
    "volumeMode": S,
    "dataSource": REFERENCE,
    "dataSourceRef": REFERENCE,
}
DATA_VOLUME_SPEC = {
    "source": SOURCE,
    "sourceRef": {"kind!": S, "namespace": S, "name!": S},
    "pvc": CLAIM | {"volumeAttributesClassName": S},
    "storage": CLAIM,
    "priorityClassName": S,
    "serviceAccountName": S,
    "contentType": S,
    "checkpoints": [{"previous!": S, "current!": S}],
    "finalCheckpoint": B,
    "preallocation": B,
}
DATA_SOURCE_SPEC = {"source!": {"pvc": NAMED, "snapshot": NAMED, "dataSource": NAMED}}
PHASE: Column = ("Phase", "string", ".status.phase")


def definitions() -> list[Object]:
    """All definitions of CDI."""
    return [
        _data_volume(),
        _plain("DataSource", "datasources", ("das",), spec=DATA_SOURCE_SPEC),
        _plain("DataImportCron", "dataimportcrons", ("dic", "dics")),
        _plain("StorageProfile", "storageprofiles", cluster=True),
        _plain("CDIConfig", "cdiconfigs", cluster=True),
        _plain("CDI", "cdis", ("cdi", "cdis"), cluster=True, columns=(AGE, PHASE)),
    ]


def _plain(
    kind: str,
    plural: str,
    short: tuple[str, ...] = (),
    spec: object = ANY,
    cluster: bool = False,
    columns: tuple[Column, ...] = (AGE,),
) -> Object:
    return _of_cdi(crd(GROUP, kind, plural, short, spec, "v1beta1", columns=columns, cluster=cluster, strict=True))


def _data_volume() -> Object:
    columns: tuple[Column, ...] = (
        PHASE,
        ("Progress", "string", ".status.progress"),
        ("Restarts", "integer", ".status.restartCount"),
        AGE,
    )
    definition = crd(
        GROUP, "DataVolume", "datavolumes", ("dv", "dvs"), DATA_VOLUME_SPEC, "v1beta1", columns=columns, strict=True
    )
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    spec = schema["spec"]["properties"]
    for form in ("pvc", "storage"):
        spec[form]["properties"]["resources"]["properties"] = {"limits": QUANTITIES, "requests": QUANTITIES}
    spec["contentType"]["enum"] = ["kubevirt", "archive"]
    return _of_cdi(definition)


def _of_cdi(definition: Object) -> Object:
    definition["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "cdi-operator", "operator.cdi.kubevirt.io": ""}
    return definition
