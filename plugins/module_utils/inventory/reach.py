# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the variables by which Ansible reaches a machine, or why there is no way to it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory import addresses, options, services
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory.options import Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory.services import Lead

Variables = dict[str, Any]

SSH_PORT, WINRM_HTTPS, WINRM_HTTP = 22, 5986, 5985
_SCHEME = {"winrm": "ansible_winrm_scheme", "psrp": "ansible_psrp_protocol"}
# What the API server allows in names; nothing else gets into a command.
_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?")


class NoWay(Exception):
    """Why one way does not lead to a machine."""


def reach(
    vmi: Mapping[str, Any], found: Sequence[Lead], system: str | None, settings: Settings
) -> tuple[Variables, str | None]:
    """The connection's variables by the first way that leads to the instance; without one none, and the reasons."""
    login = settings.windows_connection if system == "windows" else "ssh"
    reasons = []
    for way in settings.connect_by:
        try:
            return {**_login(system, login), **_WAYS[way](vmi, found, login, settings)}, None
        except NoWay as reason:
            reasons.append(f"{way}: {reason}")
    return _login(system, login), "; ".join(reasons)


def _login(system: str | None, login: str) -> Variables:
    if system != "windows":
        return {}
    # OpenSSH on Windows hands commands to cmd unless its DefaultShell says otherwise.
    return {"ansible_connection": login, **({"ansible_shell_type": "cmd"} if login == "ssh" else {})}


def _by_network(vmi: Mapping[str, Any], _found: Sequence[Lead], _login_by: str, settings: Settings) -> Variables:
    address = addresses.of_instance(vmi, settings.network_name, settings.ip_family)
    if address is None:
        where = f"network {settings.network_name}" if settings.network_name else "any network"
        raise NoWay(f"the instance reports no address on {where}")
    return {"ansible_host": address}


def _by_service(vmi: Mapping[str, Any], found: Sequence[Lead], login: str, settings: Settings) -> Variables:
    ports = (SSH_PORT,) if login == "ssh" else (WINRM_HTTPS, WINRM_HTTP)
    wanted = [settings.service_port] if settings.service_port else [str(port) for port in ports]
    end = services.endpoint(found, vmi, types=settings.service_types, ports=wanted, node_host=settings.node_port_host)
    if end is None:
        kinds, port = " or ".join(settings.service_types), " or ".join(wanted)
        raise NoWay(f"no {kinds} that has an address and selects this machine alone leads to its port {port}")
    plain = {_SCHEME[login]: "http"} if login in _SCHEME and end.target == WINRM_HTTP else {}
    return {"ansible_host": end.host, "ansible_port": end.port, **plain}


def _by_bastion(vmi: Mapping[str, Any], found: Sequence[Lead], login: str, settings: Settings) -> Variables:
    _needs_ssh(login)
    jump = shlex.quote(f"ProxyJump={settings.bastion}")
    return {**_by_network(vmi, found, login, settings), "ansible_ssh_common_args": f"-o {jump}"}


def _by_virtctl(vmi: Mapping[str, Any], _found: Sequence[Lead], login: str, settings: Settings) -> Variables:
    _needs_ssh(login)
    name, namespace = str(vmi["name"]), str(vmi["namespace"])
    if not _NAME.fullmatch(name) or not _NAME.fullmatch(namespace):
        raise NoWay("its name is none that the API server allows")
    command = [*settings.virtctl, "port-forward", "--stdio=true", f"vmi/{name}/{namespace}"]
    # ssh puts its port for %p and gives a ProxyCommand to a shell; Ansible splits the whole like one.
    proxy = f"ProxyCommand={shlex.join(command).replace('%', '%%')} %p"
    return {"ansible_ssh_common_args": f"-o {shlex.quote(proxy)}"}


def _needs_ssh(login: str) -> None:
    if login != "ssh":
        raise NoWay(f"it carries ssh only, and this Windows guest is reached by {login} (windows_connection)")


_WAYS: dict[str, Callable[[Mapping[str, Any], Sequence[Lead], str, Settings], Variables]] = {
    options.NETWORK: _by_network,
    options.SERVICE: _by_service,
    options.BASTION: _by_bastion,
    options.VIRTCTL: _by_virtctl,
}
