# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's objects as files: all kinds of the chosen namespaces, and what machines need of the cluster itself."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import bulk
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ApiError, HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import NAMESPACE, Resource

Object = Mapping[str, Any]

# What the cluster makes anew by itself.
_PASSING = frozenset({"events", "leases", "endpoints", "endpointslices", "pods", "podmetrics", "controllerrevisions"})
_SECRETS = "secrets"
# Of the cluster itself: what machines and their disks refer to.
_CLUSTER = frozenset(
    {
        "customresourcedefinitions",
        "migrationpolicies",
        "nodes",
        "persistentvolumes",
        "priorityclasses",
        "runtimeclasses",
        "storageclasses",
        "storageprofiles",
        "virtualmachineclusterinstancetypes",
        "virtualmachineclusterpreferences",
        "volumesnapshotclasses",
        "volumesnapshotcontents",
    }
)
# In whatever namespace they are: how KubeVirt itself is set up.
_SETUP = frozenset({"kubevirts", "cdis", "hyperconvergeds"})


@dataclass
class Written:
    """What was written. unread: kinds that could not be read, and why."""

    files: int = 0
    namespaces: dict[str, int] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Read:
    """One LIST: a kind, in a namespace or of the whole cluster."""

    resource: Resource
    namespace: str | None = None


def reads(kinds: Iterable[Resource], namespaces: Sequence[str], *, secrets: bool) -> Iterator[Read]:
    """The LISTs that a backup of these namespaces takes."""
    for kind in kinds:
        if kind.plural in _PASSING or (kind.plural == _SECRETS and not secrets):
            continue
        if kind.plural in _SETUP or (not kind.namespaced and kind.plural in _CLUSTER):
            yield Read(kind)
        elif kind.namespaced:
            yield from (Read(kind, namespace) for namespace in namespaces)


def place(kind: Resource, item: Object) -> str:
    """An object's file, below the backup's folder."""
    meta = item["metadata"]
    group = kind.api_version.rpartition("/")[0]
    name = f"{kind.plural}.{group}" if group else kind.plural
    scope = os.path.join("namespaces", meta["namespace"]) if meta.get("namespace") else "cluster"
    return os.path.join(scope, name, f"{meta['name']}.json")


def trimmed(item: Object, kind: Resource) -> dict[str, Any]:
    """An object with its kind, and without what only the server keeps account by."""
    meta = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return {**item, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta}


def missing(client: Client, namespaces: Sequence[str]) -> list[str]:
    """A fault for each namespace that does not exist."""
    if not namespaces:
        return []
    there = {item["metadata"]["name"] for item in client.list(NAMESPACE).items}
    return [
        f"backup_namespaces: namespace {name} does not exist; correct it, or take it out"
        for name in namespaces
        if name not in there
    ]


def write(client: Client, folder: str, namespaces: Sequence[str], *, secrets: bool, workers: int = 8) -> Written:
    """Writes the objects; what cannot be read is told and does not stop the others."""
    done = Written(namespaces=dict.fromkeys(namespaces, 0))
    wanted = list(reads(client.kinds(), namespaces, secrets=secrets))
    outcomes = bulk.each(wanted, lambda one: client.list(one.resource, one.namespace).items, workers)
    for read, outcome in zip(wanted, outcomes):
        if isinstance(outcome, HaError):
            if not isinstance(outcome, ApiError) or outcome.status not in (403, 404, 405, 406, 501, 503):
                raise outcome
            done.unread[read.resource.describe(read.namespace)] = outcome.why
            continue
        for item in outcome:
            _write(folder, read.resource, item, done)
    for name in namespaces:
        found = client.find(NAMESPACE, name)
        if found is None:
            done.unread[NAMESPACE.describe(None, name)] = "it was deleted meanwhile"
            continue
        _write(folder, NAMESPACE, found, done)
    return done


def _write(folder: str, kind: Resource, item: Object, done: Written) -> None:
    path = os.path.join(folder, place(kind, item))
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(trimmed(item, kind), file, indent=1, sort_keys=True)
    done.files += 1
    namespace = item["metadata"].get("namespace")
    if namespace in done.namespaces:
        done.namespaces[namespace] += 1
