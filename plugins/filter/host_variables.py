# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Some variables of some hosts, the address of one, and where monitoring is asked, read once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

_ON_HOSTS = "hosts"
# Variables of the role monitoring: ports with what they are by default, and the account.
_PORTS = {"prometheus": ("monitoring_prometheus_port", 9090), "alertmanagers": ("monitoring_alertmanager_port", 9093)}
_ACCOUNT = {
    "ca_file": "monitoring_tls_ca_file",
    "user": "monitoring_web_user",
    "password_file": "monitoring_web_password_file",
}
_ADDRESSES = ("monitoring_address", "kubernetes_node_address")
_MONITORING = (
    *_ADDRESSES,
    "ansible_host",
    "monitoring_form",
    "monitoring_tls_cert_file",
    *(port for port, _default in _PORTS.values()),
    *_ACCOUNT.values(),
)


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


def monitoring_servers(hostvars: Any, hosts: Iterable[str]) -> dict[str, Any]:
    """Each Prometheus and Alertmanager as the role monitoring lays them out on the hosts, and the account that asks them.

    How they are asked, and whether they are on hosts at all, is what the first host says.
    """
    given = host_variables(hostvars, hosts, _MONITORING)
    first: Mapping[str, Any] = next(iter(given.values()), {})
    found: dict[str, Any] = {name: [] for name in _PORTS}
    for host, own in given.items() if first.get("monitoring_form", _ON_HOSTS) == _ON_HOSTS else ():
        scheme = "https" if own.get("monitoring_tls_cert_file") else "http"
        address = address_of(given, host, *_ADDRESSES)
        for name, (port, default) in _PORTS.items():
            found[name].append({"host": host, "url": f"{scheme}://{address}:{own.get(port, default)}"})
    return {**found, **{name: first.get(variable) or "" for name, variable in _ACCOUNT.items()}}


class FilterModule:
    """The filters by their names."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by their names."""
        return {
            "host_variables": host_variables,
            "address_of": address_of,
            "monitoring_servers": monitoring_servers,
        }
