# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of ifupdown (interfaces(5)), by iproute2's commands, so that no package beside it is needed. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network import commands
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network.model import Facts, Link

FILE = "/etc/network/interfaces.d/kubevirt-ha"


def files(made: Mapping[str, Link], _facts: Facts) -> dict[str, str]:
    """The file's text by its path. Links that only carry VLANs are left to what configures them."""
    stanzas = ["\n".join(_stanza(link, made)) for link in made.values() if own(link)]
    return {FILE: "# Ansible managed: role network\n" + "\n\n".join(stanzas) + "\n"}


def own(link: Link) -> bool:
    """Whether the file configures a link."""
    return link.declared or bool(link.master)


def _stanza(link: Link, made: Mapping[str, Link]) -> Iterator[str]:
    # `manual`, so that it can be brought up again as it is: a bridge that went down would lose its virtual machines.
    yield f"auto {link.name}"
    yield f"iface {link.name} inet manual"
    yield from (f"    pre-up {command}" for command in commands.make(link, made))
    yield f"    up ip link set {link.name} up"
    yield from (f"    up ip address replace {address} dev {link.name}" for address in link.addresses)
    if link.gateway:
        family = "-6 " if ":" in link.gateway else ""
        yield f"    up ip {family}route replace default via {link.gateway} dev {link.name}"
    if link.kind:
        yield f"    post-down ip link delete {link.name} || true"
