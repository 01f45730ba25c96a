# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: how a data volume grows. Its spec stays as it was made; the claim's request is what is raised.

A file system takes its share of a volume, so CDI asks for more than the disk's size; what was asked for last is kept in
an annotation, since neither the spec nor the claim's request tells it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions, quantity
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused

Object = dict[str, Any]

SIZE = "kubevirt-ha.virtops/size"
_ALIGNED = 1 << 20


def asked(item: Mapping[str, Any], at_first: Any) -> Any:
    """The size that was asked for last: at a growth, else `at_first`, which is None where the volume's source told it."""
    return (item["metadata"].get("annotations") or {}).get(SIZE) or at_first


def noted(size: Any) -> Object:
    """What is written into an object so that asked() knows the size."""
    return {"metadata": {"annotations": {SIZE: str(size)}}}


def refuse_shrink(wanted: Any, known: Any, where: str) -> None:
    """Refused where less is asked for than there is."""
    if known is not None and quantity.parse(wanted) < quantity.parse(known):
        raise Refused(
            f"size: cannot become {wanted}, it is {known} and a volume does not shrink",
            where=where,
            fix=f"Give {known} or more, or make a new volume and copy the data",
        )


def overhead_of(config: Mapping[str, Any], storage_class: str | None) -> float:
    """The share of a volume that CDI leaves to the file system, from the status of its CDIConfig; 0.06 is CDI's own."""
    found = (config.get("status") or {}).get("filesystemOverhead") or {}
    of_class = (found.get("storageClass") or {}).get(storage_class or "")
    return float(of_class or found.get("global") or 0.06)


def with_overhead(size: Any, overhead: float) -> int:
    """The bytes that CDI asks for where a disk of that size is to fit into a file system."""
    aligned = math.ceil(quantity.parse(size) / _ALIGNED) * _ALIGNED
    return math.ceil(aligned * (1 + Fraction(str(overhead))))


def larger_request(wanted: Any, claim: Mapping[str, Any], overhead: float) -> int | None:
    """The bytes that the claim is to ask for so that a disk of the wanted size fits, None where one does already.

    overhead: 0 where the claim is a block device or its size was given by the claim's own spec.
    """
    request = with_overhead(wanted, overhead) if overhead else math.ceil(quantity.parse(wanted))
    has = request_of(claim)
    return request if has is None or request > quantity.parse(has) else None


def request_of(claim: Mapping[str, Any]) -> Any:
    """What a claim asks for."""
    return (((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}).get("storage")


def has_grown(claim: Mapping[str, Any] | None, request: int) -> bool:
    """Whether a claim's volume has reached the request; the file system may be left to the next machine's start."""
    status = (claim or {}).get("status") or {}
    capacity = (status.get("capacity") or {}).get("storage")
    return resize_pending(claim) or (capacity is not None and quantity.parse(capacity) >= request)


def resize_pending(claim: Mapping[str, Any] | None) -> bool:
    """Whether the file system grows only once a machine uses the claim."""
    return conditions.holds(claim or {}, "FileSystemResizePending")
