# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenShift's form on a real kube-apiserver: rendered and taken by the own definitions of OLM and HyperConverged, not run.

Both come from Go modules; HyperConverged's also from the file that KUBEVIRT_HA_HYPERCONVERGED_CRD names. Where it is to be had by
neither, a warning says why, and a table of the fields that the role writes stands for it, as hco.kubevirt.io/v1beta1 has them.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform import openshift, resource
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import Resource
from made_up_manifests import ANY, crd
from role_play import ROOT, Play

OLM_MODULE = "github.com/operator-framework/api@v0.36.0"
HYPERCONVERGED_MODULE = "github.com/kubevirt/hyperconverged-cluster-operator@v1.18.1"
HYPERCONVERGED_FILE = "KUBEVIRT_HA_HYPERCONVERGED_CRD"
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
# What the role writes of spec, for where the definition itself is not to be had.
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


def go_module(name: str, folder: Path) -> tuple[Path | None, str]:
    """Where a Go module's files are, or why they are not to be had."""
    get = ["go", "mod", "download", "-json", name]
    try:
        done = subprocess.run(get, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    except FileNotFoundError:
        return None, f"needs go: {name} is a Go module"
    told = json.loads(done.stdout or "{}")
    if done.returncode or not told.get("Dir"):
        return None, f"the Go module proxy does not give {name}: {told.get('Error') or done.stderr}"
    return Path(told["Dir"]), ""


def hyperconverged_definition(folder: Path) -> dict[str, Any]:
    """HyperConverged's own definition with the one version that the role writes, or the table."""
    given = os.environ.get(HYPERCONVERGED_FILE)
    found, reason = (None, "") if given else go_module(HYPERCONVERGED_MODULE, folder)
    path = Path(given) if given else found / "deploy/crds/hco00.crd.yaml" if found else None
    if path is None:
        warnings.warn(f"HyperConverged's own definition was not asked, but a table: {reason}", stacklevel=2)
        return crd("hco.kubevirt.io", "HyperConverged", "v1beta1", spec=TABLE)
    body: dict[str, Any] = yaml.safe_load(path.read_text())
    group, version = openshift.API_VERSION.split("/")
    assert body["spec"]["group"] == group
    # What the operator stores, and converts by its webhook, is not the version that is held here.
    body["spec"].pop("conversion", None)
    body["spec"]["versions"] = [
        {**each, "storage": True} for each in body["spec"]["versions"] if each["name"] == version
    ]
    return body


@pytest.fixture(scope="module")
def olm(client: Client, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The definitions of OLM and of HyperConverged."""
    folder = tmp_path_factory.mktemp("go")
    found, reason = go_module(OLM_MODULE, folder)
    if found is None:
        pytest.skip(reason)
    for kind in ("subscriptions", "operatorgroups"):
        body = yaml.safe_load((found / "crds" / f"operators.coreos.com_{kind}.yaml").read_text())
        body.pop("status", None)
        client.create(CRD, body)
    client.create(CRD, hyperconverged_definition(folder))
    end = time.monotonic() + 60
    while HYPERCONVERGED not in client.kinds() and time.monotonic() < end:
        time.sleep(0.5)


def rendered(given: dict[str, Any]) -> dict[str, Any]:
    """The HyperConverged object of the role's defaults and of what is given."""
    defaults = yaml.safe_load((ROOT / "roles/kubevirt/defaults/main.yml").read_text())
    settings = {name.removeprefix("kubevirt_"): value for name, value in {**defaults, **given}.items()}
    return openshift.hyperconverged(settings)


@contextlib.contextmanager
def operators(client: Client, installed: dict[str, Any]) -> Iterator[None]:
    """Does as OLM and the HyperConverged operator do: tells of the subscription and of the conditions."""
    over = threading.Event()
    said = {"lastTransitionTime": "2026-11-29T00:00:00Z", "reason": "Played", "message": ""}
    conditions = [{"type": kind, "status": status, **said} for kind, status in openshift.CONDITIONS.items()]

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
        unknown = play("kubevirt", **{**given, "kubevirt_hyperconverged_overrides": {"spec": {"noSuchField": True}}})
        assert unknown.code != 0
        assert "the installed operator does not know spec.noSuchField" in unknown.text
        assert client.find(HYPERCONVERGED, openshift.NAME, NAMESPACE) is None
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
    # All that was asked for must be there, beside defaults.
    spec = client.get(HYPERCONVERGED, openshift.NAME, NAMESPACE)["spec"]
    assert resource.combine(spec, rendered(given)["spec"], append=False) == spec
    limits = spec["liveMigrationConfig"]
    assert limits == {
        **limits,
        "parallelMigrationsPerCluster": 5,
        "parallelOutboundMigrationsPerNode": 2,
        "bandwidthPerMigration": "64Mi",
        "completionTimeoutPerGiB": 150,
        "progressTimeout": 150,
        "network": "migration",
        "allowAutoConverge": False,
        "allowPostCopy": False,
    }
    gates = spec["featureGates"]
    assert (gates["alignCPUs"], gates["declarativeHotplugVolumes"]) == (True, False)
    assert spec["workloads"]["nodePlacement"] == given["kubevirt_workloads_node_placement"]
    assert spec["certConfig"]["ca"] == {"duration": "168h0m0s", "renewBefore": "33h36m0s"}
    assert spec["workloadUpdateStrategy"]["batchEvictionInterval"] == "1m0s"
    assert spec["defaultCPUModel"] == "Cascadelake-Server"


def test_the_definition_knows_every_field_and_gate(client: Client, olm: None) -> None:
    placement = {"nodeSelector": {"a": "b"}, "affinity": {"nodeAffinity": {}}, "tolerations": [{"operator": "Exists"}]}
    body = rendered(
        {
            "kubevirt_infra_node_placement": placement,
            "kubevirt_workloads_node_placement": placement,
            "kubevirt_migration_bandwidth": "64Mi",
            "kubevirt_migration_network": "migration",
            "kubevirt_workload_update_methods": ["LiveMigrate", "Evict"],
            "kubevirt_feature_gates": list(openshift.GATES),
        }
    )
    body["metadata"]["namespace"] = "default"
    client.create(HYPERCONVERGED, body, "default", dry_run=True)
    body["spec"]["liveMigrationConfig"]["noSuchLimit"] = 1
    with pytest.raises(HaError, match="noSuchLimit"):
        client.create(HYPERCONVERGED, body, "default", dry_run=True)


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
