# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's variables reach the filters, and what cannot be is told at once, before a host or a cluster is asked."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).resolve().parents[4] / "roles" / "kubevirt"
NODES = ["n1", "n2", "n3"]


@functools.cache
def _load(name: str) -> Any:
    return DataLoader().load_from_file(str(ROLE / name), trusted_as_template=True)


def _templar(given: dict[str, Any], **more: Any) -> Templar:
    variables = {
        **_load("defaults/main.yml"),
        **_load("vars/main.yml"),
        "groups": {"control_plane": NODES, "kvm_nodes": [*NODES, "n4"]},
        "__kubevirt_archive": {"version": "v1.9.0", "source": "made up", "images": [], "faults": [], "cdi": False},
        "__kubevirt_skopeo": {"rc": 0},
        "__kubevirt_release": {"results": []},
        "__kubevirt_look": {"skipped": True},
        "__kubevirt_look_now": {},
        **more,
        **given,
    }
    return Templar(loader=DataLoader(), variables=variables)


def value(expression: str, **given: Any) -> Any:
    return _templar(given).template(trust_as_template("{{ " + expression + " }}"))


def faults(**given: Any) -> list[str]:
    task = next(task for task in _load("tasks/inventory.yml") if task["name"] == "Find faults of the inventory")
    fact = task["ansible.builtin.set_fact"]["__kubevirt_inventory_faults"]
    return list(_templar({**task["vars"], **given}).template(fact))


def archive(**given: Any) -> list[str]:
    return faults(kubevirt_source="archive", kubevirt_archive="/srv/a", kubevirt_registry="r:5000", **given)


def test_the_defaults_are_those_of_the_argument_specs_in_their_order() -> None:
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert list(specs) == list(_load("defaults/main.yml"))


def test_every_setting_is_one_of_the_roles_variables() -> None:
    settings = value("__kubevirt_settings")
    assert {f"kubevirt_{name}" for name in settings} <= _load("defaults/main.yml").keys()
    assert settings["infra_replicas"] == 3
    assert settings["workload_update_methods"] == ["LiveMigrate"]
    assert archive() == []


def test_replicas_are_held_against_the_nodes_of_the_inventory() -> None:
    assert "allowed are 1 to 3" in archive(kubevirt_infra_replicas=4)[0]
    assert archive(kubevirt_infra_replicas=4, kubevirt_infra_node_placement={"nodeSelector": {"a": "b"}}) == []
    assert archive(kubevirt_infra_replicas=4, groups={}) == []


@pytest.mark.parametrize("version", ["latest", 1.9, "v1", "1.9"])
def test_what_is_no_version_is_told_before_it_is_looked_for(version: Any) -> None:
    found = archive(__kubevirt_archive={"version": version, "images": [], "faults": []})
    assert f"kubevirt_archive: {version} is no version; write one such as 1.9.0, in quotes" in found
    given = {"kubevirt_source": "release", "kubevirt_cdi_version": "1.66.0", "kubevirt_version": version}
    assert "kubevirt_version: " in faults(**given)[0]


def test_what_runs_is_not_left_for_an_older_one() -> None:
    look = {"version": "v1.9.0", "infra_nodes": NODES}
    older = {"version": "v1.8.4", "images": [], "faults": []}
    assert (
        "kubevirt_archive: v1.8.4 is older than KubeVirt v1.9.0"
        in archive(__kubevirt_look=look, __kubevirt_archive=older)[0]
    )
    assert archive(__kubevirt_look=look) == []


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"kubevirt_cdi": "perhaps"}, "kubevirt_cdi: perhaps is unknown; allowed are auto, true, false"),
        ({"kubevirt_cdi": True}, "kubevirt_cdi: true, but /srv/a has no cdi-operator.yaml"),
        ({"kubevirt_registry_ca_file": "/nonexistent"}, "kubevirt_registry_ca_file: /nonexistent is no PEM file"),
        ({"kubevirt_registry": "http://r"}, "kubevirt_registry: 'http://r' is not host:port"),
        ({"kubevirt_distribution": "k3s"}, "kubevirt_distribution: k3s is unknown; allowed are kubernetes, openshift"),
        ({"kubevirt_feature_gates": ["hostdisk"]}, "did you mean HostDisk?"),
        ({"kubevirt_migrations_per_cluster": -1}, "kubevirt_migrations_per_cluster: -1 must be a whole number from 1"),
        ({"kubevirt_workloads_node_placement": []}, "kubevirt_workloads_node_placement: must be a map"),
    ],
)
def test_what_cannot_be_is_told_by_name(given: dict[str, Any], word: str) -> None:
    assert any(
        word in fault
        for fault in faults(
            **{"kubevirt_source": "archive", "kubevirt_archive": "/srv/a", "kubevirt_registry": "r:5000", **given}
        )
    )


def test_a_ca_and_plain_http_stand_against_one_another(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("-----BEGIN CERTIFICATE-----\n")
    plain = {"quay.io": "http://r:5000"}
    found = archive(kubernetes_registry_ca_file=str(authority), kubernetes_registry_mirrors=plain)
    assert [fault.split(" is given")[0] for fault in found] == ["kubevirt_registry_ca_file"]
    assert (
        archive(kubernetes_registry_ca_file=str(authority), kubernetes_registry_mirrors={"quay.io": "https://r:5000"})
        == []
    )


def test_cdi_comes_with_a_release_of_its_version_and_not_with_an_archive_without_it() -> None:
    assert value("__kubevirt_with_cdi") is True
    assert value("__kubevirt_cdi_url").endswith("/v1.66.0")
    assert value("__kubevirt_cdi_url", kubevirt_version="1.8.4").endswith("/v1.65.0")
    assert value("__kubevirt_with_cdi", kubevirt_cdi=False) is False
    assert value("__kubevirt_with_cdi", kubevirt_source="archive") is False
    assert value("__kubevirt_with_cdi", kubevirt_source="archive", __kubevirt_archive={"cdi": True}) is True


def test_a_cdi_that_does_not_go_with_kubevirt_is_told_by_name() -> None:
    assert faults(kubevirt_cdi_version="1.66.2") == []
    (fault,) = faults(kubevirt_cdi_version="1.64.0")
    assert fault.startswith("kubevirt_cdi_version: 1.64 does not go with KubeVirt 1.9; allowed with it is 1.66;")
    (fault,) = faults(kubevirt_cdi_version="latest")
    assert fault == "kubevirt_cdi_version: latest is no version; write one such as 1.66.0, in quotes"
    assert faults(kubevirt_cdi_version="1.64.0", version_matrix_allow_untested=True) == []
    assert faults(kubevirt_cdi_version="1.64.0", kubevirt_cdi=False) == []


def test_the_cdi_of_an_archive_is_held_against_its_kubevirt() -> None:
    given = {"version": "v1.9.0", "images": [], "faults": [], "cdi": True}
    assert archive(__kubevirt_archive={**given, "cdi_version": "v1.66.1"}) == []
    (fault,) = archive(__kubevirt_archive={**given, "cdi_version": "v1.65.0"})
    assert fault.startswith("kubevirt_archive: CDI: 1.65 does not go with KubeVirt 1.9; allowed with it is 1.66;")
    assert archive(__kubevirt_archive={**given, "cdi_version": "v1.65.0"}, kubevirt_cdi=False) == []


def test_images_go_where_the_nodes_ask_for_them() -> None:
    digest = "sha256:" + "0123456789ab" + "c" * 52
    images = [
        {"reference": "quay.io/kubevirt/virt-api:v1", "file": "/a.tar", "digest": digest},
        {"reference": "quay.io/kubevirt/virt-api@sha256:1", "file": "/a.tar", "digest": digest},
    ]
    found = value("__kubevirt_images", kubevirt_registry="r:5000", __kubevirt_archive={"images": images})
    assert [each["destination"] for each in found] == [
        "docker://r:5000/kubevirt/virt-api:v1",
        "docker://r:5000/kubevirt/virt-api:0123456789ab",
    ]
    assert found[0]["answer"] == f"docker://r:5000/kubevirt/virt-api:v1 {digest}"


def test_leases_and_the_vip_come_with_a_fast_detection() -> None:
    assert value("__kubevirt_components") == {"env": [], "flags": {}}
    fast = value(
        "__kubevirt_components", kubernetes_failure_detection="fastest", kubernetes_api_endpoint="192.0.2.1:8443"
    )
    assert {"name": "KUBERNETES_SERVICE_HOST", "value": "192.0.2.1"} in fast["env"]
    assert fast["flags"]["leader-elect-lease-duration"] == "6s"
