# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the inventory: their spec, what can be wrong with them, and what they say once they are sound."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec, auth
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import InputError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory import addresses, selector, services
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import name_fault
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.parameters import explain

RUNNING, ALL = "running", "all"
NETWORK, SERVICE, BASTION, VIRTCTL = "network", "service", "bastion", "virtctl"
GROUPS = ("namespace", "node", "label", "os", "status")
WAYS = (NETWORK, SERVICE, BASTION, VIRTCTL)
WINDOWS = ("winrm", "psrp", "ssh")
_HOST_FIELDS = frozenset({"name", "namespace", "uid"})
# Options that mean nothing without their way to connect.
_BELONGS = {"bastion": BASTION, "service_port": SERVICE}
_HOP = re.compile(r"(?:[A-Za-z0-9_][-A-Za-z0-9._+]*@)?(?:[A-Za-z0-9][-A-Za-z0-9._]*|\[[0-9A-Fa-f:.]+\])(?::\d+)?")
_VIRTCTL_FLAGS = {
    "context": "--context",
    "host": "--server",
    "ca_cert": "--certificate-authority",
    "client_cert": "--client-certificate",
    "client_key": "--client-key",
    "tls_server_name": "--tls-server-name",
    "impersonate_user": "--as",
}
# Of what is cached; another one makes older caches answer nothing.
_FORMAT = 2
_ANSIBLES_GROUPS = frozenset({"all", "ungrouped"})


@dataclass(frozen=True)
class Settings:
    """The options, sound and typed; `virtctl` is the program with all that it takes to log in to the same cluster."""

    namespaces: tuple[str, ...]
    label_selectors: tuple[str, ...]
    machines: str
    host_format: str
    group_by: tuple[str, ...]
    parent_group: str
    connect_by: tuple[str, ...]
    network_name: str | None
    ip_family: str | None
    service_types: tuple[str, ...]
    service_port: str | None
    node_port_host: str
    bastion: str | None
    virtctl: tuple[str, ...]
    windows_connection: str

    @property
    def reads_services(self) -> bool:
        """Whether Services are read."""
        return SERVICE in self.connect_by

    @property
    def reads_machines(self) -> bool:
        """Whether VirtualMachines are read beside their instances."""
        return self.machines == ALL


def spec() -> ArgumentSpec:
    """The options beside those of Ansible's own fragments."""
    own = ArgumentSpec(
        {
            "namespaces": _names(aliases=["namespace"]),
            "label_selectors": _names(),
            "machines": _choice(RUNNING, ALL),
            "host_format": {"type": "str", "default": "{namespace}-{name}"},
            "group_by": _names(*GROUPS, default=list(GROUPS)),
            "parent_group": {"type": "str", "default": "kubevirt"},
            "connect_by": _names(*WAYS, default=[NETWORK]),
            "network_name": {"type": "str"},
            "ip_family": {"type": "str", "choices": [addresses.IPV4, addresses.IPV6]},
            "service_types": _names(*services.TYPES, default=list(services.TYPES)),
            "service_port": {"type": "str"},
            "node_port_host": {"type": "str", "default": "{node}"},
            "bastion": {"type": "str"},
            "virtctl": {"type": "path", "default": "virtctl"},
            "windows_connection": _choice(*WINDOWS),
        }
    )
    return own.merge(argspec.connection())


def sound(given: Mapping[str, Any], stray: Sequence[str] = ()) -> dict[str, Any]:
    """The options with defaults and environment filled in; InputError names all that is wrong with them, `stray` first."""
    whole = spec()
    validator = ArgumentSpecValidator(**whole.to_kwargs())
    result = validator.validate(dict(given))
    params: dict[str, Any] = result.validated_parameters
    faults = [*stray, *(explain(whole, given) if result.error_messages else []), *_faults(params)]
    if faults:
        raise InputError(faults)
    return params


def settings(params: Mapping[str, Any]) -> Settings:
    """The settings of sound options."""
    own = {name: params[name] for name in Settings.__dataclass_fields__}
    found: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in own.items()}
    return Settings(**{**found, "virtctl": _virtctl(params)})


def fingerprint(params: Mapping[str, Any]) -> str:
    """Tells whether what was read before is what these options ask for, of which server, and as whom; one way."""
    asked = {
        "format": _FORMAT,
        "login": auth.identity(params),
        **{name: params[name] for name in ("namespaces", "label_selectors", "machines")},
        "services": SERVICE in params["connect_by"],
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def _virtctl(params: Mapping[str, Any]) -> tuple[str, ...]:
    """The program with the flags that take it to the cluster of the options; nothing secret is among them."""
    command, kubeconfig = [str(params["virtctl"])], params["kubeconfig"]
    if isinstance(kubeconfig, str):
        paths = [os.path.abspath(os.path.expanduser(path)) for path in kubeconfig.split(os.pathsep) if path]
        if len(paths) > 1:
            command = ["env", f"KUBECONFIG={os.pathsep.join(paths)}", *command]
        else:
            command += ["--kubeconfig", *paths]
    elif params["host"] and not params["context"]:
        command += ["--kubeconfig", os.devnull]  # no other cluster's credentials are sent
    for name, flag in _VIRTCTL_FLAGS.items():
        if params[name]:
            command += [flag, str(params[name])]
    command += [f"--as-group={group}" for group in params["impersonate_groups"] or []]
    command += ["--insecure-skip-tls-verify"] if params["validate_certs"] is False else []
    return tuple(command)


def _names(*choices: str, default: list[str] | None = None, **more: Any) -> dict[str, Any]:
    option = {"type": "list", "elements": "str", "default": default or [], **more}
    return {**option, "choices": list(choices)} if choices else option


def _choice(*choices: str) -> dict[str, Any]:
    return {"type": "str", "choices": list(choices), "default": choices[0]}


def _faults(params: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the options beyond types and choices; those of a wrong type are passed over."""
    for namespace in _list(params, "namespaces"):
        wrong = name_fault(namespace)
        if wrong:
            yield f"namespaces: {wrong}"
    for text in _list(params, "label_selectors"):
        try:
            selector.parse([text])
        except ValueError as error:
            yield f"label_selectors: {error}"
    yield from _format_faults("host_format", params, _HOST_FIELDS, needs=frozenset({"name", "uid"}))
    yield from _format_faults("node_port_host", params, frozenset({"node"}))
    if str(params.get("parent_group")) in _ANSIBLES_GROUPS or not params.get("parent_group"):
        yield f"parent_group: {params.get('parent_group')!r} cannot be it; give a name of its own"
    yield from _connection_faults(params)


def _connection_faults(params: Mapping[str, Any]) -> Iterator[str]:
    ways = _list(params, "connect_by")
    for name in ("connect_by", "service_types"):
        if params.get(name) == []:
            yield f"{name}: is empty; name at least one"
    for name, way in _BELONGS.items():
        if params.get(name) and way not in ways:
            yield f"{name}: has no effect, since connect_by does not name {way}"
    yield from _virtctl_faults(params) if VIRTCTL in ways else ()
    bastion = params.get("bastion")
    if BASTION in ways and not bastion:
        yield "bastion: is missing; connect_by names bastion, so give the jump host as user@host or user@host:port"
    elif isinstance(bastion, str) and not all(_HOP.fullmatch(hop) for hop in bastion.split(",")):
        yield f"bastion: {bastion!r} is no jump host; write user@host or user@host:port, several with commas between"


def _virtctl_faults(params: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(params.get("kubeconfig"), Mapping):
        yield "kubeconfig: must be a path for virtctl, which connect_by names"
    for name in ("api_key", "password"):
        if params.get(name):
            yield f"{name}: cannot be given to virtctl, where the process list would show it; put it into a kubeconfig"
    if params.get("proxy"):
        yield "proxy: cannot be given to virtctl, which has no option for it; put it into a kubeconfig, as proxy-url"


def _format_faults(
    name: str, params: Mapping[str, Any], known: frozenset[str], needs: frozenset[str] = frozenset()
) -> Iterator[str]:
    text = params.get(name)
    shown = " and ".join(f"{{{field}}}" for field in sorted(known))
    if not isinstance(text, str):
        return
    try:
        parts = [part for part in Formatter().parse(text) if part[1] is not None]
    except ValueError as error:
        yield f"{name}: {text!r} is no format ({error}); it may hold {shown}"
        return
    unknown = sorted(str(part[1]) for part in parts if part[1] not in known or part[2] or part[3])
    if unknown or not text.strip():
        yield f"{name}: {text!r} must be made of text and {shown}"
    elif needs and not needs & {part[1] for part in parts}:
        yield f"{name}: {text!r} gives several machines one name; it needs {' or '.join(f'{{{n}}}' for n in sorted(needs))}"


def _list(params: Mapping[str, Any], name: str) -> list[str]:
    value = params.get(name)
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []
