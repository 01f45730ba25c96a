# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of LISTs: what is read, where, what is kept of an object, and where it goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key, key_of
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info import certificates, read
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.leaders import SYSTEM
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import Cluster
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.names import HEALTH_CHECK
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    API_SERVICE,
    CDI,
    DAEMON_SET,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    ENDPOINT_SLICE,
    KUBEVIRT,
    LEASE,
    MUTATING_WEBHOOK,
    NETWORK_ATTACHMENT,
    NODE,
    POD,
    PRIORITY_CLASS,
    PV,
    PVC,
    QUOTA,
    SECRET,
    SNAPSHOT_CLASS,
    STORAGE_CLASS,
    STORAGE_PROFILE,
    VALIDATING_WEBHOOK,
    VM,
    VMI,
    Resource,
)

Object = dict[str, Any]
_RUNNING = "status.phase!=Succeeded,status.phase!=Failed"


@dataclass(frozen=True)
class Scope:
    """What is looked at. namespaces: those of the machines, empty for all; endpoint: host of the API as users know it;
    details: what no check asks for is looked at, too."""

    namespaces: tuple[str, ...] = ()
    kubevirt_namespace: str = ""
    endpoint: str = ""
    backup_path: str = ""
    state_dir: str = ""
    workers: int = 8
    details: bool = False


@dataclass(frozen=True)
class Source:
    """One LIST. trim: what is kept of an object; store: puts what was kept into the cluster."""

    name: str
    resource: Resource
    trim: Callable[[Object], Any]
    store: Callable[[Cluster, Mapping[Key, Any]], None]
    namespaces: tuple[str, ...] = ()
    labels: str | None = None
    fields: str | None = None


def custom_resource() -> Source:
    """The LIST that the others depend on: it tells KubeVirt's namespace."""

    def store(cluster: Cluster, objects: Mapping[Key, Any]) -> None:
        cluster.kubevirt = next(iter(objects.values()), None)

    return Source("kubevirts", KUBEVIRT, read.few, store)


def sources(cluster: Cluster, scope: Scope) -> Iterator[Source]:
    """All the other LISTs."""
    yield from _of_the_cluster()
    yield from _of_machines(scope, cluster.namespace)
    yield from _of_kubevirt(cluster)
    yield from _of_certificates(cluster)
    if scope.details:
        yield Source("networks", NETWORK_ATTACHMENT, key_of, lambda c, found: c.networks.extend(found))
    if not scope.state_dir:
        yield Source("health_checks", HEALTH_CHECK, _name, lambda c, found: c.health_checks.extend(found.values()))


def _of_the_cluster() -> Iterator[Source]:
    yield Source("nodes", NODE, read.node, lambda c, found: c.nodes.extend(found.values()))
    yield Source("pods", POD, read.pod, lambda c, found: c.pods.extend(found.values()), fields=_RUNNING)
    yield Source("volumes", PV, read.volume, lambda c, found: c.volumes.update(_by_name(found)))
    yield Source("storage_classes", STORAGE_CLASS, read.few, lambda c, found: c.storage_classes.update(_by_name(found)))
    yield Source("profiles", STORAGE_PROFILE, read.few, lambda c, found: c.profiles.update(_by_name(found)))
    yield Source("cdis", CDI, read.few, lambda c, found: c.cdis.extend(found.values()))
    yield Source("snapshot_classes", SNAPSHOT_CLASS, _name, lambda c, found: c.snapshot_classes.extend(found.values()))
    yield Source(
        "priority_classes",
        PRIORITY_CLASS,
        read.priority_class,
        lambda c, found: c.priority_classes.update(_by_name(found)),
    )


def _of_machines(scope: Scope, kubevirt: str) -> Iterator[Source]:
    inside = scope.namespaces
    with_kubevirt = (*inside, kubevirt) if inside else ()
    yield Source("vms", VM, read.vm, lambda c, found: c.vms.update(found), inside)
    yield Source("vmis", VMI, read.vmi, lambda c, found: c.vmis.update(_without_none(found)), inside)
    yield Source("claims", PVC, read.claim, lambda c, found: c.claims.update(found), inside)
    yield Source("quotas", QUOTA, read.quota, lambda c, found: c.quotas.extend(found.values()), inside)
    yield Source(
        "budgets", DISRUPTION_BUDGET, read.budget, lambda c, found: c.budgets.extend(found.values()), with_kubevirt
    )


def _of_kubevirt(cluster: Cluster) -> Iterator[Source]:
    inside = (cluster.namespace,)
    yield Source("deployments", DEPLOYMENT, read.few, lambda c, found: c.deployments.extend(found.values()), inside)
    yield Source("daemon_sets", DAEMON_SET, read.few, lambda c, found: c.daemon_sets.extend(found.values()), inside)
    yield Source("leases", LEASE, read.few, lambda c, found: c.leases.update(found), inside)
    yield Source("system_leases", LEASE, read.few, lambda c, found: c.leases.update(found), (SYSTEM,))
    yield Source(
        "endpoints",
        ENDPOINT_SLICE,
        read.endpoints,
        lambda c, found: c.endpoints.extend(address for each in found.values() for address in each),
        ("default",),
        labels="kubernetes.io/service-name=kubernetes",
    )


def _of_certificates(cluster: Cluster) -> Iterator[Source]:
    strategy = ((cluster.kubevirt or {}).get("spec") or {}).get("certificateRotateStrategy") or {}

    def store(found_in: Cluster, objects: Mapping[Key, Any]) -> None:
        found_in.certificates.extend(one for each in objects.values() for one in each)

    def keep_services(found_in: Cluster, objects: Mapping[Key, Any]) -> None:
        found_in.api_services.extend(objects.values())
        for item in objects.values():
            found_in.certificates.extend(certificates.of_api_service(item))

    # The keys that come along are dropped with their page.
    yield Source(
        "secrets",
        SECRET,
        lambda item: certificates.of_secret(item, strategy),
        store,
        (cluster.namespace,),
        fields="type=kubernetes.io/tls",
    )
    for name, resource in (("mutating", MUTATING_WEBHOOK), ("validating", VALIDATING_WEBHOOK)):
        yield Source(name, resource, partial(certificates.of_webhooks, resource.kind), store)
    yield Source("api_services", API_SERVICE, read.few, keep_services)


def _name(item: Object) -> str:
    return str(item["metadata"]["name"])


def _by_name(found: Mapping[Key, Any]) -> dict[str, Any]:
    return {key[1]: value for key, value in found.items()}


def _without_none(found: Mapping[Key, Any]) -> dict[Key, Any]:
    return {key: value for key, value in found.items() if value is not None}
