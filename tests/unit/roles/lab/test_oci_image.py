# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OCI archives: what is in them, and that the same input gives the same digest."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import oci_image

FILES = {"usr/bin/tool": (0o755, b"program"), "etc/tool.conf": (0o644, b"setting")}


def build(folder: Path) -> tuple[Path, str]:
    folder.mkdir(parents=True, exist_ok=True)
    layer = oci_image.layer_of_files(folder / "layer", FILES)
    image = oci_image.Image("example.test/tool:1", (layer,), {"Entrypoint": ["/usr/bin/tool"]})
    target = folder / "tool.tar"
    return target, oci_image.write(target, image)


def read(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as opened:
        member = opened.extractfile(name)
        assert member is not None
        return member.read()


def test_the_same_files_give_the_same_digest(tmp_path: Path) -> None:
    assert build(tmp_path / "a")[1] == build(tmp_path / "b")[1]


def test_another_content_gives_another_digest(tmp_path: Path) -> None:
    layer = oci_image.layer_of_files(tmp_path / "layer", {**FILES, "etc/tool.conf": (0o644, b"other")})
    other = oci_image.write(tmp_path / "tool.tar", oci_image.Image("example.test/tool:1", (layer,)))
    assert other != build(tmp_path / "a")[1]


def test_every_blob_is_named_by_its_own_digest(tmp_path: Path) -> None:
    archive, digest = build(tmp_path)
    with tarfile.open(archive) as opened:
        blobs = [name for name in opened.getnames() if name.startswith("blobs/sha256/")]
    assert len(blobs) == 3
    for blob in blobs:
        assert hashlib.sha256(read(archive, blob)).hexdigest() == blob.rpartition("/")[2]
    index = json.loads(read(archive, "index.json"))
    assert [entry["digest"] for entry in index["manifests"]] == [digest]


def test_the_layer_holds_files_with_their_modes_and_folders(tmp_path: Path) -> None:
    oci_image.layer_of_files(tmp_path / "layer", FILES)
    with tarfile.open(tmp_path / "layer", mode="r:gz") as layer:
        modes = {member.name: member.mode for member in layer if member.isfile()}
        folders = {member.name for member in layer if member.isdir()}
    assert modes == {"usr/bin/tool": 0o755, "etc/tool.conf": 0o644}
    assert folders == {"usr", "usr/bin", "etc"}


def test_a_layer_of_a_folder_keeps_links_and_leaves_devices_out(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "lib").mkdir(parents=True)
    (tree / "lib" / "real").write_text("x")
    (tree / "lib" / "link").symlink_to("real")
    oci_image.layer_of_folders(tmp_path / "layer", [(tree, "opt")])
    with tarfile.open(tmp_path / "layer", mode="r:gz") as layer:
        members = {member.name: member for member in layer}
    assert members["opt/lib/link"].linkname == "real"
    assert {member.mtime for member in members.values()} == {0}
