# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the sentences that preflight says of what was asked. Each names what it is about, the variable, and what is allowed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.preflight.asker import Answer, Echo
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.preflight.plan import Node

CHECKS = ("ports", "vrrp", "mtu", "clocks", "names")
SKIP = "preflight_skip"
SKEW = "preflight_clock_skew_seconds"


def of_ports(own: str, answers: Iterable[Answer]) -> Iterator[str]:
    """Connections that were not made; those to one node for one reason are one sentence."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for answer in answers:
        if answer.why:
            question = answer.question
            groups.setdefault((question.node, question.address, answer.why), []).append(
                f"{question.port} ({question.service})"
            )
    for (node, address, why), ports in groups.items():
        yield (
            f"{own}: does not reach {node} ({address}) on port {', '.join(ports)}: {why};"
            f" open it in the firewalls on the way, or add ports to {SKIP}"
        )


def of_clocks(own: str, answers: Iterable[Answer], limit: float) -> Iterator[str]:
    """Nodes whose clock certainly lies further from this one's than is allowed, by the quickest answer of each."""
    best: dict[str, Answer] = {}
    for answer in answers:
        if answer.ahead is None:
            continue
        node = answer.question.node
        if node not in best or answer.unsure < best[node].unsure:
            best[node] = answer
    for node, answer in best.items():
        ahead = answer.ahead or 0.0
        if abs(ahead) - answer.unsure > limit:
            side = "ahead of" if ahead > 0 else "behind"
            yield (
                f"{own}: the clock of {node} is {abs(ahead):.1f} s {side} the one here; {SKEW} allows {limit:g}:"
                " let a time service set both (kvm_node_time_servers)"
            )


def of_mtu(own: str, found: Mapping[str, Echo]) -> Iterator[str]:
    """Nodes that answer small packets and not those of the link's own size."""
    for node, echo in found.items():
        if echo.small and not echo.large:
            yield (
                f"{own}: a packet of {echo.mtu} bytes, the MTU of {echo.link}, does not arrive at {node};"
                f" set the MTU of {echo.link} to what the way between them carries, at both ends alike, or add mtu to {SKIP}"
            )


def silent(found: Mapping[str, Echo]) -> list[str]:
    """Nodes that answer no ping at all, of whose MTU nothing is known."""
    return [node for node, echo in found.items() if not echo.small]


def of_names(own: str, found: Mapping[str, Sequence[str] | str], option: Mapping[str, str]) -> Iterator[str]:
    """Names that a node cannot resolve, or takes for itself. option: name → the variable that it is from."""
    for name, told in found.items():
        if isinstance(told, str):
            yield (
                f"{own}: {option[name]} {name} cannot be resolved here ({told});"
                f" enter it in DNS or /etc/hosts, give an address instead, or add names to {SKIP}"
            )
        elif name != own and all(ip_address(address.partition("%")[0]).is_loopback for address in told):
            yield f"{own}: {option[name]} {name} is {', '.join(told)} here, this host itself; correct DNS or /etc/hosts"


def of_vrrp(own: str, heard: Collection[str], peers: Iterable[Node]) -> Iterator[str]:
    """Load balancers whose VRRP did not arrive here, so that both would take a VIP."""
    for peer in peers:
        if peer.balancer_address not in heard:
            yield (
                f"{own}: VRRP (IP protocol 112) of {peer.name} ({peer.balancer_address}) does not arrive here, so both"
                f" would hold the VIPs; let it through the firewalls on the way, or add vrrp to {SKIP}"
            )


def of_opening(own: str, refused: Mapping[int, str]) -> Iterator[str]:
    """Ports that the node itself cannot open."""
    for port, why in refused.items():
        yield f"{own}: port {port} cannot be opened on its own address: {why}; correct kubernetes_node_address or shared_storage_address"


def is_name(address: str) -> bool:
    """Whether an address is a name that must be resolved."""
    try:
        ip_address(address)
    except ValueError:
        return bool(address)
    return False
