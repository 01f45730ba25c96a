# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Some variables of some hosts, and the address of one, read once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError


def host_variables(hostvars: Any, hosts: Iterable[str], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """{host: {variable: value}}; a variable that a host has not is left out.

    Ansible puts all variables of a host together anew each time it is looked at.
    """
    if not isinstance(hostvars, Mapping):
        raise AnsibleFilterError("virtops.kubevirt_ha.host_variables: give hostvars")
    wanted = list(names)
    return {host: _of(hostvars[host], wanted) for host in hosts}


def _of(given: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}


def address_of(hostvars: Any, host: str, *names: str) -> str:
    """Where a host is reached: by the first of the variables that it has, else as Ansible reaches it, else by its name."""
    if not isinstance(hostvars, Mapping):
        raise AnsibleFilterError("virtops.kubevirt_ha.address_of: give hostvars")
    found = _of(hostvars[host], (*names, "ansible_host")) if host in hostvars else {}
    return next((str(value) for value in found.values() if value), host)


class FilterModule:
    """The filters by their names."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by their names."""
        return {"host_variables": host_variables, "address_of": address_of}
