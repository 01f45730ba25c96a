# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes' quantities: `512Mi`, `1.5`, `250m`, `1e3`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import Any

_LARGEST_EXPONENT = 100
_FORM = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([KMGTPE]i|[numkMGTPE]))?$")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_WRONG_UNIT = re.compile(r"^([\d.]+)\s*([KMGTPE])(i?)B?$", re.IGNORECASE)


def parse(value: Any) -> Fraction:
    """The exact value of a quantity in its base unit (bytes, cores); ValueError says what to write instead."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{value!r} is no quantity")
    text = str(value).strip()
    match = _FORM.match(text)
    if not match:
        raise ValueError(f"{text!r} is no quantity: {_advice(text)}")
    number, exponent, suffix = match.groups()
    if exponent:
        if abs(int(exponent[1:])) > _LARGEST_EXPONENT:  # who writes it out runs out of memory
            raise ValueError(f"{text!r} is no quantity: its exponent is beyond all measure")
        return Fraction(f"{number}{exponent}")
    if suffix in _BINARY:
        return Fraction(number) * Fraction(1024) ** int(_BINARY[suffix])
    return Fraction(number) * Fraction(10) ** _DECIMAL.get(suffix or "", 0)


def render(value: Fraction, *, binary: bool) -> str:
    """A value as Kubernetes writes it: a whole number with the largest suffix that leaves one, what is below rounded up.

    binary: with Ki, Mi, ... for what is 1024 or more; smaller values and all others get m, k, M, ..., down to n.
    """
    sign, size = ("-" if value < 0 else ""), abs(value)
    if binary and size >= 1024:
        return sign + _with_suffix(ceil(size), 1024, ["", *_BINARY])
    return sign + _with_suffix(ceil(size * 10**9), 1000, ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"])


def same(one: Any, other: Any) -> bool:
    """Whether two quantities have one value, however they are written; False where one is none."""
    try:
        return parse(one) == parse(other)
    except ValueError:
        return False


def fault(value: Any, *, positive: bool = True) -> str | None:
    """What is wrong with a quantity in one sentence, None where nothing is."""
    try:
        parsed = parse(value)
    except ValueError as error:
        return str(error)
    if positive and parsed <= 0:
        return f"{value!r} must be more than 0"
    return None


def _with_suffix(number: int, base: int, suffixes: Sequence[str]) -> str:
    if number == 0:
        return "0"
    place = 0
    while number % base == 0 and place < len(suffixes) - 1:
        number //= base
        place += 1
    return f"{number}{suffixes[place]}"


def _advice(text: str) -> str:
    match = _WRONG_UNIT.match(text)
    if not match:
        return "write a number with a unit such as 512Mi or 2Gi, or 500m for half a core"
    number, unit = match.group(1), match.group(2).upper()
    decimal = "k" if unit == "K" else unit
    return f"write {number}{unit}i for powers of 1024 or {number}{decimal} for powers of 1000"
