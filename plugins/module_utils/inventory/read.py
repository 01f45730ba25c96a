# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads machines, instances and Services: one paged LIST each over the cluster, or one a namespace where that is forbidden."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import bulk
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ApiError, HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory import records
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory.hosts import Content, Record
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory.options import Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import SERVICE, VM, VMI, Resource

Trim = Callable[[dict[str, Any]], Any]

WORKERS = 8
# The API server takes a LIST's first page from its cache and decodes each further one from etcd: ten pages of 500 cost it four
# times as much as one of 5,000. Here the size of a page does not matter, since its objects are trimmed one by one.
PAGE = 5000


def content(client: Client, settings: Settings, seen: Callable[[Record], object] = lambda _record: None) -> Content:
    """All that the options need; HaError where nothing of it can be read.

    seen: called with each instance's record as it comes in, while the API server is still at work on the next ones,
    where nothing else is read; again where the reading has to begin anew.
    """
    alone = not settings.reads_machines and not settings.reads_services

    def instance(item: dict[str, Any]) -> Record:
        record = records.instance(item)
        if alone:
            seen(record)
        return record

    wanted: list[tuple[Resource, Trim]] = [(VMI, instance)]
    if settings.reads_machines:
        wanted.append((VM, records.machine))
    if settings.reads_services:
        wanted.append((SERVICE, records.service))
    # A Service, or a machine, is told by instances that the selectors themselves would leave out.
    selectors = settings.label_selectors if alone else ()

    def read(kind: tuple[Resource, Trim]) -> Snapshot:
        return _read(client, kind[0], kind[1], settings.namespaces, selectors)

    found: dict[str, Snapshot] = {}
    missing: list[str] = []
    for (resource, _trim), outcome in zip(wanted, bulk.each(wanted, read, WORKERS)):
        if not isinstance(outcome, HaError):
            found[resource.kind] = outcome
        elif resource is SERVICE:  # there may be other ways to the machines
            missing.append(f"No machine is reached through a Service: {outcome}")
        else:
            raise outcome
    absent = bulk.absent_namespaces(client, settings.namespaces, *found.values())
    return _content(found, absent, missing, settings)


def _read(
    client: Client, resource: Resource, trim: Trim, namespaces: tuple[str, ...], selectors: tuple[str, ...]
) -> Snapshot:
    selector = ",".join(selectors) or None
    try:
        found = bulk.read(client, resource, namespaces, trim=trim, label_selector=selector, page=PAGE, workers=WORKERS)
    except ApiError as error:
        if error.status == 403 and not namespaces:
            error.fix = "Name the namespaces that may be listed in namespaces, or ask for the right to list the cluster"
        raise
    if found.unreadable and not found.scopes:
        raise next(iter(found.unreadable.values()))
    return found


def _content(found: Mapping[str, Snapshot], absent: list[str], missing: list[str], settings: Settings) -> Content:
    def kept(resource: Resource) -> list[dict[str, Any]]:
        snapshot = found.get(resource.kind)
        return [item for item in snapshot.objects.values() if item] if snapshot else []

    alone = sorted(kind for kind, each in found.items() if len(settings.namespaces) > 1 and None not in each.scopes)
    warnings = list(absent)
    if alone:
        warnings.append(
            f"Listing {' and '.join(alone)} over the whole cluster is forbidden: each of the"
            f" {len(settings.namespaces)} namespaces was listed by itself"
        )
    unreadable = [
        f"Namespace {namespace} is left out: {error}" if kind == VMI.kind else f"In namespace {namespace}: {error}"
        for kind, each in found.items()
        for namespace, error in sorted(each.unreadable.items())
    ]
    return Content(kept(VM), kept(VMI), kept(SERVICE), warnings, [*unreadable, *missing])
