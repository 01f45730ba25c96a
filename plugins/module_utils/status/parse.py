# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what HAProxy, etcd and GlusterFS print, as facts."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

_BUCKET = re.compile(r'^etcd_disk_wal_fsync_duration_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE)
_SHARE = 0.99
_NOT_SERVERS = ("FRONTEND", "BACKEND")


def haproxy(text: str) -> list[dict[str, str]]:
    """The servers of HAProxy's statistics as CSV: `backend`, `server`, `status` and what its last `check` said."""
    rows = csv.DictReader(io.StringIO(text.lstrip("# ")))
    if not {"pxname", "svname", "status"} <= set(rows.fieldnames or ()):
        raise ValueError("the answer is no statistics of HAProxy")
    return [
        {
            "backend": str(row["pxname"]),
            "server": str(row["svname"]),
            "status": str(row["status"]),
            "check": " ".join(filter(None, (row.get("check_status"), row.get("last_chk")))),
        }
        for row in rows
        if row["svname"] not in _NOT_SERVERS
    ]


def fsync(text: str) -> dict[str, Any]:
    """The bound of the bucket that holds the 99th percentile of etcd's writes to its log, in milliseconds."""
    buckets = [(float(bound), float(count)) for bound, count in _BUCKET.findall(text)]
    total = buckets[-1][1] if buckets else 0.0
    if not total:
        return {"p99_ms": None, "writes": 0}
    bound = next(bound for bound, count in buckets if count >= _SHARE * total)
    return {"p99_ms": None if bound == float("inf") else round(bound * 1000, 3), "writes": int(total)}


def bricks(xml: str) -> list[dict[str, Any]]:
    """The bricks of `gluster --xml volume status`: `host`, `path`, `online`. ValueError where there are none."""
    found = [
        {
            "host": _text(node, "hostname"),
            "path": _text(node, "path"),
            "online": _text(node, "status") == "1",
        }
        for node in _root(xml).iter("node")
        if _text(node, "path").startswith("/")
    ]
    if not found:
        raise ValueError("it tells of no bricks")
    return found


def volume(xml: str) -> dict[str, Any]:
    """`gluster --xml volume info`: `status`, `replicas`, `bricks` (host:path) and `options`. ValueError where there is none."""
    found = _root(xml).find(".//volume")
    if found is None or not _text(found, "name"):
        raise ValueError("there is no such volume")
    return {
        "name": _text(found, "name"),
        "status": _text(found, "statusStr"),
        "replicas": int(_text(found, "replicaCount") or 0),
        "bricks": [_text(brick, "name") for brick in found.findall("bricks/brick")],
        "options": dict(_options(found)),
    }


def _options(found: ElementTree.Element) -> Iterator[tuple[str, str]]:
    for option in found.findall("options/option"):
        yield _text(option, "name"), _text(option, "value")


def _root(xml: str) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise ValueError(f"its answer is no XML: {error}") from error


def _text(element: ElementTree.Element, name: str) -> str:
    return (element.findtext(name) or "").strip()


def reason(error: Exception) -> str:
    """Why there is no answer, without what libraries put around it."""
    why = getattr(error, "reason", None)
    return str(getattr(why, "strerror", None) or why or error)
