"""Service accounts and roles: of the components, and those that users get."""

from __future__ import annotations

from ..resources import Object
from .workloads import ACCOUNTS, NAMESPACE

GROUP = "rbac.authorization.k8s.io"
KV_GROUPS = [
    "kubevirt.io",
    "instancetype.kubevirt.io",
    "snapshot.kubevirt.io",
    "clone.kubevirt.io",
    "export.kubevirt.io",
    "pool.kubevirt.io",
    "migrations.kubevirt.io",
    "backup.kubevirt.io",
    "cdi.kubevirt.io",
]
READ = ["get", "list", "watch"]


def _rule(groups: list[str], resources: list[str], verbs: list[str]) -> Object:
    return {"apiGroups": groups, "resources": resources, "verbs": verbs}


def component_role() -> Object:
    """What virt-api, virt-controller and virt-handler need."""
    return {
        "metadata": {"name": "kubevirt-components", "labels": {"kubevirt.io": ""}},
        "rules": [
            _rule(KV_GROUPS, ["*"], ["*"]),
            _rule(
                [""],
                [
                    "pods",
                    "pods/status",
                    "pods/finalizers",
                    "pods/eviction",
                    "events",
                    "persistentvolumeclaims",
                    "services",
                ],
                ["*"],
            ),
            _rule([""], ["nodes", "configmaps", "secrets", "namespaces", "persistentvolumes"], READ),
            _rule([""], ["nodes"], ["patch"]),
            _rule(["apps"], ["controllerrevisions"], ["*"]),
            _rule(["coordination.k8s.io"], ["leases"], ["*"]),
            _rule(["storage.k8s.io", "snapshot.storage.k8s.io"], ["*"], READ),
            _rule(["policy"], ["poddisruptionbudgets"], ["*"]),
        ],
    }


def accounts() -> list[Object]:
    return [
        {"metadata": {"name": name, "namespace": NAMESPACE, "labels": {"kubevirt.io": ""}}}
        for name in ACCOUNTS.values()
    ]


def bindings() -> list[Object]:
    """The components' role for the components, and for the aggregator's checks nothing: it has its own."""
    subjects = [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE} for name in ACCOUNTS.values()]
    everyone = [{"kind": "Group", "apiGroup": GROUP, "name": "system:authenticated"}]
    return [
        _binding("kubevirt-components", "kubevirt-components", subjects),
        _binding("kubevirt.io:default", "kubevirt.io:default", everyone),
    ]


def _binding(name: str, role: str, subjects: list[Object]) -> Object:
    return {
        "metadata": {"name": name, "labels": {"kubevirt.io": ""}},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
        "subjects": subjects,
    }


def user_roles() -> list[Object]:
    """kubevirt.io:admin, :edit and :view, added to the cluster's own roles of those names."""
    sub = "subresources.kubevirt.io"
    act = [
        _rule([sub], ["virtualmachines/*", "virtualmachineinstances/*"], ["get", "update"]),
        _rule(KV_GROUPS, ["*"], ["get", "list", "watch", "create", "update", "patch", "delete"]),
    ]
    look = [
        _rule(
            [sub],
            [
                "virtualmachines/expand-spec",
                "virtualmachineinstances/guestosinfo",
                "virtualmachineinstances/userlist",
                "virtualmachineinstances/filesystemlist",
            ],
            ["get"],
        ),
        _rule(KV_GROUPS, ["*"], READ),
    ]
    roles = [
        {
            "metadata": {
                "name": f"kubevirt.io:{name}",
                "labels": {"kubevirt.io": "", f"rbac.authorization.k8s.io/aggregate-to-{name}": "true"},
            },
            "rules": rules,
        }
        for name, rules in (("admin", act), ("edit", act), ("view", look))
    ]
    migrate = {
        "metadata": {"name": "kubevirt.io:migrate", "labels": {"kubevirt.io": ""}},
        "rules": [
            _rule([sub], ["virtualmachines/migrate"], ["update"]),
            _rule(
                ["kubevirt.io"],
                ["virtualmachineinstancemigrations"],
                ["get", "delete", "create", "update", "patch", "list", "watch"],
            ),
        ],
    }
    default = {
        "metadata": {"name": "kubevirt.io:default", "labels": {"kubevirt.io": ""}},
        "rules": [
            _rule([sub], ["version", "guestfs", "healthz"], READ),
            _rule(["kubevirt.io"], ["kubevirts"], ["get", "list"]),
        ],
    }
    return [*roles, migrate, default]
