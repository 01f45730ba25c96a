# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of one data volume: their spec, and what can be wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import quantity
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import Option

ACCESS_MODES = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]
# Sources that tell how large the volume is to be.
SIZED = frozenset({"pvc", "snapshot", "data_source"})
# Sources that can be imported in stages.
STAGED = frozenset({"vddk", "imageio"})
STORAGE = ("size", "storage_class", "access_modes", "volume_mode")
# CDI refuses smaller ones, as KubeVirt has no smaller disks.
SMALLEST = 1 << 20
_SCHEMES = {
    "http": ("http", "https"),
    "s3": ("http", "https"),
    "gcs": ("http", "https", "gs"),
    "imageio": ("http", "https"),
    "vddk": ("http", "https"),
    "registry": ("docker", "oci-archive"),
}
_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}


def _options(**options: Option) -> dict[str, Option]:
    return options


def _dict(**options: Option) -> Option:
    return {"type": "dict", "options": options}


_STR: Option = {"type": "str"}
_MUST: Option = {"type": "str", "required": True}
_BOOL: Option = {"type": "bool"}
_MAP: Option = {"type": "dict"}
_LIST: Option = {"type": "list", "elements": "str"}
# The name of a Secret is none.
_SECRET: Option = {"type": "str", "no_log": False}

SOURCES = _options(
    http=_dict(
        url=_MUST,
        secret=_SECRET,
        cert_config_map=_STR,
        extra_headers={"type": "list", "elements": "str", "no_log": True},
        secret_extra_headers={"type": "list", "elements": "str", "no_log": False},
        checksum=_STR,
        insecure_skip_verify=_BOOL,
    ),
    registry=_dict(
        url=_STR,
        image_stream=_STR,
        pull_method={"type": "str", "choices": ["pod", "node"]},
        secret=_SECRET,
        cert_config_map=_STR,
        architecture=_STR,
    ),
    pvc=_dict(name=_MUST, namespace=_STR),
    snapshot=_dict(name=_MUST, namespace=_STR),
    data_source=_dict(name=_MUST, namespace=_STR),
    upload=_dict(path={"type": "path"}),
    blank=_BOOL,
    s3=_dict(url=_MUST, secret=_SECRET, cert_config_map=_STR),
    gcs=_dict(url=_MUST, secret=_SECRET),
    imageio=_dict(
        url=_MUST,
        disk_id=_MUST,
        secret={"type": "str", "required": True, "no_log": False},
        cert_config_map=_STR,
        insecure_skip_verify=_BOOL,
    ),
    vddk=_dict(
        url=_MUST,
        uuid=_MUST,
        backing_file=_MUST,
        thumbprint=_MUST,
        secret={"type": "str", "required": True, "no_log": False},
        cert_config_map=_STR,
        init_image_url=_STR,
        extra_args=_STR,
    ),
)
# One source only, so that an entry's replaces that of `defaults`.
EXCLUSIVE = {"source": frozenset(SOURCES)}


def options() -> dict[str, Option]:
    """The options of one data volume but its name. No option has a default, so that layers can be told apart."""
    return _options(
        namespace=_STR,
        state={"type": "str", "choices": ["present", "absent"]},
        source={"type": "dict", "options": SOURCES},
        size=_STR,
        storage_class=_STR,
        access_modes={"type": "list", "elements": "str", "choices": ACCESS_MODES},
        volume_mode={"type": "str", "choices": ["Filesystem", "Block"]},
        content_type={"type": "str", "choices": ["kubevirt", "archive"]},
        preallocation=_BOOL,
        priority_class=_STR,
        service_account=_STR,
        bind_immediately=_BOOL,
        labels=_MAP,
        annotations=_MAP,
        checkpoints={
            "type": "list",
            "elements": "dict",
            "options": {"previous": _MUST, "current": _MUST},
        },
        final_checkpoint=_BOOL,
        spec=_MAP,
    )


def source_of(values: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The kind of the source and its parameters; an empty kind where none or more than one is given."""
    given = _given_sources(values)
    if len(given) != 1:
        return "", {}
    kind = given[0]
    parameters = values["source"][kind]
    return kind, parameters if isinstance(parameters, Mapping) else {}


def upload_path(values: Mapping[str, Any]) -> str | None:
    """The file to upload, None where there is none."""
    kind, parameters = source_of(values)
    return str(parameters["path"]) if kind == "upload" and parameters.get("path") else None


def faults(values: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the options of one data volume, a sentence each; values of a wrong type are passed over, the
    argument spec names those."""
    if values.get("state") == "absent":
        return
    yield from _size_faults(values)
    yield from _source_faults(values)
    yield from _spec_faults(values)
    kind = source_of(values)[0]
    if kind and (values.get("checkpoints") or values.get("final_checkpoint")) and kind not in STAGED:
        yield f"checkpoints: are for {' and '.join(sorted(STAGED))}, {kind} is imported at once"
    if values.get("content_type") == "archive":
        if kind in ("blank", "registry"):
            yield f"content_type: archive does not go with {kind}"
        if values.get("volume_mode") == "Block":
            yield "content_type: archive is unpacked into a file system; leave out volume_mode Block"


def _given_sources(values: Mapping[str, Any]) -> list[str]:
    source = values.get("source")
    if not isinstance(source, Mapping):
        return []
    return [kind for kind in SOURCES if source.get(kind) is not None and source.get(kind) is not False]


def _size_faults(values: Mapping[str, Any]) -> Iterator[str]:
    size = values.get("size")
    if size is None:
        kind = source_of(values)[0]
        spec = values.get("spec")
        own = isinstance(spec, Mapping) and (spec.get("pvc") or spec.get("storage"))
        if kind and kind not in SIZED and not own:
            yield f"size: is missing; {kind} does not tell it"
        return
    wrong = quantity.fault(size)
    if wrong:
        yield f"size: {wrong}"
    elif quantity.parse(size) < SMALLEST:
        yield f"size: {size} must be 1Mi or more"


def _source_faults(values: Mapping[str, Any]) -> Iterator[str]:
    if values.get("source") is None:
        return
    given = _given_sources(values)
    if len(given) != 1:
        found = f"has {len(given)} kinds ({', '.join(given)})" if given else "has none"
        yield f"source: {found}; give one of {', '.join(SOURCES)}"
        return
    kind, parameters = source_of(values)
    where = f"source.{kind}"
    yield from _url_faults(where, kind, parameters)
    if kind == "http":
        yield from _checksum_faults(where, parameters.get("checksum"))
    elif kind == "registry":
        yield from _registry_faults(where, parameters)
    elif kind == "imageio" and not parameters.get("cert_config_map") and not parameters.get("insecure_skip_verify"):
        yield f"{where}: needs cert_config_map, or insecure_skip_verify"


def _url_faults(where: str, kind: str, parameters: Mapping[str, Any]) -> Iterator[str]:
    url = parameters.get("url")
    if kind not in _SCHEMES or not isinstance(url, str):
        return
    try:
        parts = urlsplit(url)
    except ValueError as error:
        yield f"{where}.url: is no address: {error}"
        return
    if parts.scheme not in _SCHEMES[kind]:
        schemes = " or ".join(f"{scheme}://" for scheme in _SCHEMES[kind])
        yield f"{where}.url: must begin with {schemes}"
    elif not parts.netloc and parts.scheme != "oci-archive":
        yield f"{where}.url: names no host"
    elif parts.password is not None:
        yield f"{where}.url: holds a password, which everybody who may read the volume would see; put it into a Secret"


def _checksum_faults(where: str, checksum: Any) -> Iterator[str]:
    if not isinstance(checksum, str):
        return
    algorithm, _colon, digest = checksum.partition(":")
    digits = _DIGITS.get(algorithm.lower())
    if digits is None:
        yield f"{where}.checksum: must be algorithm:hash with one of {', '.join(_DIGITS)}"
    elif not re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", digest):
        yield f"{where}.checksum: {algorithm} has {digits} hexadecimal digits"


def _registry_faults(where: str, parameters: Mapping[str, Any]) -> Iterator[str]:
    url, stream = parameters.get("url"), parameters.get("image_stream")
    if bool(url) == bool(stream):
        yield f"{where}: give either url or image_stream"
    elif stream and parameters.get("pull_method") != "node":
        yield f"{where}.image_stream: needs pull_method node"


def _spec_faults(values: Mapping[str, Any]) -> Iterator[str]:
    spec = values.get("spec")
    if not isinstance(spec, Mapping):
        return
    beside = [key for key in STORAGE if values.get(key) is not None]
    if spec.get("pvc") is not None and beside:
        yield f"spec.pvc: and {', '.join(beside)} exclude each other"
    if values.get("source") is not None and (spec.get("source") is not None or spec.get("sourceRef") is not None):
        yield "spec: holds a source beside that of the option source"
