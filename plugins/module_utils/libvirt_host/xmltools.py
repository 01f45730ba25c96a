# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading libvirt's XML: documents, numbers, units, lists of processors. What is absent is None, never an error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError

Element = ElementTree.Element

_DECIMAL = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15}
_BINARY = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
_UNITS = {"": 1, "B": 1, "BYTES": 1, **_DECIMAL, **_BINARY, **{f"{key}IB": value for key, value in _BINARY.items()}}
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def parse(document: str, what: str, root: str) -> Element:
    """The root element of a document. Raises HaError naming `what` when it is no XML or has another root."""
    try:
        element = ElementTree.fromstring(document)
    except (ElementTree.ParseError, ValueError) as error:
        raise HaError(f"{what} is no XML", why=str(error)) from error
    if element.tag != root:
        raise HaError(f"{what} is no <{root}>", why=f"its root is <{element.tag}>")
    return element


def text(node: Element | None, path: str = ".") -> str | None:
    """The text at a path, without blanks at its ends; None where there is none."""
    found = None if node is None else node.find(path)
    return (found.text or "").strip() or None if found is not None else None


def attribute(node: Element | None, path: str, name: str) -> str | None:
    """An attribute of the element at a path."""
    found = None if node is None else node.find(path)
    return found.get(name) if found is not None else None


def texts(node: Element | None, path: str) -> list[str]:
    """The texts of all elements at a path."""
    return [] if node is None else [(found.text or "").strip() for found in node.iterfind(path)]


def number(value: str | None) -> int | None:
    """A decimal or 0x number; None for anything else."""
    try:
        return None if value is None else int(value.strip(), 0)
    except ValueError:
        return None


def number_at(node: Element | None, path: str) -> int | None:
    """The number in the text at a path."""
    return number(text(node, path))


def flag(value: str | None) -> bool | None:
    """libvirt's yes and no (also on and off); None where it says neither."""
    return {"yes": True, "on": True, "no": False, "off": False}.get((value or "").lower())


def size(node: Element | None, path: str, unit: str = "bytes") -> int | None:
    """Bytes of a sized element such as ``<memory unit='KiB'>4</memory>``; `unit` is what it means without one."""
    found = None if node is None else node.find(path)
    count = number(found.text) if found is not None else None
    factor = None if found is None else _UNITS.get((found.get("unit") or unit).upper())
    return None if count is None or factor is None else count * factor


def in_bytes(count: str | None, unit: str | None) -> int | None:
    """Bytes of a count and its unit, both as they stand in attributes."""
    amount, factor = number(count), _UNITS.get((unit or "bytes").upper())
    return None if amount is None or factor is None else amount * factor


def processors(value: str | None) -> list[int]:
    """The processors of ``0-2,4,^1``: [0, 2, 4]. What is no number is left out."""
    numbers: set[int] = set()
    for part in (value or "").split(","):
        excluded, (first, _dash, last) = part.startswith("^"), part.lstrip("^").partition("-")
        low, high = number(first or None), number(last or first or None)
        if low is not None and high is not None:
            span = set(range(low, high + 1))
            numbers = numbers - span if excluded else numbers | span
    return sorted(numbers)


def snake(name: str) -> str:
    """`diskDevice`, `maxESGuests`, `host-model` as disk_device, max_es_guests, host_model: templates can name them."""
    return _WORD_START.sub("_", name).replace("-", "_").lower()


def present(values: dict[str, Any]) -> dict[str, Any]:
    """Without what is not there (None)."""
    return {key: value for key, value in values.items() if value is not None}


def children(node: Element | None, path: str) -> Iterator[Element]:
    """All elements at a path; none where the node is not there."""
    return iter(()) if node is None else node.iterfind(path)
