"""The webhook configurations and the APIService, for a service in the cluster or for a local URL."""

from __future__ import annotations

from dataclasses import dataclass

from .resources import Object

VERSIONS = ["v1", "v1alpha3"]


@dataclass(frozen=True)
class Endpoint:
    """Where the API server finds virt-api: a URL, or else a service in namespace `kubevirt`."""

    authority: str
    url: str = ""
    port: int = 443
    service: str = "virt-api"

    def client(self, path: str) -> Object:
        if self.url:
            return {"url": self.url + path, "caBundle": self.authority}
        service = {"namespace": "kubevirt", "name": self.service, "path": path, "port": self.port}
        return {"service": service, "caBundle": self.authority}


@dataclass(frozen=True)
class Hook:
    name: str
    path: str
    operations: tuple[str, ...]
    group: str
    versions: tuple[str, ...]
    resources: tuple[str, ...]


V = ("v1", "v1alpha3")
MUTATORS = (
    Hook(
        "virtualmachines-mutator.kubevirt.io",
        "/mutate/vm",
        ("CREATE", "UPDATE"),
        "kubevirt.io",
        V,
        ("virtualmachines",),
    ),
    Hook(
        "virtualmachineinstances-mutator.kubevirt.io",
        "/mutate/vmi",
        ("CREATE", "UPDATE"),
        "kubevirt.io",
        V,
        ("virtualmachineinstances",),
    ),
    Hook(
        "migrations-mutator.kubevirt.io",
        "/mutate/migration",
        ("CREATE", "UPDATE"),
        "kubevirt.io",
        V,
        ("virtualmachineinstancemigrations",),
    ),
)
VALIDATORS = (
    Hook(
        "virtualmachine-validator.kubevirt.io",
        "/validate/vm",
        ("CREATE", "UPDATE"),
        "kubevirt.io",
        V,
        ("virtualmachines",),
    ),
    Hook(
        "virtualmachineinstances-create-validator.kubevirt.io",
        "/validate/vmi-create",
        ("CREATE",),
        "kubevirt.io",
        V,
        ("virtualmachineinstances",),
    ),
    Hook(
        "virtualmachineinstances-update-validator.kubevirt.io",
        "/validate/vmi-update",
        ("UPDATE",),
        "kubevirt.io",
        V,
        ("virtualmachineinstances",),
    ),
    Hook(
        "migration-create-validator.kubevirt.io",
        "/validate/migration",
        ("CREATE",),
        "kubevirt.io",
        V,
        ("virtualmachineinstancemigrations",),
    ),
    Hook(
        "migration-update-validator.kubevirt.io",
        "/validate/migration",
        ("UPDATE",),
        "kubevirt.io",
        V,
        ("virtualmachineinstancemigrations",),
    ),
    Hook(
        "virtualmachinereplicaset-validator.kubevirt.io",
        "/validate/replicaset",
        ("CREATE", "UPDATE"),
        "kubevirt.io",
        V,
        ("virtualmachineinstancereplicasets",),
    ),
    Hook(
        "virtualmachinepool-validator.kubevirt.io",
        "/validate/pool",
        ("CREATE", "UPDATE"),
        "pool.kubevirt.io",
        ("*",),
        ("virtualmachinepools",),
    ),
    Hook(
        "virtualmachinesnapshot-validator.snapshot.kubevirt.io",
        "/validate/snapshot",
        ("CREATE", "UPDATE"),
        "snapshot.kubevirt.io",
        ("*",),
        ("virtualmachinesnapshots",),
    ),
    Hook(
        "virtualmachinerestore-validator.snapshot.kubevirt.io",
        "/validate/restore",
        ("CREATE", "UPDATE"),
        "snapshot.kubevirt.io",
        ("*",),
        ("virtualmachinerestores",),
    ),
    Hook(
        "virtualmachineclone-validator.clone.kubevirt.io",
        "/validate/clone",
        ("CREATE", "UPDATE"),
        "clone.kubevirt.io",
        ("*",),
        ("virtualmachineclones",),
    ),
    Hook(
        "virtualmachineexport-validator.export.kubevirt.io",
        "/validate/export",
        ("CREATE", "UPDATE"),
        "export.kubevirt.io",
        ("*",),
        ("virtualmachineexports",),
    ),
    Hook(
        "virtualmachinebackup-validator.backup.kubevirt.io",
        "/validate/backup",
        ("CREATE", "UPDATE"),
        "backup.kubevirt.io",
        ("*",),
        ("virtualmachinebackups",),
    ),
    Hook(
        "virt-launcher-eviction-interceptor.kubevirt.io",
        "/validate/eviction",
        ("CREATE",),
        "",
        ("v1",),
        ("pods/eviction",),
    ),
)
OPERATOR_HOOKS = (
    Hook("kubevirt-validator.kubevirt.io", "/validate/kubevirt", ("DELETE",), "kubevirt.io", V, ("kubevirts",)),
    Hook("kubevirt-update-validator.kubevirt.io", "/validate/kubevirt", ("UPDATE",), "kubevirt.io", V, ("kubevirts",)),
    Hook("kubevirt-create-validator.kubevirt.io", "/validate/kubevirt", ("CREATE",), "kubevirt.io", V, ("kubevirts",)),
)


def _hook(hook: Hook, endpoint: Endpoint) -> Object:
    return {
        "name": hook.name,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "NoneOnDryRun",
        "failurePolicy": "Ignore" if hook.path == "/validate/eviction" else "Fail",
        "matchPolicy": "Equivalent",
        "timeoutSeconds": 10,
        "clientConfig": endpoint.client(hook.path),
        "rules": [
            {
                "apiGroups": [hook.group],
                "apiVersions": list(hook.versions),
                "operations": list(hook.operations),
                "resources": list(hook.resources),
                "scope": "*",
            }
        ],
    }


def mutating(endpoint: Endpoint) -> Object:
    return {
        "metadata": {"name": "virt-api-mutator", "labels": {"kubevirt.io": "virt-api-mutator"}},
        "webhooks": [_hook(hook, endpoint) for hook in MUTATORS],
    }


def validating(endpoint: Endpoint) -> Object:
    return {
        "metadata": {"name": "virt-api-validator", "labels": {"kubevirt.io": "virt-api-validator"}},
        "webhooks": [_hook(hook, endpoint) for hook in VALIDATORS],
    }


def operator_validating(endpoint: Endpoint) -> Object:
    return {
        "metadata": {"name": "virt-operator-validator", "labels": {"kubevirt.io": "virt-operator"}},
        "webhooks": [_hook(hook, endpoint) for hook in OPERATOR_HOOKS],
    }


def api_services(authority: str, port: int = 443) -> list[Object]:
    """The registration of the aggregated API, a version each."""
    return [
        {
            "metadata": {
                "name": f"{version}.subresources.kubevirt.io",
                "labels": {"kubevirt.io": "virt-api-aggregator"},
            },
            "spec": {
                "group": "subresources.kubevirt.io",
                "version": version,
                "groupPriorityMinimum": 1000,
                "versionPriority": 15,
                "caBundle": authority,
                "service": {"namespace": "kubevirt", "name": "virt-api", "port": port},
            },
        }
        for version in VERSIONS
    ]
