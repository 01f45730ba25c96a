# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All domains' statistics by one bulk call, even where a domain hangs, and what the driver does not tell by it."""

from __future__ import annotations

from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host import statistics
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.look import Look, reason_of
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.session import (
    LibvirtError,
    TimedOut,
    Unsupported,
    bounded,
    call,
    constant,
)

Facts = dict[str, Any]
Records = list[tuple[Any, dict[str, Any]]]
# Of the time for the part, what the first bulk call may take.
_FIRST_SHARE = 0.5


def statistics_of_all(look: Look) -> Facts:
    """All domains' statistics by one bulk call; a live domain whose driver tells its state only is asked on its own."""
    known = {group: constant(statistics.GROUPS[group]) for group in look.wanted.stats}
    for group in sorted(group for group, flag in known.items() if flag is None):
        look.failed("domains", Unsupported(f"this libvirt-python knows no statistics of {group}"), group)
    groups = _sum([flag for flag in known.values() if flag is not None])
    how: Facts = {"method": "bulk", "bulk_calls": 1, "why": None}
    try:
        records, how["bulk_calls"] = _bulk(look, groups)
    except Unsupported as error:
        records = [(domain, {}) for domain in call(look.connection, "listAllDomains", 0)]
        how = {"method": "each", "bulk_calls": 0, "why": reason_of(error)}
    return _facts(look, records, how)


def _bulk(look: Look, groups: int) -> tuple[Records, int]:
    """The bulk call's answer, and how many calls it took.

    A QEMU that hangs holds up the first call, which then holds that domain's monitor. The second, which does not wait
    for monitors in use, gets the answers of all the others.
    """

    def ask() -> Records:
        return list(call(look.connection, "getAllDomainStats", groups, _flags(look)))

    if look.wanted.wait_for_busy_domains:
        return ask(), 1
    try:
        return bounded(ask, look.session.timeout * _FIRST_SHARE), 1
    except TimedOut:
        return ask(), 2


def _flags(look: Look) -> int:
    names = ["VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE"] if look.wanted.active_only else []
    names += [] if look.wanted.wait_for_busy_domains else ["VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT"]
    return _sum([constant(name) or 0 for name in names])


def _sum(flags: list[int]) -> int:
    total = 0
    for flag in flags:
        total |= flag
    return total


def _facts(look: Look, records: Records, how: Facts) -> Facts:
    found, completed = [], []
    for domain, flat in records:
        name = str(domain.name())
        if not flat or statistics.says_nothing_more(flat, look.wanted.stats):
            flat = {**_info(look, domain, name), **flat}
            completed.append(name)
        elif look.session.target.driver == "qemu" and statistics.is_silent(flat, look.wanted.stats):
            look.failed("domains", HaError("its QEMU does not answer", why="what that would tell is missing"), name)
        found.append(statistics.domain(name, str(domain.UUIDString()), int(domain.ID()), flat))
    if completed and how["why"] is None:
        how["why"] = "the driver's bulk call tells the state only"
    return {
        "domains": sorted(found, key=lambda entry: str(entry["name"])),
        "domain_statistics": {**how, "groups": list(look.wanted.stats), "asked_one_by_one": sorted(completed)},
    }


def _info(look: Look, domain: Any, name: str) -> dict[str, int]:
    try:
        return statistics.from_info(list(call(domain, "info")))
    except (HaError, LibvirtError) as error:
        look.failed("domains", error, name)
        return {}
