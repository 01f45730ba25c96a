# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault against every operation: the right result or a clear error, nothing done twice, `changed` and counts true.

A row is a fault, a column an operation, on MANY machines where they are created and on FEW elsewhere. A cell is left out
where the operation sends no request that the fault could hit (a second run writes and watches nothing).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import NAMESPACE, VM, VMI

from .conftest import ApiServer, Run
from .proxy import Proxy, Rule, failure

MANY, FEW = 30, 8
NAMES = [f"m{number:02}" for number in range(MANY)]
# Column: method and path of its writes. The second run has none.
WRITES = {
    "create": ("POST", r"/virtualmachines\?"),
    "rerun": ("", ""),
    "change": ("PATCH", r"/virtualmachines/m"),
    "stop": ("PUT", "/stop$"),
    "start": ("PUT", "/start$"),
    "restart": ("PUT", "/restart$"),
    "delete": ("DELETE", r"/virtualmachines/m"),
}
LIST = r"/virtualmachines\?limit"
WATCH = r"/virtualmachine(instance)?s\?watch"


@dataclass
class World:
    """What a fault may lay hands on. `timer` are the threads it started."""

    proxy: Proxy
    api_server: ApiServer
    certificates: dict[str, Path]
    token_file: Path
    operation: str
    threads: list[threading.Thread] = field(default_factory=list)

    def write(self, how: str, times: int = 5, **more: Any) -> None:
        """A fault of this operation's writes."""
        verb, path = WRITES[self.operation]
        self.proxy.rules.append(Rule(verb, path, how, times=times, **more))

    def read(self, how: str, times: int = 2, **more: Any) -> None:
        """A fault of the LIST of machines."""
        self.proxy.rules.append(Rule("GET", more.pop("path", LIST), how, times=times, **more))

    def watch(self, how: str, times: int = 1, **more: Any) -> None:
        """A fault of watches."""
        self.proxy.rules.append(Rule("WATCH", WATCH, how, times=times, **more))

    def kill_api_server(self) -> None:
        """Kills the API server and starts it again beside."""
        thread = threading.Thread(target=self.api_server.restart, args=(1.0,))
        thread.start()
        self.threads.append(thread)

    def renew_token(self) -> None:
        """From now on only another token is let in, which the file holds."""
        self.proxy.accepts = lambda token: token == "renewed"
        self.proxy.token = self.token_file.read_text()
        self.token_file.write_text("renewed")

    def expire_token(self) -> None:
        """From now on no token is let in."""
        self.proxy.accepts = lambda token: False


@dataclass(frozen=True)
class Fault:
    """A row. hits: `write`, `read` or `watch`; error: what the message must hold, "" where the result must be right.

    all_fail: whether nothing can be done at all; only: the columns, where not all that it can hit.
    """

    name: str
    hits: str
    arm: Callable[[World], None]
    error: tuple[str, ...] = ()
    all_fail: bool = False
    from_file: bool = True
    only: tuple[str, ...] = ()
    # Where a plain answer refuses, KubeVirt's own refusals look the same: power changes look again before they give up.
    mended_by: tuple[str, ...] = ()

    def columns(self) -> list[str]:
        """The operations it can hit."""
        hit = {
            "write": ("create", "change", "stop", "start", "restart", "delete"),
            "read": ("rerun", "restart"),
            "watch": ("create", "restart", "delete"),
        }[self.hits]
        return [one for one in hit if not self.only or one in self.only]


def names_of(operation: str) -> list[str]:
    """The machines of an operation."""
    return NAMES if operation == "create" else NAMES[:FEW]


def answer(code: int, reason: str, message: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    return {"status": code, "body": failure(code, reason, message), "headers": headers or {}}


EXPIRED = failure(410, "Expired", "too old resource version: 1 (2)")
WEBHOOK = 'Internal error occurred: failed calling webhook "virt.example.com": connection refused'
POWER = ("stop", "start", "restart")


def _expire_page(world: World) -> None:
    world.proxy.page_size = 3
    world.read("answer", 1, status=410, body=EXPIRED, path="virtualmachines.*continue=")


FAULTS = (
    Fault("the answer of a write is lost", "write", lambda w: w.write("lose")),
    Fault("the answer of a write is cut in the middle", "write", lambda w: w.write("half")),
    Fault("a write is cut before it arrives", "write", lambda w: w.write("cut")),
    Fault(
        "conflict", "write", lambda w: w.write("answer", 3, **answer(409, "Conflict", "the object has been modified"))
    ),
    Fault("exists already", "write", lambda w: w.write("answer", 3, **answer(409, "AlreadyExists", "already exists"))),
    Fault(
        "too many requests, come back",
        "write",
        lambda w: w.write("answer", **answer(429, "TooManyRequests", "too many requests", {"Retry-After": "1"})),
    ),
    Fault("too many requests", "write", lambda w: w.write("answer", **answer(429, "TooManyRequests", "too many"))),
    Fault(
        "internal error",
        "write",
        lambda w: w.write("answer", 3, **answer(500, "InternalError", "it broke")),
        error=("it broke", "3 of ", "Check the API server"),
        mended_by=POWER,
    ),
    Fault("webhook out of reach", "write", lambda w: w.write("answer", 3, **answer(500, "InternalError", WEBHOOK))),
    Fault(
        "etcd is slow after the write",
        "write",
        lambda w: w.write("instead", 3, **answer(500, "", "etcdserver: request timed out")),
    ),
    Fault("unavailable", "write", lambda w: w.write("answer", **answer(503, "ServiceUnavailable", "not now"))),
    Fault("gateway gives up after the write", "write", lambda w: w.write("instead", 3, status=504, body="timeout")),
    Fault("slow answers", "write", lambda w: w.write("slow", 8, seconds=2.0)),
    Fault(
        "an answer slower than the time-out",
        "write",
        lambda w: w.write("slow", 1, seconds=33.0),
        only=("create", "restart"),
    ),
    Fault("a list fails", "read", lambda w: w.read("answer", **answer(500, "InternalError", "it broke"))),
    Fault("a list is cut in the middle", "read", lambda w: w.read("half")),
    Fault(
        "a list is throttled",
        "read",
        lambda w: w.read("answer", **answer(429, "TooManyRequests", "too many", {"Retry-After": "1"})),
    ),
    Fault("a list is throttled without a time", "read", lambda w: w.read("answer", **answer(429, "", "too many"))),
    Fault("a page of a list expires", "read", _expire_page),
    Fault("a watch ends", "watch", lambda w: w.watch("end", 4, events=3)),
    Fault("a watch is cut", "watch", lambda w: w.watch("cut", 4, events=3)),
    Fault("a watch is cut within a line", "watch", lambda w: w.watch("half", 4, events=3)),
    Fault("a watch hangs", "watch", lambda w: w.watch("hang", 2, events=3, seconds=100.0)),
    Fault("a watch's version expires", "watch", lambda w: w.watch("error", 2, events=3, body=EXPIRED)),
    Fault("a watch begins too late", "watch", lambda w: w.watch("answer", 2, status=410, body=EXPIRED)),
    Fault(
        "a watch reports an error",
        "watch",
        lambda w: w.watch("error", 2, events=3, body=failure(500, "InternalError", "etcdserver: no leader")),
    ),
    Fault("no connections for a while", "write", lambda w: w.write("lose", 1, skip=3, then=lambda: w.proxy.go_down(3))),
    Fault("the API server is killed", "write", lambda w: w.write("slow", 1, skip=3, then=w.kill_api_server)),
    Fault("the API server is killed during the wait", "watch", lambda w: w.watch("cut", 1, then=w.kill_api_server)),
    Fault(
        "the API server never comes back",
        "write",
        lambda w: w.write("lose", 1, skip=3, then=lambda: w.proxy.go_down(500)),
        error=("objects failed", "the API server cannot be reached", "127.0.0.1", "Check the address"),
        only=("create", "stop", "delete"),
    ),
    Fault(
        "a certificate of another authority",
        "read",
        lambda w: w.proxy.use_certificate(w.certificates["stranger.crt"], w.certificates["stranger.key"]),
        error=("the API server cannot be reached", "CERTIFICATE_VERIFY_FAILED", "ca_cert"),
        all_fail=True,
    ),
    Fault(
        "a certificate of another host",
        "read",
        lambda w: w.proxy.use_certificate(w.certificates["elsewhere.crt"], w.certificates["elsewhere.key"]),
        error=("the API server cannot be reached", "CERTIFICATE_VERIFY_FAILED", "tls_server_name"),
        all_fail=True,
    ),
    Fault("a token expires and is renewed", "write", lambda w: w.write("cut", 1, skip=3, then=w.renew_token)),
    Fault(
        "a token expires",
        "write",
        lambda w: w.write("slow", 1, skip=3, then=w.expire_token),
        error=("objects failed", "Unauthorized", "Check the token"),
        from_file=False,
    ),
)


# Their late answers and their length disturb the cells beside them on a busy machine: played by `make test-long` alone.
SLOW = ("an answer slower than the time-out", "the API server never comes back")


def _cells() -> Iterator[Any]:
    """All cells; each run plays one of each fault but the slow ones, the long one all."""
    for fault in FAULTS:
        for number, column in enumerate(fault.columns()):
            marks = [pytest.mark.long] if number or fault.name in SLOW else []
            yield pytest.param(fault, column, id=f"{fault.name}-{column}", marks=marks)


@pytest.fixture(scope="module")
def everywhere(client: Any) -> Iterator[str]:
    """The namespace of all cells: each brings it into the state that it begins with."""
    name = f"matrix-{os.getpid()}"
    client.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name


@pytest.fixture(scope="module")
def options(guest: dict[str, Any], everywhere: str) -> dict[str, Any]:
    """What `vm` is given, for all machines."""
    spec = {"spec": {"terminationGracePeriodSeconds": 1}}
    template = {**guest["spec"]["template"]["spec"], **spec["spec"]}
    defaults = {**guest, "run_strategy": "Always", "spec": {"template": {"spec": template}}}
    return {"namespace": everywhere, "defaults": defaults, "workers": 8}


@pytest.fixture
def begin(module: Run, options: dict[str, Any]) -> Callable[[str], None]:
    """Brings all machines into the state that an operation begins with, past the proxy."""

    def prepare(operation: str) -> None:
        vms = [{"name": name} for name in names_of(operation)]
        wanted = {**options, "vms": vms, "defaults": {**options["defaults"], "labels": {"turn": None}}}
        gone = [{"name": name} for name in NAMES if operation == "create" or name not in names_of(operation)]
        left = module("vm", namespace=options["namespace"], vms=gone, state="absent")
        assert not left.get("failed"), left["msg"]
        if operation == "create":
            return
        if operation == "start":
            wanted["defaults"]["run_strategy"] = "Halted"
        result = module("vm", **wanted)
        assert not result.get("failed"), result["msg"]

    return prepare


@pytest.fixture
def act(faulty: Run, options: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """Carries an operation out through the proxy."""

    def run(operation: str, from_file: bool = True) -> dict[str, Any]:
        vms = [{"name": name} for name in names_of(operation)]
        small = {"namespace": options["namespace"], "vms": vms, "from_file": from_file}
        if operation in ("create", "rerun"):
            return faulty("vm", **options, vms=vms, wait_timeout=60, from_file=from_file)
        if operation == "change":
            return faulty("vm", **small, defaults={"labels": {"turn": "1"}, "disks": [SEED]}, wait_timeout=60)
        if operation == "delete":
            return faulty("vm", **small, state="absent", wait_timeout=60)
        state = {"stop": "stopped", "start": "started", "restart": "restarted"}[operation]
        return faulty("vm_power", **small, state=state, wait_timeout=60)

    return run


SEED = {"name": "seed", "empty_disk": "1Mi"}


@pytest.mark.parametrize(("fault", "operation"), list(_cells()))
def test_cell(
    fault: Fault,
    operation: str,
    proxy: Proxy,
    api_server: ApiServer,
    certificates: dict[str, Path],
    token_file: Path,
    client: Any,
    options: dict[str, Any],
    begin: Callable[[str], None],
    act: Callable[..., dict[str, Any]],
) -> None:
    begin(operation)
    before = uids(client, options["namespace"])
    world = World(proxy, api_server, certificates, token_file, operation)
    fault.arm(world)
    result = act(operation, fault.from_file)
    for thread in world.threads:
        thread.join()
    api_server.wait()

    assert all(rule.hits for rule in proxy.rules), "the fault did not come about"
    assert_counts(result, proxy, fault)
    assert_nothing_twice(proxy, operation)
    if fault.error and operation not in fault.mended_by:
        assert_clear_failure(result, fault, proxy, operation)
    else:
        assert_done(result, operation, client, options["namespace"], before)


def uids(client: Any, namespace: str) -> dict[str, str]:
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in client.list(VMI, namespace).items}


def assert_counts(result: dict[str, Any], proxy: Proxy, fault: Fault) -> None:
    """Every attempt that came in is counted, and attempts that came to nobody on top."""
    came, told = proxy.sent(), result["requests"]
    for kind in came:
        assert told[kind] >= came[kind], (kind, told, came)
    refused = ("no connections", "never comes back", "certificate")
    if not any(words in fault.name for words in refused):
        # A kept connection may be cut under the next request, which then comes to nobody.
        slack = 8 if "killed" in fault.name else sum(rule.hits for rule in proxy.rules)
        for kind in ("reads", "writes"):
            assert told[kind] - came[kind] <= slack, (kind, told, came)


def assert_nothing_twice(proxy: Proxy, operation: str) -> None:
    """What the server did, by its own answers, whether they came through or not."""
    assert all(count == 1 for count in proxy.created().values()), proxy.created()
    if operation in ("start", "restart"):
        assert all(count == 1 for count in proxy.done("PUT", f"/{operation}").values())


def assert_done(result: dict[str, Any], operation: str, client: Any, namespace: str, before: dict[str, str]) -> None:
    """All machines are as wanted, and the result says so."""
    assert not result.get("failed"), result["msg"]
    entries = result["vms"]
    assert len(entries) == len(names_of(operation)) and not [entry for entry in entries if entry.get("error")]
    assert result["changed"] is (operation != "rerun")
    assert {entry["changed"] for entry in entries} == {operation != "rerun"}, entries
    word = {"create": "created", "rerun": "unchanged", "change": "changed", "delete": "deleted"}.get(
        operation, operation
    )
    assert {entry["action"] for entry in entries} == {word}
    machines = {item["metadata"]["name"]: item for item in client.list(VM, namespace).items}
    assert sorted(machines) == ([] if operation == "delete" else names_of(operation))
    after = uids(client, namespace)
    assert sorted(after) == ([] if operation in ("delete", "stop") else names_of(operation))
    if operation in ("rerun", "change"):
        assert after == before
    if operation == "restart":
        assert not set(after.values()) & set(before.values())
    if operation == "change":
        assert {item["metadata"]["labels"]["turn"] for item in machines.values()} == {"1"}
    if operation in ("create", "start", "restart"):
        assert all(entry["ready"] for entry in entries)


def assert_clear_failure(result: dict[str, Any], fault: Fault, proxy: Proxy, operation: str) -> None:
    """The message holds what, where, why and the way out; what was done is told as done."""
    assert result["failed"]
    for part in fault.error:
        assert part in result["msg"], (part, result["msg"])
    if fault.all_fail:
        assert not result["changed"] and result["requests"]["writes"] == 0
        return
    told = {entry["name"] for entry in result["vms"] if entry["changed"]}
    verb, path = WRITES[operation]
    done = {name for name in names_of(operation) for entry in proxy.entries if _did(entry, verb, name)}
    assert done <= told and result["changed"], (done, told)
    # What may have been done, since its answer was lost, is told as changed, too; what was not sent is not.
    failed = {entry["name"] for entry in result["vms"] if entry.get("error")}
    assert failed and failed | told == set(names_of(operation))
    assert told - done <= failed


def _did(entry: Any, verb: str, name: str) -> bool:
    mine = entry.name == name if verb == "POST" else f"/{name}" in entry.path
    return bool(entry.verb == verb and mine and entry.status is not None and entry.status < 300)
