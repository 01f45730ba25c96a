# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives: whole ones have no fault, and each thing that is missing or does not fit is told by name."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_archive import read_archive

REGISTRY, VERSION = "registry.example.org/kubevirt", "v1.9.0"
COMPONENTS = ("virt-operator", "virt-api", "virt-controller", "virt-handler", "virt-launcher", "virt-exportproxy")
CDI = ("cdi-operator", "cdi-controller")


def image(path: Path) -> str:
    """Writes an OCI archive with one blob; its digest."""
    manifest = b"{}"
    digest = hashlib.sha256(manifest).hexdigest()
    index = json.dumps({"manifests": [{"digest": f"sha256:{digest}"}]}).encode()
    with tarfile.open(path, "w") as archive:
        for name, content in (("index.json", index), (f"blobs/sha256/{digest}", manifest)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return f"sha256:{digest}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole archive with CDI."""
    entry = {"file": "one.tar", "digest": image(tmp_path / "one.tar")}
    images = {f"{REGISTRY}/{name}:{VERSION}": entry for name in (*COMPONENTS, *CDI)}
    (tmp_path / "archive.json").write_text(json.dumps({"source": "archive", "version": VERSION, "images": images}))
    (tmp_path / "kubevirt-operator.yaml").write_text(f"containers:\n- image: {REGISTRY}/virt-operator:{VERSION}\n")
    (tmp_path / "kubevirt-cr.yaml").write_text("kind: KubeVirt\n")
    (tmp_path / "cdi-operator.yaml").write_text(
        f"env:\n- name: CONTROLLER_IMAGE\n  value: {REGISTRY}/cdi-controller:{VERSION}\n- name: VERBOSITY\n  value: '1'\n"
        f"image: {REGISTRY}/cdi-operator:{VERSION}\n"
    )
    (tmp_path / "cdi-cr.yaml").write_text("kind: CDI\n")
    return tmp_path


def change(folder: Path, **changed: Any) -> None:
    path = folder / "archive.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def without(folder: Path, name: str) -> list[str]:
    """The faults of the archive without one image."""
    images = json.loads((folder / "archive.json").read_text())["images"]
    del images[f"{REGISTRY}/{name}:{VERSION}"]
    change(folder, images=images)
    found: list[str] = read_archive(str(folder))["faults"]
    return found


def test_a_whole_archive_has_no_fault(folder: Path) -> None:
    found = read_archive(str(folder))
    assert found["faults"] == []
    assert (found["source"], found["version"], found["cdi"]) == ("archive", VERSION, True)
    assert found["cdi_version"] == VERSION
    assert len(found["images"]) == 8


def test_an_archive_needs_no_cdi_but_not_half_of_it(folder: Path) -> None:
    (folder / "cdi-cr.yaml").unlink()
    assert ["cdi-cr.yaml cannot be read" in fault for fault in read_archive(str(folder))["faults"]] == [True]
    (folder / "cdi-operator.yaml").unlink()
    assert read_archive(str(folder))["faults"] == []
    assert read_archive(str(folder))["cdi"] is False
    assert read_archive(str(folder))["cdi_version"] == ""


@pytest.mark.parametrize("name", ["cdi-operator", "cdi-controller"])
def test_images_that_manifests_or_cdis_environment_name_must_be_there(folder: Path, name: str) -> None:
    (fault,) = without(folder, name)
    assert f"image {REGISTRY}/{name}:{VERSION} is not among the images of archive.json" in fault


@pytest.mark.parametrize("name", COMPONENTS[1:])
def test_images_that_the_operator_starts_must_be_there(folder: Path, name: str) -> None:
    (fault,) = without(folder, name)
    assert (
        f"kubevirt-operator.yaml: image {REGISTRY}/{name}:{VERSION}, which the operator starts, is not among" in fault
    )
    assert fault.endswith("; put it there, or fetch the archive again")


def test_an_operator_by_digest_or_environment_starts_what_the_environment_names(folder: Path) -> None:
    path = folder / "kubevirt-operator.yaml"
    path.write_text(path.read_text() + f"env:\n- name: VIRT_HANDLER_IMAGE\n  value: {REGISTRY}/virt-handler@sha256:1\n")
    (fault,) = read_archive(str(folder))["faults"]
    assert f"image {REGISTRY}/virt-handler@sha256:1, which the operator starts, is not among" in fault
    images = json.loads((folder / "archive.json").read_text())["images"]
    images[f"{REGISTRY}/virt-handler@sha256:1"] = images.pop(f"{REGISTRY}/virt-handler:{VERSION}")
    change(folder, images=images)
    assert read_archive(str(folder))["faults"] == []
    images[f"{REGISTRY}/virt-operator@sha256:2"] = images.pop(f"{REGISTRY}/virt-operator:{VERSION}")
    change(folder, images={name: images[name] for name in images if "virt-" not in name or "@" in name})
    path.write_text(path.read_text().replace(f"virt-operator:{VERSION}", "virt-operator@sha256:2"))
    assert read_archive(str(folder))["faults"] == []


@pytest.mark.parametrize("version", ["v1.8.4", "devel"])
def test_exports_are_asked_for_since_they_graduated(folder: Path, version: str) -> None:
    text = (folder / "archive.json").read_text().replace(VERSION, version)
    (folder / "archive.json").write_text(text)
    for name in ("kubevirt-operator.yaml", "cdi-operator.yaml"):
        (folder / name).write_text((folder / name).read_text().replace(VERSION, version))
    images = json.loads(text)["images"]
    del images[f"{REGISTRY}/virt-exportproxy:{version}"]
    change(folder, images=images)
    assert read_archive(str(folder))["faults"] == []
    change(folder, version=VERSION)
    told = read_archive(str(folder))["faults"]
    assert any("virt-exportproxy" in fault for fault in told) is (version == "devel")


def test_manifests_of_another_version_are_told(folder: Path) -> None:
    change(folder, version="1.8.4")
    (fault,) = read_archive(str(folder))["faults"]
    assert "archive.json says version 1.8.4" in fault
    assert f"brings {REGISTRY}/virt-operator:{VERSION}; fetch the archive again" in fault


def test_a_manifest_that_is_no_text_is_told(folder: Path) -> None:
    (folder / "kubevirt-cr.yaml").write_bytes(b"\xff\xfe")
    (fault,) = read_archive(str(folder))["faults"]
    assert "kubevirt-cr.yaml is no text; fetch the archive again" in fault


@pytest.mark.parametrize("index", ["{}", "[]", '{"manifests": 1}', '{"manifests": ["x"]}'])
def test_an_image_without_a_list_of_manifests_is_told(folder: Path, index: str) -> None:
    with tarfile.open(folder / "one.tar", "w") as archive:
        entry = tarfile.TarInfo("index.json")
        entry.size = len(index)
        archive.addfile(entry, io.BytesIO(index.encode()))
    assert all("its index.json lists no manifests" in fault for fault in read_archive(str(folder))["faults"])


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    faults = read_archive(str(tmp_path / "none"))["faults"]
    assert "archive.json cannot be read" in faults[0]
