# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting and bulk reads, against a scripted server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import bulk, objects, vm_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, InputError, ManyFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VM
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.verdict import DONE, Verdict
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.wait import Target, wait_for

KEY = ("a", "v")


def machine(version: int, printable: str = "Running", uid: str = "u", **status: Any) -> dict[str, Any]:
    meta = {"name": "v", "namespace": "a", "resourceVersion": str(version), "uid": uid, "generation": 1}
    return {"metadata": meta, "spec": {"runStrategy": "Always"}, "status": {"printableStatus": printable, **status}}


def stream(*events: tuple[str, dict[str, Any]]) -> bytes:
    return b"".join(json.dumps({"type": kind, "object": item}).encode() + b"\n" for kind, item in events)


def wait(api: Any, current: Any, predicate: Any = vm_state.ready, timeout: float = 2.0) -> Any:
    client = api.client()
    target = Target(KEY, predicate, current)
    failures = wait_for(client, VM, [target], scopes={"a": "5"}, timeout=timeout)
    return failures.get(KEY), target.current, client


def test_what_is_done_already_costs_nothing(api: Any) -> None:
    failure, _current, client = wait(api, machine(5, ready=True))
    assert failure is None and client.requests.watches == 0


def test_one_watch_sees_it_become_ready(api: Any, reply: Any) -> None:
    api.says(reply(body=stream(("MODIFIED", machine(6, "Starting")), ("MODIFIED", machine(7, ready=True)))))
    failure, current, client = wait(api, machine(5, "Starting"))
    assert failure is None and current["metadata"]["resourceVersion"] == "7"
    assert client.requests.as_dict() == {"reads": 0, "writes": 0, "watches": 1}
    assert "fieldSelector=metadata.name%3Dv" in api.asked[0].path


def test_a_dropped_watch_goes_on_where_it_was(api: Any, reply: Any) -> None:
    api.says(
        reply(body=stream(("MODIFIED", machine(6, "Starting")))),
        reply(cut=True),
        reply(body=stream(("MODIFIED", machine(7, ready=True)))),
    )
    failure, _current, _client = wait(api, machine(5, "Starting"), timeout=5)
    assert failure is None
    assert "resourceVersion=6" in api.asked[2].path


def test_a_version_that_is_forgotten_is_read_anew(api: Any, reply: Any) -> None:
    listing = {"metadata": {"resourceVersion": "9"}, "items": [machine(9, ready=True)]}
    api.says(reply(410, {"reason": "Expired"}), reply(body=listing), *[reply(body=b"")] * 5)
    failure, current, client = wait(api, machine(5, "Starting"))
    assert failure is None and current["metadata"]["resourceVersion"] == "9"
    assert client.requests.reads == 1


def test_what_was_before_our_own_write_is_not_believed(api: Any, reply: Any) -> None:
    # The watch begins at the list, so the old, ready state comes in after our write of version 8.
    found = {"metadata": {"resourceVersion": "8"}, "items": [machine(8, "Starting")]}
    api.says(reply(body=stream(("MODIFIED", machine(6, ready=True)), ("DELETED", machine(7)))))
    api.says(*[lambda asked: reply(body=b"" if "watch=" in asked.path else found)] * 20)
    failure, current, _client = wait(api, machine(8, "Starting"), timeout=1)
    assert failure is not None and not failure.terminal
    assert current["metadata"]["resourceVersion"] == "8"
    assert "did not become ready within 1 s: Starting" in str(failure)


@pytest.mark.parametrize(
    "printable", ["ErrImagePull", "ImagePullBackOff", "ErrorPvcNotFound", "DataVolumeError", "CrashLoopBackOff"]
)
def test_a_terminal_state_fails_at_once_with_its_reason(api: Any, reply: Any, printable: str) -> None:
    # Errors used to be reported as ok, or waited for until the time was over.
    begun = time.monotonic()
    reason = {"type": "Synchronized", "status": "False", "reason": printable, "message": "because"}
    api.says(reply(body=stream(("MODIFIED", machine(6, printable, conditions=[reason])))), *[reply(body=b"")] * 20)
    failure, _current, _client = wait(api, machine(5, "Starting"), timeout=20)
    assert failure.terminal and "because" in str(failure) and failure.fix
    assert time.monotonic() - begun < 5


def test_unschedulable_is_terminal_only_after_its_grace() -> None:
    unschedulable = machine(6, "ErrorUnschedulable")
    assert vm_state.ready(unschedulable, unschedulable_grace=30) == Verdict(
        failed=True,
        why="ErrorUnschedulable",
        fix="Free capacity, or change the machine's CPU, memory, node selector or affinity",
        grace=30,
    )


@pytest.mark.parametrize(
    ("strategy", "starts", "failed"),
    [("Always", 1, False), ("RerunOnFailure", 2, False), ("Always", 3, True), ("Once", 1, True), ("Manual", 1, True)],
)
def test_a_start_that_failed_is_waited_for_until_the_third_where_there_is_another(
    strategy: str, starts: int, failed: bool
) -> None:
    vm = machine(6, "CrashLoopBackOff")
    vm["spec"] = {"runStrategy": strategy}
    vm["status"]["startFailure"] = {"consecutiveFailCount": starts, "retryAfterTimestamp": "2026-01-01T00:00:10Z"}
    verdict = vm_state.ready(vm)
    assert (verdict.failed, verdict.grace) == (failed, 0)
    assert f"starts that failed one after another: {starts}" in verdict.why
    assert ("next one at 2026-01-01T00:00:10Z" in verdict.why) == (strategy in ("Always", "RerunOnFailure"))
    assert "virt-launcher" in verdict.fix


def test_a_failure_that_passes_within_its_grace_is_forgotten(api: Any, reply: Any) -> None:
    states = [("MODIFIED", machine(6, "ErrorUnschedulable")), ("MODIFIED", machine(7, ready=True))]
    api.says(reply(body=stream(*states)))
    failure, _current, _client = wait(api, machine(5, "Starting"))
    assert failure is None


def test_a_failed_watch_is_told_of_every_object(api: Any, reply: Any) -> None:
    api.says(reply(403, {"reason": "Forbidden", "message": "you may not watch"}))
    failure, _current, _client = wait(api, machine(5, "Starting"))
    assert "you may not watch" in str(failure)


def test_a_printable_status_of_stopped_with_a_failure_does_not_wait_forever() -> None:
    # Without CDI, instance type or preference the status stays Stopped; the condition says why.
    failure = {"type": "Failure", "status": "True", "reason": "FailedFindInstancetype", "message": "not found"}
    verdict = vm_state.ready(machine(5, "Stopped", conditions=[failure]))
    assert verdict.failed and "FailedFindInstancetype: not found" in verdict.why


@pytest.mark.parametrize(
    ("vm", "started", "done"),
    [
        ({"strategy": "Always", "status": {"ready": True, "printableStatus": "Running"}}, True, True),
        # Right after Halted is set the old instance is still ready.
        ({"strategy": "Always", "status": {"ready": True, "printableStatus": "Stopping"}}, True, False),
        ({"strategy": "Halted", "status": {"printableStatus": "Stopped", "created": True}}, True, False),
        ({"strategy": "Halted", "status": {"printableStatus": "Stopped"}}, True, True),
        # Many machines show Stopped before their first start.
        ({"strategy": "Once", "status": {"printableStatus": "Stopped"}}, True, False),
        ({"strategy": "Once", "status": {"printableStatus": "Stopped"}}, False, True),
        ({"strategy": "RerunOnFailure", "status": {"printableStatus": "Stopped"}}, False, True),
        ({"strategy": "Always", "status": {"printableStatus": "Stopped"}}, False, False),
        ({"strategy": "Manual", "status": {}}, True, True),
        ({"strategy": "Manual", "status": {"created": True, "printableStatus": "Starting"}}, False, False),
        ({"strategy": "Always", "status": {"printableStatus": "Paused"}}, False, True),
        ({"strategy": "Always", "status": {}}, True, False),
    ],
)
def test_the_state_that_a_run_strategy_stands_for(vm: dict[str, Any], started: bool, done: bool) -> None:
    item = {"metadata": {"name": "v"}, "spec": {"runStrategy": vm["strategy"]}, "status": vm["status"]}
    assert vm_state.wanted(item, started=started, unschedulable_grace=1).done is done


def test_a_deleted_machine_is_gone_though_another_has_its_name() -> None:
    assert objects.gone(machine(9, uid="other"), "u") == objects.gone(None, "u") == DONE
    assert not objects.gone(machine(9), "u").done


def names(*keys: str) -> list[tuple[str, str]]:
    return [(key.split("/")[0], key.split("/")[1]) for key in keys]


def listing(*keys: str) -> dict[str, Any]:
    items = [{"metadata": {"namespace": namespace, "name": name}} for namespace, name in names(*keys)]
    return {"metadata": {"resourceVersion": "5"}, "items": items}


def test_others_are_spoken_of_only_where_there_are_any() -> None:
    lost = [HaError("is lost", where="a"), HaError("is lost", where="b")]
    assert str(ManyFailed(lost, 3)).startswith("2 of 3 objects failed, the others were done: ")
    assert str(ManyFailed(lost, 2)).startswith("all 2 objects failed: ")


def test_no_object_costs_nothing(api: Any) -> None:
    assert bulk.fetch(api.client(), VM, []).objects == {} and api.asked == []


def test_one_object_costs_one_get(api: Any, reply: Any) -> None:
    api.says(reply(body=machine(5)))
    client = api.client()
    found = bulk.fetch(client, VM, names("a/v"))
    assert found.objects == {KEY: machine(5)} and found.scopes == {"a": "5"}
    assert api.asked[0].path.endswith("/namespaces/a/virtualmachines/v") and client.requests.reads == 1


def test_more_in_one_namespace_cost_one_list_of_it(api: Any, reply: Any) -> None:
    api.says(reply(body=listing("a/v", "a/w", "a/x")))
    found = bulk.fetch(api.client(), VM, names("a/v", "a/w"))
    assert sorted(found.objects) == names("a/v", "a/w")
    assert "/namespaces/a/virtualmachines?limit=500" in api.asked[0].path and len(api.asked) == 1


def test_several_namespaces_cost_one_list_of_the_cluster(api: Any, reply: Any) -> None:
    api.says(reply(body=listing("a/v", "b/w", "c/x")))
    found = bulk.fetch(api.client(), VM, names("a/v", "b/w"))
    assert sorted(found.objects) == names("a/v", "b/w") and set(found.scopes) == {None}
    assert "/namespaces/" not in api.asked[0].path


def test_where_the_cluster_is_forbidden_each_namespace_is_read_and_the_forbidden_one_is_told(
    api: Any, reply: Any
) -> None:
    def answer(asked: Any) -> Any:
        if "/namespaces/b/" in asked.path or "/namespaces/" not in asked.path:
            return reply(403, {"reason": "Forbidden", "message": "no"})
        return reply(body=listing("a/v") if "/namespaces/a/" in asked.path else listing("c/x"))

    api.says(*[answer] * 4)
    found = bulk.fetch(api.client(), VM, names("a/v", "b/w", "c/x"))
    assert sorted(found.objects) == names("a/v", "c/x")
    assert list(found.unreadable) == ["b"] and "Forbidden" in str(found.unreadable["b"].as_dict())


@pytest.mark.parametrize("workers", [1, 4])
def test_each_gives_results_and_errors_in_order(workers: int) -> None:
    def work(number: int) -> int:
        if number % 3 == 0:
            raise InputError([f"{number} is bad"])
        time.sleep(0.01 * (5 - number))
        return number

    do: Callable[[int], int] = work
    outcomes = bulk.each(range(6), do, workers)
    assert [isinstance(outcome, HaError) for outcome in outcomes] == [True, False, False, True, False, False]
    assert [outcome for outcome in outcomes if isinstance(outcome, int)] == [1, 2, 4, 5]


def page(*names: str, more: str | None = None) -> dict[str, Any]:
    items = [{"metadata": {"name": name, "namespace": name[0]}, "spec": {"large": "x"}} for name in names]
    return {"metadata": {"resourceVersion": "7", **({"continue": more} if more else {})}, "items": items}


def test_what_is_kept_of_an_object_is_decided_page_by_page(api: Any, reply: Any) -> None:
    api.says(reply(body=page("a1", "b1", more="next")), reply(body=page("a2", "c1")))
    found = bulk.read(
        api.client(), VM, ["a", "b"], trim=lambda item: item["metadata"]["name"], field_selector="status.phase!=Failed"
    )
    assert found.objects == {("a", "a1"): "a1", ("b", "b1"): "b1", ("a", "a2"): "a2"}
    assert all("fieldSelector=status.phase" in asked.path for asked in api.asked) and len(api.asked) == 2


def test_a_page_that_expired_leaves_nothing_of_the_first_try(api: Any, reply: Any) -> None:
    api.says(reply(body=page("a1", more="next")), reply(410, {"message": "expired"}), reply(body=page("a2")))
    assert set(bulk.read(api.client(), VM, []).objects) == {("a", "a2")}


def test_a_list_that_expired_between_pages_begins_anew(api: Any, reply: Any) -> None:
    first = listing("a/v", "a/w")
    first["metadata"]["continue"] = "next"
    expired = {"code": 410, "reason": "Expired", "message": "too old"}
    api.says(reply(body=first), reply(410, expired), reply(body=listing("a/w")))
    found = bulk.fetch(api.client(), VM, names("a/v", "a/w"))
    assert list(found.objects) == [("a", "w")] and not found.unreadable


def test_a_time_out_is_told_after_a_last_look_only(api: Any, reply: Any) -> None:
    # The watch is silent, and what it did not tell has happened.
    ready = machine(9, ready=True)
    api.says(
        reply(body=stream(("MODIFIED", machine(8, "Starting"))), headers={"Content-Length": "9000"}),
        reply(body={"metadata": {"resourceVersion": "9"}, "items": [ready]}),
    )
    assert not wait(api, machine(7, "Starting"), timeout=1.0)[0]


def test_an_empty_namespace_is_told_from_one_that_does_not_exist(api: Any, reply: Any) -> None:
    gone = {"reason": "NotFound", "message": "not found"}
    api.says(reply(404, gone))
    found = bulk.Snapshot(objects={("full", "v"): machine(1)}, unreadable={"closed": HaError("forbidden")})
    assert bulk.absent_namespaces(api.client(), ["full", "closed", "typo"], found) == ["Namespace typo does not exist"]
    assert [asked.path for asked in api.asked] == ["/api/v1/namespaces/typo"]
    api.says(reply(body={"metadata": {"name": "empty"}}))
    assert bulk.absent_namespaces(api.client(), ["empty"], found) == []
    api.says(reply(403, {"reason": "Forbidden", "message": "forbidden"}))
    assert bulk.absent_namespaces(api.client(), ["hidden"], found) == []
    assert bulk.absent_namespaces(api.client(), [], found) == []
