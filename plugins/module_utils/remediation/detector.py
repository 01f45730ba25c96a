# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From samples of two independent signals to suspicion: pure, and told the time (seconds of one monotonic clock)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.profiles import Profile

ALIVE, DEAD, UNKNOWN = "alive", "dead", "unknown"
SUSPECTED, CLEARED, HELD = "suspected", "cleared", "held"
# One failed try may be a lost packet, or this process that was not given the processor.
_FAILED_TRIES = 2


@dataclass
class _Node:
    renewed: str = ""
    renewed_at: float | None = None
    answered_at: float | None = None
    failed_tries: int = 0
    tried_at: float = -math.inf
    suspected: bool = False
    held: bool = False


@dataclass(frozen=True)
class Change:
    """What became of a node: suspected, cleared, or held (both signals are dead, but so are too many others)."""

    node: str
    kind: str
    lease_silent: float
    path_silent: float
    reason: str = ""


class Detector:
    """Is fed by the probes and asked by `judge`, at most a second apart."""

    def __init__(self, nodes: Iterable[str], profile: Profile, max_dead_share: float) -> None:
        self._nodes = {name: _Node() for name in nodes}
        self._profile = profile
        self._allowed = max(1, math.floor(len(self._nodes) * max_dead_share))
        self._api_seen_at = -math.inf
        self._settled_at = math.inf
        self._judged_at = -math.inf

    # Samples

    def leases_seen(self, renew_times: dict[str, str], at: float) -> None:
        """A successful read of all node leases. Only a change of the text counts, never the node's clock in it."""
        if at - self._api_seen_at > self._api_freshness:
            self._settled_at = at + self._profile.settle
        self._api_seen_at = at
        for name, node in self._nodes.items():
            renewed = renew_times.get(name, "")
            if renewed and renewed != node.renewed:
                node.renewed, node.renewed_at = renewed, at
            elif not renewed:  # a node without a lease has left the cluster: nothing is known of it
                node.renewed, node.renewed_at = "", None

    def path_tried(self, name: str, answered: bool, at: float) -> None:
        """One try of a node's direct path; a refused connection is an answer."""
        node = self._nodes[name]
        node.tried_at = at
        if answered:
            node.answered_at, node.failed_tries = at, 0
        else:
            node.failed_tries += 1
            # A node that never answered was silent from its first try on.
            node.answered_at = at if node.answered_at is None else node.answered_at

    # Signals

    @property
    def _api_freshness(self) -> float:
        return 2 * self._profile.poll + self._profile.patience

    def api_is_known(self, at: float) -> bool:
        """Whether the leases were read recently, and for long enough since the API was away."""
        return at - self._api_seen_at <= self._api_freshness and at >= self._settled_at

    def lease(self, name: str, at: float) -> tuple[str, float]:
        """The first signal, and for how long the lease was not renewed."""
        renewed_at = self._nodes[name].renewed_at
        if renewed_at is None:
            return UNKNOWN, 0.0
        silent = at - renewed_at
        if silent < self._profile.lease_limit:
            return ALIVE, silent
        return (DEAD if self.api_is_known(at) else UNKNOWN), silent

    def path(self, name: str, at: float) -> tuple[str, float]:
        """The second signal, and for how long the direct path did not answer."""
        node = self._nodes[name]
        if node.answered_at is None:
            return UNKNOWN, 0.0
        silent = at - node.answered_at
        if silent < self._profile.path_limit:
            return ALIVE, silent
        fresh = at - node.tried_at <= 2 * (self._profile.probe + self._profile.patience)
        return (DEAD if fresh and node.failed_tries >= _FAILED_TRIES else UNKNOWN), silent

    # Verdict

    def judge(self, at: float) -> list[Change]:
        """What changed since the last call. A node is suspected once, and again only after it was cleared."""
        if at - self._judged_at > self._api_freshness and self._judged_at > -math.inf:
            self._settled_at = at + self._profile.settle  # this process itself stood still: its silence is not theirs
        self._judged_at = at
        dead_paths = [name for name in self._nodes if self.path(name, at)[0] == DEAD]
        changes = [self._judge(name, dead_paths, at) for name in self._nodes]
        return [change for change in changes if change]

    def suspects(self) -> list[str]:
        """The nodes that are suspected now."""
        return [name for name, node in self._nodes.items() if node.suspected]

    def _judge(self, name: str, dead_paths: list[str], at: float) -> Change | None:
        node = self._nodes[name]
        (lease, lease_silent), (path, path_silent) = self.lease(name, at), self.path(name, at)
        if lease == DEAD and path == DEAD:
            return self._dead(name, dead_paths, lease_silent, path_silent)
        if ALIVE in (lease, path) and (node.suspected or node.held):
            was_suspected, node.suspected, node.held = node.suspected, False, False
            return Change(name, CLEARED, lease_silent, path_silent) if was_suspected else None
        return None

    def _dead(self, name: str, dead_paths: list[str], lease_silent: float, path_silent: float) -> Change | None:
        node = self._nodes[name]
        if node.suspected:
            return None
        if len(dead_paths) > self._allowed:
            if node.held:
                return None
            node.held = True
            reason = (
                f"{len(dead_paths)} of {len(self._nodes)} nodes do not answer ({', '.join(sorted(dead_paths))}), "
                f"at most {self._allowed} may: this looks like a network or power fault"
            )
            return Change(name, HELD, lease_silent, path_silent, reason)
        node.suspected, node.held = True, False
        return Change(name, SUSPECTED, lease_silent, path_silent)
