"""The CustomResourceDefinitions that the stand-in installs."""

from __future__ import annotations

from .resources import Object
from .schema import ANY, INT, MIGRATION_SPEC, VM_SPEC, VMI_SPEC, B, M, Notation, Q, S, build

KV = "kubevirt.io"
Column = tuple[str, str, str]
WIDE = ("Live-Migratable", "Paused")
SCALE: Object = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.labelSelector",
}
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
        "additionalPrinterColumns": [
            {"name": title, "type": kind, "jsonPath": path} | ({"priority": 1} if title in WIDE else {})
            for title, kind, path in columns
        ],
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
    scale: bool = False,
) -> Object:
    """One definition; `old` versions are served with KubeVirt's warning, those in `also` without."""
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
    if not strict:
        schema["x-kubernetes-validations"] = [{"rule": "self.kind.size() > 0", "message": "kind is required"}]
    versions = [_version(version, schema, columns, status, True)]
    versions += [_version(name, schema, columns, status, False) for name in also]
    for name in old:
        text = f"{group}/{name} is now deprecated and will be removed in a future release."
        versions.append(_version(name, schema, columns, status, False, text))
    for item in versions if scale else ():
        item["subresources"]["scale"] = SCALE
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
                "categories": ["all"] if short and not cluster else [],
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
INSTANCETYPES, SNAPSHOTS, BACKUPS = "instancetype.kubevirt.io", "snapshot.kubevirt.io", "backup.kubevirt.io"
READY_TO_USE: tuple[Column, ...] = (
    ("ReadyToUse", "boolean", ".status.readyToUse"),
    ("CreationTime", "date", ".status.creationTime"),
    ("Error", "string", ".status.error.message"),
)
SOURCE: tuple[Column, ...] = (
    ("SourceKind", "string", ".spec.source.kind"),
    ("SourceName", "string", ".spec.source.name"),
)
REPLICAS: tuple[Column, ...] = (
    ("Desired", "integer", ".spec.replicas"),
    ("Current", "integer", ".status.replicas"),
    ("Ready", "integer", ".status.readyReplicas"),
    AGE,
)


def definitions() -> list[Object]:
    """All definitions."""
    return [kubevirt_crd(), *_machines(), *_groups(), *_storage(), *_instancetypes()]


def _machines() -> list[Object]:
    """Machines and what moves them."""
    vm_columns = (AGE, ("Status", "string", ".status.printableStatus"), READY)
    vmi_columns = (
        AGE,
        PHASE,
        ("IP", "string", ".status.interfaces[0].ipAddress"),
        ("NodeName", "string", ".status.nodeName"),
        READY,
        ("Live-Migratable", "string", ".status.conditions[?(@.type=='LiveMigratable')].status"),
        ("Paused", "string", ".status.conditions[?(@.type=='Paused')].status"),
    )
    return [
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
            columns=(PHASE, ("VMI", "string", ".spec.vmiName")),
            old=("v1alpha3",),
        ),
        crd("migrations.kubevirt.io", "MigrationPolicy", "migrationpolicies", version="v1alpha1", cluster=True),
    ]


def _groups() -> list[Object]:
    """Kinds that make many machines alike; the stand-in has no controller for them and says so."""
    return [
        crd(
            KV,
            "VirtualMachineInstanceReplicaSet",
            "virtualmachineinstancereplicasets",
            ("vmirs", "vmirss"),
            columns=REPLICAS,
            old=("v1alpha3",),
            scale=True,
        ),
        _presets(),
        crd(
            "pool.kubevirt.io",
            "VirtualMachinePool",
            "virtualmachinepools",
            ("vmpool", "vmpools"),
            version="v1beta1",
            columns=REPLICAS,
            also=("v1alpha1",),
            scale=True,
        ),
        crd("plugin.kubevirt.io", "Plugin", "plugins", version="v1alpha1", status=False, cluster=True),
    ]


def _presets() -> Object:
    """Presets are stored in the old version, and both versions are deprecated."""
    definition = crd(
        KV,
        "VirtualMachineInstancePreset",
        "virtualmachineinstancepresets",
        ("vmipreset", "vmipresets"),
        status=False,
        old=("v1alpha3",),
    )
    for version in definition["spec"]["versions"]:
        version |= {"deprecated": True, "storage": version["name"] == "v1alpha3"}
    return definition


def _storage() -> list[Object]:
    """Snapshots, clones, exports and backups."""
    found = [
        crd(
            SNAPSHOTS,
            "VirtualMachineSnapshot",
            "virtualmachinesnapshots",
            ("vmsnapshot", "vmsnapshots"),
            version="v1beta1",
            columns=(*SOURCE, PHASE, *READY_TO_USE),
            also=("v1alpha1",),
        ),
        crd(
            SNAPSHOTS,
            "VirtualMachineSnapshotContent",
            "virtualmachinesnapshotcontents",
            ("vmsnapshotcontent", "vmsnapshotcontents"),
            version="v1beta1",
            columns=READY_TO_USE,
            also=("v1alpha1",),
        ),
        crd(
            SNAPSHOTS,
            "VirtualMachineRestore",
            "virtualmachinerestores",
            ("vmrestore", "vmrestores"),
            version="v1beta1",
            columns=(
                ("TargetKind", "string", ".spec.target.kind"),
                ("TargetName", "string", ".spec.target.name"),
                ("Complete", "boolean", ".status.complete"),
                ("RestoreTime", "date", ".status.restoreTime"),
            ),
            also=("v1alpha1",),
        ),
        crd(
            "clone.kubevirt.io",
            "VirtualMachineClone",
            "virtualmachineclones",
            ("vmclone", "vmclones"),
            version="v1beta1",
            columns=(
                PHASE,
                ("SourceVirtualMachine", "string", ".spec.source.name"),
                ("TargetVirtualMachine", "string", ".spec.target.name"),
            ),
            also=("v1alpha1",),
        ),
        crd(
            "export.kubevirt.io",
            "VirtualMachineExport",
            "virtualmachineexports",
            ("vmexport", "vmexports"),
            version="v1",
            columns=(*SOURCE, PHASE),
            old=("v1beta1",),
        ),
    ]
    for suffix, short in (("", ""), ("Tracker", "tracker")):
        names = (f"vmbackup{short}", f"vmbackup{short}s")
        plural = f"virtualmachinebackup{short}s"
        found.append(
            crd(BACKUPS, f"VirtualMachineBackup{suffix}", plural, names, version="v1alpha1", columns=_backup(suffix))
        )
    return found


def _backup(suffix: str) -> tuple[Column, ...]:
    if suffix:
        checkpoint = ".status.latestCheckpoint"
        return (
            *SOURCE,
            ("LatestCheckpoint", "string", f"{checkpoint}.name"),
            ("CheckpointTime", "date", f"{checkpoint}.creationTime"),
        )
    return (*SOURCE, ("Type", "string", ".status.type"), ("CheckpointName", "string", ".status.checkpointName"))


def _instancetypes() -> list[Object]:
    """Instancetypes and preferences, of a namespace and of the cluster."""
    names = {
        "VirtualMachineInstancetype": ("vminstancetype", "vminstancetypes", "vmf", "vmfs"),
        "VirtualMachineClusterInstancetype": ("vmclusterinstancetype", "vmclusterinstancetypes", "vmcf", "vmcfs"),
        "VirtualMachinePreference": ("vmpref", "vmprefs", "vmp", "vmps"),
        "VirtualMachineClusterPreference": ("vmcp", "vmcps"),
    }
    return [
        crd(
            INSTANCETYPES,
            kind,
            kind.lower() + "s",
            short,
            INSTANCETYPE_SPEC if kind.endswith("Instancetype") else ANY,
            "v1beta1",
            False,
            columns=(),
            cluster="Cluster" in kind,
            strict=True,
        )
        for kind, short in names.items()
    ]


def kubevirt_crd() -> Object:
    """The definition of the KubeVirt kind: part of the operator's own manifest."""
    return crd(KV, "KubeVirt", "kubevirts", ("kv", "kvs"), KUBEVIRT_SPEC, columns=(AGE, PHASE), old=("v1alpha3",))
