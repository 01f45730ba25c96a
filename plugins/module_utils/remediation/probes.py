# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher's senses: the node leases through the API, and each node's direct path."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import resolve
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation import names
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import LEASE


class Leases:
    """Reads all node leases with one short LIST a time.

    Reading anew each time is chosen over a watch: a watch through a VIP whose holder died is silent and looks like
    nodes that are; a LIST fails within its time, and the next one finds the new holder.
    """

    def __init__(self, kubeconfig: str, patience: float) -> None:
        self._client = Client(resolve({"kubeconfig": kubeconfig}), workers=1, timeout=patience, patience=0)

    def read(self) -> dict[str, str]:
        """Each node's renewTime as it is written. Raises HaError."""
        leases = self._client.list(LEASE, names.NODE_LEASES).items
        return {lease["metadata"]["name"]: str((lease.get("spec") or {}).get("renewTime") or "") for lease in leases}


class Path:
    """A node's direct path: it answers when a TCP connection is made or refused on any of the ports.

    The first port is the kubelet's. Its TLS handshake is completed, since it logs every one that is not. The others
    are tried only after the first was silent, for their servers log each connection.
    """

    def __init__(self, address: str, ports: tuple[int, ...], patience: float) -> None:
        self._address = address
        self._ports = ports
        self._patience = patience
        self._failed = False
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE  # who answers is of no matter here, only that something does

    async def answers(self) -> bool:
        """One try, over after at most twice the patience."""
        ports = self._ports if self._failed else self._ports[:1]
        found = await asyncio.gather(*(self._try(port) for port in ports))
        self._failed = not any(found)
        return any(found)

    async def _try(self, port: int) -> bool:
        loop = asyncio.get_running_loop()
        connecting = loop.create_connection(asyncio.Protocol, self._address, port)
        try:
            transport, protocol = await asyncio.wait_for(connecting, self._patience)
        except ConnectionRefusedError:
            return True
        except (OSError, asyncio.TimeoutError):
            return False
        closing: asyncio.BaseTransport | None = transport
        if port == self._ports[0]:
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                closing = await asyncio.wait_for(loop.start_tls(transport, protocol, self._tls), self._patience)
        if closing is not None:
            closing.close()
        return True
