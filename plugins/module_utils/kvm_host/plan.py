# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be written so that it holds at each boot, and what does not hold now; for wishes without faults. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kvm_host import pages, watchdog
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kvm_host.pages import Facts, Wanted
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kvm_host.read import KSM

# A network namespace's own settings, and so a container's.
_OWN = re.compile(r"^net[./](ipv4|ipv6|bridge)[./]")
_SWITCHES = ("enabled", "disabled")


@dataclass
class Difference:
    """One thing that is not as it was asked for. `holds`: `now` where it can be set, `after_boot`, or `shared_kernel`."""

    option: str
    text: str
    holds: str = "now"


@dataclass
class Plan:
    """What is written so that it holds at each boot. Empty is what was not asked for, or is not this host's to set."""

    sysctls: dict[str, str] = field(default_factory=dict)
    writes: list[dict[str, str]] = field(default_factory=list)
    boot_parameters: list[str] = field(default_factory=list)
    watchdog: dict[str, int] = field(default_factory=dict)


def plan(facts: Facts, wanted: Wanted) -> Plan:
    """What is to be written; only for wishes without faults. On a shared kernel what is the network namespace's own."""
    sysctls = _texts(wanted.get("sysctls"))
    for name, least in _texts(wanted.get("sysctls_at_least")).items():
        # As much as there is now, so that the file never lowers it.
        sysctls[name] = str(max(int(facts["sysctls"].get(name) or 0), int(least)))
    if facts["shared_kernel"]:
        return Plan({name: value for name, value in sysctls.items() if _OWN.match(name)})
    wanted_pages, at_boot = pages.of(wanted), wanted.get("hugepages_at_boot")
    boot = [*(wanted.get("boot_parameters") or []), *(pages.boot_texts(wanted_pages) if at_boot else [])]
    written = [] if at_boot else wanted_pages
    writes = [{"path": f"/{pages.path(page)}", "value": str(page.count)} for page in written]
    if wanted.get("ksm") in _SWITCHES:
        # 0 stops it and leaves merged what is: to unmerge may take more memory than there is.
        writes.append({"path": f"/{KSM}", "value": "1" if wanted["ksm"] == "enabled" else "0"})
    return Plan(sysctls, writes, boot, watchdog.planned(facts, wanted))


def differences(facts: Facts, wanted: Wanted) -> list[Difference]:
    """What does not hold now; only for wishes without faults."""
    found = [*_of_parameters(facts, wanted), *_of_pages(facts, wanted), *_of_switches(facts, wanted)]
    if facts["shared_kernel"]:
        for difference in found:
            if not (difference.option.startswith("sysctls") and _OWN.match(difference.text)):
                difference.holds = "shared_kernel"
    return found


def _of_parameters(facts: Facts, wanted: Wanted) -> Iterator[Difference]:
    for name in wanted.get("modules") or []:
        if facts["modules"].get(name) != "loaded":
            yield Difference("modules", f"{name} is not loaded")
    for name, value in _texts(wanted.get("sysctls")).items():
        now = facts["sysctls"].get(name)
        if now != value:
            yield Difference("sysctls", f"{name} is {now}, not {value}")
    for name, value in _texts(wanted.get("sysctls_at_least")).items():
        now = facts["sysctls"].get(name)
        if int(now or 0) < int(value):
            yield Difference("sysctls_at_least", f"{name} is {now}, less than {value}")
    for text in wanted.get("boot_parameters") or []:
        if not pages.booted_with(facts, text):
            yield Difference("boot_parameters", f"the kernel was not started with {text}", "after_boot")


def _of_pages(facts: Facts, wanted: Wanted) -> Iterator[Difference]:
    wanted_pages = pages.of(wanted)
    waits = wanted.get("hugepages_at_boot") and not all(
        pages.booted_with(facts, text) for text in pages.boot_texts(wanted_pages)
    )
    for page in wanted_pages:
        now = pages.total(facts, page)
        if now != page.count:
            yield Difference(
                "hugepages", f"{page}: {now} are there, not {page.count}", "after_boot" if waits else "now"
            )


def _of_switches(facts: Facts, wanted: Wanted) -> Iterator[Difference]:
    for option, on, holds in (("ksm", facts["ksm"] == 1, "now"), ("nested", bool(facts["nested"]), "after_boot")):
        asked = wanted.get(option)
        if asked in _SWITCHES and on != (asked == "enabled"):
            yield Difference(option, f"it is {'enabled' if on else 'disabled'}, not {asked}", holds)
    if wanted.get("swap") == "disabled" and facts["swaps"]:
        yield Difference("swap", f"{', '.join(facts['swaps'])} is in use")
    unheld = watchdog.differs(facts, wanted)
    if unheld:
        yield Difference("watchdog_seconds", unheld)


def _texts(values: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: " ".join(str(value).split()) for name, value in (values or {}).items()}
