# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Powers one proven machine on or off through its BMC, and proves it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.ipmi import Ipmi
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.model import (
    OFF,
    ON,
    Bmc,
    Device,
    FencingError,
    Proof,
    Reading,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.redfish import Redfish

_WANTED = {"off": OFF, "on": ON}
_POLL_SECONDS = 0.5
_DEVICES: dict[str, type[Redfish] | type[Ipmi]] = {"redfish": Redfish, "ipmi": Ipmi}


@dataclass(frozen=True)
class Request:
    """What is asked for: `state` is off, on or status; times are seconds."""

    node: str
    bmc: Bmc
    state: str
    timeout: float = 60
    read_timeout: float = 10
    check_mode: bool = False


def device_of(bmc: Bmc) -> Device:
    """The BMC's protocol."""
    return _DEVICES[bmc.type](bmc)


def prove_off(node: str, bmc: Bmc, seconds: float) -> Proof:
    """Reads the power state anew. Raises FencingError unless it is off and the BMC answers for this node."""
    try:
        reading = device_of(bmc).read(seconds)
    except FencingError as error:
        raise _of_node(error, node) from error
    if reading.power_state != OFF:
        raise _unproven(node, bmc, reading.power_state)
    return _proof(node, bmc, reading)


def fence(request: Request) -> dict[str, Any]:
    """Carries a request out: {changed, node, power_state, identity, read_at, proof where it is off, diff}.

    Raises FencingError, which names BMC, node, reason and way out, when the wanted state is not proven in time.
    """
    try:
        return _fence(request, device_of(request.bmc))
    except FencingError as error:
        raise _of_node(error, request.node) from error


def _fence(request: Request, device: Device) -> dict[str, Any]:
    until = time.monotonic() + request.timeout
    before = device.read(min(request.read_timeout, request.timeout))
    wanted = _WANTED.get(request.state)
    changed = wanted is not None and before.power_state != wanted
    after = before
    if changed and not request.check_mode:
        device.switch(request.state, before, until - time.monotonic())
        after = _read_until(request, device, str(wanted), until)
    predicted = str(wanted) if changed else before.power_state
    result: dict[str, Any] = {
        "changed": changed,
        "node": request.node,
        "power_state": after.power_state,
        "identity": after.identity,
        "read_at": after.read_at,
        "diff": {"before": {"power_state": before.power_state}, "after": {"power_state": predicted}},
    }
    if after.power_state == OFF:
        result["proof"] = _proof(request.node, request.bmc, after).as_dict()
    return result


def _read_until(request: Request, device: Device, wanted: str, until: float) -> Reading:
    """The independent read after the action; a BMC may lag behind what it told the agent, or stumble once."""
    while True:
        try:
            reading = device.read(max(1.0, min(request.read_timeout, until - time.monotonic())))
            if reading.power_state == wanted:
                return reading
            failure = _unproven(request.node, request.bmc, reading.power_state)
        except FencingError as error:
            failure = error
        if time.monotonic() + _POLL_SECONDS > until:
            raise failure
        time.sleep(_POLL_SECONDS)


def _proof(node: str, bmc: Bmc, reading: Reading) -> Proof:
    return Proof(node, reading.power_state, reading.read_at, reading.identity, bmc.url)


def _unproven(node: str, bmc: Bmc, found: str) -> FencingError:
    return FencingError(
        f"the power state of node {node} is not proven",
        where=bmc.url,
        why=f"read back was {found}",
        fix=f"Take {node} as running: leave its virtual machines alone, look at the BMC, and run again",
    )


def _of_node(error: FencingError, node: str) -> FencingError:
    if node in error.what:
        return error
    return FencingError(f"node {node}: {error.what}", where=error.where, why=error.why, fix=error.fix)
