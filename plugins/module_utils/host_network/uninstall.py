# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stays when all that was made is taken away: what carries the host's own addresses, and all that is tied to it. No I/O.

A link that is tied to one with an address could only go by changing that one, and nobody shall be cut off.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network import faults, plan
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network.model import Facts, Link


def staying(facts: Facts) -> dict[str, str]:
    """The links that were made and stay: {name: why}."""
    found, ties = _reasons(facts), list(_ties(facts))
    while True:
        tied = {
            other: f"it is tied to {name}"
            for pair in ties
            for name, other in (pair, pair[::-1])
            if name in found and other not in found
        }
        if not tied:
            break
        found.update(tied)
    return {name: found[name] for name in facts["record"].get("links") or {} if name in found}


def links(facts: Facts) -> dict[str, Link]:
    """Those links as they were made."""
    before = facts["record"].get("links") or {}
    return {name: Link(name, **before[name]) for name in staying(facts)}


def _reasons(facts: Facts) -> dict[str, str]:
    """The links that stay for their own sake, whoever made them."""
    made = facts["record"].get("links") or {}
    found = {name: f"it carries {what}" for name, what in faults.management(facts).items()}
    for name in {**facts["addresses"], **made}:
        held = [*facts["addresses"].get(name, []), *(made.get(name, {}).get("addresses") or [])]
        own = [text for text in held if not ipaddress.ip_interface(text).is_link_local]
        if own and name != "lo":
            found[name] = f"it carries {', '.join(dict.fromkeys(own))}"
    for name in plan.gone_links(facts, {}):
        ports = plan.foreign_ports(facts, name)
        if ports:
            found.setdefault(name, f"{', '.join(ports)}, which the role did not make, are in it")
    return found


def _ties(facts: Facts) -> Iterator[tuple[str, str]]:
    """Each link with those below it, as the kernel has them and as they were made."""
    for name, there in facts["links"].items():
        yield from ((name, str(there[key])) for key in ("master", "link") if there.get(key))
    for name, made in (facts["record"].get("links") or {}).items():
        yield from (
            (name, other) for other in (made.get("master"), made.get("parent"), *made.get("children", [])) if other
        )
