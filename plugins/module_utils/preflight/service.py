# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of `preflight_network`: listen, ask, stop."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.preflight import asker, faults, listener, plan
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.preflight.plan import Node

# A connection that waits for a lost SYN's second one, which the kernel sends after a second.
TIMEOUT = 2.5


def run(module: AnsibleModule) -> NoReturn:
    """Carries out the module and ends it."""
    given = module.params
    nodes = [Node.of(node) for node in given["nodes"]]
    own = next((node for node in nodes if node.name == given["name"]), None)
    work = {"listen": _listen, "ask": _ask, "stop": _stop}[given["state"]]
    module.exit_json(changed=False, **work(module, own, nodes))
    raise AssertionError("exit_json ends the module")


def _wants(module: AnsibleModule, check: str) -> bool:
    return check not in module.params["skip"]


def _listen(module: AnsibleModule, own: Node | None, nodes: list[Node]) -> dict[str, Any]:
    listener.stop()  # one of a run that was broken off
    if own is None:
        return {"opened": [], "busy": [], "held": [], "faults": []}
    found = listener.open_ports(plan.opened(own, nodes, module.params["ports"]))
    vrrp = listener.vrrp_ear() if plan.LOAD_BALANCERS in own.groups and _wants(module, "vrrp") else None
    opened = [ear.getsockname()[1] for ear in found.ears]
    listener.start(found.ears, vrrp, module.params["seconds"])
    told = list(faults.of_opening(own.name, found.refused)) if _wants(module, "ports") else []
    return {"opened": opened, "busy": found.busy, "held": found.held, "faults": told}


def _stop(module: AnsibleModule, own: Node | None, nodes: list[Node]) -> dict[str, Any]:
    heard = listener.stop()
    told: list[str] = []
    if own is not None and heard is not None and _wants(module, "vrrp"):
        told = list(faults.of_vrrp(own.name, heard["vrrp"], plan.vrrp_peers(own, nodes)))
    return {"heard": heard, "faults": told}


def _ask(module: AnsibleModule, own: Node | None, nodes: list[Node]) -> dict[str, Any]:
    """From a node all that it needs; from elsewhere, such as the controller, the clocks only."""
    given = module.params
    answers = asker.connect_all(plan.questions(own, nodes, given["ports"]), given["timeout"])
    told: list[str] = []
    if _wants(module, "clocks"):
        told += faults.of_clocks(given["name"], answers, given["clock_skew_seconds"])
    result: dict[str, Any] = {"clocks": clocks(answers)}
    if own is not None:
        if _wants(module, "ports"):
            told = [*faults.of_ports(own.name, answers), *told]
        more, result["mtu_unknown"] = _packets(module, own, nodes)
        told += [*more, *_names(module, own, nodes)]
    return {**result, "asked": len(answers), "faults": told}


def clocks(answers: Iterable[asker.Answer]) -> dict[str, float]:
    """Node → seconds that its clock is ahead, by the quickest of its answers."""
    known = [answer for answer in answers if answer.ahead is not None]
    slowest_first = sorted(known, key=lambda answer: -answer.unsure)
    return {answer.question.node: round(answer.ahead or 0.0, 4) for answer in slowest_first}


def _packets(module: AnsibleModule, own: Node, nodes: list[Node]) -> tuple[list[str], list[str]]:
    """Faults of VRRP's sending and of MTUs, and the nodes of which nothing is known."""
    try:
        if _wants(module, "vrrp"):
            asker.send_vrrp(peer.balancer_address for peer in plan.vrrp_peers(own, nodes))
        if not _wants(module, "mtu"):
            return [], []
        found = asker.echoes(_links(module, plan.neighbours(own, nodes)))
    except OSError as error:
        return [f"{own.name}: raw packets cannot be sent ({error.strerror}); run with become"], []
    return list(faults.of_mtu(own.name, found)), faults.silent(found)


def _links(module: AnsibleModule, addresses: Mapping[str, str]) -> dict[str, tuple[str, str, int]]:
    """Name → (address, link, MTU) of the neighbours that are reached over a link, each address once."""
    program = module.get_bin_path("ip")
    found: dict[str, tuple[str, str, int]] = {}
    for address, name in addresses.items() if program else ():
        _rc, out, _err = module.run_command([program, "-json", "-4", "route", "get", address])
        with suppress(ValueError, LookupError, OSError):
            route = json.loads(out)[0]
            with open(f"/sys/class/net/{route['dev']}/mtu", encoding="ascii") as file:
                mtu = int(file.read())
            limits = [int(metric["mtu"]) for metric in route.get("metrics") or [] if "mtu" in metric]
            label = name if name not in found else f"{name} ({address})"
            if route["dev"] != "lo":
                found[label] = (route.get("dst", address), route["dev"], min([mtu, *limits]))
    return found


def _names(module: AnsibleModule, own: Node, nodes: list[Node]) -> list[str]:
    if not _wants(module, "names"):
        return []
    options = {name: "the address of node" for node in nodes for name in _addresses(node) if faults.is_name(name)}
    endpoint = module.params["endpoint"]
    if faults.is_name(endpoint):
        options[endpoint] = "kubernetes_api_endpoint"
    return list(faults.of_names(own.name, asker.resolve_all(options), options))


def _addresses(node: Node) -> tuple[str, ...]:
    return (node.address, node.storage_address, node.balancer_address)
