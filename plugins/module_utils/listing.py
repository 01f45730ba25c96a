# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: a LIST's answer decoded object by object, as it comes in.

Decoded at once, 5,000 machines take 200 MB until they are trimmed, and most of the time goes into searching them for cycles.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from json import JSONDecoder
from typing import Any, Callable

# Bytes that are taken together: an object that they end in is begun twice.
_BLOCK = 512 * 1024
_SPACE = " \t\n\r"
_ENDS = frozenset(f",]}}{_SPACE}")


def decode(chunks: Iterable[bytes], trim: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """A JSON object with what `trim` makes of each of its `items`; ValueError where it is none."""
    text = _Text(chunks)
    found: dict[str, Any] = {}
    text.take("{")
    while text.sign() != "}":
        key = text.value()
        text.take(":")
        if key == "items" and text.sign() == "[":
            found[key] = [trim(item) for item in _entries(text)]
        else:
            found[key] = text.value()
        if text.sign() != "}":
            text.take(",")
    text.take("}")
    if text.sign():
        raise ValueError("there is more behind it")
    if not isinstance(found.get("items", ""), (list, type(None))):
        raise ValueError("it has no items")
    return found


def _entries(text: _Text) -> Iterator[Any]:
    text.take("[")
    while text.sign() != "]":
        yield text.value()
        if text.sign() != "]":
            text.take(",")
    text.take("]")


class _Text:
    """JSON text that comes in pieces, read from the front."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._decoder = JSONDecoder()
        self._text = ""
        self._position = 0

    def sign(self) -> str:
        """The next sign that is no white space, which stays; "" at the end."""
        while True:
            while self._position < len(self._text):
                if self._text[self._position] not in _SPACE:
                    return self._text[self._position]
                self._position += 1
            if not self._more():
                return ""

    def take(self, sign: str) -> None:
        """Passes over a sign that must be next."""
        found = self.sign()
        if found != sign:
            raise ValueError(f"{sign} is missing before {found or 'its end'}")
        self._position += 1

    def value(self) -> Any:
        """The next value."""
        self.sign()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._position)
            except ValueError:
                if not self._more():
                    raise
                continue
            # A number may go on in the next piece: it has ended where something else follows.
            if not isinstance(value, (dict, list, str)) and self._text[end : end + 1] not in _ENDS and self._more():
                continue
            self._position = end
            return value

    def _more(self) -> bool:
        pieces, size = [], 0
        for chunk in self._chunks:
            pieces.append(chunk)
            size += len(chunk)
            if size >= _BLOCK:
                break
        fresh = self._utf8.decode(b"".join(pieces), final=not pieces)
        self._text = self._text[self._position :] + fresh
        self._position = 0
        return bool(pieces)
