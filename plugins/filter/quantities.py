# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes' quantities in bytes and cores, and numbers as quantities."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import quantity

_FORMATS = ("binary", "decimal")


def to_bytes(value: Any) -> int:
    """The bytes of a quantity, a part of one counted whole."""
    return ceil(_parse("to_bytes", value))


def to_cores(value: Any) -> int | float:
    """The cores of a quantity, an int where they are whole."""
    cores = _parse("to_cores", value)
    return cores.numerator if cores.denominator == 1 else float(cores)


def to_millicores(value: Any) -> int:
    """The thousandths of a core of a quantity, a part of one counted whole."""
    return ceil(_parse("to_millicores", value) * 1000)


def to_quantity(value: Any, format: str = "binary") -> str:
    """A number, or a quantity, as Kubernetes writes it."""
    if format not in _FORMATS:
        raise AnsibleFilterError(
            f"virtops.kubevirt_ha.to_quantity: format {format!r} does not exist, write {' or '.join(_FORMATS)}"
        )
    return quantity.render(_parse("to_quantity", value), binary=format == "binary")


def _parse(name: str, value: Any) -> Fraction:
    try:
        return quantity.parse(value)
    except ValueError as error:
        raise AnsibleFilterError(f"virtops.kubevirt_ha.{name}: {error}") from error


class FilterModule:
    """The filters by their names."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by their names."""
        return {
            "to_bytes": to_bytes,
            "to_cores": to_cores,
            "to_millicores": to_millicores,
            "to_quantity": to_quantity,
        }
