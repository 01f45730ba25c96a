# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one call of `kvm_host_facts`: reads the host, then plans."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kvm_host import faults, plan, watchdog
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kvm_host.read import read

_OPTION = re.compile(r"<(\w+)>")


def run(module: AnsibleModule) -> NoReturn:
    """Ends the module with the host's facts and what they mean for what is wanted."""
    wanted = module.params
    facts = read(
        sysctls=[*_names(wanted["sysctls"]), *_names(wanted["sysctls_at_least"])],
        modules=[*_names(wanted["modules"]), "br_netfilter", "nf_conntrack"],
        devices=_names(wanted["devices"]),
    )
    container = _container(module)
    facts.update(
        container=container,
        shared_kernel=container is not None,
        update_grub=module.get_bin_path("update-grub") is not None,
        multipath=module.get_bin_path("multipath") is not None,
        watchdog_seconds=_watchdog(module),
    )
    module.exit_json(changed=False, ansible_facts={"kubevirt_ha_kvm": facts}, **judge(facts, wanted))
    raise AssertionError("exit_json ends the module")


def judge(facts: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """`faults`, and where there is none, `plan` and `differences`."""
    prefix = wanted.get("prefix") or ""
    found = [_OPTION.sub(rf"{prefix}\1", fault) for fault in faults.faults(facts, wanted)]
    differences = [] if found else [asdict(difference) for difference in plan.differences(facts, wanted)]
    for difference in differences:
        difference["text"] = f"{prefix}{difference['option']}: {difference['text']}"
    planned = plan.Plan() if found else plan.plan(facts, wanted)
    return {"faults": found, "plan": asdict(planned), "differences": differences}


def _names(value: Any) -> list[str]:
    """The names in a list, or of a map; a wrong type has none, and is told as a fault."""
    return [str(name) for name in value] if isinstance(value, (list, dict)) else []


def _container(module: AnsibleModule) -> str | None:
    """The kind of container that this is, by systemd's own word; None outside of any."""
    program = module.get_bin_path("systemd-detect-virt")
    if program is None:
        return None
    _rc, out, _err = module.run_command([program, "--container"])
    return None if out.strip() in ("", "none") else out.strip()


def _watchdog(module: AnsibleModule) -> float | None:
    """After how many seconds without a sign of systemd the host is reset, 0 for never; None where no systemd tells."""
    program = module.get_bin_path("systemctl")
    if program is None:
        return None
    _rc, out, _err = module.run_command([program, "show", "--property=RuntimeWatchdogUSec", "--value"])
    return watchdog.span(out)
