"""kubevirt-operator.yaml and kubevirt-cr.yaml of the archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ..crds import kubevirt_crd
from ..resources import (
    CLUSTER_ROLE_BINDING,
    CRD,
    DEPLOYMENT,
    KUBEVIRT,
    NAMESPACE,
    PRIORITY_CLASS,
    SERVICE_ACCOUNT,
    Object,
    Resource,
)
from .workloads import operator_pod

NAME = "kubevirt"


def _full(resource: Resource, obj: Object) -> Object:
    return {"apiVersion": resource.api_version, "kind": resource.kind} | obj


def priority_class() -> Object:
    """What the components run with."""
    return {
        "metadata": {"name": "kubevirt-cluster-critical"},
        "value": 1_000_000_000,
        "globalDefault": False,
        "description": "This priority class should be used for core kubevirt components only.",
    }


def operator_documents(image: str) -> list[Object]:
    """All that is applied before the KubeVirt CR, the namespace and the CRD first."""
    labels = {"kubevirt.io": "virt-operator"}
    deployment = {
        "metadata": {"name": "virt-operator", "namespace": NAME, "labels": labels},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate"},
            "template": {
                "metadata": {"labels": labels | {"name": "virt-operator", "prometheus.kubevirt.io": "true"}},
                "spec": operator_pod(image),
            },
        },
    }
    return [
        _full(
            NAMESPACE,
            {
                "metadata": {
                    "name": NAME,
                    "labels": {"kubevirt.io": "", "pod-security.kubernetes.io/enforce": "privileged"},
                }
            },
        ),
        _full(CRD, kubevirt_crd()),
        _full(PRIORITY_CLASS, priority_class()),
        _full(
            SERVICE_ACCOUNT,
            {"metadata": {"name": "kubevirt-operator", "namespace": NAME, "labels": {"kubevirt.io": ""}}},
        ),
        _full(
            CLUSTER_ROLE_BINDING,
            {
                "metadata": {"name": "kubevirt-operator", "labels": {"kubevirt.io": ""}},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [{"kind": "ServiceAccount", "name": "kubevirt-operator", "namespace": NAME}],
            },
        ),
        _full(DEPLOYMENT, deployment),
    ]


def custom_resource() -> Object:
    """The KubeVirt CR as a release ships it."""
    spec = {
        "certificateRotateStrategy": {},
        "configuration": {"developerConfiguration": {"featureGates": []}},
        "customizeComponents": {},
        "imagePullPolicy": "IfNotPresent",
        "workloadUpdateStrategy": {},
    }
    return _full(KUBEVIRT, {"metadata": {"name": NAME, "namespace": NAME}, "spec": spec})


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def main(folder: str, image: str) -> None:
    """Write both files."""
    documents = operator_documents(image)
    text = yaml.dump_all(documents, Dumper=_Plain, sort_keys=True, explicit_start=True)
    Path(folder, "kubevirt-operator.yaml").write_text(text)
    text = yaml.dump(custom_resource(), Dumper=_Plain, sort_keys=True, explicit_start=True)
    Path(folder, "kubevirt-cr.yaml").write_text(text)
