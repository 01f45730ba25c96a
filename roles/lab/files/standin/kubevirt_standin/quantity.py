"""Kubernetes quantities: read exactly, written as the API server writes them."""

from __future__ import annotations

import re
from decimal import ROUND_UP, Decimal, InvalidOperation

FORM = re.compile(r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$")
BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
PATTERN_MESSAGE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


class QuantityError(ValueError):
    """The text is not a quantity."""


def parse(text: object) -> Decimal:
    """The value of a quantity; raises QuantityError."""
    raw = str(text).strip()
    found = FORM.match(raw)
    if found is None:
        raise QuantityError(PATTERN_MESSAGE)
    number, suffix = found.groups()
    try:
        value = Decimal(number)
        if suffix in BINARY:
            return value * Decimal(1024) ** BINARY[suffix]
        if suffix in DECIMAL:
            return value.scaleb(DECIMAL[suffix])
        return Decimal(number + suffix)
    except InvalidOperation:
        raise QuantityError(PATTERN_MESSAGE) from None


def canonical(text: object) -> str:
    """The quantity in the shortest exact form of its own family (binary, decimal or exponent)."""
    raw = str(text).strip()
    value = parse(raw)
    suffix = FORM.match(raw).group(2)  # type: ignore[union-attr]  # parse() has matched it
    if suffix in BINARY and (abs(value) >= 1024 or value == 0):
        return _binary(value)
    if suffix and suffix[0] in "eE" and suffix != "E":
        return raw
    return _decimal(value)


def _binary(value: Decimal) -> str:
    whole = value.to_integral_value(rounding=ROUND_UP)
    for suffix, power in reversed(BINARY.items()):
        unit = Decimal(1024) ** power
        if whole and whole % unit == 0:
            return f"{int(whole / unit)}{suffix}"
    return str(int(whole))


def _decimal(value: Decimal) -> str:
    if value == 0:
        return "0"
    for suffix, power in sorted(DECIMAL.items(), key=lambda item: -item[1]):
        scaled = value.scaleb(-power)
        if scaled == scaled.to_integral_value():
            return f"{int(scaled)}{suffix}"
    return f"{int(value.scaleb(9).to_integral_value(rounding=ROUND_UP))}n"


def to_bytes(text: object) -> int:
    """A quantity of memory or storage as whole bytes."""
    return int(parse(text).to_integral_value(rounding=ROUND_UP))
