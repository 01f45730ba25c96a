# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to a node that is proven off: taint, leases of its dead holders, pods. Each can be repeated."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import (
    ApiError,
    Conflict,
    ConnectionFailed,
    HaError,
    ManyFailed,
    NotFound,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation import names
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.lock import micro_time
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import LEASE, NODE, POD

Object = dict[str, Any]
_RETRY_PAUSE = 0.2
_CRITICAL = ("system-", "kubevirt-cluster-critical")


def taint(client: Client, name: str, until: float) -> bool:
    """Writes both out-of-service taints and the boot that was fenced; True where something was written.

    Tried until it is written or the monotonic clock shows `until`: right after a power loss the API may stumble.
    """
    return _until_written(client, name, until, _with_taints)


def untaint(client: Client, name: str, until: float) -> bool:
    """Takes the out-of-service taints and the record of the fenced boot away."""
    return _until_written(client, name, until, _without_taints)


def _until_written(client: Client, name: str, until: float, change: Any) -> bool:
    while True:
        try:
            node = client.get(NODE, name)
            patch = change(node)
            if patch is None:
                return False
            patch["metadata"] = {**patch.get("metadata", {}), "resourceVersion": node["metadata"]["resourceVersion"]}
            client.patch(NODE, name, patch)
            return True
        except NotFound:
            raise
        except (ApiError, ConnectionFailed):
            if time.monotonic() + _RETRY_PAUSE > until:
                raise
            time.sleep(_RETRY_PAUSE)


def _with_taints(node: Object) -> Object | None:
    """Pure: the merge patch, None where all is there. A list is replaced whole, so the other taints are in it."""
    taints = list((node.get("spec") or {}).get("taints") or [])
    there = {taint.get("effect") for taint in taints if taint.get("key") == names.TAINT_KEY}
    missing = [effect for effect in names.TAINT_EFFECTS if effect not in there]
    if not missing:
        return None
    added = [{"key": names.TAINT_KEY, "value": names.TAINT_VALUE, "effect": effect} for effect in missing]
    boot = ((node.get("status") or {}).get("nodeInfo") or {}).get("bootID", "")
    return {"metadata": {"annotations": {names.FENCED_BOOT: boot}}, "spec": {"taints": [*taints, *added]}}


def _without_taints(node: Object) -> Object | None:
    taints = list((node.get("spec") or {}).get("taints") or [])
    kept = [taint for taint in taints if taint.get("key") != names.TAINT_KEY]
    marked = names.FENCED_BOOT in (node["metadata"].get("annotations") or {})
    if len(kept) == len(taints) and not marked:
        return None
    return {"metadata": {"annotations": {names.FENCED_BOOT: None}}, "spec": {"taints": kept or None}}


def held_by_dead(leases: Iterable[Object], node: str, hostname: str, pods: Iterable[Object]) -> list[Object]:
    """Pure: the leases whose holder was a process on the node.

    A holder is `name` or `name_uuid`: the host's name with the control plane's own programs, else the pod's name. The
    name must be equal, since n1 also begins the name of n10. Leases of nodes and of API servers are no election.
    """
    dead = {node, hostname, *(pod["metadata"]["name"] for pod in pods)} - {""}
    return [
        lease
        for lease in leases
        if lease["metadata"].get("namespace") != names.NODE_LEASES
        and str((lease.get("spec") or {}).get("holderIdentity") or "").split("_", 1)[0] in dead
    ]


def release_leases(client: Client, leases: Sequence[Object], workers: int) -> list[str]:
    """Empties their holder, as a leader does that steps down; returns `namespace/name` of those written.

    A lease that changed since it was read has found a new holder and is left alone.
    """
    return [name for name in _each(leases, workers, lambda lease: _release(client, lease)) if name]


def _release(client: Client, lease: Object) -> str:
    meta, now = lease["metadata"], micro_time(time.time())
    body = {
        "metadata": {"resourceVersion": meta["resourceVersion"]},
        "spec": {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": now, "acquireTime": now},
    }
    try:
        client.patch(LEASE, meta["name"], body, meta["namespace"])
    except (Conflict, NotFound):
        return ""
    return f"{meta['namespace']}/{meta['name']}"


def withdraw(client: Client, pods: Iterable[Object], workers: int) -> list[str]:
    """Marks the pods of a suspected node as not ready, so that no Service sends anything there; `namespace/name` of those written.

    Kubernetes does the same itself once the node's grace is over. Until then each call to a webhook may wait on the lost
    node, 10 s with KubeVirt's. It deletes nothing, and the kubelet of a node that lives after all marks them ready again.
    """
    return [name for name in _each(serving(pods), workers, lambda pod: _withdraw(client, pod)) if name]


def serving(pods: Iterable[Object]) -> list[Object]:
    """Pure: the pods that are ready. Launchers are left out, whose state is KubeVirt's, and mirror pods."""
    return [pod for pod in pods if not _is_launcher(pod) and not _is_mirror(pod) and unready(pod) is not None]


def unready(pod: Object) -> Object | None:
    """Pure: the merge patch of the status that makes the pod not ready, None where it is not ready anyway."""
    if not conditions.holds(pod, "Ready"):
        return None
    known = pod["status"]["conditions"]
    changed = [{**each, "status": "False"} if each.get("type") == "Ready" else each for each in known]
    return {"metadata": {"resourceVersion": pod["metadata"]["resourceVersion"]}, "status": {"conditions": changed}}


def _withdraw(client: Client, pod: Object) -> str:
    meta = pod["metadata"]
    try:
        client.patch(POD, meta["name"], unready(pod) or {}, meta["namespace"], subresource="status")
    except (Conflict, NotFound):  # somebody speaks for it, or it is gone
        return ""
    return f"{meta['namespace']}/{meta['name']}"


def in_order(pods: Iterable[Object]) -> list[list[Object]]:
    """Pure: the pods to delete: launchers, then what the platform needs, the rest, and what DaemonSets put back.

    Mirror pods are left out: they belong to the kubelet and show that a static pod is part of the cluster.
    """
    ranks: list[list[Object]] = [[], [], [], []]
    for pod in pods:
        if not _is_mirror(pod):
            ranks[_rank(pod)].append(pod)
    return [rank for rank in ranks if rank]


def _is_mirror(pod: Object) -> bool:
    return names.MIRROR in (pod["metadata"].get("annotations") or {})


def _is_launcher(pod: Object) -> bool:
    key, value = names.LAUNCHER
    return (pod["metadata"].get("labels") or {}).get(key) == value


def _rank(pod: Object) -> int:
    meta = pod["metadata"]
    if _is_launcher(pod):
        return 0
    if any(owner.get("kind") == "DaemonSet" for owner in meta.get("ownerReferences") or []):
        return 3
    critical = str((pod.get("spec") or {}).get("priorityClassName") or "").startswith(_CRITICAL)
    return 1 if critical else 2


def delete_pods(client: Client, pods: Iterable[Object], workers: int) -> list[str]:
    """Deletes them by force, each only if it still has the UID that was read; `namespace/name` of those deleted."""
    deleted: list[str] = []
    for rank in in_order(pods):
        deleted += [name for name in _each(rank, workers, lambda pod: _delete(client, pod)) if name]
    return deleted


def _delete(client: Client, pod: Object) -> str:
    meta = pod["metadata"]
    try:
        gone = client.delete(POD, meta["name"], meta["namespace"], uid=meta["uid"], grace_seconds=0)
    except Conflict:  # another pod has this name by now
        return ""
    return f"{meta['namespace']}/{meta['name']}" if gone else ""


def _each(items: Sequence[Object], workers: int, work: Any) -> list[str]:
    """Does the work on all, `workers` at once; raises ManyFailed when all were tried and some failed."""
    if not items:
        return []
    done: list[str] = []
    errors: list[HaError] = []

    def guarded(item: Object) -> None:
        try:
            done.append(work(item))
        except HaError as error:
            errors.append(error)

    with ThreadPoolExecutor(min(workers, len(items))) as pool:
        list(pool.map(guarded, items))
    if errors:
        raise ManyFailed(errors, len(items))
    return done
