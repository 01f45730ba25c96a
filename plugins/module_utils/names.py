# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the names that the API takes."""

from __future__ import annotations

import re
from typing import Any

# What becomes a host name and a label's value may be no longer.
LONGEST_LABEL = 63
LONGEST_SUBDOMAIN = 253
_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")


def name_fault(name: Any, *, subdomain: bool = False) -> str | None:
    """What is wrong with a name, None where nothing is. Without `subdomain` it must do as host name and label."""
    if not isinstance(name, str):
        return None
    longest, form = (LONGEST_SUBDOMAIN, _SUBDOMAIN) if subdomain else (LONGEST_LABEL, _LABEL)
    if len(name) > longest:
        return f"{name!r} has {len(name)} characters, {longest} is the most"
    if not form.match(name):
        signs = "'-' and '.'" if subdomain else "and '-'"
        comma = "," if subdomain else ""
        return (
            f"{name!r} must be of lower-case letters, digits{comma} {signs}, and begin and end with a letter or digit"
        )
    return None
