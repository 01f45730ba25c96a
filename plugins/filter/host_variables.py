# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Some variables of some hosts, read once."""

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


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"host_variables": host_variables}
