# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection's URI from plain parameters, and why a connection failed in a way that tells the way out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import without_password

_SSH = frozenset({"ssh", "libssh", "libssh2"})
_TRANSPORTS = _SSH | {"", "unix", "tls", "tcp", "ext"}
# Parameters that become the URI's: the transports each is for; its name there.
_PARAMETERS: dict[str, tuple[frozenset[str], str]] = {
    "keyfile": (_SSH, "keyfile"),
    "known_hosts": (_SSH, "known_hosts"),
    "command": (frozenset({"ssh", "ext"}), "command"),
    "netcat": (_SSH, "netcat"),
    "proxy": (_SSH, "proxy"),
    "socket": (_SSH | {"", "unix", "ext"}, "socket"),
    "pkipath": (frozenset({"tls"}), "pkipath"),
}
_UNVERIFIED = _SSH | {"tls"}
_FILES = ("keyfile", "known_hosts")
# In pkipath; a client without a certificate of its own is possible.
_AUTHORITY, _CLIENT = "cacert.pem", ("clientcert.pem", "clientkey.pem")
_SCHEME = re.compile(r"^[a-z0-9]+(\+[a-z0-9]+)?$")


@dataclass(frozen=True)
class Target:
    """Where libvirt is asked. `uri` has all parameters; `shown` has none, for messages and facts."""

    uri: str
    shown: str
    driver: str
    transport: str
    host: str

    @property
    def remote(self) -> bool:
        """Whether another machine is asked, so that this one's sysfs tells nothing of it."""
        return bool(self.host) and self.transport not in ("", "unix")

    @property
    def this_machine(self) -> bool:
        """Whether this machine's own hypervisor is asked."""
        return not self.remote and self.driver != "test"

    @property
    def by_ssh(self) -> bool:
        """Whether the ssh program is used, which knows nothing of most of the URI's parameters."""
        return self.transport == "ssh"


def transport_of(uri: str) -> tuple[str, str]:
    """Driver and transport of a URI; libvirt takes a host without a transport for TLS."""
    parts = urlsplit(uri)
    driver, _plus, transport = parts.scheme.partition("+")
    return driver, transport or ("tls" if parts.hostname and driver != "test" else "")


def target(params: Mapping[str, Any], ssh_program: str | None = None) -> Target:
    """The target of a module's parameters, which have no faults.

    ssh_program: the program that stands for ssh; it takes care of known_hosts, which libvirt hands to its own SSH
    transports only.
    """
    uri = params["uri"]
    driver, transport = transport_of(uri)
    query = {name: params[key] for key, (_for, name) in _PARAMETERS.items() if params.get(key)}
    if transport == "ssh":
        query.pop("known_hosts", None)
        query.update({"command": ssh_program} if ssh_program else {}, no_tty="1")
    if params.get("no_verify"):
        query["no_verify"] = "1"
    given = {key for key, _value in parse_qsl(urlsplit(uri).query)}
    text = "&".join(f"{key}={quote(str(value), safe='/')}" for key, value in query.items() if key not in given)
    joint = "&" if given else "?"
    shown = shown_of(uri)
    return Target(f"{uri}{joint}{text}" if text else uri, shown, driver, transport, urlsplit(uri).hostname or "")


def shown_of(uri: str) -> str:
    """The URI without its parameters and without a password."""
    return without_password(uri.partition("?")[0])


def faults(params: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the URI and the parameters that go into it."""
    uri = params.get("uri") or ""
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        yield f"uri: '{shown_of(uri)}' is no URI ({error})"
        return
    if not _SCHEME.match(parts.scheme) or not (parts.path or host):
        yield f"uri: '{shown_of(uri)}' must be driver[+transport]://[user@][host][:port]/path, such as qemu:///system"
        return
    if parts.password is not None:
        yield "uri: holds a password, which libvirt would not use; give password, or keyfile for ssh"
    if port == 0:
        yield f"uri: '{shown_of(uri)}' has port 0"
    yield from _transport_faults(uri, params)
    yield from _file_faults(params)


def _transport_faults(uri: str, params: Mapping[str, Any]) -> Iterator[str]:
    _driver, transport = transport_of(uri)
    if transport not in _TRANSPORTS:
        yield f"uri: '{transport}' is no transport of libvirt: use one of {', '.join(sorted(_TRANSPORTS - {''}))}"
        return
    there = {key for key, _value in parse_qsl(urlsplit(uri).query, keep_blank_values=True)}
    for key, (transports, name) in _PARAMETERS.items():
        if params.get(key) and transport not in transports:
            yield f"{key}: is for {_named(transports)}, not for uri {shown_of(uri)}"
        if params.get(key) and name in there:
            yield f"{key}: stands in uri, too; give it once"
    if params.get("known_hosts") and transport == "ssh" and "command" in there:
        yield "known_hosts: cannot be used with a command in uri; give command as a parameter"
    if params.get("no_verify") and transport not in _UNVERIFIED:
        yield f"no_verify: is for {_named(_UNVERIFIED)}, not for uri {shown_of(uri)}"


def _named(transports: frozenset[str]) -> str:
    return ", ".join(sorted(name or "local" for name in transports)) + " URIs"


def _file_faults(params: Mapping[str, Any]) -> Iterator[str]:
    for key in _FILES:
        path = params.get(key)
        if path and not os.path.isfile(path):
            yield f"{key}: {path} is no file on this host"
    if '"' in str(params.get("known_hosts") or ""):
        yield "known_hosts: must have no quotation mark in its name"
    folder = params.get("pkipath")
    if folder:
        there = {name for name in (_AUTHORITY, *_CLIENT) if os.path.isfile(os.path.join(folder, name))}
        needed = (_AUTHORITY, *_CLIENT) if there & set(_CLIENT) else (_AUTHORITY,)
        lacking = [name for name in needed if name not in there]
        if lacking:
            yield f"pkipath: {folder} lacks {', '.join(lacking)}"


# The first that fits libvirt's message is told.
_WAYS_OUT = (
    (
        r"Host key verification failed",
        "Add the host's key to the known hosts, or give the file that has it as known_hosts",
    ),
    (r"Permission denied \(", "Give the keyfile of a user whom the host lets in"),
    (r"Identity file .* not accessible|invalid format|error in libcrypto", "Give a keyfile that ssh can read"),
    (r"Could not resolve|Name or service not known|unable to resolve", "Check the host's name in uri"),
    (
        r"certificate|TLS handshake|Unable to set x509",
        "Check the certificates in pkipath: authority, client, and the host's name in the server's",
    ),
    (r"virt-ssh-helper|nc: |netcat", "Check that libvirt's daemon runs on the host, and socket and netcat"),
    (
        r"authentication (failed|cancelled|unavailable)|access denied|Authorization",
        "Give username and password, or run as root or as a member of the group libvirt",
    ),
    (r"Permission denied", "Run as root or as a member of the group libvirt"),
    (
        r"no connection driver available|unsupported configuration: .*driver",
        "Check the driver in uri; the package of its libvirt driver may be missing",
    ),
    (
        r"Failed to connect socket|unable to connect to server|Connection refused|No route to host|timed out",
        "Check that libvirt's daemon (libvirtd or virtqemud) runs and listens there",
    ),
)


def way_out(message: str) -> str:
    """What to do about libvirt's message."""
    for pattern, advice in _WAYS_OUT:
        if re.search(pattern, message, re.IGNORECASE):
            return advice
    return "Try the same with virsh -c on that host"
