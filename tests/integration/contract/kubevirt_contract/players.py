"""Plays rows that are one request each, and tells what was otherwise than the row says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import yaml

from .cluster import MERGE_PATCH, Answer, Cluster
from .facts import Row
from .manifests import at, expanded, instance, mismatch, virtual_machine
from .stage import RECIPES, Stage

KINDS = {"vm": "virtualmachine", "vmi": "virtualmachineinstance", "pvc": "persistentvolumeclaim"}
HARMLESS = ("evacuate/cancel", "vmi/reset", "vmi/softreboot")
GROUPS = {
    "VirtualMachineInstanceMigration": "virtualmachineinstancemigrations",
    "VirtualMachineInstanceReplicaSet": "virtualmachineinstancereplicasets",
    "VirtualMachinePool": "virtualmachinepools",
}
KUBEVIRT_CR = "/apis/kubevirt.io/v1/namespaces/{namespace}/kubevirts"


def changes(row: Row) -> bool:
    """Whether a call changes the VM's state, so that the row needs a VM of its own."""
    body, target = row.request.get("body"), str(row.request.get("target"))
    dry = isinstance(body, dict) and body.get("dryRun") == ["All"]
    return (
        row.play == "call"
        and row.request["method"] == "PUT"
        and row.expect["code"] < 300
        and not dry
        and not target.endswith(HARMLESS)
    )


def compare(answer: Answer, expect: dict[str, Any], name: str = "") -> str:
    """Empty where an answer is as expected, else every difference."""
    details = answer.body.get("details") or {}
    checks: dict[str, Callable[[Any], str]] = {
        "code": lambda wanted: mismatch(answer.code, wanted),
        "reason": lambda wanted: mismatch(answer.reason, wanted),
        "kind": lambda wanted: mismatch(details.get("kind"), KINDS[wanted]),
        "says": lambda wanted: "" if wanted in answer.message else f"says {answer.message[:160]!r}",
        "empty": lambda wanted: "" if not answer.text else f"has a body: {answer.text[:80]!r}",
        "type": lambda wanted: mismatch(answer.type, wanted),
        "by": lambda wanted: (
            "" if f'admission webhook "{wanted}.' in answer.message else f"says {answer.message[:160]!r}"
        ),
        "causes": lambda wanted: mismatch(answer.causes, wanted),
        "warns": lambda wanted: "" if wanted in answer.warning else f"warns {answer.warning!r}",
    }
    bad = [f"{key} {found}" for key, wanted in expect.items() if (found := checks[key](wanted))]
    if bad and "code" in expect and answer.code != expect["code"]:
        bad.append(f"message {answer.message[:160]!r}")
    return "; ".join(bad)


class NotServed(Exception):
    """The cluster said 501: it does not serve this, and says so."""


class Players:
    """One player a kind of row."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._cluster: Cluster = stage.cluster
        self._looked: dict[str, Any] = {}
        self._metrics: dict[str, str] = {}

    def check(self, row: Row) -> str:
        """Empty where the row holds, else what was seen instead."""
        plays = {
            "call": self._call,
            "create": self._create,
            "patch": self._patch,
            "look": self._look,
            "metric": self._metric,
        }
        return plays[row.play](row)

    def _call(self, row: Row) -> str:
        """Plays a call in its state; where the state passed meanwhile, the call is played anew."""
        transient = row.state != "missing" and not RECIPES[row.state.split("/")[0]].lasts
        bad = ""
        for _attempt in range(4 if transient else 1):
            name = self._stage.take(row.state, fresh=changes(row))
            bad = compare(self._send(row, name), row.expect, name)
            if not bad or self._stage.shows(row.state, name):
                return bad
        return bad

    def _send(self, row: Row, name: str) -> Answer:
        request = row.request
        path = self._cluster.subresource(request["target"], name)
        body, headers = request.get("body"), request.get("headers") or {}
        sent: Any = body
        if headers.get("Content-Type") == "application/yaml":
            sent = yaml.safe_dump(body).encode()
        elif isinstance(body, str):
            sent = json.dumps(body).encode()
        if request["method"] == "GET":
            sent = None
        kept = {key: value for key, value in headers.items() if key == "Accept" or value}
        return self._cluster.request(request["method"], path, sent, headers=kept)

    def _create(self, row: Row) -> str:
        request = row.request
        if "object" in request:
            thing = expanded({**request["object"], "metadata": {"name": self._stage.name("obj")}})
            path = self._collection(thing)
        elif request.get("kind") == "VirtualMachineInstance":
            thing, path = instance(self._stage.name("val"), request), self._cluster.path("vmi")
        else:
            thing = virtual_machine(self._stage.name("val"), "Manual", request)
            path = self._cluster.path("vm").replace("/apis/kubevirt.io/v1/", f"/apis/{thing['apiVersion']}/")
        query = {"dryRun": "All", "fieldValidation": request.get("fieldValidation", "Strict")}
        answer = self._cluster.request("POST", path, thing, query=query)
        if answer.code == 501 and "object" in request:
            raise NotServed(answer.message)
        return compare(answer, row.expect)

    def _collection(self, thing: dict[str, Any]) -> str:
        plural = thing["kind"].lower() + "s"
        return f"/apis/{thing['apiVersion']}/namespaces/{self._cluster.namespace}/{plural}"

    def _patch(self, row: Row) -> str:
        """A patch that changes nothing: refused, or with dryRun."""
        request = row.request
        query = {"fieldValidation": "Strict"}
        if request["of"] == "kubevirt":
            path = self._kubevirt()
            query["dryRun"] = "All"
            if request.get("create"):
                thing = {
                    "apiVersion": "kubevirt.io/v1",
                    "kind": "KubeVirt",
                    "metadata": {"name": "another"},
                    "spec": {},
                }
                answer = self._cluster.request("POST", path.rsplit("/", 1)[0], thing, query=query)
                return compare(answer, row.expect)
        else:
            path = self._cluster.path(request["of"], self._stage.take(request.get("from", "running/Always")))
        media = request.get("media", MERGE_PATCH)
        answer = self._cluster.request(
            "PATCH", path, expanded(request["patch"]), query=query, headers={"Content-Type": media}
        )
        return compare(answer, row.expect)

    def _kubevirt(self) -> str:
        (item,) = self._cluster.get("/apis/kubevirt.io/v1/kubevirts")["items"]
        meta = item["metadata"]
        return f"{KUBEVIRT_CR.format(namespace=meta['namespace'])}/{meta['name']}"

    def _look(self, row: Row) -> str:
        expect = {key: value for key, value in row.expect.items() if key != "needs"}
        if row.scenario not in self._looked:
            self._looked[row.scenario] = self._read(row)
        return mismatch(at(self._looked[row.scenario], expect["at"]), expect["is"])

    def _read(self, row: Row) -> Any:
        path = str(row.request["get"])
        if path.startswith("/"):
            answer = self._cluster.request("GET", path.format(kubevirt=self._system()))
            if answer.code >= 300:
                raise AssertionError(f"GET {path} gave {answer.code}: {answer.message[:200]}")
            return answer.body
        name = self._stage.take(row.state)
        return self._stage.observer.last(path, name)

    def _system(self) -> str:
        """The namespace that KubeVirt is installed in."""
        (item,) = self._cluster.get("/apis/kubevirt.io/v1/kubevirts")["items"]
        return str(item["metadata"]["namespace"])

    def _metric(self, row: Row) -> str:
        if not self._metrics:
            self._stage.take("running/Always")
            time.sleep(1)
            self._metrics = self._scrape()
        name = row.request["name"]
        return mismatch(self._metrics.get(name, "not served"), row.expect["type"])

    def _scrape(self) -> dict[str, str]:
        """The type of each metric that any of KubeVirt's pods serves."""
        found: dict[str, str] = {}
        base = f"/api/v1/namespaces/{self._system()}"
        pods = self._cluster.get(f"{base}/pods", {"labelSelector": "prometheus.kubevirt.io=true"}).get("items", [])
        texts = [
            self._cluster.request("GET", f"{base}/pods/https:{pod['metadata']['name']}:8443/proxy/metrics").text
            for pod in pods
        ]
        for text in texts or [
            self._cluster.text_of_service(self._cluster.get(f"{base}/services/virt-api"), "/metrics")
        ]:
            for line in text.splitlines():
                if line.startswith("# TYPE kubevirt_"):
                    _hash, _type, name, kind = line.split(maxsplit=3)
                    found[name] = kind
        return found
