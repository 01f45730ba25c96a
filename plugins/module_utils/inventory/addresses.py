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
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_BYTE}(?:\.{_BYTE}){{3}}")
# "This network", of which 0.0.0.0 is one, the machine itself, and what is valid on one link.
_LOCAL = ("0.", "127.", "169.254.")
IPV4, IPV6 = "ipv4", "ipv6"


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
        usable = [ip for text in interface["ips"] if (ip := _usable(text))]
        if usable:
            return next((ip for ip in usable if family and (":" in ip) == (family == IPV6)), usable[0])
    return None


def _usable(text: str) -> str | None:
    """The address as it is written mostly, None where it is none or leads nowhere but on its own machine."""
    # Of thousands of machines nearly all have such a one, and ipaddress takes its time.
    if _IPV4.fullmatch(text):
        return None if text.startswith(_LOCAL) else text
    ip = _parse(text)
    return None if ip is None or ip.is_link_local or ip.is_loopback or ip.is_unspecified else str(ip)


def _parse(text: str) -> Address | None:
    if "%" in text:  # a zone may hold anything, and means something on its own machine only
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
