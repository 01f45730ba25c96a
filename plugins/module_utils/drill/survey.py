# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathers what tells whether redundancy is whole, and what a report says of the platform."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import Connection, ssl_context
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import asker, redundancy
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.redundancy import Expected, Seen
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.summary import places
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, NotFound
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.platform_state import source_of, versions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.events import read_heartbeat
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.names import ETCD_LABELS
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    DAEMON_SET,
    DEPLOYMENT,
    KUBEVIRT,
    NODE,
    POD,
    VMI,
    Resource,
)

_PATIENCE = 3.0
_WRITE_SECONDS = 1.5


@dataclass(frozen=True)
class Platform:
    """Where the platform's parts are.

    api_servers: name → (address, port); guests: VM → URL; storage: [{host, kind, text}], see redundancy.
    """

    namespace: str
    guests: Mapping[str, str]
    api_servers: Mapping[str, tuple[str, int]]
    storage: Sequence[Mapping[str, str]] = ()
    state_dir: str = ""
    kubevirt_namespace: str = "kubevirt"


@dataclass(frozen=True)
class Survey:
    """Faults of the redundancy; node and UID of each VM's VMI; the KubeVirt's source; versions by name; node → components."""

    faults: list[str]
    machines: dict[str, dict[str, str]]
    kubevirt_source: str
    versions: dict[str, str]
    places: dict[str, list[str]] = field(default_factory=dict)


def survey(client: Client, connection: Connection, platform: Platform, expected: Expected) -> Survey:
    """One look at everything. Raises HaError where the API does not answer."""
    nodes = client.list(NODE).items
    vmis = {str(item["metadata"]["name"]): item for item in _listed(client, VMI, platform.namespace)}
    deployments = client.list(DEPLOYMENT, platform.kubevirt_namespace).items
    system = client.list(POD, "kube-system").items
    kubevirt = next(iter(_listed(client, KUBEVIRT, platform.kubevirt_namespace)), None)
    seen = Seen(
        nodes=nodes,
        etcd_pods=[pod for pod in system if ETCD_LABELS.items() <= (pod["metadata"].get("labels") or {}).items()],
        api_servers=asyncio.run(_api_servers(connection, platform.api_servers)),
        kubevirt=kubevirt,
        deployments=deployments,
        daemon_sets=client.list(DAEMON_SET, platform.kubevirt_namespace).items,
        machines={name: vmis.get(name) for name in platform.guests},
        guests=asyncio.run(_guests(platform.guests)),
        storage=platform.storage,
        heartbeat=read_heartbeat(platform.state_dir),
        now=time.time(),
    )
    machines = {
        name: {"node": str((vmi.get("status") or {}).get("nodeName") or ""), "uid": str(vmi["metadata"]["uid"])}
        for name, vmi in seen.machines.items()
        if vmi is not None
    }
    return Survey(
        redundancy.faults(expected, seen),
        machines,
        source_of(deployments),
        versions(kubevirt, nodes),
        places([*system, *client.list(POD, platform.kubevirt_namespace).items]),
    )


def _listed(client: Client, resource: Resource, namespace: str) -> list[dict[str, Any]]:
    """Objects of a kind that the cluster may not know."""
    try:
        return client.list(resource, namespace).items
    except NotFound:
        return []


def survey_until_whole(
    client: Client, connection: Connection, platform: Platform, expected: Expected, seconds: float
) -> Survey:
    """Looks until redundancy is whole or `seconds` are over; the last look is returned."""
    until = time.monotonic() + seconds
    while True:
        try:
            found = survey(client, connection, platform, expected)
        except HaError as error:
            found = Survey([f"the API does not answer: {error}"], {}, "", {})
        if not found.faults or time.monotonic() >= until:
            return found
        time.sleep(1)


async def _api_servers(connection: Connection, servers: Mapping[str, tuple[str, int]]) -> dict[str, str]:
    context = ssl_context(connection)
    questions = {
        name: asker.readyz(api_site(connection, context, host, port)) for name, (host, port) in servers.items()
    }
    return {name: await _why_not(ask) for name, ask in questions.items()}


def api_site(connection: Connection, context: Any, host: str, port: int) -> asker.Site:
    """Where an API server says whether it is ready."""
    headers = (("Authorization", f"Bearer {connection.token}"),) if connection.token else ()
    return asker.Site(host, port, "/readyz", context, headers, connection.tls_server_name)


async def _guests(guests: Mapping[str, str]) -> dict[str, str]:
    found = await asyncio.gather(*(_guest(url) for url in guests.values()))
    return dict(zip(guests, found))


async def _guest(url: str) -> str:
    """Why a guest does not serve; it must answer twice and have written in between."""
    ask = asker.counter(asker.Site.of(url))
    counters: list[int] = []

    async def note() -> None:
        counters.append((await ask())["counter"])

    why = await _why_not(note)
    if why:
        return why
    await asyncio.sleep(_WRITE_SECONDS)
    why = await _why_not(note)
    return why or ("" if counters[-1] > counters[0] else f"it wrote nothing in {_WRITE_SECONDS:g} s")


async def _why_not(ask: Any) -> str:
    try:
        await asyncio.wait_for(ask(), _PATIENCE)
    except asyncio.TimeoutError:
        return f"no answer in {_PATIENCE:g} s"
    except (OSError, asker.BadAnswer, ValueError, asyncio.IncompleteReadError) as error:
        return str(error) or type(error).__name__
    return ""
