# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Made-up databases in bbolt's form, as small as etcd's are large."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

PAGE = 4096
BRANCH, LEAF, META = 1, 2, 4
Pair = tuple[bytes, bytes]


def header(number: int, flags: int, count: int) -> bytes:
    return struct.pack("<QHHI", number, flags, count, 0)


def leaf(number: int, entries: Sequence[tuple[int, bytes, bytes]]) -> bytes:
    """A leaf page of (flags, key, value), without padding."""
    offset = 16 * len(entries)
    elements = body = b""
    for index, (flags, key, value) in enumerate(entries):
        elements += struct.pack("<IIII", flags, offset - 16 * index + len(body), len(key), len(value))
        body += key + value
    return header(number, LEAF, len(entries)) + elements + body


def branch(number: int, children: Sequence[int]) -> bytes:
    offset = 16 * len(children)
    elements = b"".join(struct.pack("<IIQ", offset - 16 * index, 0, child) for index, child in enumerate(children))
    return header(number, BRANCH, len(children)) + elements


def meta(number: int, transaction: int, root: int, pages: int) -> bytes:
    content = struct.pack("<IIII6Q", 0xED0CDAED, 2, PAGE, 0, root, 0, 2, pages, transaction, 0)[:-8]
    value = 0xCBF29CE484222325
    for byte in content:
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return header(number, META, 0) + content + struct.pack("<Q", value)


def revision(main: int, sub: int = 0, *, deleted: bool = False) -> bytes:
    return struct.pack(">Q", main) + b"_" + struct.pack(">Q", sub) + (b"t" if deleted else b"")


def stored(key: bytes) -> bytes:
    """The beginning of a stored KeyValue, and a field after it."""
    return b"\x0a" + bytes([len(key)]) + key + b"\x10\x05"


def database(entries: Sequence[Pair], version: bytes = b"3.6.0") -> bytes:
    """Revisions over two leaves below a branch; the bucket `meta` lies inside of the root's page."""
    half = len(entries) // 2
    inner = leaf(0, [(0, b"storageVersion", version)]) if version else leaf(0, [])
    root = leaf(3, [(1, b"key", struct.pack("<QQ", 4, 0)), (1, b"meta", struct.pack("<QQ", 0, 0) + inner)])
    pages = [
        meta(0, 7, 3, 7),
        meta(1, 6, 99, 7),
        header(2, 0x10, 0),
        root,
        branch(4, [5, 6]),
        leaf(5, [(0, *entry) for entry in entries[:half]]),
        leaf(6, [(0, *entry) for entry in entries[half:]]),
    ]
    return b"".join(page.ljust(PAGE, b"\0") for page in pages)


def snapshot(data: bytes) -> bytes:
    """As etcd sends it."""
    return data + hashlib.sha256(data).digest()


ENTRIES: Sequence[Pair] = (
    (revision(2), stored(b"a")),
    (revision(3), stored(b"b")),
    (revision(4), stored(b"a")),
    (revision(5), stored(b"c")),
    (revision(6, 1, deleted=True), stored(b"b")),
    (revision(7), stored(b"d")),
)
