"""What a simulated claim holds: as many bytes as it is large, that follow from a word."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

BLOCK = 1 << 16


def _block(word: str, index: int) -> bytes:
    digest = hashlib.sha256(f"{word}:{index}".encode()).digest()
    return digest * (BLOCK // len(digest))


def read(word: str, start: int, stop: int) -> Iterator[bytes]:
    """The bytes from `start` up to `stop`, in pieces."""
    while start < stop:
        index, inside = divmod(start, BLOCK)
        piece = _block(word, index)[inside : inside + stop - start]
        yield piece
        start += len(piece)
