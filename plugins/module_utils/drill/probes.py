# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All probes of a drill, started and stopped together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import Connection, ssl_context
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import lookers, questions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.samples import Recorder
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.survey import Platform, api_site
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.model import Bmc
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.asker import Asker, Question, connects
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.http import Site
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.events import EVENTS_FILE

VIP = "vip"
# Seconds between two questions, and seconds waited for an answer.
PERIODS = {"api": 0.1, "vip": 0.1, "backend": 0.5, "guest": 0.2}
TIMEOUTS = {"api": 1.0, "vip": 1.0, "backend": 2.0, "guest": 2.0}
OBJECTS_PERIOD, WRITERS_PERIOD, POWER_PERIOD, TAIL_PERIOD = 0.3, 0.25, 1.0, 0.1
_REQUEST_TIMEOUT = 1.5


class Runs(Protocol):
    """What can be started and stopped."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


@dataclass(frozen=True)
class Scope:
    """What is probed: the platform, the node to be cut, all nodes, the BMCs of nodes by name, and the observers.

    observers: node → command that runs Python there, to look at its processes; none where this machine sees them all.
    """

    platform: Platform
    node: str
    nodes: tuple[str, ...]
    bmcs: Mapping[str, Bmc] = field(default_factory=dict)
    observers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Probes:
    """The probes of one drill."""

    def __init__(self, recorder: Recorder, connection: Connection, scope: Scope) -> None:
        self._scope = scope
        self._client = Client(connection, workers=4, timeout=_REQUEST_TIMEOUT, patience=0)
        objects = lookers.Objects(recorder, self._client, scope.platform.namespace, list(scope.platform.guests))
        self._all: list[Runs] = [
            Asker(recorder, _questions(connection, scope)),
            lookers.Probe(recorder, "nodes", objects.nodes, OBJECTS_PERIOD),
            lookers.Probe(recorder, "vmis", objects.machines, OBJECTS_PERIOD),
            lookers.Probe(recorder, "pods", objects.pods, OBJECTS_PERIOD),
            *self._writers(recorder),
            *self._power(recorder),
        ]
        if scope.platform.state_dir:
            tail = lookers.Tail(recorder, f"{scope.platform.state_dir}/{EVENTS_FILE}")
            self._all.append(lookers.Probe(recorder, "recovery", tail.look, TAIL_PERIOD))

    def start(self) -> None:
        """Begins to probe."""
        for probe in self._all:
            probe.start()

    def stop(self) -> None:
        """Ends all probes."""
        for probe in self._all:
            probe.stop()
        self._client.close()

    def expected(self) -> list[tuple[str, str]]:
        """The (probe, target) pairs that must have data; see verdict."""
        scope = self._scope
        places = sorted(set(scope.observers) - {scope.node}) or [lookers.HERE]
        found = [("api", VIP), ("vip", VIP), *(("backend", name) for name in scope.platform.api_servers)]
        for machine in scope.platform.guests:
            found += [("guest", machine), ("vmi", machine), ("pod", machine)]
        found += [("node", node) for node in scope.nodes] + [("writers", place) for place in places]
        return found + ([("power", scope.node)] if scope.node in scope.bmcs else [])

    def _writers(self, recorder: Recorder) -> list[Runs]:
        scope, namespace = self._scope, self._scope.platform.namespace
        if scope.observers:
            return [
                lookers.Remote(recorder, node, command, namespace, WRITERS_PERIOD)
                for node, command in scope.observers.items()
            ]
        look = lookers.processes(recorder, scope.nodes, namespace)
        return [lookers.Probe(recorder, "writers", look, WRITERS_PERIOD)]

    def _power(self, recorder: Recorder) -> list[Runs]:
        node = self._scope.node
        if node not in self._scope.bmcs:
            return []
        look = lookers.power(recorder, node, self._scope.bmcs[node], timeout=3.0)
        return [lookers.Probe(recorder, "power", look, POWER_PERIOD)]


def _questions(connection: Connection, scope: Scope) -> list[Question]:
    context = ssl_context(connection)
    parts = urlsplit(connection.host)
    host, port = parts.hostname or "", parts.port or 443
    found = [
        _question("api", VIP, questions.readyz(api_site(connection, context, host, port))),
        _question("vip", VIP, connects(host, port)),
    ]
    for name, (address, its_port) in scope.platform.api_servers.items():
        found.append(_question("backend", name, questions.readyz(api_site(connection, context, address, its_port))))
    for name, url in scope.platform.guests.items():
        found.append(_question("guest", name, questions.counter(Site.of(url))))
    return found


def _question(probe: str, target: str, ask: Any) -> Question:
    return Question(probe, target, ask, PERIODS[probe], TIMEOUTS[probe])
