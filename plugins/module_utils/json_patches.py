# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the JSON patches that KubeVirt applies to a machine which it makes of a snapshot."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_OPERATIONS = ("add", "remove", "replace", "test")
_PLACES = ("/spec/", "/metadata/labels/", "/metadata/annotations/")


def write(patches: Sequence[Mapping[str, Any]]) -> list[str]:
    """The patches as KubeVirt takes them, a text each."""
    return [json.dumps(patch, separators=(",", ":")) for patch in patches]


def faults(patches: Sequence[Any]) -> Iterator[str]:
    """What is wrong with patches, a sentence each."""
    for index, patch in enumerate(patches):
        for wrong in _faults(patch):
            yield f"patches[{index}]: {wrong}"


def _faults(patch: Any) -> Iterator[str]:
    if not isinstance(patch, Mapping):
        yield "must be a map with op, path and value"
        return
    if patch.get("op") not in _OPERATIONS:
        yield f"op {patch.get('op')!r} must be one of {', '.join(_OPERATIONS)}"
    if not str(patch.get("path") or "").startswith(_PLACES):
        yield f"path {patch.get('path')!r} must begin with one of {', '.join(_PLACES)}"
    unknown = sorted(set(patch) - {"op", "path", "value"})
    if unknown:
        yield f"{', '.join(map(str, unknown))}: is unknown beside op, path and value"
    elif not is_acceptable(write([patch])[0]):
        yield (
            "its value holds a ':' or ',', which KubeVirt's webhook for restores takes for its own; "
            "change the machine with the module vm afterwards"
        )


def is_acceptable(text: str) -> bool:
    """Whether the webhook of KubeVirt 1.9 can take a patch.

    It does not read a patch as JSON, but cuts it at its commas and wants one colon in each piece. So no value can be a
    list of several entries, a map, an image with a tag or a MAC address with colons.
    """
    return all(piece.count(":") == 1 for piece in text.strip("{}").split(","))
