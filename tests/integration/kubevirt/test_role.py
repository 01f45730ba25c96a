# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole role on a real kube-apiserver with a made-up archive; what the operators would do is played.

That each object is taken, that a second run changes nothing and that drift is repaired is real; that KubeVirt or CDI run is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    KUBEVIRT,
)
from made_up_manifests import CDI, Operators, add_nodes
from registry import Registry
from role_play import Play

Archive = Callable[..., Path]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path / "registry").running() as found:
        yield found


def test_an_upgrade_by_one_minor_and_no_way_back(
    play: Play, archive: Archive, registry: Registry, cluster: Path, client: Any
) -> None:
    given: dict[str, Any] = {
        "kubernetes_kubeconfig": str(cluster),
        "kubevirt_source": "archive",
        "kubevirt_registry": registry.address,
        "kubevirt_registry_ca_file": str(registry.authority),
        "kubevirt_timeout": 60,
    }
    add_nodes(client, 3)
    older, newer = str(archive(version="v1.8.4")), str(archive(version="v1.9.0"))
    with Operators(client).working():
        for folder in (older, newer):
            played = play("kubevirt", **given, kubevirt_archive=folder)
            assert played.code == 0, played.text[-3000:]
        assert client.get(KUBEVIRT, "kubevirt", "kubevirt")["status"]["observedKubeVirtVersion"] == "v1.9.0"
        back = play("kubevirt", **given, kubevirt_archive=older)
    assert back.code != 0
    assert "kubevirt_archive: v1.8.4 is older than KubeVirt v1.9.0, which runs" in back.text
    image = client.get(DEPLOYMENT, "virt-operator", "kubevirt")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image.endswith(":v1.9.0")


def test_kubevirt_and_cdi_of_an_archive(
    play: Play, archive: Archive, registry: Registry, cluster: Path, client: Any
) -> None:
    given: dict[str, Any] = {
        "kubernetes_kubeconfig": str(cluster),
        "kubevirt_source": "archive",
        "kubevirt_archive": str(archive(cdi=True)),
        "kubevirt_registry": registry.address,
        "kubevirt_registry_ca_file": str(registry.authority),
        "kubevirt_cdi_replicas": 2,
        "kubevirt_timeout": 60,
        "kubevirt_infra_node_placement": {"nodeSelector": {"node-role.kubernetes.io/control-plane": ""}},
        "kubevirt_disabled_feature_gates": ["Snapshot"],
    }
    add_nodes(client, 3)
    with Operators(client).working():
        first = play("kubevirt", **given)
        assert first.code == 0, first.text[-3000:]
        assert registry.has("kubevirt/cdi-controller:v1.66.0")
        assert client.get(DEPLOYMENT, "virt-operator", "kubevirt")["metadata"]["annotations"][
            "kubevirt-ha.virtops/source"
        ] == ("made up")
        assert client.get(DISRUPTION_BUDGET, "virt-operator-pdb", "kubevirt")["spec"]["minAvailable"] == 1
        assert client.get(CDI, "cdi")["spec"]["infra"]["uploadProxyReplicas"] == 2
        before = client.get(KUBEVIRT, "kubevirt", "kubevirt")["spec"]
        assert before["configuration"]["developerConfiguration"]["disabledFeatureGates"] == ["Snapshot"]

        again = play("kubevirt", **given)
        assert again.code == 0, again.text[-3000:]
        assert not again.changed, again.text[-3000:]

        drift = {
            "infra": {"replicas": 1, "nodePlacement": {"nodeSelector": {"more": "1"}}},
            "certificateRotateStrategy": {"selfSigned": {"ca": {"duration": "1h"}}},
            "customizeComponents": {"patches": []},
            "monitorAccount": "kept",
        }
        client.patch(KUBEVIRT, "kubevirt", {"spec": drift}, "kubevirt")
        assert play("kubevirt", **given).changed
        after = client.get(KUBEVIRT, "kubevirt", "kubevirt")["spec"]
        assert after == {**before, "monitorAccount": "kept"}

    for wrong, word in (
        ({"kubevirt_infra_replicas": 4}, "kubevirt_infra_replicas: 4 replicas cannot run on as many nodes"),
        (
            {"kubevirt_source": "release", "kubevirt_version": "1.8.4"},
            "kubevirt_version: 1.8.4 is older than KubeVirt v1.9.0",
        ),
    ):
        refused = play("kubevirt", **{**given, **wrong})
        assert refused.code != 0
        assert word in refused.text
    assert client.get(KUBEVIRT, "kubevirt", "kubevirt")["spec"] == after

    # A budget that keeps every replica would hold up each drain: told by the role's last step.
    keeps_all = {"spec": {"minAvailable": 3}}
    client.patch(DISRUPTION_BUDGET, "virt-api-pdb", keeps_all, "kubevirt")
    with Operators(client, budgets=False).working():
        told = play("kubevirt", **given)
    assert told.code != 0
    assert "PodDisruptionBudget virt-api-pdb keeps all 3 replicas of virt-api" in told.text
