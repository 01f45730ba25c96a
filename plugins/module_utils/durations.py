# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: durations as Go writes them, such as `1h30m` or `90s`."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")
_WHOLE = re.compile(r"^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+$")
_SECONDS = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
}


def parse(value: Any) -> Fraction:
    """The seconds of a duration; ValueError where it is none."""
    text = str(value).strip()
    if text == "0":
        return Fraction(0)
    if not isinstance(value, str) or not _WHOLE.match(text):
        raise ValueError(f"{value!r} is no duration: write 90s, 10m or 1h30m")
    total = sum((Fraction(number) * _SECONDS[unit] for number, unit in _PART.findall(text)), Fraction(0))
    return -total if text.startswith("-") else total


def same(one: Any, other: Any) -> bool:
    """Whether two durations are equally long, however they are written; False where one is none."""
    try:
        return parse(one) == parse(other)
    except ValueError:
        return False


def write(seconds: int) -> str:
    """A number of seconds, 0 or more, as Go writes it: 5400 is `1h30m0s`."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{left}s"
    return f"{minutes}m{left}s" if minutes else f"{left}s"
