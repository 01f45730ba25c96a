# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The version matrix: what is refused, what the status says of what runs, and that the page shows the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.virtops.kubevirt_ha.plugins.filter.version_matrix import (
    version_matrix_csi_faults,
    version_matrix_faults,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import versions

ROOT = Path(__file__).resolve().parents[4]


def parts(**given: str) -> list[str]:
    return [part for part, _text in versions.faults(given)]


@pytest.mark.parametrize("row", versions.KUBEVIRT, ids=lambda row: row.minor)
def test_all_that_the_table_says_goes_together_is_no_fault(row: versions.KubeVirt) -> None:
    for kubernetes in row.kubernetes:
        assert parts(kubernetes=f"{kubernetes}.9", kubevirt=f"v{row.minor}.1-rc.0") == []


def test_every_kubernetes_of_the_table_has_a_kubevirt_and_the_other_way_round() -> None:
    assert all(versions.kubevirt_of(row.minor) for row in versions.KUBERNETES)
    assert {each for row in versions.KUBEVIRT for each in row.kubernetes} == {row.minor for row in versions.KUBERNETES}


def test_a_pair_outside_of_the_table_is_told_on_both_sides_with_what_is_allowed() -> None:
    found = dict(versions.faults({"kubernetes": "1.36.2", "kubevirt": "1.8.0"}))
    assert found["kubernetes"] == "1.36 does not go with KubeVirt 1.8; allowed with it are 1.34, 1.35"
    assert found["kubevirt"] == "1.8 does not go with Kubernetes 1.36; allowed with it are 1.9"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"kubernetes": "1.33.7"}, ["kubernetes"]),
        ({"kubernetes": "1.37.0", "kubevirt": "1.9.0"}, ["kubernetes"]),
        ({"kubevirt": "1.6.0"}, ["kubevirt"]),
        ({"kubernetes": "1.37.0", "kubevirt": "1.6.0"}, ["kubernetes", "kubevirt"]),
        ({"kubernetes": "1.34.4", "etcd": "3.5.21-0"}, ["etcd"]),
        ({"kubernetes": "1.34.4", "etcd": "3.5.24-0"}, []),
        ({"kubernetes": "latest", "kubevirt": ""}, []),
    ],
)
def test_what_is_in_no_row_is_a_fault_and_what_is_no_version_is_not_judged(
    given: dict[str, str], found: list[str]
) -> None:
    assert parts(**given) == found


def test_what_runs_is_tested_supported_or_untested() -> None:
    ran = {"kubernetes": "v1.34.4", "kubevirt": "v1.9.0", "etcd": "3.7.3", "containerd": "1.6.20"}
    assert versions.verdict(ran).state == "tested"
    assert versions.verdict({**ran, "kubernetes": "v1.35.4"}).state == "tested"
    assert versions.verdict({**ran, "kubernetes": "v1.36.1"}).state == "supported"
    assert versions.verdict({**ran, "containerd": "2.1.4"}).state == "supported"
    assert versions.verdict({**ran, "kubernetes": "v1.37.1"}).state == "untested"
    assert versions.verdict({"kubernetes": "v1.34.4"}).faults == (
        "the versions of Kubernetes and KubeVirt are not both known",
    )


@pytest.mark.parametrize(
    ("kubernetes", "containerd", "told"),
    [
        ("1.34.1", "1.6.20", True),
        ("1.34.1", "1.6.39", False),
        ("1.34.1", "2.4.0", False),
        ("1.36.0", "1.7.99", True),
        ("1.35.0", "2.0.9", True),
        ("1.35.0", "2.2.0", False),
    ],
)
def test_an_old_containerd_is_noted(kubernetes: str, containerd: str, told: bool) -> None:
    notes = versions.verdict({"kubernetes": kubernetes, "kubevirt": "1.9.0", "containerd": containerd}).notes
    assert any(note.startswith(f"containerd {containerd} is older") for note in notes) is told


def test_a_cdi_of_another_release_is_untested() -> None:
    given = {"kubernetes": "1.34.4", "kubevirt": "1.9.0"}
    assert versions.verdict({**given, "cdi": "v1.66.1"}).state == "tested"
    found = versions.verdict({**given, "cdi": "v1.64.0"})
    assert found.state == "untested"
    assert found.faults == ("cdi 1.64 does not go with KubeVirt 1.9; allowed with it is 1.66",)


def test_a_cdi_without_its_kubevirt_is_held_against_kubernetes() -> None:
    found = dict(versions.faults({"kubernetes": "1.36.0", "cdi": "v1.65.0"}))
    assert found["kubernetes"] == "1.36 does not go with CDI 1.65; allowed with it are 1.34, 1.35"
    assert found["cdi"] == "1.65 does not go with Kubernetes 1.36; allowed with it are 1.66"
    assert parts(kubernetes="1.35.0", cdi="v1.65.0") == []
    assert dict(versions.faults({"cdi": "1.60.0"})) == {
        "cdi": "1.60 is not in the version matrix; allowed are 1.66, 1.65, 1.64"
    }


@pytest.mark.parametrize(
    ("image", "kubernetes", "said"),
    [
        ("quay.io/cephcsi/cephcsi:v3.17.0", "1.36.1", ""),
        ("mirror:5000/cephcsi:v3.16.2@sha256:12", "1.35", ""),
        ("cephcsi:v3.15.0", "1.36.1", "does not go with Kubernetes 1.36; allowed with it are 3.17"),
        ("quay.io/cephcsi/cephcsi:v3.12.1", "1.35.0", "is not in the version matrix; allowed are 3.17, 3.16"),
        ("quay.io/cephcsi/cephcsi:v3.12.1", "", "is not in the version matrix; allowed are 3.17, 3.16, 3.15"),
        ("registry.k8s.io/sig-storage/nfsplugin:v4.13.4", "1.36.0", ""),
        ("registry.k8s.io/sig-storage/nfsplugin:v4.5.0", "1.36.0", "csi-driver-nfs 4.5 (registry.k8s.io/"),
        ("longhornio/csi-snapshotter:v7.0.2", "1.34.0", ""),
        ("registry.k8s.io/sig-storage/snapshot-controller:v6.3.0", "1.34.0", "external-snapshotter 6.3 ("),
        ("quay.io/cephcsi/cephcsi:canary", "1.34.0", ""),
        ("localhost:5000/cephcsi", "1.34.0", ""),
        ("registry.k8s.io/sig-storage/csi-resizer:v0.1.0", "1.34.0", ""),
    ],
)
def test_images_of_csi_outside_of_the_table_are_told(image: str, kubernetes: str, said: str) -> None:
    found = list(versions.csi_faults([image, image], kubernetes))
    assert len(found) == bool(said)
    assert said in "".join(found)


def test_every_part_of_csi_has_a_version_for_every_kubernetes() -> None:
    for row in versions.CSI:
        assert {each for minors in row.versions.values() for each in minors} == {
            each.minor for each in versions.KUBERNETES
        }


def test_the_page_shows_the_table() -> None:
    assert versions.tables() in (ROOT / "docs" / "versions.md").read_text()


def test_the_defaults_of_the_roles_go_together() -> None:
    def default(role: str) -> Any:
        return yaml.safe_load((ROOT / "roles" / role / "defaults" / "main.yml").read_text())[f"{role}_version"]

    assert parts(kubernetes=default("kubernetes"), kubevirt=default("kubevirt")) == []


def test_the_filter_names_the_option_and_can_be_told_to_go_on() -> None:
    wanted = {"kubernetes": "1.37.0"}
    (fault,) = version_matrix_faults(wanted, "kubernetes", "kubernetes_version")
    assert fault.startswith("kubernetes_version: 1.37 is not in the version matrix; allowed are 1.34, 1.35, 1.36;")
    assert "version_matrix_allow_untested" in fault
    assert version_matrix_faults(wanted, "kubevirt", "kubevirt_version") == []
    assert version_matrix_faults(wanted, "kubernetes", "kubernetes_version", True) == []


def test_the_filter_of_images_names_the_option_and_can_be_told_to_go_on() -> None:
    images = ["cephcsi:v3.12.0", "csi-resizer:v1.0.0"]
    (fault,) = version_matrix_csi_faults(images, "1.34.4", "shared_storage_csi_manifests")
    assert fault.startswith(
        "shared_storage_csi_manifests: ceph-csi 3.12 (cephcsi:v3.12.0) is not in the version matrix"
    )
    assert "version_matrix_allow_untested" in fault
    assert version_matrix_csi_faults(images, "1.34.4", "shared_storage_csi_manifests", True) == []
    with pytest.raises(AnsibleFilterError, match="give a list of images"):
        version_matrix_csi_faults("cephcsi:v3.12.0", "1.34.4", "shared_storage_csi_manifests")
