# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who had an address when, from what `ip -tshort -oneline monitor address` said on each node."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

LINE = re.compile(r"^\[(?P<at>\S+?)\] (?P<gone>Deleted )?\d+: \S+ +inet (?P<address>[0-9.]+)/")


@dataclass(frozen=True)
class Change:
    """At `at`, in seconds, the address came to the node or left it."""

    at: float
    node: str
    here: bool


def changes(said: Mapping[str, str], address: str) -> list[Change]:
    """The changes in their order; said: {node: output}."""
    found = []
    for node, text in said.items():
        for line in text.splitlines():
            match = LINE.match(line)
            if match and match["address"] == address:
                found.append(Change(datetime.fromisoformat(match["at"]).timestamp(), node, not match["gone"]))
    return sorted(found, key=lambda change: change.at)


def holding(found: Iterable[Change], holders: Iterable[str], begin: float, end: float) -> dict[int, float]:
    """{number of holders: seconds} between begin and end; holders: who had the address before the first change."""
    now, last, seconds = set(holders), begin, dict[int, float]()
    for change in [*found, Change(end, "", False)]:
        at = min(max(change.at, begin), end)
        seconds[len(now)] = seconds.get(len(now), 0.0) + at - last
        last = at
        (now.add if change.here else now.discard)(change.node)
    return seconds
