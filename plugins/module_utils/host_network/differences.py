# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the wanted links is not so now, by what `ip -details link` tells. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network import model
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network.model import Facts, Link


@dataclass
class Difference:
    """One thing that is not as it was asked for. `anew`: the link must be made anew for it."""

    link: str
    text: str
    anew: bool = False


def differences(facts: Facts, made: Mapping[str, Link]) -> list[Difference]:
    """What does not hold now."""
    return [difference for link in made.values() for difference in _of(link, facts, made)]


def excess_vlans(link: Link, facts: Facts, made: Mapping[str, Link]) -> list[int]:
    """VLANs that a port of a filtering bridge is in and shall not be; ports of virtual machines are not the role's."""
    master = made.get(link.master)
    if master is None or not master.vlan_filtering:
        return []
    return sorted(set(facts["vlans"].get(link.name, [])) - set(model.bridged_vlans(link, made)))


def _of(link: Link, facts: Facts, made: Mapping[str, Link]) -> Iterator[Difference]:
    now = facts["links"].get(link.name)
    if now is None:
        yield Difference(link.name, f"{link.name} is missing")
        return
    said = _said(now)
    if link.mtu and now.get("mtu") != link.mtu:
        yield Difference(link.name, f"{link.name}: mtu is {now.get('mtu')}, not {link.mtu}")
    if link.master and now.get("master") != link.master:
        yield Difference(
            link.name, f"{link.name}: it is a port of {now.get('master') or 'nothing'}, not of {link.master}"
        )
    if "UP" not in (now.get("flags") or []):
        yield Difference(link.name, f"{link.name} is down")
    held = {str(model.interface(text)) for text in facts["addresses"].get(link.name, [])}
    for address in link.addresses:
        if address not in held:
            yield Difference(link.name, f"{link.name}: {address} is not on it")
    yield from _KINDS[link.kind](link, said, now)
    missing = sorted(set(model.bridged_vlans(link, made)) - set(facts["vlans"].get(link.name, [])))
    if missing:
        yield Difference(link.name, f"{link.name}: it is not in VLAN {_spans(missing)}")
    excess = excess_vlans(link, facts, made)
    if excess:
        yield Difference(link.name, f"{link.name}: it is in VLAN {_spans(excess)}, which was not asked for")


def _nothing(_link: Link, _said: Mapping[str, Any], _now: Mapping[str, Any]) -> Iterator[Difference]:
    yield from ()


def _bond(link: Link, said: Mapping[str, Any], _now: Mapping[str, Any]) -> Iterator[Difference]:
    wanted = {"mode": link.mode, **{key: value for key, value in link.options.items() if key != "primary"}}
    keys = {"lacp_rate": "ad_lacp_rate"}
    for key, value in wanted.items():
        now = said.get(keys.get(key, key))
        if now is not None and str(now) != str(value):
            yield Difference(link.name, f"{link.name}: {key} is {now}, not {value}", anew=True)


def _vlan(link: Link, said: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    if said.get("id") != link.id or now.get("link") != link.parent:
        yield Difference(
            link.name,
            f"{link.name}: it is VLAN {said.get('id')} of {now.get('link')}, not {link.id} of {link.parent}",
            anew=True,
        )


def _bridge(link: Link, said: Mapping[str, Any], _now: Mapping[str, Any]) -> Iterator[Difference]:
    # A bridge is set as it is: made anew it would lose the ports of virtual machines.
    wanted = {"vlan_filtering": int(link.vlan_filtering), "stp_state": int(link.stp)}
    if link.vlan_filtering:
        wanted["vlan_default_pvid"] = link.untagged
    for key, value in wanted.items():
        if said.get(key, value) != value:
            yield Difference(link.name, f"{link.name}: {key} is {said.get(key)}, not {value}")


_KINDS = {"": _nothing, "bond": _bond, "vlan": _vlan, "bridge": _bridge}


def _said(now: Mapping[str, Any]) -> Mapping[str, Any]:
    return (now.get("linkinfo") or {}).get("info_data") or {}


def _spans(ids: list[int]) -> str:
    return ", ".join(map(model.span, model.ranges(ids)))
