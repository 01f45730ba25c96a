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
MAKE: tuple[str, ...] = ("CREATE",)
WRITE: tuple[str, ...] = ("CREATE", "UPDATE")


def _own(name: str, path: str, operations: tuple[str, ...], plural: str) -> Hook:
    """A hook of the group kubevirt.io."""
    return Hook(f"{name}.kubevirt.io", path, operations, "kubevirt.io", V, (plural,))


def _other(name: str, path: str, group: str, version: str, plural: str) -> Hook:
    """A hook of one of the smaller groups."""
    group = f"{group}.kubevirt.io"
    name = f"{name}.{group}" if name.startswith("virtualmachine") and "pool" not in name else f"{name}.kubevirt.io"
    return Hook(name, f"/validate/{path}", WRITE, group, (version,), (plural,))


MUTATORS = (
    _own("virtualmachines-mutator", "/mutate/vm", WRITE, "virtualmachines"),
    _own("virtualmachineinstances-mutator", "/mutate/vmi", WRITE, "virtualmachineinstances"),
    _own("migrations-mutator", "/mutate/migration", MAKE, "virtualmachineinstancemigrations"),
    Hook(
        "virtualmachineclones-mutator.kubevirt.io",
        "/mutate/clone",
        MAKE,
        "clone.kubevirt.io",
        ("v1beta1",),
        ("virtualmachineclones",),
    ),
)
VALIDATORS = (
    Hook(
        "virt-launcher-eviction-interceptor.kubevirt.io", "/validate/eviction", ("*",), "", ("v1",), ("pods/eviction",)
    ),
    Hook("hotplug-pod-eviction-interceptor.kubevirt.io", "/validate/hotplug", ("*",), "", ("v1",), ("pods/eviction",)),
    _own("virtualmachineinstances-create-validator", "/validate/vmi-create", MAKE, "virtualmachineinstances"),
    _own("virtualmachineinstances-update-validator", "/validate/vmi-update", ("UPDATE",), "virtualmachineinstances"),
    _own("virtualmachine-validator", "/validate/vm", WRITE, "virtualmachines"),
    _own("virtualmachinereplicaset-validator", "/validate/replicaset", WRITE, "virtualmachineinstancereplicasets"),
    _other("virtualmachinepool-validator", "pool", "pool", "v1beta1", "virtualmachinepools"),
    _own("virtualmachinepreset-validator", "/validate/preset", WRITE, "virtualmachineinstancepresets"),
    _own("migration-create-validator", "/validate/migration", MAKE, "virtualmachineinstancemigrations"),
    _own("migration-update-validator", "/validate/migration", ("UPDATE",), "virtualmachineinstancemigrations"),
    _other("virtualmachinesnapshot-validator", "snapshot", "snapshot", "v1beta1", "virtualmachinesnapshots"),
    _other("virtualmachinerestore-validator", "restore", "snapshot", "v1beta1", "virtualmachinerestores"),
    _other("virtualmachinebackup-validator", "backup", "backup", "v1alpha1", "virtualmachinebackups"),
    _other("virtualmachinebackuptracker-validator", "tracker", "backup", "v1alpha1", "virtualmachinebackuptrackers"),
    _other("virtualmachineexport-validator", "export", "export", "v1", "virtualmachineexports"),
    _other("migration-policy-validator", "policy", "migrations", "v1alpha1", "migrationpolicies"),
    _other("vm-clone-validator", "clone", "clone", "v1beta1", "virtualmachineclones"),
    Hook(
        "plugin-validator.plugin.kubevirt.io",
        "/validate/plugin",
        WRITE,
        "plugin.kubevirt.io",
        ("v1alpha1",),
        ("plugins",),
    ),
)
OPERATOR_HOOKS = (
    _own("kubevirt-validator", "/validate/kubevirt", ("DELETE",), "kubevirts"),
    _own("kubevirt-update-validator", "/validate/kubevirt", ("UPDATE",), "kubevirts"),
    _own("kubevirt-create-validator", "/validate/kubevirt", MAKE, "kubevirts"),
)


def _hook(hook: Hook, endpoint: Endpoint) -> Object:
    return {
        "name": hook.name,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "NoneOnDryRun",
        "failurePolicy": "Fail",
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
