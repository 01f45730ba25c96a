# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a KubeVirt archive (manifests, OCI images, archive.json) and lists every fault of it; changes nothing."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import versions

_MANIFESTS = ("kubevirt-operator.yaml", "kubevirt-cr.yaml")
_CDI = ("cdi-operator.yaml", "cdi-cr.yaml")
# What the operator starts in any case: the image that its environment names, or the one by its own image's registry and tag.
_COMPONENTS = ("virt-api", "virt-controller", "virt-handler", "virt-launcher")
# What it starts, too, since exports graduated. What serves an export, virt-exportserver, starts with one.
_EXPORT_PROXY, _EXPORTS_GRADUATED = "virt-exportproxy", (1, 9, 0)
_IMAGE_LINE = re.compile(r"^\s*(?:- )?image:\s*[\"']?([^\s\"']+)", re.MULTILINE)
# CDI's operator is told by its environment which images it starts, KubeVirt's may be.
_IMAGE_VARIABLE = re.compile(
    r"^\s*(?:- )?name:\s*[\"']?(\w+)_IMAGE[\"']?\s*\n\s*value:\s*[\"']?([^\s\"']+)", re.MULTILINE
)
_OPERATOR_IMAGE = re.compile(r"^(.*/(?:[^/:@]*-)?)virt-operator(?::([^@]+)|@.+)$")
_CDI_OPERATOR = re.compile(r"^(?:.*/)?(?:[^/:@]*-)?cdi-operator:([^@]+)")
_BLOB = re.compile(r"^(?:\./)?blobs/sha256/([0-9a-f]{64})$")
_CHUNK = 1 << 20


def read_archive(folder: str) -> dict[str, Any]:
    """The archive as ``{source, version, cdi, cdi_version, images: [{reference, file, digest}], faults: [sentence]}``.

    `file` is an absolute path; `cdi`: whether CDI's manifests are there; `cdi_version`: the tag of its operator. An archive
    without faults holds every image that its manifests name or their operators start, whole.
    """
    description, faults = _description(folder)
    images = [
        {"reference": reference, "file": os.path.join(folder, str(entry["file"])), "digest": str(entry["digest"])}
        for reference, entry in _images(description, faults)
    ]
    references = {str(image["reference"]) for image in images}
    with_cdi = any(os.path.exists(os.path.join(folder, name)) for name in _CDI)
    for name in (*_MANIFESTS, *(_CDI if with_cdi else ())):
        faults.extend(_manifest_faults(folder, name, references, description))
    known: dict[tuple[str, str], list[str]] = {}  # one file may stand for several references
    for image in images:
        content = (image["file"], image["digest"])
        if content not in known:
            known[content] = image_faults(*content)
        faults.extend(f"{image['reference']}: {fault}" for fault in known[content])
    return {
        "source": str(description.get("source") or ""),
        "version": str(description.get("version") or ""),
        "cdi": with_cdi,
        "cdi_version": next((tag[1] for tag in map(_CDI_OPERATOR.match, sorted(references)) if tag and with_cdi), ""),
        "images": images,
        "faults": faults,
    }


def image_faults(path: str, digest: str) -> list[str]:
    """What is wrong with one OCI archive that should hold the manifest `digest` (``sha256:...``)."""
    if not os.path.isfile(path):
        return [f"its file {path} is missing; fetch the archive again"]
    try:
        with tarfile.open(path, mode="r:") as archive:
            return _tar_faults(archive, digest)
    except (tarfile.TarError, OSError, ValueError) as error:
        return [f"{path} is no OCI archive ({error}); fetch the archive again"]
    except (AttributeError, KeyError, TypeError):
        return [f"{path} is no OCI archive (its index.json lists no manifests); fetch the archive again"]


def _description(folder: str) -> tuple[dict[str, Any], list[str]]:
    path = os.path.join(folder, "archive.json")
    try:
        with open(path, encoding="utf-8") as handle:
            description = json.load(handle)
    except OSError as error:
        return {}, [f"{path} cannot be read ({error.strerror}); give the folder of a KubeVirt archive"]
    except ValueError as error:
        return {}, [f"{path} is no JSON ({error})"]
    if not isinstance(description, dict):
        return {}, [f"{path} is no JSON object"]
    missing = [key for key in ("source", "version", "images") if not description.get(key)]
    return description, [f"{path}: {key} is missing or empty" for key in missing]


def _images(description: Mapping[str, Any], faults: list[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    images = description.get("images") or {}
    if not isinstance(images, Mapping):
        faults.append("archive.json: images must be an object of {reference: {file, digest}}")
        return
    for reference, entry in sorted(images.items()):
        fault = _entry_fault(entry)
        if fault:
            faults.append(f"archive.json: images: {reference}: {fault}")
        else:
            yield reference, entry


def _entry_fault(entry: object) -> str:
    if not isinstance(entry, Mapping) or not entry.get("file") or not entry.get("digest"):
        return "file and digest must be given"
    if os.path.isabs(str(entry["file"])) or ".." in str(entry["file"]).split("/"):
        return "file must lie in the archive's folder"
    if not re.match(r"^sha256:[0-9a-f]{64}$", str(entry["digest"])):
        return "digest must be sha256: and 64 hexadecimal digits"
    return ""


def _manifest_faults(folder: str, name: str, references: set[str], description: Mapping[str, Any]) -> Iterator[str]:
    path = os.path.join(folder, name)
    try:
        with open(path, encoding="utf-8") as handle:
            text = handle.read()
    except OSError as error:
        yield f"{path} cannot be read ({error.strerror})"
        return
    except ValueError:
        yield f"{path} is no text; fetch the archive again"
        return
    named, variables = set(_IMAGE_LINE.findall(text)), _IMAGE_VARIABLE.findall(text)
    if name in _CDI:
        named |= {image for _variable, image in variables}
    for reference in sorted(named - references):
        yield f"{path}: image {reference} is not among the images of archive.json"
    for operator in filter(None, map(_OPERATOR_IMAGE.match, sorted(named))):
        own, brought = versions.numbers(description.get("version")), versions.numbers(operator[2])
        if own and brought and own != brought:
            yield f"archive.json says version {description['version']}, {path} brings {operator[0]}; fetch the archive again"
        exports = (brought or own or (0,)) >= _EXPORTS_GRADUATED
        for image in _started(operator, dict(variables), exports):
            if image not in references:
                yield (
                    f"{path}: image {image}, which the operator starts, is not among the images of archive.json;"
                    " put it there, or fetch the archive again"
                )


def _started(operator: re.Match[str], variables: Mapping[str, str], exports: bool) -> Iterator[str]:
    prefix, tag = operator.groups()
    for component in (*_COMPONENTS, *((_EXPORT_PROXY,) if exports else ())):
        image = variables.get(component.upper().replace("-", "_"))
        if image or tag:
            yield image or f"{prefix}{component}:{tag}"


def _tar_faults(archive: tarfile.TarFile, digest: str) -> list[str]:
    listed: list[str] = []
    found: set[str] = set()
    faults: list[str] = []
    for member in archive:
        if member.name in ("index.json", "./index.json"):
            listed = [str(entry.get("digest")) for entry in json.loads(_content(archive, member))["manifests"]]
        blob = _BLOB.match(member.name)
        if blob:
            found.add(f"sha256:{blob.group(1)}")
            if _sha256(archive, member) != blob.group(1):
                faults.append(f"the content of blob sha256:{blob.group(1)} has another digest; fetch the archive again")
    if digest not in listed:
        has = ", ".join(listed) or "none"
        faults.append(f"archive.json says digest {digest}, the file's index.json has {has}")
    elif digest not in found:
        faults.append(f"the file holds no blob of its manifest {digest}")
    return faults


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    handle = archive.extractfile(member)
    return handle.read() if handle else b""


def _sha256(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    sha = hashlib.sha256()
    handle = archive.extractfile(member)
    while handle:
        chunk = handle.read(_CHUNK)
        if not chunk:
            break
        sha.update(chunk)
    return sha.hexdigest()
