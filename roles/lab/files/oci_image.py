# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes OCI image archives: layers of files, one config, one manifest. The same input gives the same digest.

Layers are streamed through the disk, so a layer may be larger than memory allows; they are packed fast rather
than small, since they travel over one bridge only.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class Layer:
    """A packed layer: its blob's path, digest and size, and the digest of the tar inside (``diff_id``)."""

    path: Path
    digest: str
    size: int
    diff_id: str


@dataclass(frozen=True)
class Image:
    """What one image is; ``config`` is the OCI config's ``config`` object (Entrypoint, Env, User...)."""

    reference: str
    layers: tuple[Layer, ...]
    config: dict[str, object] = field(default_factory=dict)


class _Digested:
    """A file that counts and digests what is written to it."""

    def __init__(self, target: IO[bytes]) -> None:
        self.target, self.sha, self.size = target, hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self.sha.update(data)
        self.size += len(data)
        return self.target.write(data)

    def flush(self) -> None:
        self.target.flush()

    @property
    def digest(self) -> str:
        return "sha256:" + self.sha.hexdigest()


def layer_of_files(target: Path, files: dict[str, tuple[int, bytes]]) -> Layer:
    """A layer of ``path -> (mode, content)``, with the folders above each."""
    folders = {str(parent) for path in files for parent in Path(path).parents if str(parent) != "."}

    def fill(archive: tarfile.TarFile) -> None:
        for path in sorted({*folders, *files}):
            entry = tarfile.TarInfo(path)
            mode, content = files.get(path, (0o755, b""))
            entry.mode = mode
            entry.type = tarfile.REGTYPE if path in files else tarfile.DIRTYPE
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))

    return _pack(target, fill)


def layer_of_folders(target: Path, folders: Iterable[tuple[Path, str]]) -> Layer:
    """A layer of whole trees: (folder on disk, where it lies in the image)."""

    def fill(archive: tarfile.TarFile) -> None:
        for folder, place in folders:
            for path in sorted(folder.rglob("*")):
                relative = path.relative_to(folder)
                archive.add(path, str(Path(place) / relative), recursive=False, filter=_plain)

    return _pack(target, fill)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Without what changes from run to run; devices are the runtime's to make."""
    if entry.ischr() or entry.isblk() or entry.isfifo():
        return None
    entry.mtime, entry.uname, entry.gname = 0, "", ""
    return entry


def _pack(target: Path, fill: Callable[[tarfile.TarFile], None]) -> Layer:
    partial = target.with_suffix(".part")
    with partial.open("wb") as raw:
        packed = _Digested(raw)
        sink = cast("IO[bytes]", packed)  # all that gzip and tar ask of a stream is write and flush
        with gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=sink, mtime=0) as zipped:
            plain = _Digested(cast("IO[bytes]", zipped))
            stream = cast("IO[bytes]", plain)
            with tarfile.open(fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT) as archive:
                fill(archive)
    partial.replace(target)
    return Layer(target, packed.digest, packed.size, plain.digest)


def write(target: Path, image: Image) -> str:
    """Writes the archive and returns the digest of its manifest."""
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": image.config,
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in image.layers]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(CONFIG, _digest(config), len(config)),
            "layers": [_descriptor(LAYER, layer.digest, layer.size) for layer in image.layers],
        }
    )
    names = {"org.opencontainers.image.ref.name": image.reference, "io.containerd.image.name": image.reference}
    entry = {**_descriptor(MANIFEST, _digest(manifest), len(manifest)), "annotations": names}
    index = _json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]})
    partial = target.with_suffix(".part")
    with tarfile.open(partial, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in (("oci-layout", _json({"imageLayoutVersion": "1.0.0"})), ("index.json", index)):
            _add(archive, name, content)
        for blob in (config, manifest):
            _add(archive, _blob(_digest(blob)), blob)
        for layer in dict.fromkeys(image.layers):
            member = tarfile.TarInfo(_blob(layer.digest))
            member.size = layer.size
            with layer.path.open("rb") as content_file:
                archive.addfile(member, content_file)
    os.replace(partial, target)
    return _digest(manifest)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _blob(digest: str) -> str:
    return "blobs/sha256/" + digest.removeprefix("sha256:")


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": size}
