# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what a status is made of, and how its facts are read where parts of them are missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding

GOOD, WARN, BAD, UNKNOWN, PLAIN = "good", "warn", "bad", "unknown", ""


@dataclass(frozen=True)
class Cell:
    """One field of a table. state: good, warn, bad, unknown, or empty where it is neither."""

    text: str
    state: str = PLAIN


Row = tuple[Cell, ...]


@dataclass(frozen=True)
class Section:
    """One table of the status. name: for machines; findings: what it adds to those of kubevirt_info; note: a line below."""

    name: str
    title: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...] = ()
    findings: tuple[Finding, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Limits:
    """From when on something is told. certificate_days: before a certificate's end; drill_days, restore_days: after the last
    drill, and the last restore that was proven; etcd_quota_share, quota_share: of its database's
    quota, and of a namespace's; etcd_fsync_ms: of the 99th
    percentile of etcd's writes to its log."""

    certificate_days: float = 14.0
    drill_days: float = 90.0
    etcd_quota_share: float = 0.8
    etcd_fsync_ms: float = 10.0
    heartbeat_seconds: float = 5.0
    backup_hours: float = 24.0
    restore_days: float = 30.0
    quota_share: float = 0.9


@dataclass(frozen=True)
class Facts:
    """What was gathered; docs of the module `status_report` say what each part is. Any part may be missing."""

    hosts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cluster: Mapping[str, Any] = field(default_factory=dict)
    probes: Sequence[Mapping[str, Any]] = ()
    vips: Sequence[Mapping[str, Any]] = ()
    redundancy: Mapping[str, Any] = field(default_factory=dict)
    watcher: Mapping[str, Any] = field(default_factory=dict)
    storage: Mapping[str, Any] = field(default_factory=dict)
    monitoring: Mapping[str, Any] = field(default_factory=dict)
    drill: Mapping[str, Any] = field(default_factory=dict)
    drill_place: str = ""
    api_endpoint: str = ""
    now: float = 0.0
    limits: Limits = Limits()

    def of_group(self, group: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Name and facts of each host of an inventory group."""
        return ((name, host) for name, host in sorted(self.hosts.items()) if group in (host.get("groups") or ()))

    def look(self, name: str) -> Mapping[str, Any]:
        """What a host said of itself; empty where it said nothing."""
        return (self.hosts.get(name) or {}).get("look") or {}

    @property
    def details(self) -> Mapping[str, Any]:
        """kubevirt_info's details; empty where the cluster could not be asked."""
        return self.cluster.get("details") or {}

    @property
    def asked(self) -> bool:
        """Whether the cluster answered."""
        return "details" in self.cluster

    def nodes(self) -> dict[str, Mapping[str, Any]]:
        """The cluster's nodes by name."""
        return {str(node["name"]): node for node in self.details.get("nodes") or []}

    def probe(self, name: str) -> Mapping[str, Any]:
        """The result of a probe; empty where there is none."""
        return next((probe for probe in self.probes if probe.get("name") == name), {})


def holders(facts: Facts, address: str) -> list[str]:
    """The hosts that have an address on one of their links."""
    return [name for name in sorted(facts.hosts) if address in (facts.look(name).get("addresses") or ())]


def span(seconds: float) -> str:
    """A duration as people say it."""
    for length, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def size(count: float | None) -> str:
    """Bytes as people say them; empty where they are not known."""
    if count is None:
        return ""
    for length, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count} B"


def listed(names: Sequence[str], none: str = "none") -> str:
    """Names with commas."""
    return ", ".join(names) if names else none
