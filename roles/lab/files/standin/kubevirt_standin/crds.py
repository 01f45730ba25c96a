"""The CustomResourceDefinitions that the stand-in installs."""

from __future__ import annotations

from .resources import Object
from .schema import ANY, INT, MIGRATION_SPEC, VM_SPEC, VMI_SPEC, B, M, Notation, Q, S, build

KV = "kubevirt.io"
Column = tuple[str, str, str]
AGE: Column = ("Age", "date", ".metadata.creationTimestamp")


def _relaxed(schema: Object) -> Object:
    """The schema with no type of a leaf: the webhooks refuse wrong types, with the words of their own."""
    if schema.get("type") == "object" and ("properties" in schema or schema.get("additionalProperties") is None):
        parts = {name: _relaxed(part) for name, part in schema.get("properties", {}).items()}
        kept = {key: value for key, value in schema.items() if key not in ("required", "properties")}
        return kept | ({"properties": parts} if parts else {})
    if schema.get("type") == "array":
        return schema | {"items": _relaxed(schema["items"])}
    return schema


def _version(
    name: str, schema: Object, columns: tuple[Column, ...], status: bool, storage: bool, deprecated: str = ""
) -> Object:
    version: Object = {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": [{"name": title, "type": kind, "jsonPath": path} for title, kind, path in columns],
    }
    if status:
        version["subresources"] = {"status": {}}
    if deprecated:
        version |= {"deprecated": True, "deprecationWarning": deprecated}
    return version


def crd(
    group: str,
    kind: str,
    plural: str,
    short: tuple[str, ...] = (),
    spec: Notation = ANY,
    version: str = "v1",
    status: bool = True,
    columns: tuple[Column, ...] = (AGE,),
    old: tuple[str, ...] = (),
    cluster: bool = False,
    strict: bool = False,
    also: tuple[str, ...] = (),
) -> Object:
    """One definition; `old` versions are served with KubeVirt's warning."""
    spec_schema = build(spec)
    if not strict:
        spec_schema = _relaxed(spec_schema)
    schema: Object = {
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec_schema,
            "status": build(ANY) | {"type": "object"},
        },
    }
    schema["required"] = ["spec"]
    # With any rule the API server adds a cause of its own to a refusal by the schema, as it does for the real definitions.
    schema["x-kubernetes-validations"] = [{"rule": "self.kind.size() > 0", "message": "kind is required"}]
    versions = [_version(version, schema, columns, status, True)]
    versions += [_version(name, schema, columns, status, False) for name in also]
    for name in old:
        text = f"{group}/{name} is now deprecated and will be removed in a future release."
        versions.append(_version(name, schema, columns, status, False, text))
    return {
        "metadata": {
            "name": f"{plural}.{group}",
            "labels": {"app.kubernetes.io/managed-by": "virt-operator", "kubevirt.io": ""},
        },
        "spec": {
            "group": group,
            "scope": "Cluster" if cluster else "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": list(short),
                "categories": ["all"] if group == KV else [],
            },
            "versions": versions,
        },
    }


READY: Column = ("Ready", "string", ".status.conditions[?(@.type=='Ready')].status")
PHASE: Column = ("Phase", "string", ".status.phase")
INSTANCETYPE_SPEC: Notation = {
    "cpu!": {
        "guest!": INT,
        "model": S,
        "dedicatedCPUPlacement": B,
        "numa": ANY,
        "isolateEmulatorThread": B,
        "realtime": ANY,
        "maxSockets": INT,
    },
    "memory!": {"guest!": Q, "hugepages": ANY, "overcommitPercent": INT, "maxGuest": Q},
    "gpus": ANY,
    "hostDevices": ANY,
    "ioThreadsPolicy": S,
    "ioThreads": ANY,
    "launchSecurity": ANY,
    "annotations": M,
    "nodeSelector": M,
    "schedulerName": S,
}
KUBEVIRT_SPEC: Notation = {
    "imageTag": S,
    "imageRegistry": S,
    "imagePullPolicy": S,
    "imagePullSecrets": ANY,
    "monitorNamespace": S,
    "serviceMonitorNamespace": S,
    "monitorAccount": S,
    "workloadUpdateStrategy": ANY,
    "uninstallStrategy": S,
    "certificateRotateStrategy": ANY,
    "productVersion": S,
    "productName": S,
    "productComponent": S,
    "synchronizationPort": S,
    "configuration": ANY,
    "infra": {"nodePlacement": ANY, "replicas": INT},
    "workloads": {"nodePlacement": ANY, "replicas": INT},
    "customizeComponents": ANY,
}
INSTANCETYPES = "instancetype.kubevirt.io"
SNAPSHOTS = "snapshot.kubevirt.io"


def definitions() -> list[Object]:
    """All definitions."""
    vm_columns = (AGE, ("Status", "string", ".status.printableStatus"), READY)
    vmi_columns = (
        AGE,
        PHASE,
        ("IP", "string", ".status.interfaces[0].ipAddress"),
        ("NodeName", "string", ".status.nodeName"),
        READY,
    )
    found = [
        kubevirt_crd(),
        crd(KV, "VirtualMachine", "virtualmachines", ("vm", "vms"), VM_SPEC, columns=vm_columns, old=("v1alpha3",)),
        crd(
            KV,
            "VirtualMachineInstance",
            "virtualmachineinstances",
            ("vmi", "vmis"),
            VMI_SPEC,
            status=False,
            columns=vmi_columns,
            old=("v1alpha3",),
        ),
        crd(
            KV,
            "VirtualMachineInstanceMigration",
            "virtualmachineinstancemigrations",
            ("vmim", "vmims"),
            MIGRATION_SPEC,
            columns=(PHASE, ("VMI", "string", ".spec.vmiName"), AGE),
            old=("v1alpha3",),
        ),
        crd(KV, "VirtualMachineInstanceReplicaSet", "virtualmachineinstancereplicasets", ("vmirs",), old=("v1alpha3",)),
        crd(
            "pool.kubevirt.io",
            "VirtualMachinePool",
            "virtualmachinepools",
            ("vmpool",),
            version="v1beta1",
            old=("v1alpha1",),
        ),
        crd(
            "clone.kubevirt.io",
            "VirtualMachineClone",
            "virtualmachineclones",
            ("vmclone",),
            version="v1beta1",
            columns=(PHASE, AGE),
            old=("v1alpha1",),
        ),
        crd(
            "export.kubevirt.io",
            "VirtualMachineExport",
            "virtualmachineexports",
            ("vmexport", "vmexports"),
            version="v1",
            columns=(PHASE, AGE),
            also=("v1beta1",),
        ),
        crd(
            SNAPSHOTS,
            "VirtualMachineSnapshot",
            "virtualmachinesnapshots",
            ("vmsnapshot",),
            version="v1beta1",
            columns=(PHASE, AGE),
            old=("v1alpha1",),
        ),
        crd(
            SNAPSHOTS,
            "VirtualMachineSnapshotContent",
            "virtualmachinesnapshotcontents",
            version="v1beta1",
            old=("v1alpha1",),
        ),
        crd(
            SNAPSHOTS,
            "VirtualMachineRestore",
            "virtualmachinerestores",
            ("vmrestore",),
            version="v1beta1",
            old=("v1alpha1",),
        ),
        crd("migrations.kubevirt.io", "MigrationPolicy", "migrationpolicies", version="v1alpha1", cluster=True),
        crd("backup.kubevirt.io", "VirtualMachineBackup", "virtualmachinebackups", version="v1alpha1"),
    ]
    for kind, spec in (("Instancetype", INSTANCETYPE_SPEC), ("Preference", ANY)):
        plural = kind.lower() + "s"
        found.append(
            crd(
                INSTANCETYPES,
                f"VirtualMachine{kind}",
                f"virtualmachine{plural}",
                (),
                spec,
                "v1beta1",
                False,
                strict=True,
            )
        )
        found.append(
            crd(
                INSTANCETYPES,
                f"VirtualMachineCluster{kind}",
                f"virtualmachinecluster{plural}",
                (),
                spec,
                "v1beta1",
                False,
                cluster=True,
                strict=True,
            )
        )
    return found


def kubevirt_crd() -> Object:
    """The definition of the KubeVirt kind: part of the operator's own manifest."""
    return crd(KV, "KubeVirt", "kubevirts", ("kv", "kvs"), KUBEVIRT_SPEC, columns=(AGE, PHASE), old=("v1alpha3",))
