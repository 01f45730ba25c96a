# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: reads a bbolt database, the format of etcd's store, out of a buffer.

Pages of one size; two meta pages at the beginning, of which the newer valid one names the root bucket's page; branch
and leaf pages below it (go.etcd.io/bbolt, internal/common: page.go, meta.go, bucket.go, inode.go).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Union

Buffer = Union[bytes, memoryview]

_MAGIC, _VERSION = 0xED0CDAED, 2
_BRANCH, _LEAF = 0x01, 0x02
_BUCKET = 0x01
_PAGE_HEADER, _ELEMENT, _BUCKET_HEADER, _META_SIZE = 16, 16, 16, 64
_SMALLEST_PAGE, _LARGEST_PAGE = 512, 65536
_FNV_OFFSET, _FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3


class Damaged(ValueError):
    """The bytes are no whole database."""


@dataclass(frozen=True)
class Meta:
    """A meta page: page size, the root bucket's page, how many pages there are, the number of the transaction."""

    page_size: int
    root: int
    pages: int
    transaction: int
    order: str


class Database:
    """A database in a buffer. Every method raises Damaged where the bytes contradict themselves."""

    def __init__(self, data: Buffer) -> None:
        self._data = memoryview(data)
        self.meta = _newest_meta(self._data)
        if len(self._data) < self.meta.pages * self.meta.page_size:
            raise Damaged(f"it has {len(self._data)} bytes of {self.meta.pages * self.meta.page_size}")
        self._seen = 0

    def bucket(self, name: bytes) -> Iterator[tuple[bytes, memoryview]]:
        """Keys and values of a bucket of the root, in the keys' order; nothing where there is no such bucket."""
        self._seen = 0
        for flags, key, value in self._below(self.meta.root):
            if key == name and flags & _BUCKET:
                yield from self._content(value)

    def _content(self, header: memoryview) -> Iterator[tuple[bytes, memoryview]]:
        if len(header) < _BUCKET_HEADER:
            raise Damaged("a bucket without a header")
        (root,) = struct.unpack_from(f"{self.meta.order}Q", header)
        elements = self._below(root) if root else self._leaf(header[_BUCKET_HEADER:])
        for _flags, key, value in elements:
            yield key, value

    def _below(self, number: int) -> Iterator[tuple[int, bytes, memoryview]]:
        """The elements of all leaves below a page."""
        todo = [number]
        while todo:
            page = self._page(todo.pop())
            flags = self._header(page)[0]
            if flags & _LEAF:
                yield from self._leaf(page)
            elif flags & _BRANCH:
                todo.extend(reversed(self._children(page)))
            else:
                raise Damaged(f"a page of kind {flags:#x} where a branch or a leaf should be")

    def _page(self, number: int) -> memoryview:
        meta = self.meta
        self._seen += 1
        if not 1 < number < meta.pages or self._seen > meta.pages:
            raise Damaged(f"it names page {number} of {meta.pages}")
        page = self._data[number * meta.page_size :]
        found, _flags, _count, overflow = struct.unpack_from(f"{meta.order}QHHI", page)
        if found != number:
            raise Damaged(f"page {number} says that it is page {found}")
        return page[: (overflow + 1) * meta.page_size]

    def _header(self, page: memoryview) -> tuple[int, int]:
        """Flags and number of elements."""
        flags, count = struct.unpack_from(f"{self.meta.order}8xHH", page)
        return int(flags), int(count)

    def _children(self, page: memoryview) -> list[int]:
        form = struct.Struct(f"{self.meta.order}IIQ")
        try:
            return [
                int(form.unpack_from(page, _PAGE_HEADER + index * _ELEMENT)[2])
                for index in range(self._header(page)[1])
            ]
        except struct.error as error:
            raise Damaged("a branch that goes beyond its page") from error

    def _leaf(self, page: memoryview) -> Iterator[tuple[int, bytes, memoryview]]:
        form = struct.Struct(f"{self.meta.order}IIII")
        try:
            count = self._header(page)[1]
            for index in range(count):
                place = _PAGE_HEADER + index * _ELEMENT
                flags, position, key_size, value_size = form.unpack_from(page, place)
                key_start = place + position
                value_start = key_start + key_size
                if value_start + value_size > len(page):
                    raise Damaged("an element that goes beyond its page")
                yield flags, bytes(page[key_start:value_start]), page[value_start : value_start + value_size]
        except struct.error as error:
            raise Damaged("a leaf that goes beyond its page") from error


def _newest_meta(data: memoryview) -> Meta:
    first = _meta(data)
    sizes = [first.page_size] if first else [1 << power for power in range(9, 17)]
    found = [meta for meta in (first, *(_meta(data[size:]) for size in sizes)) if meta]
    if not found:
        raise Damaged("it has no valid meta page, so it is no database of etcd")
    return max(found, key=lambda meta: meta.transaction)


def _meta(page: memoryview) -> Meta | None:
    """The meta page at the beginning of a buffer, None where there is no valid one."""
    if len(page) < _PAGE_HEADER + _META_SIZE:
        return None
    content = page[_PAGE_HEADER : _PAGE_HEADER + _META_SIZE]
    for order in "<>":  # bbolt writes in the byte order of its machine
        magic, version, page_size, _flags = struct.unpack_from(f"{order}IIII", content)
        root, _sequence, _freelist, pages, transaction, checksum = struct.unpack_from(f"{order}6Q", content, 16)
        if magic != _MAGIC or version != _VERSION or checksum != _fnv(content[:56]):
            continue
        if _SMALLEST_PAGE <= page_size <= _LARGEST_PAGE:
            return Meta(page_size, root, pages, transaction, order)
    return None


def _fnv(data: memoryview) -> int:
    """FNV-1a of 64 bits."""
    value = _FNV_OFFSET
    for byte in data:
        value = ((value ^ byte) * _FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return value
