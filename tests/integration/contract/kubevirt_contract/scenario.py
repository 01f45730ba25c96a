"""Runs scenarios: a VM is taken from a state through steps, and what was seen on the way is told as aspects."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .cluster import MERGE_PATCH, PLURALS, Answer
from .facts import Row
from .manifests import ABSENT, at, expanded, instance, mismatch, virtual_machine
from .observer import Seen
from .players import NotServed
from .stage import RECIPES, WAIT, Stage


@dataclass
class Outcome:
    """What a scenario left behind: its VM's name, when it began, the VMI's UID then, and the answers to its requests."""

    name: str
    began: float
    uid: str
    node: str
    answers: list[Answer] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    asked: float | None = None
    made: str = ""
    ended: float = 0.0


class Scenarios:
    """Runs each scenario once, several at a time, and compares rows with what came of it."""

    def __init__(self, stage: Stage, workers: int = 6) -> None:
        self._stage = stage
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="scenario")
        self._runs: dict[str, Future[Outcome]] = {}

    def prepare(self, rows: list[Row]) -> None:
        """Begins to run the scenarios of the rows."""
        for row in rows:
            if row.scenario not in self._runs:
                self._runs[row.scenario] = self._pool.submit(self._run, row)

    def close(self) -> None:
        """Starts no further scenario."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def check(self, row: Row) -> str:
        """Empty where the row holds, else what was seen instead."""
        self.prepare([row])
        outcome = self._runs[row.scenario].result()
        ((aspect, wanted),) = row.expect.items()
        return self._aspect(outcome, aspect, wanted)

    def _run(self, row: Row) -> Outcome:
        stage, request = self._stage, row.request
        name = self._start(row)
        vmi = stage.observer.last("vmi", name)
        outcome = Outcome(
            name=name,
            began=time.monotonic(),
            uid=str(at(vmi, "metadata/uid")),
            node=str(at(vmi, "status/nodeName")),
        )
        for step in request.get("do", []):
            self._step(step, outcome, request)
        refused = [answer.message for answer in outcome.answers if answer.code == 501]
        if refused and not row.recorded:
            raise NotServed(refused[0])
        for until in request.get("until", []):
            self._wait(outcome, until)
        stage.settle(float(request.get("settle", 0.3)))
        outcome.ended = time.monotonic()
        return outcome

    def _start(self, row: Row) -> str:
        stage, state = self._stage, row.request.get("from")
        if not state:
            return stage.name("new")
        kind, _sep, strategy = state.partition("/")
        recipe = RECIPES[kind]
        name = stage.name(kind)
        stage.create(name, strategy, {**recipe.with_, **row.request.get("with", {})})
        if recipe.runs:
            stage.running(name, strategy)
        for step in recipe.steps:
            stage.step(name, step)
        stage.wait(name, f"vm={recipe.shows}")
        return name

    def _step(self, step: dict[str, Any], outcome: Outcome, request: dict[str, Any]) -> None:
        ((verb, value),) = [item for item in step.items() if item[0] != "body"]
        name, stage = outcome.name, self._stage
        cluster = stage.cluster
        if verb not in ("wait", "settle"):
            outcome.asked = time.monotonic()
        if verb == "wait":
            self._wait(outcome, value)
        elif verb == "settle":
            stage.settle(float(value))
        elif verb == "step":
            stage.step(name, value)
        elif verb == "make":
            outcome.answers.append(self._make(value, outcome))
        else:
            outcome.versions.append(str(at(cluster.get(cluster.path("vm", name)), "metadata/resourceVersion")))
            outcome.answers.append(self._send(verb, value, step, outcome, request))

    def _wait(self, outcome: Outcome, until: str) -> None:
        """Waits for a state of the VM, or for a path of the object that the scenario made (``made status/phase=Ready``)."""
        if not until.startswith("made "):
            self._stage.wait(outcome.name, until, uid=outcome.uid, since=outcome.asked)
            outcome.asked = None
            return
        path, _sep, wanted = until[5:].partition("=")
        end, found = time.monotonic() + WAIT, ABSENT
        while time.monotonic() < end:
            found = at(self._stage.cluster.get(outcome.made), path)
            if str(found).lower() == wanted.lower() or wanted == "" and found == ABSENT:
                return
            time.sleep(0.2)
        raise TimeoutError(f"{until} did not come within {WAIT:.0f} s: it is {found!r}")

    def _make(self, manifest: dict[str, Any], outcome: Outcome) -> Answer:
        """Creates an object that has the VM's name; ``$name`` stands for it anywhere."""
        cluster = self._stage.cluster
        thing = named({"metadata": {"name": outcome.name}, **manifest}, outcome.name)
        root = "/api" if "/" not in thing["apiVersion"] else "/apis"
        path = f"{root}/{thing['apiVersion']}/namespaces/{cluster.namespace}/{thing['kind'].lower()}s"
        outcome.made = f"{path}/{thing['metadata']['name']}"
        return cluster.request("POST", path, thing)

    def _send(self, verb: str, value: Any, step: dict[str, Any], outcome: Outcome, request: dict[str, Any]) -> Answer:
        name, cluster = outcome.name, self._stage.cluster
        if verb == "put":
            return cluster.request("PUT", cluster.subresource(value, name), named(step.get("body"), name))
        if verb == "create":
            if value == "vmi":
                return cluster.request("POST", cluster.path("vmi"), instance(name, request.get("with", {})))
            return cluster.request("POST", cluster.path("vm"), virtual_machine(name, value, request.get("with", {})))
        if verb == "patch":
            ((kind, patch),) = value.items()
            return cluster.request(
                "PATCH", cluster.path(kind, name), expanded(patch), headers={"Content-Type": MERGE_PATCH}
            )
        if verb == "reapply":
            return self._reapply(value, name, request)
        if verb == "delete":
            return self._delete(value, name, step.get("body"))
        if verb == "evict":
            return self._evict(name, value)
        raise ValueError(f"no such step: {verb}")

    def _delete(self, kind: str, name: str, body: Any) -> Answer:
        cluster, last = self._stage.cluster, self._stage.observer.last(kind, name)
        thing = last["metadata"]["name"] if last else name
        path = cluster.path(kind, thing) if kind in PLURALS else cluster.core(f"{kind}s", thing)
        return cluster.request("DELETE", path, body)

    def _evict(self, name: str, dry: str) -> Answer:
        cluster = self._stage.cluster
        pod = self._first_pod(name)["metadata"]["name"]
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": cluster.namespace},
        }
        query = {"dryRun": "All"} if dry == "dry" else None
        return cluster.request("POST", cluster.core("pods", pod) + "/eviction", body, query=query)

    def _first_pod(self, name: str) -> dict[str, Any]:
        """The launcher pod that the VMI began with."""
        pods = [seen.object for seen in self._stage.observer.history("pod", name)]
        if not pods:
            raise AssertionError(f"VM {name} has no launcher pod")
        return pods[0]

    def _reapply(self, how: str, name: str, request: dict[str, Any]) -> Answer:
        cluster = self._stage.cluster
        strategy = request["from"].split("/")[1]
        manifest, path = virtual_machine(name, strategy, request.get("with", {})), cluster.path("vm", name)
        if how in ("put", "put-stale", "put-without-version"):
            version = str(at(cluster.get(path), "metadata/resourceVersion"))
            if how != "put-without-version":
                manifest["metadata"]["resourceVersion"] = version if how == "put" else "1"
            return cluster.request("PUT", path, manifest)
        media = {
            "merge": MERGE_PATCH,
            "apply": "application/apply-patch+yaml",
            "strategic": "application/strategic-merge-patch+json",
        }[how]
        query = {"fieldManager": "contract"} if how == "apply" else None
        return cluster.request("PATCH", path, manifest, query=query, headers={"Content-Type": media})

    def _aspect(self, outcome: Outcome, aspect: str, wanted: Any) -> str:
        kind, _sep, path = aspect.partition(" ")
        if path == "order":
            return in_order(shown(self._history(kind, outcome)), wanted)
        if kind == "made":
            return mismatch(at(self._stage.cluster.get(outcome.made), path), wanted)
        if kind in ("vm", "vmi", "pod", "migration"):
            found = self._stage.observer.last(kind, outcome.name)
            return mismatch(at(found, path) if found else ABSENT, wanted)
        checks = {
            "codes": lambda: mismatch([answer.code for answer in outcome.answers], wanted),
            "says": lambda: self._says(outcome, wanted),
            "reasons": lambda: mismatch([answer.reason for answer in outcome.answers], wanted),
            "uid": lambda: mismatch(self._identity(outcome), wanted),
            "node": lambda: mismatch(self._node(outcome), wanted),
            "asked": lambda: mismatch(self._asked(outcome), wanted),
            "ever": lambda: self._ever(outcome, wanted),
            "never": lambda: self._never(outcome, wanted),
            "events": lambda: self._events(outcome, wanted),
            "written": lambda: mismatch(self._written(outcome), wanted),
            "revision": lambda: self._revision(outcome, wanted),
        }
        return checks[aspect]()

    def _history(self, kind: str, outcome: Outcome) -> list[Seen]:
        events = self._stage.observer.history(kind, outcome.name, outcome.began)
        return [seen for seen in events if seen.at <= outcome.ended]

    def _says(self, outcome: Outcome, wanted: list[str]) -> str:
        found = [answer.message for answer in outcome.answers]
        bad = [f"{text!r} lacks {part!r}" for text, part in zip(found, wanted, strict=True) if part not in text]
        return "; ".join(bad)

    def _identity(self, outcome: Outcome) -> str:
        now = str(at(self._stage.observer.last("vmi", outcome.name), "metadata/uid"))
        return "gone" if now == ABSENT else "same" if now == outcome.uid else "new"

    def _node(self, outcome: Outcome) -> str:
        now = str(at(self._stage.observer.last("vmi", outcome.name), "status/nodeName"))
        return "same" if now == outcome.node else "other"

    def _asked(self, outcome: Outcome) -> list[str]:
        """The longest list of state change requests that the VM's status showed."""
        asked: list[list[str]] = [
            [change["action"] for change in at(seen.object, "status/stateChangeRequests")]
            for seen in self._history("vm", outcome)
            if at(seen.object, "status/stateChangeRequests") not in (ABSENT, None)
        ]
        return max(asked, key=len, default=[])

    def _ever(self, outcome: Outcome, wanted: dict[str, Any]) -> str:
        """Whether one moment showed all of the paths as wanted; the first path part names the kind."""
        kind = next(iter(wanted)).split(" ")[0]
        for seen in self._history(kind, outcome):
            if not any(mismatch(at(seen.object, path.split(" ", 1)[1]), value) for path, value in wanted.items()):
                return ""
        return f"no moment showed {wanted}"

    def _never(self, outcome: Outcome, wanted: dict[str, Any]) -> str:
        return "" if self._ever(outcome, wanted) else f"one moment showed {wanted}"

    def _events(self, outcome: Outcome, wanted: list[str]) -> str:
        cluster = self._stage.cluster
        end, missing = time.monotonic() + 5, wanted
        while missing and time.monotonic() < end:
            query = {"fieldSelector": f"involvedObject.name={outcome.name}"}
            items = cluster.get(cluster.core("events"), query).get("items", [])
            seen = {f"{item['involvedObject']['kind']} {item['type']} {item['reason']}" for item in items}
            missing = [event for event in wanted if event not in seen]
            if missing:
                time.sleep(0.3)
        return f"lacks {missing}, shows {sorted(seen)}" if missing else ""

    def _written(self, outcome: Outcome) -> list[bool]:
        """For each request, whether the VM's resourceVersion was another one afterwards."""
        return [
            str(at(answer.body, "metadata/resourceVersion")) != before
            for answer, before in zip(outcome.answers, outcome.versions, strict=True)
        ]

    def _revision(self, outcome: Outcome, wanted: str) -> str:
        cluster = self._stage.cluster
        path = f"/apis/apps/v1/namespaces/{cluster.namespace}/controllerrevisions"
        uid = self._stage.observer.last("vm", outcome.name)["metadata"]["uid"]
        names = [item["metadata"]["name"] for item in cluster.get(path).get("items", [])]
        name = wanted.format(uid=uid)
        return "" if name in names else f"no ControllerRevision {name}"


def named(value: Any, name: str) -> Any:
    """The value with ``$name`` replaced wherever it stands."""
    if isinstance(value, dict):
        return {key: named(inner, name) for key, inner in value.items()}
    if isinstance(value, list):
        return [named(inner, name) for inner in value]
    return value.replace("$name", name) if isinstance(value, str) else value


def shown(history: list[Seen]) -> list[str]:
    """The statuses or phases of a history, each once in a row; objects that went and came are joined."""
    states: list[str] = []
    for seen in history:
        status = seen.object.get("status") or {}
        state = status.get("printableStatus") or status.get("phase")
        if state and not seen.gone and states[-1:] != [state]:
            states.append(state)
    return states


def in_order(states: list[str], wanted: list[str]) -> str:
    """Empty where the states came in the wanted order; those marked ``?`` may be left out."""
    rest = list(wanted)
    for state in states:
        while rest and rest[0].lstrip("?") != state and rest[0].startswith("?"):
            rest.pop(0)
        if not rest or rest[0].lstrip("?") != state:
            return f"went {' > '.join(states) or 'nowhere'}"
        rest.pop(0)
    return f"went {' > '.join(states) or 'nowhere'}" if any(not state.startswith("?") for state in rest) else ""
