# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster says of its nodes, of KubeVirt's components, of machines and of etcd's backup."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from . import discovery
from .exposition import Collection, Sample

Object = Mapping[str, Any]
_SECONDS = 10
_HEARTBEAT = "kubevirt.io/heartbeat"
_FAILOVER = "kubevirt-ha.virtops/failover"
_HOSTNAME = "kubernetes.io/hostname"
_KUBEVIRT = "/apis/kubevirt.io/v1"


class Api:
    """The API behind the VIP, with a token of its own."""

    def __init__(self, url: str, ca_file: str, token: str) -> None:
        self._url, self._token = url, token
        self._context = ssl.create_default_context(cafile=ca_file)

    def get(self, path: str) -> dict[str, Any] | None:
        """An object or a list; None where there is none. OSError where the API does not answer or refuses."""
        request = urllib.request.Request(self._url + path, headers={"Authorization": f"Bearer {self._token}"})
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS, context=self._context) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise OSError(f"{path}: {error.code} {error.reason}") from error
        except http.client.HTTPException as error:  # an answer that broke off is none of the system's errors
            raise OSError(f"{path}: {error!r}") from error

    def items(self, path: str) -> list[dict[str, Any]]:
        """A list as the API server has it in memory: it costs etcd nothing."""
        return (self.get(f"{path}?resourceVersion=0") or {}).get("items") or []


def collect(api: Api, given: Mapping[str, Any]) -> Collection:
    """All parts."""
    found = Collection()
    namespace = given["kubevirt_namespace"]
    apps = f"/apis/apps/v1/namespaces/{namespace}"
    found.part("nodes", lambda: nodes(api.items("/api/v1/nodes")))
    if given.get("targets_folder"):
        found.part("discovery", lambda: discover(api, given))
    found.part("components", lambda: components(api.items(f"{apps}/deployments"), api.items(f"{apps}/daemonsets")))
    found.part("machines", lambda: _machines(api))
    backup = "/api/v1/namespaces/kube-system/configmaps/kubevirt-ha-etcd-backup"
    found.part("etcd_backup", lambda: etcd_backup(api.get(backup), float(given["etcd_backup_hours"])))
    return found


def discover(api: Api, given: Mapping[str, Any]) -> list[Sample]:
    """Writes what Prometheus shall ask; where the API does not answer, what was found before stays."""
    folder = given["targets_folder"]
    discovery.write(folder, "kubelet", discovery.kubelets(api.items("/api/v1/nodes")))
    for wanted in discovery.jobs(given["kubevirt_namespace"]):
        pods = api.items(f"/api/v1/namespaces/{wanted.namespace}/pods")
        discovery.write(folder, wanted.job, discovery.pods(pods, wanted))
    guests: list[discovery.Target] = []
    for namespace in given.get("guest_namespaces") or []:
        services = api.items(f"/api/v1/namespaces/{namespace}/services")
        slices = api.items(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices")
        guests += discovery.guests(services, slices)
    discovery.write(folder, "guests", guests)
    return []


def nodes(found: Iterable[Object]) -> Iterator[Sample]:
    """Whether each node is ready, and when its virt-handler last said that it lives."""
    for node in found:
        labels = {"node": node["metadata"]["name"]}
        conditions = (node.get("status") or {}).get("conditions") or []
        ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
        yield Sample("node_ready", float(ready), labels)
        beat = (node["metadata"].get("annotations") or {}).get(_HEARTBEAT)
        if beat:
            yield Sample("virt_handler_heartbeat_timestamp_seconds", moment(beat), labels)


def components(deployments: Iterable[Object], daemon_sets: Iterable[Object]) -> Iterator[Sample]:
    """Replicas of KubeVirt's components, those that are wanted and those that are ready."""
    for one in deployments:
        wanted = one["spec"].get("replicas")
        yield from _replicas(one, 1 if wanted is None else wanted, (one.get("status") or {}).get("readyReplicas"))
    for one in daemon_sets:
        status = one.get("status") or {}
        yield from _replicas(one, status.get("desiredNumberScheduled"), status.get("numberReady"))


def _replicas(one: Object, wanted: int | None, ready: int | None) -> Iterator[Sample]:
    labels = {"component": one["metadata"]["name"]}
    yield Sample("component_replicas_wanted", float(wanted or 0), labels)
    yield Sample("component_replicas_ready", float(ready or 0), labels)


def _machines(api: Api) -> Iterable[Sample]:
    instances = api.items(f"{_KUBEVIRT}/virtualmachineinstances")
    if not instances:
        return []
    local = local_claims(
        api.items("/api/v1/persistentvolumeclaims"),
        api.items("/api/v1/persistentvolumes"),
        api.items("/apis/storage.k8s.io/v1/storageclasses"),
    )
    return machines(instances, api.items(f"{_KUBEVIRT}/kubevirts"), local)


def machines(
    instances: Iterable[Object], kubevirts: Sequence[Object], local: frozenset[tuple[str, str]]
) -> Iterator[Sample]:
    """Running machines, each with every reason for which it is bound to its node."""
    configuration = (kubevirts[0].get("spec") or {}).get("configuration") or {} if kubevirts else {}
    for instance in instances:
        if (instance.get("status") or {}).get("phase") != "Running":
            continue
        meta = instance["metadata"]
        for reason in reasons(instance, configuration.get("evictionStrategy") or "None", local):
            labels = {"namespace": meta["namespace"], "name": meta["name"], "reason": reason}
            yield Sample("vm_cannot_fail_over", 1.0, labels)


def reasons(instance: Object, eviction: str, local: frozenset[tuple[str, str]]) -> Iterator[str]:
    """Why a machine would not survive its node or not leave it; eviction: the cluster's own strategy."""
    spec, namespace = instance["spec"], instance["metadata"]["namespace"]
    volumes = spec.get("volumes") or []
    if any("hostDisk" in volume or (namespace, claim_of(volume)) in local for volume in volumes):
        yield "local-disk"
    if (spec.get("evictionStrategy") or eviction) == "None":
        yield "eviction-strategy-none"
    for condition in instance["status"].get("conditions") or []:
        if condition["type"] == "LiveMigratable" and condition["status"] == "False":
            yield "not-migratable"


def claim_of(volume: Object) -> str:
    """The claim behind a volume of a machine; a DataVolume's has its name."""
    claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
    return str(claim or (volume.get("dataVolume") or {}).get("name") or "")


def local_claims(
    claims: Iterable[Object], volumes: Iterable[Object], classes: Iterable[Object]
) -> frozenset[tuple[str, str]]:
    """Namespace and name of the claims that one node alone has: by their class's word, else by their volume."""
    says = {one["metadata"]["name"]: (one["metadata"].get("annotations") or {}).get(_FAILOVER) for one in classes}
    bound = {one["metadata"]["name"]: _of_one_node(one["spec"]) for one in volumes}
    found = set()
    for claim in claims:
        spec = claim["spec"]
        word = says.get(spec.get("storageClassName") or "")
        if word == "false" or (word is None and bound.get(spec.get("volumeName") or "")):
            found.add((claim["metadata"]["namespace"], claim["metadata"]["name"]))
    return frozenset(found)


def _of_one_node(spec: Object) -> bool:
    terms = ((spec.get("nodeAffinity") or {}).get("required") or {}).get("nodeSelectorTerms") or []
    return "local" in spec or any(
        one["key"] == _HOSTNAME for term in terms for one in term.get("matchExpressions") or []
    )


def etcd_backup(found: Object | None, hours: float) -> Iterator[Sample]:
    """When the newest backup of etcd was taken, and how old it may be."""
    yield Sample("etcd_backup_known", float(found is not None))
    yield Sample("etcd_backup_limit_seconds", hours * 3600)
    if found is not None:
        yield Sample("etcd_backup_timestamp_seconds", moment(found["data"]["taken_at"]))


def moment(stamp: str) -> float:
    """Seconds since the epoch of an RFC 3339 time."""
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
