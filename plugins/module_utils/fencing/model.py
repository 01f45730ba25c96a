# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a BMC is told and what it answers; pure, no I/O but the password file."""

from __future__ import annotations

import os
import re
import stat
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, InputError

OFF = "Off"
ON = "On"
_SCHEMES = {"redfish": ("https",), "ipmi": ("ipmi",)}
_PORTS = {"redfish": 443, "ipmi": 623}
_SCHEME_FIX = {
    "redfish": "fence_redfish speaks TLS only, so a redfish url starts with https://",
    "ipmi": "an ipmi url is ipmi://address or ipmi://address:port",
}


class FencingError(HaError):
    """A BMC did not do or did not prove what was asked; the node must be taken as running."""


@dataclass(frozen=True)
class Bmc:
    """How one node's BMC is reached, and whom it must answer for.

    identity: the UUID of the machine as enrolled, or, where it is no UUID, its name or serial number.
    """

    type: str
    url: str
    user: str
    password_file: str
    identity: str
    ca_file: str = ""
    validate_certs: bool = True

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Bmc:
        """From a module's `bmc` option. Raises InputError with every fault."""
        known: dict[str, Any] = {name: given[name] for name in cls.__dataclass_fields__ if given.get(name) is not None}
        faults = _faults(known)
        if faults:
            raise InputError(faults)
        return cls(**known)

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or _PORTS[self.type]

    @property
    def path(self) -> str:
        return urlsplit(self.url).path.rstrip("/")

    def password(self) -> str:
        """The content of the password file without the end of its line. Raises FencingError."""
        try:
            self._refuse_open_file()
            with open(self.password_file, encoding="utf-8") as file:
                password = file.read().rstrip("\r\n")
        except OSError as error:
            raise FencingError(
                "cannot read the BMC's password",
                where=self.password_file,
                why=error.strerror or type(error).__name__,
                fix="Make password_file name a file that only the user who runs this can read",
            ) from error
        if "\n" in password or not password:
            raise FencingError(
                "cannot use the BMC's password",
                where=self.password_file,
                why="the file must hold exactly one line, which is not empty",
                fix="Write the password alone into it",
            )
        return password

    def _refuse_open_file(self) -> None:
        mode = stat.S_IMODE(os.stat(self.password_file).st_mode)
        if mode & 0o007:
            raise FencingError(
                "will not use a password that everyone on this machine can reach",
                where=self.password_file,
                why=f"its mode is {mode:04o}",
                fix="Set its mode to 0600",
            )


def _faults(known: Mapping[str, Any]) -> list[str]:
    faults = [f"bmc.{name} is missing" for name in ("type", "url", "user", "password_file") if not known.get(name)]
    if not known.get("identity"):
        faults.append(
            "bmc.identity is missing: without it nothing shows that the BMC answers for this node "
            "(enrol the node with role node_remediation, or give the machine's UUID)"
        )
    kind, url = known.get("type"), known.get("url")
    if kind and kind not in _SCHEMES:
        faults.append(f"bmc.type is {kind!r}; known are {', '.join(sorted(_SCHEMES))}")
    elif kind and url:
        faults += _url_faults(str(kind), str(url))
    return faults


def _url_faults(kind: str, url: str) -> list[str]:
    parts = urlsplit(url)
    if parts.username or parts.password:
        return ["bmc.url holds a user or a password; give bmc.user and bmc.password_file in their stead"]
    if parts.scheme not in _SCHEMES[kind] or not parts.hostname:
        return [f"bmc.url {url!r} does not fit type {kind}: {_SCHEME_FIX[kind]}"]
    return [] if _port_is_readable(parts) else [f"bmc.url {url!r} has a port that is no number from 0 to 65535"]


def _port_is_readable(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


@dataclass(frozen=True)
class Reading:
    """One answer of a BMC.

    power_state: as Redfish names it, On, Off, PoweringOn, ...; identity: what the machine was recognised by;
    read_at: seconds since the epoch; resource: the system's path, empty with IPMI.
    """

    power_state: str
    identity: str
    read_at: float
    resource: str = ""


@dataclass(frozen=True)
class Proof:
    """That a node's power was off: read independently of the action that switched it off."""

    node: str
    power_state: str
    read_at: float
    identity: str
    bmc: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Device(Protocol):
    """A BMC of one protocol."""

    def read(self, seconds: float) -> Reading:
        """The power state of the enrolled machine, within the given seconds. Raises FencingError."""

    def switch(self, state: str, reading: Reading, seconds: float) -> None:
        """Asks for `on` or `off` and returns when the BMC says that it is so. Raises FencingError."""


def recognise(enrolled: str, found: Iterable[str]) -> str | None:
    """The one of the found identities that is the enrolled one, None where none is.

    A UUID also counts in the byte order of SMBIOS before 2.6, in which many BMCs report it: the bytes are the same.
    """
    wanted = _forms(enrolled)
    return next((identity for identity in found if identity and _forms(identity) & wanted), None)


def is_uuid(identity: str) -> bool:
    """Whether an identity is a machine's UUID rather than its name or serial number."""
    return bool(re.fullmatch(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}", identity))


def _forms(identity: str) -> set[str]:
    if not is_uuid(identity):
        return {identity.strip()}
    value = uuid.UUID(identity)
    return {str(value), str(uuid.UUID(bytes_le=value.bytes))}
