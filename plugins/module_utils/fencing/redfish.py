# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redfish: the power state is read here by GET, switched by fence_redfish."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import time
from collections.abc import Iterator
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.agent import Agent
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.bounded import Overdue, call
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.model import (
    Bmc,
    FencingError,
    Reading,
    recognise,
)

_ROOT = "/redfish/v1"
_LARGEST_ANSWER = 1 << 20
_SYSTEM_KEYS = ("UUID", "Name", "SerialNumber")


class Redfish:
    """A Redfish BMC; its url is the service, or the path of one system in it."""

    def __init__(self, bmc: Bmc) -> None:
        self._bmc = bmc

    def read(self, seconds: float) -> Reading:
        """See Device.read."""
        try:
            return call(lambda: self._read(seconds), seconds)
        except Overdue:
            raise self._error(f"gave no whole answer in {seconds:.0f} s", "Look at the BMC itself") from None
        except ssl.SSLError as error:
            raise self._error(f"TLS failed: {error.reason or error}", "Give its CA as bmc.ca_file") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise self._error(f"cannot be reached: {reason}", "Check the url and the management network") from error

    def switch(self, state: str, reading: Reading, seconds: float) -> None:
        """See Device.switch."""
        password = self._bmc.password()
        trust = {"ssl_secure": "1"} if self._bmc.validate_certs else {"ssl_insecure": "1"}
        agent = Agent(
            name="fence_redfish",
            options={
                "ip": self._bmc.host,
                "ipport": str(self._bmc.port),
                "username": self._bmc.user,
                "password": password,
                "systems_uri": reading.resource,
                **trust,
            },
            where=self._bmc.url,
            secret=password,
            env={"REQUESTS_CA_BUNDLE": self._bmc.ca_file} if self._bmc.ca_file else {},
        )
        agent.run(state, seconds)

    def _read(self, seconds: float) -> Reading:
        connection = http.client.HTTPSConnection(
            self._bmc.host, self._bmc.port, timeout=seconds, context=self._context()
        )
        try:
            return self._recognised(list(self._systems(connection)))
        finally:
            connection.close()

    def _context(self) -> ssl.SSLContext:
        if not self._bmc.validate_certs:
            return ssl._create_unverified_context()
        return ssl.create_default_context(cafile=self._bmc.ca_file or None)

    def _systems(self, connection: http.client.HTTPSConnection) -> Iterator[dict[str, Any]]:
        if "/Systems/" in self._bmc.path:
            yield self._get(connection, self._bmc.path)
            return
        root = self._get(connection, self._bmc.path or _ROOT)
        listed = self._get(connection, _link(root.get("Systems")))
        for member in listed.get("Members") or []:
            yield self._get(connection, _link(member))

    def _get(self, connection: http.client.HTTPSConnection, path: str) -> dict[str, Any]:
        login = base64.b64encode(f"{self._bmc.user}:{self._bmc.password()}".encode()).decode("ascii")
        connection.request("GET", path, headers={"Authorization": f"Basic {login}", "Accept": "application/json"})
        answer = connection.getresponse()
        data = answer.read(_LARGEST_ANSWER)
        if answer.status in (401, 403):
            raise self._error(f"refused user {self._bmc.user} (HTTP {answer.status})", "Check user and password_file")
        if answer.status != 200:
            raise self._error(f"answered HTTP {answer.status} to GET {path}", "Check the url")
        try:
            found = json.loads(data)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._error(f"answered GET {path} with no JSON object", "Check that the url is a Redfish service")
        return found

    def _recognised(self, systems: list[dict[str, Any]]) -> Reading:
        read_at = time.time()
        named = [(recognise(self._bmc.identity, _identities(system)), system) for system in systems]
        matching = [(identity, system) for identity, system in named if identity]
        if len(matching) != 1:
            found = "; ".join("/".join(_identities(system)) or "nameless" for system in systems) or "no system at all"
            raise self._error(
                f"does not answer for this node: {len(matching)} of its systems are {self._bmc.identity!r}, it has {found}",
                "Correct url or identity of this node; do not power anything off before",
            )
        identity, system = matching[0]
        return Reading(str(system.get("PowerState") or "unknown"), identity, read_at, _link(system))

    def _error(self, why: str, fix: str) -> FencingError:
        return FencingError("the BMC's power state cannot be read", where=self._bmc.url, why=f"it {why}", fix=fix)


def _link(resource: Any) -> str:
    path = resource.get("@odata.id") if isinstance(resource, dict) else None
    return str(path or f"{_ROOT}/Systems")


def _identities(system: dict[str, Any]) -> list[str]:
    return [str(system[key]) for key in _SYSTEM_KEYS if system.get(key)]
