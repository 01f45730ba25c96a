# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `etcd_member`: takes one member out of etcd, or tells whether the members that must be there serve."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd import membership, options
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd.cluster import Health, Open, all_failed, survey
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd.gateway import Member


def spec() -> ArgumentSpec:
    """The module's argument spec."""
    own = ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "name": {"type": "str"},
            "member_id": {"type": "str"},
            "peer_url": {"type": "str"},
            "only_lost": {"type": "bool", "default": False},
        },
        mutually_exclusive=[("member_id", "name"), ("member_id", "peer_url")],
    )
    return own.merge(options.login())


def faults(params: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the parameters beyond their types."""
    yield from options.login_faults(params)
    absent = params.get("state") == "absent"
    if absent and not any(params.get(key) for key in ("name", "member_id", "peer_url")):
        yield "member_id: give it, or name or peer_url: which member is to go"
    if params.get("member_id") and not str(params["member_id"]).isdigit():
        yield f"member_id: {params['member_id']} must be the decimal number that this module shows as id"
    if not absent:
        unused = ("member_id", "peer_url", "only_lost")
        yield from (f"{name}: has no meaning with state present" for name in unused if params.get(name))


def run(params: Mapping[str, Any], open_gateway: Open, *, check: bool) -> dict[str, Any]:
    """The module's result, with `failure` where members lack something. Raises Refused where the member must stay."""
    health = survey(params["endpoints"], open_gateway)
    if params["state"] == "present":
        return _present(health, params["name"] or "")
    member = membership.find(
        health.members,
        member_id=params["member_id"] or "",
        name=params["name"] or "",
        peer_url=params["peer_url"] or "",
    )
    if member is None:
        return {"changed": False, "removed": None, "cluster": health.as_dict()}
    against = membership.removal_faults(health, member, only_lost=params["only_lost"])
    if against:
        shown = health.name_of(member.id)
        raise Refused(
            f"member {shown} of etcd is not removed", where=f"etcd member {member.id}", why="; ".join(against)
        )
    if not check:
        _remove(health, member, open_gateway)
    return {
        "changed": True,
        "removed": {"id": member.id, "name": member.name, "peer_urls": list(member.peer_urls)},
        "cluster": health.as_dict(),
        "diff": {"before": _lines(health.members), "after": _lines(m for m in health.members if m.id != member.id)},
    }


def _present(health: Health, name: str) -> dict[str, Any]:
    missing = list(membership.faults(health, name))
    result: dict[str, Any] = {"changed": False, "removed": None, "cluster": health.as_dict()}
    if missing:
        result["failure"] = Refused("etcd is not whole", where=name or "etcd", why="; ".join(missing))
    return result


def _remove(health: Health, member: Member, open_gateway: Open) -> None:
    """Asks the members that stay, one after the other, until one has it agreed on."""
    errors: list[HaError] = []
    for status in sorted(health.candidates, key=lambda found: found.member == member.id):
        gateway = open_gateway(status.endpoint)
        try:
            gateway.remove(member.id)
            return
        except HaError as error:
            errors.append(error)
        with suppress(HaError):
            if all(found.id != member.id for found in gateway.members()):
                return  # only the answer was lost
    raise all_failed(HaError, f"etcd did not remove its member {health.name_of(member.id)}", errors)


def _lines(members: Iterable[Member]) -> str:
    return "".join(sorted(f"{member.name or 'not started'} {member.id}\n" for member in members))
