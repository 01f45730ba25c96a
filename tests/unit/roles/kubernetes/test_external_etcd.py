# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A given cluster of etcd instead of a member on each control plane, and a control plane that grows by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from .kubernetes_role import inventory_faults, text, value

URLS = [f"https://192.0.2.2{number}:2379" for number in (1, 2, 3)]
GIVEN: dict[str, Any] = {
    "kubernetes_etcd": "external",
    "kubernetes_etcd_endpoints": URLS,
    "hostvars": {},
    "kubernetes_cni": "routes",
}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """What the controller has of it."""
    found = {}
    for name in ("ca", "cert", "key"):
        (tmp_path / name).write_text("pem")
        found[f"kubernetes_etcd_{name}_file"] = str(tmp_path / name)
    return found


def faults(members: int = 1, **given: Any) -> str:
    hosts = [f"n{number}" for number in range(1, members + 1)]
    hostvars = {host: {"ansible_host": f"192.0.2.{index}"} for index, host in enumerate(hosts)}
    return "\n".join(inventory_faults(**{**GIVEN, **given, "groups": {"control_plane": hosts}, "hostvars": hostvars}))


def test_kubeadm_is_given_its_members_and_the_files_of_the_host(files: dict[str, str]) -> None:
    documents = yaml.safe_load_all(text("kubeadm-init.yaml.j2", **GIVEN, kubernetes_etcd_image_tag="9"))
    (cluster,) = [one for one in documents if one["kind"] == "ClusterConfiguration"]
    assert list(cluster["etcd"]) == ["external"]
    external = cluster["etcd"]["external"]
    assert external["endpoints"] == URLS
    paths = value("__kubernetes_external_etcd_paths", **GIVEN, **files)
    assert {entry["path"] for entry in paths[1:]} == {external[key] for key in ("caFile", "certFile", "keyFile")}
    assert {(entry["mode"], entry["secret"], entry["content"]) for entry in paths[1:]} == {("0600", True, "pem")}


def test_a_whole_description_has_no_fault(files: dict[str, str]) -> None:
    assert faults(**files) == ""


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"kubernetes_etcd": "remote"}, "kubernetes_etcd: remote is unknown; allowed are stacked, external"),
        ({"kubernetes_etcd": "stacked"}, "kubernetes_etcd_endpoints are given, but kubernetes_etcd is stacked"),
        ({"kubernetes_etcd_endpoints": URLS[:2]}, "kubernetes_etcd_endpoints: there are 2;"),
        ({"kubernetes_etcd_endpoints": []}, "kubernetes_etcd_endpoints: there are 0;"),
        (
            {"kubernetes_etcd_endpoints": ["http://192.0.2.21:2379"]},
            "http://192.0.2.21:2379 must be of the form https://",
        ),
        ({"kubernetes_etcd_endpoints": ["https://192.0.2.21"]}, "https://192.0.2.21 must be of the form https://"),
        ({"kubernetes_etcd_endpoints": [*URLS[:2], URLS[0]]}, "one is given twice"),
        ({"kubernetes_etcd_key_file": "/nonexistent"}, "kubernetes_etcd_key_file (/nonexistent): must be files"),
        ({"kubernetes_etcd_ca_file": ""}, "kubernetes_etcd_ca_file (empty): must be files"),
        ({"kubernetes_secrets_encryption": "secretbox"}, "cannot do with kubernetes_etcd external"),
    ],
)
def test_each_mistake_is_named(given: dict[str, Any], fault: str, files: dict[str, str]) -> None:
    found = faults(**{**files, **given})
    assert fault in found
    assert found.count("\n") == 0, found


def test_an_even_control_plane_is_refused_unless_it_grows(files: dict[str, str]) -> None:
    assert "group control_plane has 4 hosts" in faults(4, **files)
    assert faults(4, **files, kubernetes_allow_even_control_plane=True) == ""
    assert faults(5, **files) == ""
