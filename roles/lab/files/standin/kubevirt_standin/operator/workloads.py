"""The Deployments, the DaemonSet and what goes with them; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .. import VERSION
from ..resources import Object

NAMESPACE = "kubevirt"
CRITICAL = "kubevirt-cluster-critical"
SPREAD = "kubernetes.io/hostname"
REPLICATED = ("virt-api", "virt-controller", "virt-exportproxy")
# The name of the container where it is not that of the component.
CONTAINERS = {"virt-exportproxy": "exportproxy"}
SECRETS = {
    "virt-api": "kubevirt-virt-api-certs",
    "virt-controller": "kubevirt-controller-certs",
    "virt-handler": "kubevirt-virt-handler-certs",
    "virt-exportproxy": "kubevirt-exportproxy-certs",
}
ACCOUNTS = {
    "virt-api": "kubevirt-apiserver",
    "virt-controller": "kubevirt-controller",
    "virt-handler": "kubevirt-handler",
    "virt-exportproxy": "kubevirt-exportproxy",
}
SOON_GONE = [
    {"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
    for name in ("not-ready", "unreachable")
]
CONTROL_PLANE = [
    {"key": "CriticalAddonsOnly", "operator": "Exists"},
    {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"},
    {"key": "node-role.kubernetes.io/master", "operator": "Exists", "effect": "NoSchedule"},
]


@dataclass(frozen=True)
class Wanted:
    """What the KubeVirt CR asks of the components."""

    registry: str
    tag: str
    replicas: int = 2
    use_emulation: bool = False
    pull_policy: str = "IfNotPresent"
    flags: dict[str, dict[str, str]] = field(default_factory=dict)
    certificate_mark: str = ""
    infra: Object = field(default_factory=dict)
    workloads: Object = field(default_factory=dict)

    def image(self, name: str) -> str:
        return f"{self.registry}/{name}:{self.tag}"


def _probe(port: int) -> Object:
    return {
        "readinessProbe": {
            "httpGet": {"path": "/healthz", "port": port, "scheme": "HTTPS"},
            "initialDelaySeconds": 2,
            "periodSeconds": 5,
            "timeoutSeconds": 5,
        }
    }


def _spread(name: str) -> Object:
    """A replica a node; a rollout is not held up by the old ones."""
    labels = {"matchLabels": {"kubevirt.io": name}}
    term = {"labelSelector": labels, "topologyKey": SPREAD}
    return {
        "affinity": {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]
            }
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": SPREAD,
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": labels,
                "matchLabelKeys": ["pod-template-hash"],
            }
        ],
    }


def operator_pod(image: str) -> Object:
    """The pod of virt-operator."""
    container = {
        "name": "virt-operator",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["kubevirt-standin", "operator"],
        "env": [{"name": "VIRT_OPERATOR_IMAGE", "value": image}],
        "ports": [{"name": "metrics", "containerPort": 8443}, {"name": "webhooks", "containerPort": 8444}],
        "resources": {"requests": {"cpu": "5m", "memory": "50Mi"}},
    }
    return {
        "serviceAccountName": "kubevirt-operator",
        "priorityClassName": CRITICAL,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": CONTROL_PLANE + SOON_GONE,
        "containers": [container | _probe(8443)],
        **_spread("virt-operator"),
    }


def _arguments(wanted: Wanted, name: str) -> list[str]:
    arguments: list[str] = []
    if name == "virt-controller":
        arguments += ["--launcher-image", wanted.image("virt-launcher")]
        if wanted.use_emulation:
            arguments.append("--use-emulation")
    for flag, value in sorted((wanted.flags.get(name.removeprefix("virt-")) or {}).items()):
        arguments += [f"--{flag}", str(value)]
    return arguments


def _container(wanted: Wanted, name: str, port: int) -> Object:
    container: Object = {
        "name": CONTAINERS.get(name, name),
        "image": wanted.image(name),
        "imagePullPolicy": wanted.pull_policy,
        "command": ["kubevirt-standin", name.removeprefix("virt-")],
        "args": _arguments(wanted, name),
        "ports": [{"name": "metrics", "containerPort": port, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "5m", "memory": "50Mi"}},
        "volumeMounts": [{"name": "certs", "mountPath": f"/etc/{name}/certs", "readOnly": True}],
    }
    return container | _probe(port)


def _pod(wanted: Wanted, name: str, port: int) -> Object:
    return {
        "serviceAccountName": ACCOUNTS[name],
        "priorityClassName": CRITICAL,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": CONTROL_PLANE + SOON_GONE,
        "containers": [_container(wanted, name, port)],
        "volumes": [{"name": "certs", "secret": {"secretName": SECRETS[name]}}],
    }


def placed(pod: Object, placement: Object) -> Object:
    """The pod with a nodePlacement of the CR; what it has of its own stays."""
    affinity = (pod.get("affinity") or {}) | (placement.get("affinity") or {})
    return (
        pod
        | {
            "nodeSelector": (placement.get("nodeSelector") or {}) | pod["nodeSelector"],
            "tolerations": [*pod["tolerations"], *(placement.get("tolerations") or [])],
        }
        | ({"affinity": affinity} if affinity else {})
    )


def _labels(name: str) -> dict[str, str]:
    return {
        "kubevirt.io": name,
        "app.kubernetes.io/component": "kubevirt",
        "app.kubernetes.io/managed-by": "virt-operator",
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/version": VERSION,
    }


def _template(wanted: Wanted, name: str, pod: Object) -> Object:
    return {
        "metadata": {
            "labels": _labels(name) | {"prometheus.kubevirt.io": "true"},
            "annotations": {"kubevirt-ha.virtops/certificates": wanted.certificate_mark},
        },
        "spec": pod,
    }


def deployment(wanted: Wanted, name: str) -> Object:
    """One of those of which there are replicas."""
    pod = placed(_pod(wanted, name, 8443) | _spread(name), wanted.infra)
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": _labels(name)},
        "spec": {
            "replicas": wanted.replicas,
            "selector": {"matchLabels": {"kubevirt.io": name}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 1}},
            "template": _template(wanted, name, pod),
        },
    }


def handler(wanted: Wanted) -> Object:
    """The DaemonSet virt-handler."""
    name = "virt-handler"
    pod = _pod(wanted, name, 8443)
    container = pod["containers"][0]
    container["env"] = [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]
    container["securityContext"] = {"runAsUser": 0}
    container["volumeMounts"].append({"name": "control", "mountPath": "/var/run/kubevirt-standin"})
    pod["volumes"].append(
        {"name": "control", "hostPath": {"path": "/var/run/kubevirt-standin", "type": "DirectoryOrCreate"}}
    )
    pod = placed(pod, wanted.workloads)
    # The real one brings the launcher's image to its node this way, and patches of the CR name the container.
    pod["initContainers"] = [
        {
            "name": "virt-launcher",
            "image": wanted.image("virt-launcher"),
            "imagePullPolicy": wanted.pull_policy,
            "command": ["/bin/true"],
        }
    ]
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": _labels(name)},
        "spec": {
            "selector": {"matchLabels": {"kubevirt.io": name}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "template": _template(wanted, name, pod),
        },
    }


def budgets(wanted: Wanted) -> list[Object]:
    """A disruption budget a Deployment that has more than one replica."""
    return [
        {
            "metadata": {"name": f"{name}-pdb", "namespace": NAMESPACE, "labels": _labels(name)},
            "spec": {"minAvailable": wanted.replicas - 1, "selector": {"matchLabels": {"kubevirt.io": name}}},
        }
        for name in REPLICATED
        if wanted.replicas > 1
    ]


def services() -> list[Object]:
    """virt-api, the operator's webhooks and the headless service of all metrics."""
    return [
        _service("virt-api", {"kubevirt.io": "virt-api"}, 8443),
        _service("virt-exportproxy", {"kubevirt.io": "virt-exportproxy"}, 8443),
        _service("kubevirt-operator-webhook", {"kubevirt.io": "virt-operator"}, "webhooks"),
        _service("kubevirt-prometheus-metrics", {"prometheus.kubevirt.io": "true"}, "metrics", headless=True),
    ]


def _service(name: str, selector: dict[str, str], target: Any, headless: bool = False) -> Object:
    port: Object = {"port": 443, "protocol": "TCP", "targetPort": target}
    if isinstance(target, str):
        port["name"] = target
    spec: Object = {"selector": selector, "ports": [port]}
    if headless:
        spec["clusterIP"] = "None"
    return {"metadata": {"name": name, "namespace": NAMESPACE, "labels": {"kubevirt.io": ""}}, "spec": spec}
