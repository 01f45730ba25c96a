# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenShift's form on a real kube-apiserver: rendered and taken by OLM's own definitions, not run.

The definitions of OLM come from the Go module of its API. HyperConverged's own definition is in no registry: the one here is
made of a table of the fields that the role writes, as hco.kubevirt.io/v1beta1 has them, and refuses any other field.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform import openshift
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import Resource
from made_up_manifests import ANY, crd
from role_play import Play

OLM_MODULE = "github.com/operator-framework/api@v0.36.0"
NAMESPACE = "kubevirt-hyperconverged"
CRD = Resource("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
SUBSCRIPTION = Resource("operators.coreos.com/v1alpha1", "subscriptions", "Subscription")
OPERATOR_GROUP = Resource("operators.coreos.com/v1", "operatorgroups", "OperatorGroup")
HYPERCONVERGED = Resource(openshift.API_VERSION, "hyperconvergeds", "HyperConverged")
TEXT, NUMBER, TRUTH = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
DURATION = {"type": "string", "pattern": r"^([0-9]+h)?([0-9]+m)?[0-9]+s$"}
QUANTITY = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?([KMGTPE]i|[numkMGTPE])?$"}


def fields(**known: Any) -> dict[str, Any]:
    """A map of known fields."""
    return {"type": "object", "properties": known}


PLACEMENT = fields(nodePlacement=fields(nodeSelector=ANY, affinity=ANY, tolerations={"type": "array", "items": ANY}))
LIFE = fields(duration=DURATION, renewBefore=DURATION)
# What the role writes of spec.
TABLE = fields(
    infra=PLACEMENT,
    workloads=PLACEMENT,
    evictionStrategy={"type": "string", "enum": ["None", "LiveMigrate", "LiveMigrateIfPossible", "External"]},
    featureGates=fields(**dict.fromkeys((*openshift.GATES, *openshift.IGNORED), TRUTH)),
    liveMigrationConfig=fields(
        parallelMigrationsPerCluster=NUMBER,
        parallelOutboundMigrationsPerNode=NUMBER,
        bandwidthPerMigration=QUANTITY,
        completionTimeoutPerGiB=NUMBER,
        progressTimeout=NUMBER,
        network=TEXT,
        allowAutoConverge=TRUTH,
        allowPostCopy=TRUTH,
    ),
    workloadUpdateStrategy=fields(
        workloadUpdateMethods={"type": "array", "items": {"type": "string", "enum": ["LiveMigrate", "Evict"]}},
        batchEvictionSize=NUMBER,
        batchEvictionInterval=DURATION,
    ),
    certConfig=fields(ca=LIFE, server=LIFE),
    defaultCPUModel=TEXT,
)


@pytest.fixture(scope="module")
def olm(client: Client, tmp_path_factory: pytest.TempPathFactory) -> None:
    """OLM's definitions, and the table of HyperConverged's."""
    folder = tmp_path_factory.mktemp("go")
    get = ["go", "mod", "download", "-json", OLM_MODULE]
    try:
        done = subprocess.run(get, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    except FileNotFoundError:
        pytest.skip("needs go: OLM's definitions are in a Go module")
    told = json.loads(done.stdout or "{}")
    if done.returncode or not told.get("Dir"):
        pytest.skip(f"the Go module proxy does not give {OLM_MODULE}: {told.get('Error') or done.stderr}")
    for kind in ("subscriptions", "operatorgroups"):
        body = yaml.safe_load(Path(told["Dir"], "crds", f"operators.coreos.com_{kind}.yaml").read_text())
        body.pop("status", None)
        client.create(CRD, body)
    client.create(CRD, crd("hco.kubevirt.io", "HyperConverged", "v1beta1", spec=TABLE))


@contextlib.contextmanager
def operators(client: Client, installed: dict[str, Any]) -> Iterator[None]:
    """Does as OLM and the HyperConverged operator do: tells of the subscription and of the conditions."""
    over = threading.Event()
    conditions = [{"type": kind, "status": status} for kind, status in openshift.CONDITIONS.items()]

    def work() -> None:
        while not over.wait(0.3):
            with contextlib.suppress(HaError):
                status = {"lastUpdated": "2026-11-29T00:00:00Z", **installed}
                client.patch(SUBSCRIPTION, openshift.NAME, {"status": status}, NAMESPACE, subresource="status")
            with contextlib.suppress(HaError):
                told = {"status": {"conditions": conditions}}
                client.patch(HYPERCONVERGED, openshift.NAME, told, NAMESPACE, subresource="status")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_cluster_without_olm_is_told(play: Play, cluster: Path) -> None:
    refused = play("kubevirt", kubevirt_distribution="openshift", kubernetes_kubeconfig=str(cluster))
    assert refused.code != 0
    assert "the cluster has no OLM (kind Subscription); set kubernetes" in refused.text


def test_the_operator_is_subscribed_to_and_told_all_settings(
    play: Play, cluster: Path, client: Client, olm: None
) -> None:
    given: dict[str, Any] = {
        "kubevirt_distribution": "openshift",
        "kubernetes_kubeconfig": str(cluster),
        "kubevirt_timeout": 30,
        "kubevirt_olm_approval": "Manual",
        "kubevirt_olm_starting_csv": "kubevirt-hyperconverged-operator.v1.18.1",
        "kubevirt_infra_node_placement": {"nodeSelector": {"node-role.kubernetes.io/infra": ""}},
        "kubevirt_workloads_node_placement": {"tolerations": [{"key": "vms", "operator": "Exists"}]},
        "kubevirt_migration_bandwidth": "64Mi",
        "kubevirt_migration_network": "migration",
        "kubevirt_feature_gates": ["alignCPUs"],
        "kubevirt_disabled_feature_gates": ["declarativeHotplugVolumes"],
        "kubevirt_hyperconverged_overrides": {"spec": {"defaultCPUModel": "Cascadelake-Server"}},
    }
    pending = {"state": "UpgradePending", "installPlanRef": {"name": "install-abc", "namespace": NAMESPACE}}
    with operators(client, pending):
        waits = play("kubevirt", **given)
    assert waits.code != 0
    assert "approve InstallPlan install-abc of namespace kubevirt-hyperconverged" in waits.text

    installed = {"state": "AtLatestKnown", "installedCSV": "kubevirt-hyperconverged-operator.v1.18.1"}
    with operators(client, installed):
        first = play("kubevirt", **given)
        assert first.code == 0, first.text[-3000:]
        again = play("kubevirt", **given)
        assert again.code == 0, again.text[-3000:]
        assert not again.changed, again.text[-3000:]
    assert client.get(OPERATOR_GROUP, "kubevirt-hyperconverged-group", NAMESPACE)["spec"]["targetNamespaces"] == [
        NAMESPACE
    ]
    subscription = client.get(SUBSCRIPTION, openshift.NAME, NAMESPACE)["spec"]
    assert subscription["installPlanApproval"] == "Manual"
    # What the definition has not is dropped by the server: all that was asked for must be there.
    spec = client.get(HYPERCONVERGED, openshift.NAME, NAMESPACE)["spec"]
    assert spec["liveMigrationConfig"] == {
        "parallelMigrationsPerCluster": 5,
        "parallelOutboundMigrationsPerNode": 2,
        "bandwidthPerMigration": "64Mi",
        "completionTimeoutPerGiB": 150,
        "progressTimeout": 150,
        "network": "migration",
        "allowAutoConverge": False,
        "allowPostCopy": False,
    }
    assert spec["featureGates"] == {"alignCPUs": True, "declarativeHotplugVolumes": False}
    assert spec["workloads"]["nodePlacement"] == given["kubevirt_workloads_node_placement"]
    assert spec["certConfig"]["ca"] == {"duration": "168h0m0s", "renewBefore": "33h36m0s"}
    assert spec["workloadUpdateStrategy"]["batchEvictionInterval"] == "1m0s"
    assert spec["defaultCPUModel"] == "Cascadelake-Server"


def test_what_the_operator_decides_by_itself_is_refused(play: Play, cluster: Path) -> None:
    refused = play(
        "kubevirt",
        ["preflight"],
        kubevirt_distribution="openshift",
        kubernetes_kubeconfig=str(cluster),
        kubevirt_cr_overrides={"spec": {"imageTag": "x"}},
        kubevirt_feature_gates=["HostDisk"],
    )
    assert refused.code != 0
    assert "say what it has in kubevirt_hyperconverged_overrides" in refused.text
    assert "HostDisk is no feature gate of the HyperConverged operator" in refused.text
