# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: which Services lead to an instance, and where each port of them is reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory import addresses
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import LONGEST_LABEL

Object = Mapping[str, Any]
Key = tuple[str, str]
Pair = tuple[str, str, str]

LOAD_BALANCER, NODE_PORT, CLUSTER_IP = "LoadBalancer", "NodePort", "ClusterIP"
TYPES = (LOAD_BALANCER, NODE_PORT, CLUSTER_IP)


@dataclass(frozen=True)
class Lead:
    """A Service that leads to an instance; `shared` where it leads to others too."""

    service: Object
    shared: bool


class Endpoint(NamedTuple):
    """Where a port of an instance is reached, and the port of the instance itself."""

    host: str
    port: int
    target: int


def launcher_labels(vmi: Object) -> dict[str, str]:
    """The labels of an instance's virt-launcher pod, which Services select by."""
    name = str(vmi["name"])
    labels = {
        **vmi["labels"],
        "kubevirt.io": "virt-launcher",
        "kubevirt.io/created-by": str(vmi["uid"]),
        "vm.kubevirt.io/name": str(vmi["host_name"] or name.split(".", 1)[0][:LONGEST_LABEL]),
    }
    if len(name) <= LONGEST_LABEL:  # of a longer one it is a hash
        labels["vmi.kubevirt.io/id"] = name
    return labels


def leads(services: Sequence[Object], vmis: Iterable[Object]) -> dict[Key, list[Lead]]:
    """For each instance that is selected the Services that lead to it, in the order of their names."""
    index: dict[Pair, list[tuple[Object, dict[str, str]]]] = {_first(service): [] for service in services}
    for vmi in vmis:
        labels = launcher_labels(vmi)
        for key, value in labels.items():
            if (vmi["namespace"], key, value) in index:
                index[vmi["namespace"], key, value].append((vmi, labels))
    found: dict[Key, list[Lead]] = {}
    for service in sorted(services, key=lambda each: str(each["name"])):
        wanted = service["selector"].items()
        chosen = [vmi for vmi, labels in index[_first(service)] if wanted <= labels.items()]
        for vmi in chosen:
            found.setdefault((vmi["namespace"], vmi["name"]), []).append(Lead(service, len(chosen) > 1))
    return found


def endpoint(
    found: Sequence[Lead], vmi: Object, *, types: Sequence[str], ports: Sequence[str], node_host: str
) -> Endpoint | None:
    """The first way to one of `ports`, the types in the order given.

    ports: names, target ports or ports, the first that there is wins; node_host: where a node's ports are reached,
    with `{node}` for the node that the instance runs on. A Service that leads to several instances is no way to one.
    """
    own = [lead.service for lead in found if not lead.shared]
    for wanted in ports:
        for kind in types:
            for service, port in _matching(own, vmi, wanted):
                host, number = _address(service, port, kind, vmi, node_host)
                if host and number:
                    return Endpoint(host, int(number), target(port, vmi) or int(port["port"]))
    return None


def describe(lead: Lead) -> dict[str, Any]:
    """A Service as a host variable shows it."""
    service = lead.service
    shown = {key: service[key] for key in ("name", "type", "cluster_ip", "addresses", "ports")}
    return {**shown, "shared": lead.shared}


def target(port: Object, vmi: Object) -> int | None:
    """The instance's port that a Service's port leads to; None for a name that none of its interfaces has."""
    wanted = port["target_port"]
    return vmi["ports"].get(wanted) if isinstance(wanted, str) and not wanted.isdigit() else int(wanted)


def _first(service: Object) -> Pair:
    key, value = next(iter(service["selector"].items()))
    return service["namespace"], key, value


def _matching(services: Sequence[Object], vmi: Object, wanted: str) -> Iterator[tuple[Object, Object]]:
    """The TCP ports with that name; those that lead to it; those with that number: in this order."""
    ports = [(service, port) for service in services for port in service["ports"] if port["protocol"] == "TCP"]
    yield from (pair for pair in ports if pair[1]["name"] == wanted)
    yield from (pair for pair in ports if wanted in (str(pair[1]["target_port"]), str(target(pair[1], vmi))))
    yield from (pair for pair in ports if str(pair[1]["port"]) == wanted)


def _address(service: Object, port: Object, kind: str, vmi: Object, node_host: str) -> tuple[str | None, int | None]:
    if kind == LOAD_BALANCER:
        host = service["addresses"][0] if service["addresses"] else None
        return addresses.host(host), port["port"]
    if kind == NODE_PORT:
        host = node_host.format(node=vmi["node"]) if vmi["node"] or "{" not in node_host else None
        return addresses.host(host), port["node_port"]
    return addresses.host(service["cluster_ip"]), port["port"]
