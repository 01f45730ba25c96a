# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the table of checks, and what each needs to have been read. A check without its data is told, never left out silently."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info import (
    capacity,
    certificates,
    components,
    control_plane,
    failover,
    leaders,
    migration,
    nodes,
    storage,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding, Thing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import Unread
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.view import View

# What nothing can be said without.
ESSENTIAL = frozenset({"kubevirts", "nodes", "pods", "vms", "vmis"})
# Kinds whose absence is said by a finding of its own, or says nothing.
_TOLD_ELSEWHERE = frozenset(
    {"health_checks", "kubevirts", "cdis", "networks", "snapshot_classes", "vms", "vmis", "etcd_backup", "cluster_info"}
)
# What no check judges by: the result tells itself that it is not known.
_ONLY_SHOWN = frozenset({"cdis", "networks"})


@dataclass(frozen=True)
class Check:
    """A function from a view to findings, and the sources that must have been read for it."""

    run: Callable[[View], Iterable[Finding]]
    needs: frozenset[str]


def _check(run: Callable[[View], Iterable[Finding]], *needs: str) -> Check:
    return Check(run, frozenset(needs))


MACHINES = ("vms", "vmis")
CHECKS: tuple[Check, ...] = (
    _check(control_plane.api_addresses, "nodes"),
    _check(control_plane.api_servers, "endpoints", "nodes"),
    _check(control_plane.control_planes, "nodes"),
    _check(control_plane.etcd_quorum, "pods", "nodes"),
    _check(control_plane.etcd_backup, "etcd_backup"),
    _check(control_plane.recovery),
    _check(components.missing, "deployments", "daemon_sets", "kubevirts"),
    _check(components.replica_counts, "deployments"),
    _check(components.spread, "deployments", "pods", "nodes"),
    _check(components.disruption_budgets, "deployments", "budgets"),
    _check(components.handlers, "daemon_sets", "pods", "nodes"),
    _check(components.heartbeats, "nodes"),
    _check(components.custom_resource, "kubevirts"),
    _check(components.early_availability, "kubevirts", "deployments"),
    _check(components.subresource_api, "api_services"),
    _check(leaders.leases),
    _check(certificates.expiry),
    _check(nodes.states, "nodes"),
    _check(nodes.hosts, "nodes"),
    _check(nodes.kubelets, "nodes"),
    _check(nodes.kernels, "nodes"),
    _check(nodes.domains, "nodes"),
    _check(failover.where_it_may_run, *MACHINES, "nodes", "claims", "volumes"),
    _check(failover.restarts, *MACHINES),
    _check(failover.stopped_reruns, *MACHINES),
    _check(failover.readiness, *MACHINES),
    _check(failover.priorities, *MACHINES, "priority_classes"),
    _check(failover.full_groups, *MACHINES, "nodes", "pods"),
    _check(migration.evictions, *MACHINES, "kubevirts"),
    _check(migration.claims, *MACHINES, "claims", "volumes"),
    _check(migration.devices, *MACHINES),
    _check(migration.host_cpus, *MACHINES, "nodes"),
    _check(migration.refusals, *MACHINES),
    _check(migration.kept_state, *MACHINES, "claims", "kubevirts"),
    _check(migration.quotas, *MACHINES, "pods", "quotas"),
    _check(migration.budgets, *MACHINES, "pods", "budgets"),
    _check(migration.lost_disks, *MACHINES),
    _check(storage.shared_access, *MACHINES, "claims", "profiles"),
    _check(storage.expansion, *MACHINES, "claims", "storage_classes"),
    _check(storage.snapshots, "snapshot_classes"),
)
CAPACITY_NEEDS = frozenset({"nodes", "pods", "all_pods", "claims", "volumes", *MACHINES})


def run(view: View) -> list[Finding]:
    """The findings of all checks whose data was read, and what was not."""
    unread = view.cluster.unread.keys()
    found = [finding for check in CHECKS if not check.needs & unread for finding in check.run(view)]
    return [*found, *unchecked(view)]


def can_pack(view: View) -> bool:
    """Whether what N+1 needs was read."""
    return not CAPACITY_NEEDS & view.cluster.unread.keys()


def losses(view: View) -> capacity.Capacity:
    """N+1, nothing where its data could not be read."""
    return capacity.losses(view) if can_pack(view) else capacity.Capacity()


def unchecked(view: View) -> Iterator[Finding]:
    """What could not be read, and what kinds are not there to be read."""
    cluster = view.cluster
    for source, failure in sorted(cluster.unread.items()):
        if source not in _ONLY_SHOWN:
            yield _unread(source, failure)
    for source, failures in sorted(cluster.partly.items()):
        yield from (_unread(source, failure) for failure in failures)
    missing = sorted(plural for source, plural in cluster.absent.items() if source not in _TOLD_ELSEWHERE)
    if missing:
        things = tuple(Thing("resource", name) for name in missing)
        yield Finding("kind-missing", "the API server does not know it", things)


def _unread(source: str, failure: Unread) -> Finding:
    thing = Thing("resource", failure.resource, failure.namespace, failure.message)
    return Finding("unchecked-essential" if source in ESSENTIAL else "unchecked", failure.reason, (thing,))
