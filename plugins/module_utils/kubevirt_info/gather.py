# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a cluster: one paged LIST a kind, all under way at once, of each object only what the checks ask for.

What is forbidden or fails is noted and does not stop the others; an API server out of reach, or one that does not know
the caller, does.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import replace
from functools import partial
from typing import Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import bulk
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import Connection
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import (
    ApiError,
    ConnectionFailed,
    HaError,
    NotFound,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info import outside
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.control_plane import (
    BACKUP_NAME,
    BACKUPS_KEY,
    BACKUPS_NAME,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.leaders import SYSTEM
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import Cluster, Unread
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.sources import (
    Scope,
    Source,
    custom_resource,
    sources,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.events import read_heartbeat
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import CONFIG_MAP, Resource

_JOIN_INFO = ("kube-public", "cluster-info")
_FORBIDDEN = "not permitted"
_FAILED = "the read failed"


def gather(client: Client, connection: Connection, scope: Scope) -> Cluster:
    """Everything that the checks need. ConnectionFailed, or an ApiError of status 401, where the API cannot be used."""
    version, moment = client.server()
    here = time.time()
    cluster = Cluster(now=here if moment is None else moment, here=here, server_version=version)
    read_source(client, cluster, custom_resource(), scope.workers)
    found = (cluster.kubevirt or {}).get("metadata") or {}
    cluster.namespace = scope.kubevirt_namespace or str(found.get("namespace") or cluster.namespace)
    if scope.state_dir:
        cluster.watcher = read_heartbeat(scope.state_dir)
    tasks: list[Callable[[], None]] = [
        *(partial(_read, client, cluster, source, scope) for source in sources(cluster, scope)),
        partial(_read_backup, client, cluster, scope),
        partial(_read_backups, client, cluster),
        partial(_read_addresses, client, cluster, connection, scope),
        partial(_read_own_certificates, cluster, connection),
    ]
    for outcome in bulk.each(tasks, lambda task: task(), scope.workers):
        if isinstance(outcome, HaError):
            raise outcome
    return cluster


def _read(client: Client, cluster: Cluster, source: Source, scope: Scope) -> None:
    """One LIST; the pods of the whole cluster where that is permitted, else those of the namespaces that were given."""
    read_source(client, cluster, source, scope.workers)
    if source.name == "pods" and "pods" in cluster.unread and scope.namespaces:
        cluster.unread["all_pods"] = cluster.unread.pop("pods")
        inside = tuple(dict.fromkeys((*scope.namespaces, cluster.namespace, SYSTEM)))
        read_source(client, cluster, replace(source, namespaces=inside), scope.workers)


def read_source(client: Client, cluster: Cluster, source: Source, workers: int) -> None:
    """Reads a source into the cluster, or notes why not."""
    try:
        found = bulk.read(
            client,
            source.resource,
            source.namespaces,
            trim=source.trim,
            label_selector=source.labels,
            field_selector=source.fields,
            workers=workers,
        )
    except ApiError as error:
        _note(cluster, source, "", error, whole=True)
        return
    for namespace, failure in found.unreadable.items():
        _note(cluster, source, namespace, failure, whole=not found.scopes)
    source.store(cluster, found.objects)


def _note(cluster: Cluster, source: Source, namespace: str, error: HaError, *, whole: bool) -> None:
    if isinstance(error, NotFound):
        cluster.absent[source.name] = _plural(source.resource)
        return
    note = unread(source.resource, namespace, error)
    if whole:
        cluster.unread[source.name] = note
    else:
        cluster.partly.setdefault(source.name, []).append(note)


def unread(resource: Resource, namespace: str, error: HaError) -> Unread:
    """What is noted of a failed read; raises the error where nothing else can be read either."""
    if not isinstance(error, ApiError) or error.status == 401:
        raise error
    reason = _FORBIDDEN if error.status == 403 else _FAILED
    return Unread(_plural(resource), namespace, reason, error.why)


def _plural(resource: Resource) -> str:
    """A resource as rules of RBAC name it."""
    group = resource.api_version.rpartition("/")[0]
    return f"{resource.plural}.{group}" if group else resource.plural


def _read_backup(client: Client, cluster: Cluster, scope: Scope) -> None:
    if scope.backup_path:
        cluster.backup = outside.backup_of_path(scope.backup_path)
        return
    note = _config_map(client, cluster, "etcd_backup", SYSTEM, BACKUP_NAME)
    if note is not None:
        cluster.backup = outside.backup_of_note(note)


def _read_backups(client: Client, cluster: Cluster) -> None:
    note = _config_map(client, cluster, "backups", SYSTEM, BACKUPS_NAME)
    with contextlib.suppress(ValueError):  # what is no JSON is no news of backups
        found = json.loads((note or {}).get(BACKUPS_KEY) or "null")
        cluster.backups = found if isinstance(found, dict) else None


def _read_addresses(client: Client, cluster: Cluster, connection: Connection, scope: Scope) -> None:
    """The hosts of the API: the one that users take, and the one that kubeadm tells joining nodes."""
    hosts = [outside.host_of(scope.endpoint or connection.host)]
    joined = _config_map(client, cluster, "cluster_info", *_JOIN_INFO)
    hosts += outside.servers_of((joined or {}).get("kubeconfig", ""))
    cluster.addresses.update({host: outside.resolve(host) for host in hosts if host})


def _config_map(client: Client, cluster: Cluster, source: str, namespace: str, name: str) -> dict[str, str] | None:
    try:
        found = client.find(CONFIG_MAP, name, namespace)
    except ApiError as error:
        cluster.unread[source] = unread(CONFIG_MAP, namespace, error)
        return None
    return None if found is None else dict(found.get("data") or {})


def _read_own_certificates(cluster: Cluster, connection: Connection) -> None:
    try:
        shown = [outside.client_certificate(connection), outside.serving_certificate(connection)]
    except ConnectionFailed as error:
        message = ": ".join(filter(None, (error.what, error.why)))
        cluster.unread["serving_certificate"] = Unread("certificate of the API server", "", _FAILED, message)
        return
    cluster.certificates.extend(certificate for certificate in shown if certificate is not None)
