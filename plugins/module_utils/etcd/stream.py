# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the stream of a snapshot, an object a line, as etcd's HTTP gateway writes it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd.content import DIGEST_SIZE

_LONGEST_LINE = 1 << 20


@dataclass(frozen=True)
class Piece:
    """One piece of a snapshot's stream, and how many bytes of the database follow it."""

    blob: bytes
    remaining: int


def pieces(chunks: Iterable[bytes]) -> Iterator[Piece]:
    """The pieces in a stream's bytes; ValueError where a line is none, HaError with etcd's reason where it broke off."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise ValueError("a line without an end")
        yield from (_piece(line) for line in lines if line.strip())
    if rest.strip():
        yield _piece(rest)


def _piece(line: bytes) -> Piece:
    try:
        found = json.loads(line)
        if "error" in found:
            raise HaError("etcd broke off the snapshot", why=str(found["error"].get("message") or found["error"]))
        result = found["result"]
        return Piece(base64.b64decode(result.get("blob") or "", validate=True), int(result.get("remaining_bytes") or 0))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("a line of another form") from error


def whole(stream: Iterable[Piece], endpoint: str) -> Iterator[bytes]:
    """The blobs of a stream that ends as etcd ends it: nothing remaining, and a SHA-256 as the last piece."""
    last = Piece(b"", -1)
    try:
        for last in stream:
            yield last.blob
    except ValueError as error:
        raise _broken_off(endpoint, f"the stream holds {error}") from error
    except HaError as error:
        error.where = error.where or endpoint
        raise
    if last.remaining or len(last.blob) != DIGEST_SIZE:
        left = f"{last.remaining} bytes were to follow" if last.remaining > 0 else "its SHA-256 did not come"
        raise _broken_off(endpoint, left)


def _broken_off(endpoint: str, why: str) -> HaError:
    fix = "Run again; etcd's log says why it ended the stream"
    return HaError("etcd broke off the snapshot", where=endpoint, why=why, fix=fix)
