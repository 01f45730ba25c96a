# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the conditions and the phases by which any object tells how it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]

# In which a pod, an instance or a migration stays.
FINAL_PHASES = frozenset({"Succeeded", "Failed"})


def find(item: Mapping[str, Any], kind: str) -> Object:
    """A condition of an object, empty where it is missing."""
    for found in (item.get("status") or {}).get("conditions") or []:
        if found.get("type") == kind:
            return dict(found)
    return {}


def holds(item: Mapping[str, Any], kind: str) -> bool:
    """Whether a condition is True."""
    return find(item, kind).get("status") == "True"


def fails(item: Mapping[str, Any], kind: str) -> bool:
    """Whether a condition is False; neither holds nor fails one that is missing or Unknown."""
    return find(item, kind).get("status") == "False"


def describe(condition: Mapping[str, Any]) -> str:
    """A condition's reason and message, as far as it has them."""
    return ": ".join(str(condition[key]) for key in ("reason", "message") if condition.get(key))
