# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files, commands and the way back, for wishes without faults. No I/O."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network import (
    commands,
    ifupdown,
    networkd,
    nmstate,
    read,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network.differences import (
    Difference,
    excess_vlans,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network.model import Facts, Link


@dataclass
class Plan:
    """`files`: path → text, what the role owns as a whole; `kept`: paths of those that are there; `removed`: of those in excess.

    `apply`, `confirm`, `rollback`: lines of a shell, the last for when the files of before are back. `touched`: links that
    are changed. `work`: whether the commands have anything to do.
    """

    backend: str = ""
    files: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    apply: list[str] = field(default_factory=list)
    confirm: list[str] = field(default_factory=list)
    rollback: list[str] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    work: bool = False


def plan(facts: Facts, made: Mapping[str, Link], found: Iterable[Difference], backend: str, timeout: int = 60) -> Plan:
    """What is to be done. `found`: what differs now; `timeout`: seconds until it is taken back unless it is confirmed."""
    found = list(found)
    gone, freed = gone_links(facts, made), released(facts, made)
    files = _files(facts, made, backend)
    removed = sorted(set(facts["files"]) - set(files))
    work = bool(
        found or gone or freed or removed or any(facts["files"].get(path) != text for path, text in files.items())
    )
    drop = [*gone, *sorted({difference.link for difference in found if difference.anew})]
    apply = list(nmstate.apply(made, facts, gone, timeout))
    if backend != "nmstate":
        # A bond that was a port itself and goes is no more to be freed.
        apply = [
            *_dropped(drop),
            *_freed(name for name in freed if name not in drop),
            *_APPLY[backend](facts, made, found),
            *_excess(facts, made),
        ]
    return Plan(
        backend=backend,
        files=files,
        kept=sorted(facts["files"]),
        removed=removed,
        apply=apply,
        confirm=["nmstatectl commit || true"] if backend == "nmstate" else [],
        rollback=list(_rollback(facts, made, backend)),
        touched=sorted({*changed(facts, made), *(difference.link for difference in found), *gone, *freed}),
        work=work,
    )


def changed(facts: Facts, made: Mapping[str, Link]) -> list[str]:
    """The links that were not wanted in this form when the role last ran."""
    before = facts["record"].get("links") or {}
    return [name for name, link in made.items() if before.get(name) != _recorded(link)]


def _recorded(link: Link) -> dict[str, Any]:
    """What a link has beside its name that is not as by default."""
    plain = asdict(Link(link.name))
    return {key: value for key, value in asdict(link).items() if value != plain[key]}


def gone_links(facts: Facts, made: Mapping[str, Link]) -> list[str]:
    """Links that the role made, are there, and are no longer wanted; those on top first."""
    before = facts["record"].get("links") or {}
    gone = [name for name, link in before.items() if link.get("kind") and name not in made and name in facts["links"]]
    return gone[::-1]


def released(facts: Facts, made: Mapping[str, Link]) -> list[str]:
    """Ports that the role gave to a bond or bridge, and that are in it without being wanted there."""
    before = facts["record"].get("links") or {}
    return [
        name
        for name, link in before.items()
        if link.get("master")
        and facts["links"].get(name, {}).get("master") == link["master"]
        and (name not in made or not made[name].master)
    ]


def foreign_ports(facts: Facts, bridge: str) -> list[str]:
    """Ports of a bridge that the role did not give it: those of virtual machines."""
    own = facts["record"].get("links") or {}
    return sorted(name for name, link in facts["links"].items() if link.get("master") == bridge and name not in own)


def _files(facts: Facts, made: Mapping[str, Link], backend: str) -> dict[str, str]:
    if not made:
        return {}
    files = _FILES[backend](made, facts)
    record = {"backend": backend, "links": {name: _recorded(link) for name, link in made.items()}}
    return {**files, f"/{read.STATE}": json.dumps(record, indent=2) + "\n"}


# It may be about to start anew.
_RELOAD = "networkctl reload || { sleep 2; networkctl reload; }"
_SETTLED = (
    "for _ in 1 2 3 4 5 6 7 8 9 10; do sleep 0.5;"
    " networkctl --no-legend list {name} | grep -Eq '(pending|initialized|configuring) *$' || break; done"
)


def _networkd(facts: Facts, made: Mapping[str, Link], found: list[Difference]) -> Iterator[str]:
    differ = {difference.link for difference in found}
    below = _below({difference.link for difference in found if difference.anew} | (differ - set(facts["links"])), made)
    names = [name for name in made if name in differ | below]
    yield _RELOAD
    # The reload makes what is missing, soon after it has answered; only then can it have ports.
    yield from (
        f"for _ in 1 2 3 4 5 6 7 8 9 10; do ip link show {name} >/dev/null && break; sleep 0.5; done" for name in names
    )
    # It looks at links again whose files are new, and not at the others.
    again = sorted(differ - set(changed(facts, made)))
    yield from (f"networkctl reconfigure {name}" for name in again)
    # It answers before it has done so, and would take a port off a bridge that was made anew after what follows has put it there.
    yield from (_SETTLED.format(name=name) for name in again)
    # It sets nothing of a bridge, bond or VLAN that is there, and loses the master of a port when that was deleted.
    for name in names:
        if name in facts["links"]:
            yield from commands.make(made[name], made)
            yield f"ip link set {name} up"


def _below(anew: set[str], made: Mapping[str, Link]) -> set[str]:
    """What goes along with links that are made anew: they lose their ports, and the VLANs on them are gone."""
    found = {name for name, link in made.items() if link.master in anew}
    while True:
        more = {name for name, link in made.items() if link.parent in anew | found} - found
        if not more:
            return found
        found |= more


def _ifupdown(_facts: Facts, made: Mapping[str, Link], _found: list[Difference]) -> Iterator[str]:
    names = [name for name, link in made.items() if ifupdown.own(link)]
    if names:
        yield f"ifup --force {' '.join(map(shlex.quote, names))}"


_FILES = {"networkd": networkd.files, "nmstate": nmstate.files, "ifupdown": ifupdown.files}
_APPLY = {"networkd": _networkd, "ifupdown": _ifupdown}


def _dropped(names: Iterable[str]) -> list[str]:
    return [f"ip link delete {name} 2>/dev/null || true" for name in names]


def _freed(names: Iterable[str]) -> list[str]:
    return [f"ip link set {name} nomaster" for name in names]


def _excess(facts: Facts, made: Mapping[str, Link]) -> Iterator[str]:
    """No backend takes away a VLAN that somebody else put on a port."""
    for name, link in made.items():
        yield from (f"bridge vlan delete dev {name} vid {number}" for number in excess_vlans(link, facts, made))


def _rollback(facts: Facts, made: Mapping[str, Link], backend: str) -> Iterator[str]:
    """What makes the kernel what `facts` say, once the backend's files are those of before."""
    if backend == "nmstate":
        yield "nmstatectl rollback || true"
        return
    yield from _dropped(name for name, link in reversed(list(made.items())) if link.kind and name not in facts["links"])
    if backend == "networkd":
        yield f"{_RELOAD} || true"
    else:
        old = [name for name in facts["record"].get("links") or {} if name in facts["links"]]
        yield from (f"ifup --force {name} || true" for name in old)
    for name in made:
        if name in facts["links"]:
            yield from _back(name, facts["links"][name], facts["addresses"].get(name, []), made[name])
    yield from (_route_back(route) for route in facts["routes"])


def _back(name: str, was: Mapping[str, Any], held: list[str], link: Link) -> Iterator[str]:
    yield f"ip link set {name} {'master ' + was['master'] if was.get('master') else 'nomaster'} || true"
    yield f"ip link set {name} mtu {was.get('mtu', 1500)} || true"
    yield f"ip link set {name} {'up' if 'UP' in (was.get('flags') or []) else 'down'} || true"
    yield from (f"ip address delete {text} dev {name} || true" for text in link.addresses if text not in held)
    yield from (f"ip address replace {text} dev {name} || true" for text in held)


def _route_back(route: Mapping[str, Any]) -> str:
    gateway = str(route.get("gateway") or "")
    words = ["ip", *(["-6"] if ":" in gateway else []), "route", "replace", "default"]
    words += ["via", gateway] if gateway else []
    words += ["dev", str(route["dev"])]
    words += ["metric", str(route["metric"])] if "metric" in route else []
    return " ".join(words) + " || true"
