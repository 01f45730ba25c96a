# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: addresses as guests, nodes and load balancers report them, taken only where they are addresses.

A guest's agent reports what it likes, and what stands in `ansible_host` ends in a command line.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Union

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
_LABEL = r"[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_LONGEST_NAME = 253
FAMILIES = {"ipv4": 4, "ipv6": 6}


def host(text: str | None) -> str | None:
    """The text where it is an address or a host name, else None."""
    if not text or len(text) > _LONGEST_NAME:
        return None
    return text if _HOST_NAME.fullmatch(text) or _parse(text) else None


def of_instance(vmi: Mapping[str, Any], network: str | None, family: str | None) -> str | None:
    """An address of the instance on a network, the pod network by default; of the family where there is one.

    Without a pod network, or where that has no address, it is the first network's that has one.
    """
    # What only the guest knows of, such as a bridge of its containers, has no name.
    named = [found for found in vmi["interfaces"] if found["name"]]
    first = network or vmi["pod_network"]
    chosen = [found for found in named if found["name"] == first]
    if not network:
        chosen += named
    for interface in chosen:
        usable = [ip for text in interface["ips"] if (ip := _parse(text)) and not _is_local(ip)]
        preferred = [ip for ip in usable if ip.version == FAMILIES.get(family or "")]
        for ip in (*preferred, *usable):
            return str(ip)
    return None


def _is_local(ip: Address) -> bool:
    return ip.is_link_local or ip.is_loopback or ip.is_unspecified


def _parse(text: str) -> Address | None:
    if "%" in text:  # a zone may hold anything, and means something on its own machine only
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
