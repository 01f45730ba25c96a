# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: requests counted from the metrics of a kube-apiserver, so that ours and peers are counted by one measure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping

# Verb, resource and subresource of a request.
Counts = Counter[tuple[str, str, str]]

_LINE = re.compile(r"^apiserver_request_total\{(?P<labels>.*)\} (?P<count>\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_READS = frozenset({"GET", "LIST"})
# Not PUT: modules create and patch, it is KubeVirt's controllers that update what was created.
_WRITES = frozenset({"POST", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"})


def parse(metrics: str) -> Counts:
    """All requests since the API server began."""
    found: Counts = Counter()
    for line in metrics.splitlines():
        match = _LINE.match(line)
        if match:
            labels = dict(_LABEL.findall(match["labels"]))
            key = (labels.get("verb", ""), labels.get("resource", ""), labels.get("subresource", ""))
            found[key] += int(float(match["count"]))
    return found


def on(counts: Counts, resource: str) -> dict[str, int]:
    """Reads and writes of a resource's objects, its subresources left out."""
    mine = {verb: count for (verb, kind, sub), count in counts.items() if kind == resource and not sub}
    return {
        "reads": sum(count for verb, count in mine.items() if verb in _READS),
        "writes": sum(count for verb, count in mine.items() if verb in _WRITES),
    }


def paged_lists(counts: Counts, objects: Mapping[str, int], page: int) -> int:
    """How many LISTs the pages belong to; objects: how many there are of each resource that counts."""
    return sum(
        math.ceil(counts[("LIST", resource, "")] / max(1, math.ceil(there / page)))
        for resource, there in objects.items()
    )
