# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one call of `host_network_facts`: reads the host, then plans."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network import (
    attachments,
    differences,
    faults,
    model,
    plan,
    uninstall,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_network.read import read

_OPTION = re.compile(r"<(\w+)>")


def run(module: AnsibleModule) -> NoReturn:
    """Ends the module with what the host's network is and what it means for what is wanted."""

    def command(words: list[str]) -> str:
        program = module.get_bin_path(words[0])
        if program is None:
            return ""
        rc, out, _err = module.run_command([program, *words[1:]])
        return out if rc == 0 else ""

    wanted = module.params
    facts = read(command, kinds=asked_kinds(wanted), port=wanted["ssh_port"])
    facts["connection_address"] = wanted["connection_address"]
    module.exit_json(changed=False, **judge(facts, wanted))
    raise AssertionError("exit_json ends the module")


def asked_kinds(wanted: Mapping[str, Any]) -> list[str]:
    """What the kernel must be able to make."""
    asked = {model.KINDS[option] for option in ("bonds", "vlans", "bridges") if wanted.get(option)}
    filtering = [entry.get("vlan_filtering") for _where, entry in model.entries("bridges", wanted)]
    return sorted(asked | ({"vlan_filtering"} if any(filtering) else set()))


def judge(facts: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """`faults`, and where there is none, `plan`, `differences`, `networks` and `stays`."""
    if wanted.get("take_away"):
        return _take_away(facts, int(wanted.get("apply_timeout") or 60))
    good, left_out = faults.sound(wanted)
    made = model.links(good)
    # What was told already is not told again as missing.
    known = {**facts, "links": {**{name: {} for name in left_out if name != "None"}, **facts["links"]}}
    found = [
        *faults.of_wishes(wanted),
        *faults.of_backend(facts, wanted, made),
        *faults.of_host(known, good, made),
        *attachments.of_attachments(known, wanted, made),
    ]
    planned, differ = plan.Plan(), []
    if not found:
        differ = differences.differences(facts, made)
        # What was laid out is taken away by what laid it out.
        backend = faults.own_name(wanted.get("backend"), facts) if made else facts["record"].get("backend", "networkd")
        if made or facts["files"]:
            planned = plan.plan(facts, made, differ, backend, int(wanted.get("apply_timeout") or 60))
        if not wanted.get("allow_management"):
            found += faults.guard(facts, set(planned.touched))
        found += [
            f"<bridges>: {name} is no longer wanted, and {', '.join(ports)} of virtual machines are in it; move them away"
            for name in plan.gone_links(facts, made)
            for ports in [plan.foreign_ports(facts, name)]
            if ports
        ]
    prefix = wanted.get("prefix") or ""
    return {
        "faults": [_OPTION.sub(rf"{prefix}\1", fault) for fault in found],
        "plan": asdict(plan.Plan() if found else planned),
        "differences": [] if found else [difference.text for difference in differ],
        "networks": [] if found else _networks(facts, made),
        "stays": [],
    }


def _take_away(facts: Mapping[str, Any], timeout: int) -> dict[str, Any]:
    """The same for a host that is to have nothing more of it; what stays is not changed, so nothing of it differs."""
    made = uninstall.links(facts)
    backend = facts["record"].get("backend", "networkd")
    planned = plan.plan(facts, made, [], backend, timeout) if facts["files"] else plan.Plan()
    stays = [f"{name}: {why}" for name, why in uninstall.staying(facts).items()]
    return {"faults": [], "plan": asdict(planned), "differences": [], "networks": [], "stays": stays}


def _networks(facts: Mapping[str, Any], made: Mapping[str, model.Link]) -> list[dict[str, Any]]:
    """The addresses that this host has in networks of its own: each with `link`, `address`, `network` and `mtu`."""
    return [
        {
            "link": link.name,
            "address": str(address.ip),
            "network": str(address.network),
            "mtu": faults.mtu(link, facts, made),
        }
        for link in made.values()
        for address in map(model.interface, link.addresses)
        if address
    ]
