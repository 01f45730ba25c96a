# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster in memory that answers as an API server does, as far as the module `placement` asks it."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Listing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.cluster_placement import options, service
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Answer, Conflict, NotFound
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import Resource

Object = dict[str, Any]
OWNED = {"app.kubernetes.io/managed-by": "kubevirt-ha-placement"}


def node(name: str, memory: str = "16Gi", cpu: str = "4", **meta: Any) -> Object:
    labels = {"kubevirt.io/schedulable": "true", "kubernetes.io/hostname": name, **meta.pop("labels", {})}
    return {
        "metadata": {"name": name, "resourceVersion": "1", "labels": labels, **meta},
        "spec": {},
        "status": {"allocatable": {"memory": memory, "cpu": cpu}},
    }


class Cluster:
    """Objects by kind, namespace and name; `lost_races`: so many patches of nodes meet a newer one."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.unknown: set[str] = set()
        self.writes: list[str] = []
        self.lists: list[str] = []
        self.seen: set[tuple[str, str]] = set()
        self.lost_races = 0
        for name in ("default", "kube-public"):
            self.add("Namespace", {"metadata": {"name": name}})
        self.add("PriorityClass", {"metadata": {"name": "system-cluster-critical"}, "value": 2_000_000_000})
        self.add("Node", *(node(name) for name in ("n1", "n2", "n3")))

    def add(self, kind: str, *items: Object) -> None:
        for item in items:
            meta = item["metadata"]
            self.objects[(kind, meta.get("namespace", ""), meta["name"])] = item

    def of(self, kind: str, name: str, namespace: str = "") -> Object:
        return self.objects[(kind, namespace, name)]

    def names(self, kind: str) -> set[str]:
        return {key[2] for key in self.objects if key[0] == kind}

    def apply(self, *, check: bool = False, diff: bool = False, **given: Any) -> Object:
        """What the module returns for these parameters; failures are raised."""
        self.writes, self.lists = [], []
        defaults = {key: option.get("default") for key, option in options.spec().options.items()}
        if given.get("reserve") is not None:
            inner = options.options()["reserve"]["options"]
            given["reserve"] = {key: given["reserve"].get(key, option.get("default")) for key, option in inner.items()}
        result = service.work(self, {**defaults, **given}, check=check, diff=diff)  # type: ignore[arg-type]
        if "failure" in result:
            raise result["failure"]
        return result

    # The client's verbs

    def list(self, resource: Resource, namespace: str | None = None, **selectors: Any) -> Listing:
        if resource.kind in self.unknown:
            raise NotFound("is not there", answer=Answer(404, {}, None))
        self.lists.append(resource.kind)
        key, _equals, value = (selectors.get("label_selector") or "").partition("=")
        found = [
            copy.deepcopy(item)
            for (kind, inside, _name), item in self.objects.items()
            if kind == resource.kind
            and namespace in (None, inside)
            and (not key or (item["metadata"].get("labels") or {}).get(key) == value)
        ]
        self.seen.update((resource.kind, item["metadata"]["name"]) for item in found)
        return Listing(found, "1")

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        return copy.deepcopy(self.objects[(resource.kind, namespace or "", name)])

    def create(self, resource: Resource, body: Object, namespace: str | None = None, *, dry_run: bool = False) -> None:
        key = (resource.kind, namespace or "", body["metadata"]["name"])
        if key in self.objects:
            raise Conflict("exists", answer=Answer(409, {"reason": "AlreadyExists"}, None))
        self._wrote("POST", key, dry_run)
        if not dry_run:
            self.objects[key] = {**copy.deepcopy(body), "status": {}}

    def patch(
        self, resource: Resource, name: str, body: Object, namespace: str | None = None, *, dry_run: bool = False
    ) -> None:
        key = (resource.kind, namespace or "", name)
        if self.lost_races and "resourceVersion" in body["metadata"]:
            self.lost_races -= 1
            meanwhile = self.objects[key]
            meanwhile["metadata"]["resourceVersion"] += "1"
            meanwhile["spec"] = {"taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]}
            raise Conflict("has changed", answer=Answer(409, {}, None))
        self._wrote("PATCH", key, dry_run)
        if not dry_run:
            self.objects[key] = _patched(self.objects[key], body)

    def delete(self, resource: Resource, name: str, namespace: str | None = None, **how: Any) -> bool:
        key = (resource.kind, namespace or "", name)
        self._wrote("DELETE", key, how["dry_run"])
        if not how["dry_run"]:
            del self.objects[key]
        return True

    def _wrote(self, verb: str, key: tuple[str, str, str], dry_run: bool) -> None:
        self.writes.append(f"{'dry ' if dry_run else ''}{verb} {key[0]} {'/'.join(filter(None, key[1:]))}")


def _patched(item: Any, body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    found = dict(item) if isinstance(item, dict) else {}
    for key, value in body.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = _patched(found.get(key), value)
    return found
